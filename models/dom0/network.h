// How dom0's programs reach those of another host: a connection carries bytes both ways, and what the program at
// the far end prints to its standard error, as ssh does. The link under it is models/machine/link.h.
//
// Order rules. Everything that comes over a link has a time at which it is there; a program that asks at `now`
// sees what has come until then and nothing else. When something comes, dom0 is interrupted, and its programs are
// asked again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::dom0 {

// Time of dom0's own: its kernel's network stack and ssh.
struct NetworkConfig {
  std::uint32_t call_cycles = 3000;
  std::uint32_t cycles_per_kib = 2048;
  std::uint64_t connect_cycles = 4'000'000;
  std::uint32_t connect_round_trips = 7;
  std::uint32_t call_bytes = 32 << 10;
};
void describe(NetworkConfig& c, config::Visitor& v);

class Connection {
 public:
  virtual ~Connection() = default;

  enum class State : std::uint8_t {
    kOpen,
    kEnded,   // the other end has closed, and all that it sent was read
    kBroken,  // the link was down for too long
  };
  virtual State state(Cycles now) = 0;
  // When it breaks if nothing else happens before; kNever.
  virtual Cycles breaks_at() const = 0;

  // How much can be written now; what does not fit must wait until the other end has read some.
  virtual std::uint64_t room(Cycles now) = 0;
  virtual void write(Cycles now, std::span<const std::uint8_t> bytes) = 0;
  // To the other end's standard error. Small, and not held back.
  virtual void write_message(Cycles now, std::string_view text) = 0;
  // Nothing more comes from this end. status: of the program here.
  virtual void close(Cycles now, int status) = 0;

  // Takes bytes that have come, at most `to` has room for.
  virtual std::size_t read(Cycles now, std::span<std::uint8_t> to) = 0;
  virtual std::string read_messages(Cycles now) = 0;
  // Of the program at the other end, once it has closed.
  virtual std::optional<int> exit_status(Cycles now) = 0;
};

struct MigrationReport;

// Somebody at another host has started a program here.
struct Incoming {
  std::string command;
  std::unique_ptr<Connection> connection;
  std::shared_ptr<MigrationReport> report;  // for the simulator's account of it; may be null
};

class Network {
 public:
  virtual ~Network() = default;
  virtual const NetworkConfig& config() const = 0;
  enum class Reach : std::uint8_t { kReachable, kUnknownHost, kNoLink };
  virtual Reach reach(const std::string& host) const = 0;
  // Starts a program at a reachable host.
  virtual std::unique_ptr<Connection> connect(Cycles now, const std::string& host, const std::string& command,
                                              std::shared_ptr<MigrationReport> report) = 0;
  // The next one that has come.
  virtual std::optional<Incoming> accept(Cycles now) = 0;
};

}  // namespace xensim::dom0
