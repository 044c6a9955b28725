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

inline Segment read_segment(const Vmcs& v, const SegmentFields& f) {
  return {v.read(f.base), v.read32(f.limit), v.read32(f.attr), v.read16(f.selector)};
}

inline void write_segment(Vmcs& v, const SegmentFields& f, const Segment& s) {
  v.write(f.base, s.base);
  v.write(f.limit, s.limit);
  v.write(f.attr, s.attr);
  v.write(f.selector, s.selector);
}

}  // namespace xensim::cpu
