// Delivery of interrupts and exceptions (SDM 3, chapter 6; volume 2, INT n): the real-mode vector table, 16- and
// 32-bit gates of protected mode, 64-bit gates of IA-32e mode, and what happens when delivery fails.
//
// An event is delivered in three steps: find where it goes and on which stack, write the frame, load the
// registers. Only the last step changes registers, and nothing fails after the frame is written. CR2 and DR6 are
// the exception: an event that reaches delivery has them (SDM 3, 27.1), even if a second fault turns it into a
// double fault.
//
// Core::delivering holds the event until it is through. It survives a failure, so that commit_fault() can combine
// the two faults and a VM exit can report IDT-vectoring information; who commits a VM exit resets it.
#include "models/cpu/isa/delivery.h"

#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/task_switch.h"

namespace xensim::cpu {
namespace isa {
namespace {

bool software(const Event& e) {
  return e.type == EventType::kSoftwareInterrupt || e.type == EventType::kSoftwareException ||
         e.type == EventType::kPrivilegedSoftwareException;
}

// INT n, INT3 and INTO must be allowed to use the gate; everything else is.
bool checks_gate_privilege(const Event& e) {
  return e.type == EventType::kSoftwareInterrupt || e.type == EventType::kSoftwareException;
}

// RF in the pushed flags: set by faults, so that an instruction breakpoint does not hit twice (SDM 3, 17.3.1.1).
// Of debug exceptions, only general detect (DR6.BD) does.
std::uint64_t pushed_flags(const Core& core, const Event& e) {
  constexpr std::uint64_t kBd = 1 << 13;
  const bool fault = e.type == EventType::kHardwareException && (e.vector != kDb || (e.dr6 & kBd)) &&
                     e.vector != kDfVec && e.vector != kMcVec;
  return core.rflags() | (fault ? kRf : 0);
}

std::uint64_t return_rip(const Core& core, const Event& e) {
  return software(e) ? core.st.rip + e.instruction_length : core.st.rip;
}

// Error code of a fault that a gate causes.
Outcome raise_gate(Core& core, std::uint8_t vector, std::uint8_t event_vector) {
  return core.raise(vector, event_vector * 8u + 2 + external_bit(core));
}

Outcome deliver_real(Core& core, const Event& e) {
  ArchState& st = core.st;
  const std::uint32_t offset = e.vector * 4u;
  if (offset + 3 > st.idtr.limit) return core.raise_gp(0);
  std::uint32_t vector_entry = 0;
  if (Outcome o = core.read_system(static_cast<std::uint32_t>(st.idtr.base + offset), vector_entry); failed(o))
    return o;
  StackFrame frame(core, st.seg[kSs], st.gpr[kRsp], false, View::kSupervisor, 0);
  frame.push(core.rflags(), 2);
  frame.push(st.seg[kCs].selector, 2);
  frame.push(return_rip(core, e), 2);
  if (Outcome o = frame.write(); failed(o)) return o;
  st.gpr[kRsp] = frame.sp();
  st.seg[kCs] = real_mode_segment(core, st.seg[kCs], static_cast<std::uint16_t>(vector_entry >> 16));
  st.rip = vector_entry & 0xffff;
  core.set_rflags(core.rflags() & ~(kIf | kTf | kAc | kRf));
  return Outcome::kNext;
}

// A pointer to an inner stack from the current TSS.
struct InnerStack {
  std::uint16_t ss = 0;
  std::uint64_t sp = 0;
};

Outcome read_tss(Core& core, std::uint32_t offset, void* out, unsigned size) {
  const Segment& tr = core.st.tr;
  if (tr.unusable() || offset + size - 1 > tr.limit) return raise_selector(core, kTs, tr.selector);
  return core.mmu.read(LinearAddr(wrap_linear(core, tr.base + offset)), out, size, View::kSupervisor);
}

}  // namespace

// SS:ESP for a privilege level from a 16- or 32-bit TSS. Also used by call gates.
Outcome inner_stack_legacy(Core& core, unsigned level, std::uint16_t& ss, std::uint64_t& sp) {
  if ((core.st.tr.type() & 8) == 0) {
    std::uint16_t pair[2] = {0, 0};
    if (Outcome o = read_tss(core, 2 + level * 4, pair, 4); failed(o)) return o;
    sp = pair[0];
    ss = pair[1];
    return Outcome::kNext;
  }
  std::uint32_t pair[2] = {0, 0};
  if (Outcome o = read_tss(core, 4 + level * 8, pair, 6); failed(o)) return o;
  sp = pair[0];
  ss = static_cast<std::uint16_t>(pair[1]);
  return Outcome::kNext;
}

// RSP for a privilege level, or of an interrupt stack (ist > 0), from a 64-bit TSS.
Outcome inner_stack_64(Core& core, unsigned level, unsigned ist, std::uint64_t& sp) {
  if (Outcome o = read_tss(core, ist ? 28 + ist * 8 : 4 + level * 8, &sp, 8); failed(o)) return o;
  if (!canonical(sp)) return core.raise(kSsVec, external_bit(core));
  return Outcome::kNext;
}

namespace {

// The gate's code segment; new_cpl: the level its handler runs at.
Outcome check_handler_segment(Core& core, std::uint16_t selector, Descriptor& d, unsigned& new_cpl) {
  const unsigned cpl = core.st.cpl();
  if (!(selector & 0xfffc)) return core.raise_gp(external_bit(core));
  if (Outcome o = fetch_descriptor(core, selector, kGp, d); failed(o)) return o;
  if (!d.code() || d.dpl() > cpl) return raise_selector(core, kGp, selector);
  if (core.st.long_mode_active() && (!d.long_mode() || d.big())) return raise_selector(core, kGp, selector);
  if (!d.present()) return raise_selector(core, kNp, selector);
  new_cpl = d.conforming() ? cpl : d.dpl();
  if (core.st.v8086() && new_cpl != 0) return raise_selector(core, kGp, selector);
  return Outcome::kNext;
}

void enter_handler(Core& core, const Segment& cs, std::uint16_t selector, unsigned cpl, std::uint64_t rip,
                   bool interrupt_gate) {
  core.st.seg[kCs] = cs;
  core.st.seg[kCs].selector = static_cast<std::uint16_t>((selector & 0xfffc) | cpl);
  core.st.rip = rip;
  core.set_rflags(core.rflags() & ~(kTf | kNt | kRf | kVm | (interrupt_gate ? kIf : 0)));
}

Outcome deliver_long(Core& core, const Event& e) {
  ArchState& st = core.st;
  const std::uint32_t offset = e.vector * 16u;
  if (offset + 15 > st.idtr.limit) return raise_gate(core, kGp, e.vector);
  std::array<std::uint64_t, 2> raw{};
  if (Outcome o = core.read_system(st.idtr.base + offset, raw); failed(o)) return o;
  const Descriptor gate{raw[0], raw[1], 0};
  const unsigned cpl = st.cpl();
  if (!gate.system() || (gate.type() != kInterruptGate32 && gate.type() != kTrapGate32))
    return raise_gate(core, kGp, e.vector);
  if (checks_gate_privilege(e) && gate.dpl() < cpl) return raise_gate(core, kGp, e.vector);
  if (!gate.present()) return raise_gate(core, kNp, e.vector);
  Descriptor code;
  unsigned new_cpl = 0;
  if (Outcome o = check_handler_segment(core, gate.gate_selector(), code, new_cpl); failed(o)) return o;
  const std::uint64_t rip = gate.gate_offset() | (gate.high << 32);
  if (!canonical(rip)) return core.raise_gp(external_bit(core));

  const unsigned ist = static_cast<unsigned>(gate.low >> 32) & 7;
  std::uint64_t sp = st.gpr[kRsp];
  if (ist || new_cpl < cpl)
    if (Outcome o = inner_stack_64(core, new_cpl, ist, sp); failed(o)) return o;
  sp &= ~std::uint64_t{15};
  if (Outcome o = set_accessed(core, code); failed(o)) return o;
  StackFrame frame(core, st.seg[kSs], sp, true, new_cpl == 3 ? View::kUser : View::kSupervisor,
                   external_bit(core));
  frame.push(st.seg[kSs].selector, 8);
  frame.push(st.gpr[kRsp], 8);
  frame.push(pushed_flags(core, e), 8);
  frame.push(st.seg[kCs].selector, 8);
  frame.push(return_rip(core, e), 8);
  if (e.has_error_code) frame.push(e.error_code, 8);
  if (Outcome o = frame.write(); failed(o)) return o;

  st.gpr[kRsp] = frame.sp();
  if (new_cpl < cpl) st.seg[kSs] = null_segment(static_cast<std::uint16_t>(new_cpl), new_cpl);
  enter_handler(core, parse_segment(gate.gate_selector(), code), gate.gate_selector(), new_cpl, rip,
                gate.type() == kInterruptGate32);
  return Outcome::kNext;
}

Outcome deliver_task_gate(Core& core, const Event& e, const Descriptor& gate) {
  if (!gate.present()) return raise_gate(core, kNp, e.vector);
  return task_switch(core, gate.gate_selector(), TaskSwitchCause::kGate, nullptr, return_rip(core, e),
                     e.has_error_code ? std::optional<std::uint32_t>(e.error_code) : std::nullopt);
}

Outcome deliver_legacy(Core& core, const Event& e) {
  ArchState& st = core.st;
  const std::uint32_t offset = e.vector * 8u;
  if (offset + 7 > st.idtr.limit) return raise_gate(core, kGp, e.vector);
  Descriptor gate;
  if (Outcome o = core.read_system(static_cast<std::uint32_t>(st.idtr.base + offset), gate.low); failed(o))
    return o;
  const unsigned type = gate.type();
  const bool known = type == kTaskGate || (type & 6) == 6;
  if (!gate.system() || !known) return raise_gate(core, kGp, e.vector);
  const unsigned cpl = st.cpl();
  if (checks_gate_privilege(e) && gate.dpl() < cpl) return raise_gate(core, kGp, e.vector);
  if (type == kTaskGate) return deliver_task_gate(core, e, gate);
  if (!gate.present()) return raise_gate(core, kNp, e.vector);
  Descriptor code;
  unsigned new_cpl = 0;
  if (Outcome o = check_handler_segment(core, gate.gate_selector(), code, new_cpl); failed(o)) return o;

  const unsigned size = type & 8 ? 4 : 2;
  const std::uint64_t rip = size == 4 ? gate.gate_offset() : (gate.gate_offset() & 0xffff);
  const Segment cs = parse_segment(gate.gate_selector(), code);
  const bool inner = new_cpl < cpl;
  const bool from_v8086 = st.v8086();
  Segment ss = st.seg[kSs];
  std::uint64_t sp = st.gpr[kRsp];
  std::uint32_t limit_error = external_bit(core);
  if (inner) {
    std::uint16_t selector = 0;
    if (Outcome o = inner_stack_legacy(core, new_cpl, selector, sp); failed(o)) return o;
    if (!(selector & 0xfffc)) return core.raise(kTs, external_bit(core));
    if (Outcome o = check_stack_segment(core, selector, new_cpl, kTs, ss); failed(o)) return o;
    limit_error = (selector & 0xfffcu) | external_bit(core);
  }
  StackFrame frame(core, ss, sp, false, new_cpl == 3 ? View::kUser : View::kSupervisor, limit_error);
  if (from_v8086)
    for (unsigned r : {kGs, kFs, kDs, kEs}) frame.push(st.seg[r].selector, size);
  if (inner) {
    frame.push(st.seg[kSs].selector, size);
    frame.push(st.gpr[kRsp], size);
  }
  frame.push(pushed_flags(core, e), size);
  frame.push(st.seg[kCs].selector, size);
  frame.push(return_rip(core, e), size);
  if (e.has_error_code) frame.push(e.error_code, size);
  if (rip > cs.limit) return core.raise_gp(external_bit(core));
  if (Outcome o = set_accessed(core, code); failed(o)) return o;
  if (Outcome o = frame.write(); failed(o)) return o;

  st.gpr[kRsp] = inner ? loaded_sp(false, ss, sp, frame.sp()) : frame.sp();
  if (inner) st.seg[kSs] = ss;
  if (from_v8086)
    for (unsigned r : {kGs, kFs, kDs, kEs}) st.seg[r] = null_segment(0);
  enter_handler(core, cs, gate.gate_selector(), new_cpl, rip, !(type & 1));
  return Outcome::kNext;
}

bool contributory(std::uint8_t vector) { return vector == kDe || (vector >= kTs && vector <= kGp); }
bool page_fault(std::uint8_t vector) { return vector == kPfVec || vector == kVe; }

// SDM 3, table 6-5.
enum class Combination : std::uint8_t { kSerial, kDoubleFault, kTripleFault };
Combination combine(const Event& first, const Event& second) {
  if (first.type != EventType::kHardwareException || second.type != EventType::kHardwareException)
    return Combination::kSerial;
  const bool c = contributory(second.vector), p = page_fault(second.vector);
  if (first.vector == kDfVec) return c || p ? Combination::kTripleFault : Combination::kSerial;
  if (contributory(first.vector)) return c ? Combination::kDoubleFault : Combination::kSerial;
  if (page_fault(first.vector)) return c || p ? Combination::kDoubleFault : Combination::kSerial;
  return Combination::kSerial;
}

}  // namespace
}  // namespace isa

Outcome Core::deliver(const Event& event) {
  const Event e = event;  // may be `fault`, which a failure overwrites
  delivering = e;
  if (e.type == EventType::kHardwareException && e.vector == kPfVec) st.cr2 = e.cr2;
  if (e.type == EventType::kHardwareException && e.vector == kDb) {
    st.dr[6] |= e.dr6;
    st.dr[7] &= ~(std::uint64_t{1} << 13);  // GD
    st.msr.debugctl &= ~std::uint64_t{3};   // LBR, BTF
  }
  Outcome o;
  if (!st.protected_mode())
    o = isa::deliver_real(*this, e);
  else if (st.long_mode_active())
    o = isa::deliver_long(*this, e);
  else
    o = isa::deliver_legacy(*this, e);
  if (failed(o)) return o;
  delivering.reset();
  if (e.type == EventType::kNmi) st.nmi_blocked = true;
  st.sti_shadow = st.mov_ss_shadow = false;
  st.activity = Activity::kActive;
  isa::execution_context_changed(*this);
  return Outcome::kEndBlock;
}

Outcome Core::commit_fault() {
  for (;;) {
    Event e = fault;
    if (delivering) {
      const isa::Combination c = isa::combine(*delivering, e);
      if (c == isa::Combination::kTripleFault) {
        if (vmx.non_root) return vmx.on_triple_fault();
        delivering.reset();
        st.activity = Activity::kShutdown;
        return Outcome::kShutdown;
      }
      if (c == isa::Combination::kDoubleFault) {
        if (e.vector == kPfVec) st.cr2 = e.cr2;
        e = Event{};
        e.vector = kDfVec;
        e.has_error_code = true;
      }
    }
    // An interception reports the event whose delivery failed; past it, this event is the one being delivered.
    if (!(e.type == EventType::kSoftwareInterrupt))
      if (Outcome o = vmx.on_exception(e); failed(o)) return o;
    const Outcome o = deliver(e);
    if (o != Outcome::kFault) return o;
  }
}

}  // namespace xensim::cpu
