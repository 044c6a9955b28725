// Event channels: the life cycle of ports, apart from the ABI by which pending ports show in guest memory
// (two_level.h). Follows Xen's public/event_channel.h; states and errors are Xen 4.17's.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/base/types.h"

namespace xensim::xen {

enum class PortState : std::uint8_t {  // EVTCHNSTAT_*
  kFree = 0,
  kUnbound = 1,
  kInterdomain = 2,
  kPirq = 3,
  kVirq = 4,
  kIpi = 5,
  kReserved = 6,
};

struct Port {
  PortState state = PortState::kFree;
  std::uint32_t notify_vcpu = 0;
  std::uint16_t remote_domid = 0;  // kUnbound: who may bind; kInterdomain: the peer
  std::uint32_t remote_port = 0;
  std::uint32_t virq = 0;
};

// The ports of one domain.
struct EventChannels {
  static constexpr unsigned kMaxPorts2l = 4096;

  std::vector<Port> ports;    // index is the port; grows in steps; port 0 is reserved
  unsigned max_ports = 1024;  // max_event_channels of the domain, or the ABI's limit if lower

  EventChannels() { ports.resize(1), ports[0].state = PortState::kReserved; }

  bool valid(std::uint32_t port) const { return port != 0 && port < ports.size(); }
  // The lowest free port, or 0 when max_ports are in use.
  std::uint32_t allocate();
  void free(std::uint32_t port) { ports[port] = Port{}; }
  unsigned in_use() const;
};

}  // namespace xensim::xen
