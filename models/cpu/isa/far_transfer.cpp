// Far JMP, CALL and RET, call gates, task switches by instruction, and software interrupts (SDM 2, the
// instructions' pages; SDM 3, 5.8 and 7.3).
//
// A software interrupt is raised like a fault: the core then delivers it (Core::commit_fault), with RIP still at
// the instruction, and the event's length makes the return frame point past it.
#include "models/cpu/isa/far_transfer.h"

#include "models/cpu/isa/delivery.h"
#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/task_switch.h"

namespace xensim::cpu::isa {
namespace {

struct FarPointer {
  std::uint16_t selector = 0;
  std::uint64_t offset = 0;
};

constexpr std::uint64_t truncate(std::uint64_t v, unsigned size) {
  return size == 8 ? v : v & ((std::uint64_t{1} << (size * 8)) - 1);
}

// A far pointer operand: in the instruction (imm, selector in disp) or in memory (m16:16, m16:32, m16:64).
template <unsigned Size, bool Memory>
Outcome far_operand(Core& core, const Op& op, FarPointer& out) {
  if constexpr (!Memory) {
    out.selector = static_cast<std::uint16_t>(op.disp);
    out.offset = truncate(op.imm, Size);
    return Outcome::kNext;
  } else {
    std::array<std::uint8_t, Size + 2> raw{};
    if (Outcome o = core.read(op, raw); failed(o)) return o;
    std::memcpy(&out.offset, raw.data(), Size);
    std::memcpy(&out.selector, raw.data() + Size, 2);
    return Outcome::kNext;
  }
}

bool segmented_as_real(const Core& core) { return !core.st.protected_mode() || core.st.v8086(); }

// Where the new CS:RIP must be.
Outcome check_target(Core& core, const Descriptor& d, const Segment& cs, std::uint64_t rip) {
  if (core.st.long_mode_active() && d.long_mode()) return canonical(rip) ? Outcome::kNext : core.raise_gp(0);
  return rip <= cs.limit ? Outcome::kNext : core.raise_gp(0);
}

// A code segment as the target of a direct far JMP or CALL.
Outcome check_direct_code(Core& core, std::uint16_t selector, const Descriptor& d) {
  const unsigned cpl = core.st.cpl(), rpl = selector & 3;
  if (!valid_code_size(core, d)) return raise_selector(core, kGp, selector);
  if (d.conforming() ? d.dpl() > cpl : (rpl > cpl || d.dpl() != cpl)) return raise_selector(core, kGp, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  return Outcome::kNext;
}

void enter_code(Core& core, const Segment& cs, std::uint16_t selector, unsigned cpl, std::uint64_t rip) {
  core.st.seg[kCs] = cs;
  core.st.seg[kCs].selector = static_cast<std::uint16_t>((selector & 0xfffc) | cpl);
  core.st.rip = rip;
  execution_context_changed(core);
}

// A call gate, checked up to the code segment behind it.
struct GateTarget {
  Descriptor gate, code;
  std::uint16_t selector = 0;
  std::uint64_t rip = 0;
  unsigned size = 4;  // of what it pushes
  unsigned new_cpl = 0;
};

Outcome check_call_gate(Core& core, std::uint16_t selector, const Descriptor& gate, bool jump, GateTarget& out) {
  const unsigned cpl = core.st.cpl();
  const bool ia32e = core.st.long_mode_active();
  if (gate.dpl() < cpl || gate.dpl() < (selector & 3u)) return raise_selector(core, kGp, selector);
  if (!gate.present()) return raise_selector(core, kNp, selector);
  if (ia32e && (gate.high & (0xfull << 40))) return raise_selector(core, kGp, selector);
  out.gate = gate;
  out.selector = gate.gate_selector();
  if (!(out.selector & 0xfffc)) return core.raise_gp(0);
  if (Outcome o = fetch_descriptor(core, out.selector, kGp, out.code); failed(o)) return o;
  const Descriptor& d = out.code;
  if (!d.code() || d.dpl() > cpl) return raise_selector(core, kGp, out.selector);
  if (jump && !d.conforming() && d.dpl() != cpl) return raise_selector(core, kGp, out.selector);
  if (ia32e && (!d.long_mode() || d.big())) return raise_selector(core, kGp, out.selector);
  if (!d.present()) return raise_selector(core, kNp, out.selector);
  out.new_cpl = d.conforming() || jump ? cpl : d.dpl();
  out.size = ia32e ? 8 : gate.type() == kCallGate16 ? 2 : 4;
  out.rip = gate.gate_offset();
  if (out.size == 2) out.rip &= 0xffff;
  if (ia32e) out.rip |= gate.high << 32;
  return Outcome::kNext;
}

// Pushes return address, and on a change of level the old stack and the gate's parameters.
Outcome call_through_gate(Core& core, GateTarget& t) {
  ArchState& st = core.st;
  const unsigned cpl = st.cpl();
  const bool ia32e = st.long_mode_active();
  const Segment cs = parse_segment(t.selector, t.code);
  const bool inner = t.new_cpl < cpl;
  Segment ss = st.seg[kSs];
  std::uint64_t sp = st.gpr[kRsp];
  std::uint32_t limit_error = 0;
  if (inner && ia32e) {
    if (Outcome o = inner_stack_64(core, t.new_cpl, 0, sp); failed(o)) return o;
    ss = null_segment(static_cast<std::uint16_t>(t.new_cpl), t.new_cpl);
  } else if (inner) {
    std::uint16_t selector = 0;
    if (Outcome o = inner_stack_legacy(core, t.new_cpl, selector, sp); failed(o)) return o;
    if (!(selector & 0xfffc)) return core.raise(kTs, 0);
    if (Outcome o = check_stack_segment(core, selector, t.new_cpl, kTs, ss); failed(o)) return o;
    limit_error = selector & 0xfffcu;
  }
  if (Outcome o = check_target(core, t.code, cs, t.rip); failed(o)) return o;
  StackFrame frame(core, ss, sp, ia32e, t.new_cpl == 3 ? View::kUser : View::kSupervisor, limit_error);
  if (inner) {
    frame.push(st.seg[kSs].selector, t.size);
    frame.push(st.gpr[kRsp], t.size);
    const unsigned parameters = ia32e ? 0 : static_cast<unsigned>(t.gate.low >> 32) & 31;
    std::array<std::uint64_t, 31> values{};
    StackReader reader(core);
    for (unsigned i = 0; i < parameters; ++i)
      if (Outcome o = reader.pop(values[i], t.size); failed(o)) return o;
    for (unsigned i = parameters; i-- > 0;) frame.push(values[i], t.size);
  }
  frame.push(st.seg[kCs].selector, t.size);
  frame.push(st.rip, t.size);
  if (Outcome o = set_accessed(core, t.code); failed(o)) return o;
  if (Outcome o = frame.write(); failed(o)) return o;
  st.gpr[kRsp] = inner ? loaded_sp(ia32e, ss, sp, frame.sp()) : frame.sp();
  st.seg[kSs] = ss;
  enter_code(core, cs, t.selector, t.new_cpl, t.rip);
  return Outcome::kEndBlock;
}

// A task gate or a TSS as the target.
Outcome switch_to(Core& core, const Op& op, std::uint16_t selector, const Descriptor& d, bool jump) {
  const unsigned cpl = core.st.cpl();
  if (d.dpl() < cpl || d.dpl() < (selector & 3u)) return raise_selector(core, kGp, selector);
  if (d.type() == kTaskGate) {
    if (!d.present()) return raise_selector(core, kNp, selector);
    selector = d.gate_selector();
  }
  return task_switch(core, selector, jump ? TaskSwitchCause::kJump : TaskSwitchCause::kCall, &op, core.st.rip);
}

enum class Target : std::uint8_t { kCode, kGate, kTask, kBad };
Target classify(const Core& core, const Descriptor& d) {
  if (!d.system()) return d.code() ? Target::kCode : Target::kBad;
  const bool ia32e = core.st.long_mode_active();
  switch (d.type()) {
    case kCallGate32:
      return Target::kGate;
    case kCallGate16:
      return ia32e ? Target::kBad : Target::kGate;
    case kTaskGate:
    case kTss16:
    case kTss32:
      return ia32e ? Target::kBad : Target::kTask;
    default:
      return Target::kBad;
  }
}

template <unsigned Size>
Outcome far_jump_to(Core& core, const Op& op, const FarPointer& to) {
  ArchState& st = core.st;
  if (segmented_as_real(core)) {
    if (to.offset > st.seg[kCs].limit) return core.raise_gp(0);
    st.seg[kCs] = real_mode_segment(core, st.seg[kCs], to.selector);
    st.rip = to.offset;
    execution_context_changed(core);
    return Outcome::kEndBlock;
  }
  if (!(to.selector & 0xfffc)) return core.raise_gp(0);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, to.selector, kGp, d); failed(o)) return o;
  switch (classify(core, d)) {
    case Target::kCode: {
      if (Outcome o = check_direct_code(core, to.selector, d); failed(o)) return o;
      const Segment cs = parse_segment(to.selector, d);
      if (Outcome o = check_target(core, d, cs, to.offset); failed(o)) return o;
      if (Outcome o = set_accessed(core, d); failed(o)) return o;
      enter_code(core, parse_segment(to.selector, d), to.selector, st.cpl(), to.offset);
      return Outcome::kEndBlock;
    }
    case Target::kGate: {
      GateTarget t;
      if (Outcome o = check_call_gate(core, to.selector, d, true, t); failed(o)) return o;
      const Segment cs = parse_segment(t.selector, t.code);
      if (Outcome o = check_target(core, t.code, cs, t.rip); failed(o)) return o;
      if (Outcome o = set_accessed(core, t.code); failed(o)) return o;
      enter_code(core, parse_segment(t.selector, t.code), t.selector, st.cpl(), t.rip);
      return Outcome::kEndBlock;
    }
    case Target::kTask:
      return switch_to(core, op, to.selector, d, true);
    default:
      return raise_selector(core, kGp, to.selector);
  }
}

template <unsigned Size>
Outcome far_call_to(Core& core, const Op& op, const FarPointer& to) {
  ArchState& st = core.st;
  const bool flat = st.code64();
  StackFrame frame(core, st.seg[kSs], st.gpr[kRsp], flat, core.mmu.current_view(), 0);
  frame.push(st.seg[kCs].selector, Size);
  frame.push(st.rip, Size);
  if (segmented_as_real(core)) {
    if (to.offset > st.seg[kCs].limit) return core.raise_gp(0);
    if (Outcome o = frame.write(); failed(o)) return o;
    st.gpr[kRsp] = frame.sp();
    st.seg[kCs] = real_mode_segment(core, st.seg[kCs], to.selector);
    st.rip = to.offset;
    execution_context_changed(core);
    return Outcome::kEndBlock;
  }
  if (!(to.selector & 0xfffc)) return core.raise_gp(0);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, to.selector, kGp, d); failed(o)) return o;
  switch (classify(core, d)) {
    case Target::kCode: {
      if (Outcome o = check_direct_code(core, to.selector, d); failed(o)) return o;
      if (Outcome o = check_target(core, d, parse_segment(to.selector, d), to.offset); failed(o)) return o;
      if (Outcome o = set_accessed(core, d); failed(o)) return o;
      if (Outcome o = frame.write(); failed(o)) return o;
      st.gpr[kRsp] = frame.sp();
      enter_code(core, parse_segment(to.selector, d), to.selector, st.cpl(), to.offset);
      return Outcome::kEndBlock;
    }
    case Target::kGate: {
      GateTarget t;
      if (Outcome o = check_call_gate(core, to.selector, d, false, t); failed(o)) return o;
      return call_through_gate(core, t);
    }
    case Target::kTask:
      return switch_to(core, op, to.selector, d, false);
    default:
      return raise_selector(core, kGp, to.selector);
  }
}

template <unsigned Size, bool Memory>
Outcome far_jmp(Core& core, const Op& op) {
  FarPointer to;
  if (Outcome o = far_operand<Size, Memory>(core, op, to); failed(o)) return o;
  return far_jump_to<Size>(core, op, to);
}

template <unsigned Size, bool Memory>
Outcome far_call(Core& core, const Op& op) {
  FarPointer to;
  if (Outcome o = far_operand<Size, Memory>(core, op, to); failed(o)) return o;
  return far_call_to<Size>(core, op, to);
}

// imm: bytes of parameters that the callee drops.
template <unsigned Size>
Outcome far_ret(Core& core, const Op& op) {
  ArchState& st = core.st;
  const auto drop = static_cast<unsigned>(op.imm & 0xffff);
  StackReader stack(core);
  std::uint64_t rip = 0, raw_cs = 0;
  if (Outcome o = stack.pop(rip, Size); failed(o)) return o;
  if (Outcome o = stack.pop(raw_cs, Size); failed(o)) return o;
  const auto selector = static_cast<std::uint16_t>(raw_cs);
  if (segmented_as_real(core)) {
    if (rip > st.seg[kCs].limit) return core.raise_gp(0);
    stack.skip(drop);
    st.gpr[kRsp] = stack.sp();
    st.seg[kCs] = real_mode_segment(core, st.seg[kCs], selector);
    st.rip = rip;
    execution_context_changed(core);
    return Outcome::kEndBlock;
  }
  if (!(selector & 0xfffc)) return core.raise_gp(0);
  Descriptor d;
  if (Outcome o = fetch_descriptor(core, selector, kGp, d); failed(o)) return o;
  const unsigned cpl = st.cpl(), rpl = selector & 3;
  if (!d.code() || rpl < cpl || !valid_code_size(core, d)) return raise_selector(core, kGp, selector);
  if (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl) return raise_selector(core, kGp, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  const bool to64 = st.long_mode_active() && d.long_mode();
  stack.skip(drop);
  if (rpl == cpl) {
    if (Outcome o = check_target(core, d, parse_segment(selector, d), rip); failed(o)) return o;
    if (Outcome o = set_accessed(core, d); failed(o)) return o;
    st.gpr[kRsp] = stack.sp();
    enter_code(core, parse_segment(selector, d), selector, cpl, rip);
    return Outcome::kEndBlock;
  }
  std::uint64_t rsp = 0, raw_ss = 0;
  if (Outcome o = stack.pop(rsp, Size); failed(o)) return o;
  if (Outcome o = stack.pop(raw_ss, Size); failed(o)) return o;
  const auto ss_selector = static_cast<std::uint16_t>(raw_ss);
  Segment ss;
  if (!(ss_selector & 0xfffc)) {
    if (!to64 || rpl == 3 || (ss_selector & 3u) != rpl) return core.raise_gp(0);
    ss = null_segment(ss_selector, rpl);
  } else if (Outcome o = check_stack_segment(core, ss_selector, rpl, kGp, ss); failed(o)) {
    return o;
  }
  if (Outcome o = check_target(core, d, parse_segment(selector, d), rip); failed(o)) return o;
  if (Outcome o = set_accessed(core, d); failed(o)) return o;
  st.gpr[kRsp] = loaded_sp(to64, ss, st.gpr[kRsp], move_sp(to64, ss, rsp, drop));
  st.seg[kSs] = ss;
  enter_code(core, parse_segment(selector, d), selector, rpl, rip);
  drop_inner_data_segments(core, rpl);
  core.update_mode();
  return Outcome::kEndBlock;
}

Outcome software_event(Core& core, std::uint8_t vector, EventType type, const Op& op) {
  core.fault = Event{};
  core.fault.vector = vector;
  core.fault.type = type;
  core.fault.instruction_length = op.length;
  return Outcome::kFault;
}

Outcome int_n(Core& core, const Op& op) {
  if (core.st.v8086() && (core.st.rflags & kIopl) != kIopl) return core.raise_gp(0);
  return software_event(core, static_cast<std::uint8_t>(op.imm), EventType::kSoftwareInterrupt, op);
}
Outcome int1(Core& core, const Op& op) {
  return software_event(core, kDb, EventType::kPrivilegedSoftwareException, op);
}
Outcome int3(Core& core, const Op& op) { return software_event(core, kBp, EventType::kSoftwareException, op); }
Outcome into(Core& core, const Op& op) {
  if (!core.flags.of()) return Outcome::kEndBlock;
  return software_event(core, kOfVec, EventType::kSoftwareException, op);
}

Handler bind_int(const DecodedInstruction&, Op&) { return int_n; }
Handler bind_int1(const DecodedInstruction&, Op&) { return int1; }
Handler bind_int3(const DecodedInstruction&, Op&) { return int3; }
Handler bind_into(const DecodedInstruction& d, Op&) { return d.mode64() ? nullptr : into; }

// The far pointer of JMP and CALL ptr16:16/32, which 64-bit mode does not have.
bool take_pointer(const DecodedInstruction& d, Op& op) {
  if (d.mode64() || d.op(0).type != ZYDIS_OPERAND_TYPE_POINTER) return false;
  op.imm = d.op(0).ptr.offset;
  op.disp = d.op(0).ptr.segment;
  return true;
}

}  // namespace

Handler bind_far_jmp(const DecodedInstruction& d, Op& op) {
  if (d.is_mem(0)) {
    if (d.operand_bits == 64) return far_jmp<8, true>;
    return d.operand_bits == 16 ? far_jmp<2, true> : far_jmp<4, true>;
  }
  if (!take_pointer(d, op)) return nullptr;
  return d.operand_bits == 16 ? far_jmp<2, false> : far_jmp<4, false>;
}

Handler bind_far_call(const DecodedInstruction& d, Op& op) {
  if (d.is_mem(0)) {
    if (d.operand_bits == 64) return far_call<8, true>;
    return d.operand_bits == 16 ? far_call<2, true> : far_call<4, true>;
  }
  if (!take_pointer(d, op)) return nullptr;
  return d.operand_bits == 16 ? far_call<2, false> : far_call<4, false>;
}

Handler bind_far_ret(const DecodedInstruction& d, Op& op) {
  op.imm = d.insn.operand_count_visible ? d.op(0).imm.value.u & 0xffff : 0;
  if (d.operand_bits == 64) return far_ret<8>;
  return d.operand_bits == 16 ? far_ret<2> : far_ret<4>;
}

std::span<const Form> far_transfer_forms() {
  using enum BlockShape;
  static constexpr Form kForms[] = {
      {ZYDIS_MNEMONIC_INT, CostClass::kInterrupt, kEnds, bind_int},
      {ZYDIS_MNEMONIC_INT1, CostClass::kInterrupt, kEnds, bind_int1},
      {ZYDIS_MNEMONIC_INT3, CostClass::kInterrupt, kEnds, bind_int3},
      {ZYDIS_MNEMONIC_INTO, CostClass::kInterrupt, kEnds, bind_into},
      {ZYDIS_MNEMONIC_IRET, CostClass::kIret, kEnds, bind_iret},
      {ZYDIS_MNEMONIC_IRETD, CostClass::kIret, kEnds, bind_iret},
      {ZYDIS_MNEMONIC_IRETQ, CostClass::kIret, kEnds, bind_iret},
      {ZYDIS_MNEMONIC_SYSCALL, CostClass::kSyscall, kEnds, bind_syscall},
      {ZYDIS_MNEMONIC_SYSRET, CostClass::kSyscall, kEnds, bind_sysret},
      {ZYDIS_MNEMONIC_SYSENTER, CostClass::kSyscall, kEnds, bind_sysenter},
      {ZYDIS_MNEMONIC_SYSEXIT, CostClass::kSyscall, kEnds, bind_sysexit},
  };
  return kForms;
}

}  // namespace xensim::cpu::isa
