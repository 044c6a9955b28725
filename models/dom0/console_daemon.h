// xenconsoled as a model program: takes what guests write to their console rings (public/io/console.h), hands it
// to the run's console logs, and puts into the rings what is typed at the consoles (console_script.h), as far as
// there is room. Ring content is the guest's: indices are read once and checked.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/console_script.h"
#include "models/xen/domain/model_program.h"
#include "models/xen/grant/operations.h"
#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

// Where console output goes: (domid, bytes as written).
using ConsoleSink = std::function<void(domid_t domid, std::string_view bytes)>;

struct ConsoleDaemonConfig {
  // Time of dom0's for one wake of the daemon and per byte it moves.
  std::uint32_t wake_cycles = 6000;
  std::uint32_t cycles_per_byte = 3;
  std::uint64_t limit = 1 << 20;  // bytes kept unread per domain
};
void describe(ConsoleDaemonConfig& c, config::Visitor& v);

class ConsoleDaemon final : public xen::ModelProgram {
 public:
  ConsoleDaemon(xen::Hypervisor& hypervisor, const ConsoleDaemonConfig& config, ConsoleSink sink)
      : hypervisor_(hypervisor), config_(config), sink_(std::move(sink)) {}

  // The toolstack introduces a domain: dom0's end of its port. The ring is mapped by the grant that the toolstack
  // made for it.
  void introduce(domid_t domid, std::uint32_t port);
  // The domain is about to go: takes what is left in the ring.
  void release(domid_t domid);

  // What the domain wrote and nobody has read at its terminal (`xl console`). The oldest goes if it is too much.
  std::string take_unread(domid_t domid);

  // Somebody sits down at the domain's console, which is introduced. The script outlives the daemon's use of it.
  void connect(domid_t domid, ConsoleScript& script);
  // Keys are pressed at the domain's console, one by one or many: bytes as a terminal sends them. They go before
  // what a script types. false: there is no such console, or it has kMostKeys bytes that the domain has not taken.
  bool press(domid_t domid, std::string_view keys);
  static constexpr std::size_t kMostKeys = 64 << 10;
  // Somebody may press a key at any time: the daemon looks every 10 ms, so that time goes on while all else waits.
  void attend(bool somebody) { attended_ = somebody; }
  // Runs xl; then tells the script (step). Set once.
  std::function<void(const std::string& command, ConsoleScript& script, std::size_t step)> run_xl;

  std::string_view name() const override { return "xenconsoled"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  struct Client {
    xen::grant::FrameMapping ring;
    std::uint32_t port;
    ConsoleScript* script = nullptr;  // may be at another host's by now
    std::string keys = {};            // pressed, and not yet in the ring
  };
  std::uint64_t drain(domid_t domid, const Client& client);
  std::uint64_t type(domid_t domid, Client& client);
  void advance_scripts(Cycles now, Cycles& deadline);
  ConsoleScript* script_of(domid_t domid, const Client& client) const;
  void mark_ring_dirty(domid_t domid, const Client& client);

  xen::Hypervisor& hypervisor_;
  ConsoleDaemonConfig config_;
  ConsoleSink sink_;
  std::map<domid_t, Client> clients_;
  std::vector<ConsoleScript*> scripts_;  // that have ever been here, in order of their coming
  std::map<domid_t, std::string> unread_;
  bool attended_ = false;
};

}  // namespace xensim::dom0
