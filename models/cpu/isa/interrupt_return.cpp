// IRET, IRETD and IRETQ (SDM 2): same level, outer level, virtual-8086 mode, nested tasks, and 64-bit mode.
#include "models/cpu/isa/far_transfer.h"
#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/task_switch.h"

namespace xensim::cpu::isa {
namespace {

// The flags that IRET changes at this CPL and operand size.
std::uint64_t changeable_flags(const Core& core, unsigned size, unsigned cpl) {
  std::uint64_t m = kStatusFlags | kTf | kDf | kNt;
  if (size > 2) m |= kRf | kAc | kId;
  const auto iopl = static_cast<unsigned>(core.st.rflags >> 12) & 3;
  if (cpl <= iopl) m |= kIf;
  if (cpl == 0) m |= kIopl;
  if (cpl == 0 && size > 2) m |= kVif | kVip;
  return m;
}

void load_flags(Core& core, std::uint64_t value, std::uint64_t changeable) {
  core.set_rflags((core.rflags() & ~changeable) | (value & changeable));
}

Outcome done(Core& core) {
  core.st.nmi_blocked = false;
  execution_context_changed(core);
  return Outcome::kEndBlock;
}

// Real mode, and virtual-8086 mode with IOPL 3.
Outcome return_as_real(Core& core, unsigned size, const StackReader& stack, std::uint64_t rip, std::uint64_t cs,
                       std::uint64_t flags) {
  ArchState& st = core.st;
  if (rip > st.seg[kCs].limit) return core.raise_gp(0);
  std::uint64_t changeable = kStatusFlags | kTf | kDf | kNt | kIf;
  if (size > 2) changeable |= kRf | kAc | kId;
  if (!st.v8086()) changeable |= kIopl;
  st.seg[kCs] = real_mode_segment(core, st.seg[kCs], static_cast<std::uint16_t>(cs));
  st.rip = rip;
  st.gpr[kRsp] = stack.sp();
  load_flags(core, flags, changeable);
  return done(core);
}

Outcome return_to_v8086(Core& core, StackReader& stack, std::uint64_t rip, std::uint64_t cs, std::uint64_t flags) {
  ArchState& st = core.st;
  std::uint64_t esp = 0;
  std::array<std::uint64_t, 6> selectors{};
  if (Outcome o = stack.pop(esp, 4); failed(o)) return o;
  for (unsigned r : {kSs, kEs, kDs, kFs, kGs})
    if (Outcome o = stack.pop(selectors[r], 4); failed(o)) return o;
  selectors[kCs] = cs;
  if (rip > 0xffff) return core.raise_gp(0);
  core.set_rflags(flags & 0x3f7fd5);
  for (unsigned r = 0; r < 6; ++r)
    st.seg[r] = real_mode_segment(core, st.seg[r], static_cast<std::uint16_t>(selectors[r]));
  st.rip = rip & 0xffff;
  st.gpr[kRsp] = static_cast<std::uint32_t>(esp);
  return done(core);
}

Outcome return_nested(Core& core, const Op& op) {
  const ArchState& st = core.st;
  if (st.long_mode_active()) return core.raise_gp(0);
  std::uint16_t link = 0;
  if (Outcome o = core.read_system(wrap_linear(core, st.tr.base), link); failed(o)) return o;
  const Outcome o = task_switch(core, link, TaskSwitchCause::kIret, &op, st.rip);
  if (!failed(o)) core.st.nmi_blocked = false;
  return o;
}

template <unsigned Size>
Outcome iret(Core& core, const Op& op) {
  ArchState& st = core.st;
  if (st.v8086() && (st.rflags & kIopl) != kIopl) return core.raise_gp(0);
  if (st.protected_mode() && !st.v8086() && (st.rflags & kNt)) return return_nested(core, op);
  const bool from64 = st.code64();
  StackReader stack(core);
  std::uint64_t rip = 0, raw_cs = 0, flags = 0;
  if (Outcome o = stack.pop(rip, Size); failed(o)) return o;
  if (Outcome o = stack.pop(raw_cs, Size); failed(o)) return o;
  if (Outcome o = stack.pop(flags, Size); failed(o)) return o;
  if (!st.protected_mode() || st.v8086()) return return_as_real(core, Size, stack, rip, raw_cs, flags);
  const unsigned cpl = st.cpl();
  if (Size == 4 && (flags & kVm) && cpl == 0 && !st.long_mode_active())
    return return_to_v8086(core, stack, rip, raw_cs, flags);

  const auto selector = static_cast<std::uint16_t>(raw_cs);
  if (!(selector & 0xfffc)) return core.raise_gp(0);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, kGp, d); failed(o)) return o;
  const unsigned rpl = selector & 3;
  if (!d.code() || rpl < cpl || !valid_code_size(core, d)) return raise_selector(core, kGp, selector);
  if (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl) return raise_selector(core, kGp, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  const bool to64 = st.long_mode_active() && d.long_mode();

  // 64-bit mode always returns to a stack of the frame.
  const bool pops_stack = from64 || rpl > cpl;
  std::uint64_t rsp = 0;
  Segment ss = st.seg[kSs];
  if (pops_stack) {
    std::uint64_t raw_ss = 0;
    if (Outcome o = stack.pop(rsp, Size); failed(o)) return o;
    if (Outcome o = stack.pop(raw_ss, Size); failed(o)) return o;
    const auto ss_selector = static_cast<std::uint16_t>(raw_ss);
    if (!(ss_selector & 0xfffc)) {
      if (!to64 || rpl == 3 || (ss_selector & 3u) != rpl) return core.raise_gp(0);
      ss = null_segment(ss_selector, rpl);
    } else if (Outcome o = check_stack_segment(core, ss_selector, rpl, kGp, ss); failed(o)) {
      return o;
    }
  }
  if (to64 ? !canonical(rip) : rip > parse_segment(selector, d).limit) return core.raise_gp(0);
  if (Outcome o = set_accessed(core, d); failed(o)) return o;

  load_flags(core, flags, changeable_flags(core, Size, cpl));
  st.gpr[kRsp] = pops_stack ? loaded_sp(to64, ss, st.gpr[kRsp], rsp) : stack.sp();
  if (pops_stack) st.seg[kSs] = ss;
  st.seg[kCs] = parse_segment(selector, d);
  st.rip = rip;
  if (rpl > cpl) drop_inner_data_segments(core, rpl);
  return done(core);
}

}  // namespace

Handler bind_iret(const DecodedInstruction& d, Op&) {
  if (d.operand_bits == 64) return iret<8>;
  return d.operand_bits == 16 ? iret<2> : iret<4>;
}

}  // namespace xensim::cpu::isa
