// xenconsoled as a model program: takes what guests write to their console rings (public/io/console.h) and hands
// it to the run's console logs. Ring content is the guest's: indices are read once and checked.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

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

  std::string_view name() const override { return "xenconsoled"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  struct Client {
    xen::grant::FrameMapping ring;
    std::uint32_t port;
  };
  std::uint64_t drain(domid_t domid, const Client& client);

  xen::Hypervisor& hypervisor_;
  ConsoleDaemonConfig config_;
  ConsoleSink sink_;
  std::map<domid_t, Client> clients_;
  std::map<domid_t, std::string> unread_;
};

}  // namespace xensim::dom0
