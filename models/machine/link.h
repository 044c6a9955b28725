// A link between two hosts: full duplex, first in first out, with bandwidth, latency, headers per packet, and
// times at which it is down; and the byte streams that it carries (dom0::Connection).
//
// A piece that is written takes the wire for as long as its packets need, after those before it, and is there as a
// whole one latency later, when the other host is interrupted. A piece that meets a time at which the link is down
// is sent again when the link is up. What has been written and not been read at the far end is at most `buffer`;
// that something was read is known a latency later, also by an interrupt (acknowledgements take no bandwidth).
// A stream breaks, at both ends, once the link has been down for `timeout`.
//
// Time on the link is in femtoseconds, as SystemC's is here; a host sees it in cycles of its own clock, rounded
// up. When the link is down is known from the start (the scenario's time line), so when something arrives is known
// when it is sent, and no host ever learns of anything in its past.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/dom0/network.h"
#include "models/machine/config.h"

namespace xensim::machine {

class Machine;

using Femtoseconds = std::uint64_t;
inline constexpr Femtoseconds kFsPerNs = 1'000'000;

// The wire.
class Link {
 public:
  explicit Link(const CheckedLink& link);

  // n bytes from end 0 or 1 at t: when they are there; nullopt: never.
  std::optional<Femtoseconds> transmit(unsigned from, Femtoseconds t, std::uint64_t n);
  // When a stream that is opened at t breaks.
  std::optional<Femtoseconds> breaks(Femtoseconds opened) const;
  Femtoseconds latency() const { return config.latency * kFsPerNs; }

  const std::string name;
  const LinkConfig config;
  // Per direction, by the end that sends.
  struct Direction {
    Femtoseconds free_at = 0;
    std::uint64_t bytes = 0, packets = 0, busy_fs = 0, sent_again = 0;
  };
  std::array<Direction, 2> directions;

 private:
  std::uint64_t packets_of(std::uint64_t n) const;
  Femtoseconds wire_time(std::uint64_t n) const;

  struct Down {
    Femtoseconds from = 0;
    std::optional<Femtoseconds> to;  // nullopt: for good
  };
  std::vector<Down> downs_;
};

// A link's end at a host.
struct LinkEnd {
  Link* link = nullptr;
  unsigned end = 0;
  Machine* other = nullptr;
};

// What a host's dom0 has of all of the host's links.
class HostNetwork final : public dom0::Network {
 public:
  explicit HostNetwork(Machine& machine) : machine_(machine) {}
  // Links to hosts by their names; a host without a link to here is nullptr.
  std::map<std::string, std::optional<LinkEnd>> hosts;

  const dom0::NetworkConfig& config() const override;
  Reach reach(const std::string& host) const override;
  std::unique_ptr<dom0::Connection> connect(Cycles now, const std::string& host, const std::string& command,
                                            std::shared_ptr<dom0::MigrationReport> report) override;
  std::optional<dom0::Incoming> accept(Cycles now) override;

 private:
  struct Waiting {
    Cycles at;
    dom0::Incoming incoming;
  };
  void enter(Cycles at, dom0::Incoming incoming);

  Machine& machine_;
  std::deque<Waiting> waiting_;  // in order of time
};

}  // namespace xensim::machine
