// Segment registers in the guest-state area: which four fields belong to which register.
#pragma once

#include <array>

#include "models/cpu/arch_state.h"
#include "models/cpu/vmx/vmcs.h"

namespace xensim::cpu {

struct SegmentFields {
  VmcsField selector, base, limit, attr;
};

// By SegReg.
inline constexpr std::array<SegmentFields, 6> kSegmentFields = {{
    {VmcsField::kGuestEsSelector, VmcsField::kGuestEsBase, VmcsField::kGuestEsLimit, VmcsField::kGuestEsAttr},
    {VmcsField::kGuestCsSelector, VmcsField::kGuestCsBase, VmcsField::kGuestCsLimit, VmcsField::kGuestCsAttr},
    {VmcsField::kGuestSsSelector, VmcsField::kGuestSsBase, VmcsField::kGuestSsLimit, VmcsField::kGuestSsAttr},
    {VmcsField::kGuestDsSelector, VmcsField::kGuestDsBase, VmcsField::kGuestDsLimit, VmcsField::kGuestDsAttr},
    {VmcsField::kGuestFsSelector, VmcsField::kGuestFsBase, VmcsField::kGuestFsLimit, VmcsField::kGuestFsAttr},
    {VmcsField::kGuestGsSelector, VmcsField::kGuestGsBase, VmcsField::kGuestGsLimit, VmcsField::kGuestGsAttr},
}};
inline constexpr SegmentFields kLdtrFields{VmcsField::kGuestLdtrSelector, VmcsField::kGuestLdtrBase,
                                           VmcsField::kGuestLdtrLimit, VmcsField::kGuestLdtrAttr};
inline constexpr SegmentFields kTrFields{VmcsField::kGuestTrSelector, VmcsField::kGuestTrBase,
                                         VmcsField::kGuestTrLimit, VmcsField::kGuestTrAttr};

// Of a VMCS, or of a Vmx's current one.
template <class V>
Segment read_segment(const V& v, const SegmentFields& f) {
  return {v.read(f.base), static_cast<std::uint32_t>(v.read(f.limit)), static_cast<std::uint32_t>(v.read(f.attr)),
          static_cast<std::uint16_t>(v.read(f.selector))};
}

template <class V>
void write_segment(V& v, const SegmentFields& f, const Segment& s) {
  v.write(f.base, s.base);
  v.write(f.limit, s.limit);
  v.write(f.attr, s.attr);
  v.write(f.selector, s.selector);
}

}  // namespace xensim::cpu
