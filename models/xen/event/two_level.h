// The 2-level event-channel ABI (public/xen.h): a pending bit and a mask bit per port in shared_info, a selector
// word and the upcall-pending byte per vCPU. Two layouts: 64 words of 64 bits, or 32 words of 32 bits for 32-bit
// guests.
#pragma once

#include <cstdint>

#include "models/memory/physical_memory.h"
#include "models/xen/domain/domain.h"

namespace xensim::xen::two_level {

// Where a port's bits are.
struct Bits {
  PhysAddr pending, mask;  // of the byte that holds the bit
  std::uint8_t bit;        // in that byte
  std::uint32_t selector;  // bit number in evtchn_pending_sel
};
Bits bits_of(const Domain& d, std::uint32_t port);
// The ports that the domain's layout has room for.
inline unsigned max_ports(const Domain& d) { return d.guest_64bit ? 4096 : 1024; }

inline constexpr unsigned kUpcallPending = 0, kUpcallMask = 1;
// Offset of evtchn_pending_sel in vcpu_info, and its width in bytes.
inline unsigned selector_offset(const Domain& d) { return d.guest_64bit ? 8 : 4; }

}  // namespace xensim::xen::two_level
