// How the pending ports of a domain show in its memory: the interface behind the life cycle of ports
// (event_channel.h). Two implementations: two_level.h, which a domain starts with, and fifo.h, to which
// EVTCHNOP_init_control switches it.
//
// Contract. `port` is one of the domain's ports (below EventChannels::ports.size()); set_pending() and
// clear_pending() are called for usable ports only. What a guest wrote into the shared words is read once and
// trusted in nothing. Costs are charged to the pCPU that runs Xen at the moment.
#pragma once

#include <cstdint>
#include <string>

#include "models/memory/physical_memory.h"

namespace xensim::xen {
struct Vcpu;
}

namespace xensim::xen::event {

class Abi {
 public:
  virtual ~Abi() = default;
  // Ports are below this.
  virtual std::uint32_t max_ports() const = 0;
  // The port was bound.
  virtual void bound(std::uint32_t) {}
  // Makes the port pending and, unless it is masked, tells v, the vCPU that it notifies.
  virtual void set_pending(Vcpu& v, std::uint32_t port) = 0;
  virtual void clear_pending(std::uint32_t port) = 0;
  // Unmasks it, and tells its vCPU if it is pending.
  virtual void unmask(std::uint32_t port) = 0;
  virtual bool pending(std::uint32_t port) const = 0;
  virtual bool masked(std::uint32_t port) const = 0;
  // A free port that may not be given out yet.
  virtual bool busy(std::uint32_t) const { return false; }
  // 0, or −ENOSYS, −EINVAL.
  virtual long set_priority(std::uint32_t port, std::uint32_t priority) = 0;
  // What debug key `e` prints of the port beside pending and masked.
  virtual std::string state_text(std::uint32_t port) const = 0;
};

// Bits of words in guest memory, as the processor's locked bit instructions treat them. A path of Xen's runs to
// its end before guest code goes on, so each is atomic.
inline bool test_bit(const memory::PhysicalMemory& m, PhysAddr words, std::uint32_t bit) {
  return m.read<std::uint8_t>(words + bit / 8) >> (bit % 8) & 1;
}
inline bool test_and_set_bit(memory::PhysicalMemory& m, PhysAddr words, std::uint32_t bit) {
  const auto old = m.read<std::uint8_t>(words + bit / 8);
  const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
  if (old & mask) return true;
  m.write<std::uint8_t>(words + bit / 8, static_cast<std::uint8_t>(old | mask));
  return false;
}
inline bool test_and_clear_bit(memory::PhysicalMemory& m, PhysAddr words, std::uint32_t bit) {
  const auto old = m.read<std::uint8_t>(words + bit / 8);
  const auto mask = static_cast<std::uint8_t>(1u << (bit % 8));
  if (!(old & mask)) return false;
  m.write<std::uint8_t>(words + bit / 8, static_cast<std::uint8_t>(old & ~mask));
  return true;
}

}  // namespace xensim::xen::event
