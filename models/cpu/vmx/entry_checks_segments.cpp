// VM-entry checks on the guest's segment registers (SDM 3, 26.3.1.2).
#include "models/cpu/arch_state.h"
#include "models/cpu/vmx/entry_checks.h"
#include "models/cpu/vmx/segment_fields.h"
#include "sim/base/bits.h"

namespace xensim::cpu::entry_checks {

namespace {

using F = VmcsField;

// The granularity bit agrees with the limit.
bool limit_matches_granularity(const Segment& s) {
  if ((s.limit & 0xfff) != 0xfff && s.granular()) return false;
  return s.limit >> 20 == 0 || s.granular();
}

bool reserved_bits_clear(const Segment& s) { return bits(s.attr, 11, 8) == 0 && s.attr >> 17 == 0; }

bool virtual_8086(const Segment& s) {
  return s.base == std::uint64_t{s.selector} << 4 && s.limit == 0xffff && s.attr == 0xf3;
}

bool code_segment(const Segment& cs, const Segment& ss, const Controls& c) {
  switch (cs.type()) {
    case 3:
      if (!c.unrestricted_guest() || cs.dpl() != 0) return false;
      break;
    case 9:
    case 11:
      if (cs.dpl() != ss.dpl()) return false;
      break;
    case 13:
    case 15:
      if (cs.dpl() > ss.dpl()) return false;
      break;
    default:
      return false;
  }
  if (!cs.code_or_data() || !cs.present() || !reserved_bits_clear(cs) || !limit_matches_granularity(cs))
    return false;
  if (c.ia32e_mode_guest() && cs.long_mode() && cs.big()) return false;
  return cs.base >> 32 == 0;
}

bool stack_segment(const Segment& ss, const Segment& cs, const Controls& c, bool protected_mode) {
  if (!c.unrestricted_guest() && ((ss.selector ^ cs.selector) & 3) != 0) return false;
  if (!c.unrestricted_guest() && ss.dpl() != (ss.selector & 3u)) return false;
  if ((cs.type() == 3 || !protected_mode) && ss.dpl() != 0) return false;
  if (ss.unusable()) return true;
  return (ss.type() == 3 || ss.type() == 7) && ss.code_or_data() && ss.present() && reserved_bits_clear(ss) &&
         limit_matches_granularity(ss) && ss.base >> 32 == 0;
}

bool data_segment(const Segment& s, const Controls& c, bool wide_base) {
  if (s.unusable()) return true;
  if (!(s.type() & 1)) return false;
  if ((s.type() & 8) && !(s.type() & 2)) return false;
  if (!c.unrestricted_guest() && s.type() <= 11 && s.dpl() < (s.selector & 3u)) return false;
  return s.code_or_data() && s.present() && reserved_bits_clear(s) && limit_matches_granularity(s) &&
         (wide_base || s.base >> 32 == 0);
}

bool task_register(const Segment& tr, const Controls& c) {
  if (tr.selector & 4) return false;
  if (tr.type() != 11 && (c.ia32e_mode_guest() || tr.type() != 3)) return false;
  return !tr.code_or_data() && tr.present() && !tr.unusable() && reserved_bits_clear(tr) &&
         limit_matches_granularity(tr) && canonical(tr.base);
}

bool local_descriptor_table(const Segment& ldtr) {
  if (ldtr.unusable()) return true;
  return !(ldtr.selector & 4) && ldtr.type() == 2 && !ldtr.code_or_data() && ldtr.present() &&
         reserved_bits_clear(ldtr) && limit_matches_granularity(ldtr) && canonical(ldtr.base);
}

}  // namespace

bool guest_segments(const Vmcs& v, const Controls& c) {
  std::array<Segment, 6> seg;
  for (unsigned i = 0; i < 6; ++i) seg[i] = read_segment(v, kSegmentFields[i]);
  if (!canonical(seg[kFs].base) || !canonical(seg[kGs].base)) return false;
  if (v.read(F::kGuestRflags) & kVm) {
    for (const Segment& s : seg)
      if (!virtual_8086(s)) return false;
  } else {
    const bool protected_mode = v.read(F::kGuestCr0) & kCr0Pe;
    if (!code_segment(seg[kCs], seg[kSs], c) || !stack_segment(seg[kSs], seg[kCs], c, protected_mode))
      return false;
    if (!data_segment(seg[kDs], c, false) || !data_segment(seg[kEs], c, false) ||
        !data_segment(seg[kFs], c, true) || !data_segment(seg[kGs], c, true))
      return false;
  }
  return task_register(read_segment(v, kTrFields), c) && local_descriptor_table(read_segment(v, kLdtrFields));
}

}  // namespace xensim::cpu::entry_checks
