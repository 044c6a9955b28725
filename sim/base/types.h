// The kinds of number that a simulation of a machine must never mix up.
#pragma once

#include <cstdint>

#include "sim/base/strong.h"

namespace xensim {

// Addresses, in bytes. "Physical" is host-physical (Xen's machine address); what a guest calls physical is
// GuestPhysAddr; what its instructions compute, after segmentation, is LinearAddr.
using PhysAddr = Strong<struct PhysAddrTag>;
using GuestPhysAddr = Strong<struct GuestPhysAddrTag>;
using LinearAddr = Strong<struct LinearAddrTag>;

// Frame numbers: address >> 12.
using Mfn = Strong<struct MfnTag>;  // of a PhysAddr
using Gfn = Strong<struct GfnTag>;  // of a GuestPhysAddr

// A time stamp or a span, in cycles of the core clock (which is also the invariant TSC's clock).
using Cycles = std::uint64_t;
// A time stamp or a span, in nanoseconds of simulated time (Xen's s_time_t is signed; spans in xensim never are).
using Nanoseconds = std::uint64_t;

inline constexpr unsigned kPageShift = 12;
inline constexpr std::uint64_t kPageSize = std::uint64_t{1} << kPageShift;
inline constexpr std::uint64_t kPageMask = kPageSize - 1;

// "Never", for deadlines.
inline constexpr Cycles kNever = ~std::uint64_t{0};

constexpr Mfn mfn_of(PhysAddr a) { return Mfn(a.value >> kPageShift); }
constexpr Gfn gfn_of(GuestPhysAddr a) { return Gfn(a.value >> kPageShift); }
constexpr PhysAddr address_of(Mfn m) { return PhysAddr(m.value << kPageShift); }
constexpr GuestPhysAddr address_of(Gfn g) { return GuestPhysAddr(g.value << kPageShift); }

}  // namespace xensim
