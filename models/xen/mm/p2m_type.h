// What a guest frame is, and what else a p2m entry says of it: Xen's p2m_type_t and p2m_access_t (asm-x86/p2m.h
// and xen/mem_access.h), with its numbers, which trace records carry.
#pragma once

#include <cstdint>

namespace xensim::xen {

enum class P2mType : std::uint8_t {
  kRamRw = 0,
  kInvalid = 1,      // in set(): nothing, as kMmioDm
  kRamLogDirty = 2,  // read-only for now: the first write marks it dirty
  kRamRo = 3,        // writes are dropped
  kMmioDm = 4,       // a hole: accesses are emulated
  kMmioDirect = 5,
  kPopulateOnDemand = 6,
  kGrantMapRw = 7,
  kGrantMapRo = 8,
  kRamPagingOut = 9,
  kRamPaged = 10,
  kRamPagingIn = 11,
  kRamShared = 12,
  kRamBroken = 13,
  kMapForeign = 14,
  kIoreqServer = 15,
};

// What mem_access lets the guest do, on top of what the type lets it do.
enum class P2mAccess : std::uint8_t {
  kN = 0,
  kR = 1,
  kW = 2,
  kRw = 3,
  kX = 4,
  kRx = 5,
  kWx = 6,
  kRwx = 7,
  kRx2Rw = 8,  // as kRx; a write makes it kRw
  kN2Rwx = 9,  // as kN; an access makes it kRwx
};

namespace p2m_detail {
constexpr bool in(P2mType t, std::uint32_t set) { return set >> static_cast<unsigned>(t) & 1; }
constexpr std::uint32_t set_of() { return 0; }
template <class... T>
constexpr std::uint32_t set_of(P2mType t, T... more) {
  return 1u << static_cast<unsigned>(t) | set_of(more...);
}
}  // namespace p2m_detail

// Xen's groups of types (P2M_*_TYPES).
constexpr bool is_ram(P2mType t) {
  using enum P2mType;
  return p2m_detail::in(t, p2m_detail::set_of(kRamRw, kRamLogDirty, kRamRo, kRamPagingOut, kRamPaged, kRamPagingIn,
                                              kRamShared, kIoreqServer));
}
constexpr bool is_hole(P2mType t) {
  using enum P2mType;
  return p2m_detail::in(t, p2m_detail::set_of(kMmioDm, kInvalid, kRamPagingIn, kRamPaged));
}
constexpr bool is_grant(P2mType t) { return t == P2mType::kGrantMapRw || t == P2mType::kGrantMapRo; }
constexpr bool is_foreign(P2mType t) { return t == P2mType::kMapForeign; }
constexpr bool is_pod(P2mType t) { return t == P2mType::kPopulateOnDemand; }
constexpr bool is_shared(P2mType t) { return t == P2mType::kRamShared; }
constexpr bool is_paging(P2mType t) {
  using enum P2mType;
  return p2m_detail::in(t, p2m_detail::set_of(kRamPagingOut, kRamPaged, kRamPagingIn));
}
// Plain memory of the domain's own, whether it is being logged or not: what P2m::change_type_global() changes, and
// what may be shared.
constexpr bool is_changeable(P2mType t) { return t == P2mType::kRamRw || t == P2mType::kRamLogDirty; }
// Writes to these are dropped.
constexpr bool is_discard_write(P2mType t) { return t == P2mType::kRamRo || t == P2mType::kGrantMapRo; }
// What only its own operations make and unmake.
constexpr bool is_special(P2mType t) { return is_grant(t) || is_foreign(t) || t == P2mType::kMmioDirect; }
// Nothing there (never populated, or removed).
constexpr bool is_empty(P2mType t) { return t == P2mType::kMmioDm || t == P2mType::kInvalid; }
// There is a frame behind it that a copy can go to.
constexpr bool is_any_ram(P2mType t) { return is_ram(t) || is_grant(t) || is_foreign(t); }

// The rights of an EPT entry: bit 0 read, 1 write, 2 execute. pml: the processor logs dirty pages, so a 4 KiB page
// of type kRamLogDirty keeps its write right.
std::uint64_t ept_rights(P2mType t, P2mAccess a, bool superpage, bool pml);

}  // namespace xensim::xen
