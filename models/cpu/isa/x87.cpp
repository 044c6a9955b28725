// The x87 family: its table, and the instructions that compute, load and store (SDM 1, chapter 8; SDM 2). They run
// on the host's x87 unit (x87_host.h); control instructions are in x87_control.cpp, FXSAVE in fxsave.cpp.
//
// Records: sub is the opcode byte's low three bits, sub2 the ModRM byte, imm the instruction's own RIP (for the
// FPU instruction pointer). The pointers to the last instruction and operand are kept for each non-control
// instruction, its selectors read as zero (CPUID.7.EBX[13]). A pending unmasked exception is #MF whether CR0.NE is
// set or not: there is no FERR# pin to wait at.
#include <vector>

#include "models/cpu/core.h"
#include "models/cpu/form.h"
#include "models/cpu/isa/x87_host.h"
#include "models/cpu/isa/x87_parts.h"
#include "models/cpu/isa/x87_state.h"

namespace xensim::cpu::isa {

namespace {

struct Bytes10 {
  std::uint8_t b[10];
};

void note_instruction(Core& c, const Op& op) {
  c.st.x87.opcode = static_cast<std::uint16_t>((op.sub & 7u) << 8 | op.sub2);
  c.st.x87.instruction_pointer = op.imm;
}

void note_operand(Core& c, const Op& op) {
  std::uint64_t ea = c.st.gpr[op.base] + (c.st.gpr[op.index] << op.scale) + op.disp;
  if (op.flags & kAddr32) ea = static_cast<std::uint32_t>(ea);
  if (op.flags & kAddr16) ea = static_cast<std::uint16_t>(ea);
  c.st.x87.data_pointer = ea;
}

// D9…DF with a register operand or none. kNoted: not a control instruction.
template <bool kNoted>
Outcome register_form(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  x87::HostImage image = x87::host_image(c.st.x87);
  std::uint16_t flags = 0;
  x87::host_register_form(image, op.sub, op.sub2, flags);
  x87::take_host_image(c.st.x87, image);
  if constexpr (kNoted) note_instruction(c, op);
  return Outcome::kNext;
}

// FCMOVcc reads the flags.
Outcome conditional_move(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  x87::HostImage image = x87::host_image(c.st.x87);
  auto flags = static_cast<std::uint16_t>((c.rflags() & 0xd5) << 8);
  x87::host_register_form(image, op.sub, op.sub2, flags);
  x87::take_host_image(c.st.x87, image);
  note_instruction(c, op);
  return Outcome::kNext;
}

// FCOMI and its like write ZF, PF and CF and clear the others, unless an unmasked exception stops them (on AMD's
// processors it does not).
Outcome compare_to_flags(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  x87::HostImage image = x87::host_image(c.st.x87);
  std::uint16_t flags = 0;
  x87::host_register_form(image, op.sub, op.sub2, flags);
  x87::take_host_image(c.st.x87, image);
  note_instruction(c, op);
  if (!x87::pending(c.st.x87)) c.flags.load((flags >> 8) & (kZf | kPf | kCf));
  return Outcome::kNext;
}

template <class T>
Outcome memory_source(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  alignas(16) std::uint8_t operand[16] = {};
  T v;
  if (Outcome o = c.read(op, v); failed(o)) return o;
  std::memcpy(operand, &v, sizeof(T));
  x87::HostImage image = x87::host_image(c.st.x87);
  x87::host_memory_form(image, op.sub, op.sub2 >> 3, operand);
  x87::take_host_image(c.st.x87, image);
  note_instruction(c, op);
  note_operand(c, op);
  return Outcome::kNext;
}

template <class T>
Outcome memory_destination(Core& c, const Op& op) {
  if (Outcome o = x87::check<true>(c); o != Outcome::kNext) return o;
  alignas(16) std::uint8_t operand[16] = {};
  x87::HostImage image = x87::host_image(c.st.x87);
  x87::host_memory_form(image, op.sub, op.sub2 >> 3, operand);
  X87 after = c.st.x87;
  x87::take_host_image(after, image);
  Outcome result = Outcome::kNext;
  // Unmasked invalid operation, overflow and underflow leave the destination alone (it must be writable all the
  // same); inexact does not.
  constexpr unsigned kPreventsStore = 0x01 | 0x08 | 0x10;
  std::uint64_t a;
  if (!c.linear_address(op, sizeof(T), true, a)) return Outcome::kFault;
  if (after.status & ~after.control & kPreventsStore) {
    result = c.mmu.probe_write(LinearAddr(a), sizeof(T), c.mmu.current_view());
  } else {
    T v;
    std::memcpy(&v, operand, sizeof(T));
    result = c.write_linear(a, v);
  }
  if (failed(result)) return result;
  c.st.x87 = after;
  note_instruction(c, op);
  note_operand(c, op);
  return result;
}

void fill(const DecodedInstruction& d, Op& op) {
  op.sub = d.insn.opcode & 7;
  op.sub2 = static_cast<std::uint8_t>(d.insn.raw.modrm.mod << 6 | d.insn.raw.modrm.reg << 3 | d.insn.raw.modrm.rm);
  op.imm = d.rip;
}

unsigned memory_bits(const DecodedInstruction& d) {
  for (unsigned i = 0; i < d.insn.operand_count_visible; ++i)
    if (d.is_mem(i)) return d.op(i).size;
  return 0;
}

Handler bind_source(const DecodedInstruction& d, Op& op) {
  fill(d, op);
  switch (memory_bits(d)) {
    case 0:
      return register_form<true>;
    case 16:
      return memory_source<std::uint16_t>;
    case 32:
      return memory_source<std::uint32_t>;
    case 64:
      return memory_source<std::uint64_t>;
    case 80:
      return memory_source<Bytes10>;
  }
  return nullptr;
}
Handler bind_destination(const DecodedInstruction& d, Op& op) {
  fill(d, op);
  switch (memory_bits(d)) {
    case 0:
      return register_form<true>;
    case 16:
      return memory_destination<std::uint16_t>;
    case 32:
      return memory_destination<std::uint32_t>;
    case 64:
      return memory_destination<std::uint64_t>;
    case 80:
      return memory_destination<Bytes10>;
  }
  return nullptr;
}
template <Handler kHandler>
Handler bind_to(const DecodedInstruction& d, Op& op) {
  fill(d, op);
  return kHandler;
}

#define ROW(name, cost, bind) Form(ZYDIS_MNEMONIC_##name, CostClass::cost, BlockShape::kStraight, bind)

constexpr Form kForms[] = {
    ROW(FADD, kX87, bind_source),
    ROW(FADDP, kX87, bind_source),
    ROW(FIADD, kX87, bind_source),
    ROW(FSUB, kX87, bind_source),
    ROW(FSUBP, kX87, bind_source),
    ROW(FISUB, kX87, bind_source),
    ROW(FSUBR, kX87, bind_source),
    ROW(FSUBRP, kX87, bind_source),
    ROW(FISUBR, kX87, bind_source),
    ROW(FMUL, kX87, bind_source),
    ROW(FMULP, kX87, bind_source),
    ROW(FIMUL, kX87, bind_source),
    ROW(FDIV, kFpDiv, bind_source),
    ROW(FDIVP, kFpDiv, bind_source),
    ROW(FIDIV, kFpDiv, bind_source),
    ROW(FDIVR, kFpDiv, bind_source),
    ROW(FDIVRP, kFpDiv, bind_source),
    ROW(FIDIVR, kFpDiv, bind_source),
    ROW(FCOM, kX87, bind_source),
    ROW(FCOMP, kX87, bind_source),
    ROW(FCOMPP, kX87, bind_source),
    ROW(FICOM, kX87, bind_source),
    ROW(FICOMP, kX87, bind_source),
    ROW(FUCOM, kX87, bind_source),
    ROW(FUCOMP, kX87, bind_source),
    ROW(FUCOMPP, kX87, bind_source),
    ROW(FCOMI, kX87, bind_to<compare_to_flags>),
    ROW(FCOMIP, kX87, bind_to<compare_to_flags>),
    ROW(FUCOMI, kX87, bind_to<compare_to_flags>),
    ROW(FUCOMIP, kX87, bind_to<compare_to_flags>),
    ROW(FTST, kX87, bind_source),
    ROW(FXAM, kX87, bind_source),
    ROW(FLD, kX87, bind_source),
    ROW(FILD, kX87, bind_source),
    ROW(FBLD, kX87, bind_source),
    ROW(FST, kX87, bind_destination),
    ROW(FSTP, kX87, bind_destination),
    ROW(FSTPNCE, kX87, bind_destination),
    ROW(FIST, kX87, bind_destination),
    ROW(FISTP, kX87, bind_destination),
    ROW(FISTTP, kX87, bind_destination),
    ROW(FBSTP, kX87, bind_destination),
    ROW(FXCH, kX87, bind_source),
    ROW(FLD1, kX87, bind_source),
    ROW(FLDZ, kX87, bind_source),
    ROW(FLDPI, kX87, bind_source),
    ROW(FLDL2E, kX87, bind_source),
    ROW(FLDL2T, kX87, bind_source),
    ROW(FLDLG2, kX87, bind_source),
    ROW(FLDLN2, kX87, bind_source),
    ROW(FCHS, kX87, bind_source),
    ROW(FABS, kX87, bind_source),
    ROW(FSQRT, kFpSqrt, bind_source),
    ROW(FRNDINT, kX87, bind_source),
    ROW(FSCALE, kX87Transcendental, bind_source),
    ROW(FXTRACT, kX87Transcendental, bind_source),
    ROW(FPREM, kX87Transcendental, bind_source),
    ROW(FPREM1, kX87Transcendental, bind_source),
    ROW(FSIN, kX87Transcendental, bind_source),
    ROW(FCOS, kX87Transcendental, bind_source),
    ROW(FSINCOS, kX87Transcendental, bind_source),
    ROW(FPTAN, kX87Transcendental, bind_source),
    ROW(FPATAN, kX87Transcendental, bind_source),
    ROW(F2XM1, kX87Transcendental, bind_source),
    ROW(FYL2X, kX87Transcendental, bind_source),
    ROW(FYL2XP1, kX87Transcendental, bind_source),
    ROW(FCMOVB, kX87, bind_to<conditional_move>),
    ROW(FCMOVE, kX87, bind_to<conditional_move>),
    ROW(FCMOVBE, kX87, bind_to<conditional_move>),
    ROW(FCMOVU, kX87, bind_to<conditional_move>),
    ROW(FCMOVNB, kX87, bind_to<conditional_move>),
    ROW(FCMOVNE, kX87, bind_to<conditional_move>),
    ROW(FCMOVNBE, kX87, bind_to<conditional_move>),
    ROW(FCMOVNU, kX87, bind_to<conditional_move>),
    ROW(FINCSTP, kX87, bind_to<register_form<false>>),
    ROW(FDECSTP, kX87, bind_to<register_form<false>>),
    ROW(FFREE, kX87, bind_to<register_form<false>>),
    ROW(FFREEP, kX87, bind_to<register_form<false>>),
    ROW(FNOP, kX87, bind_to<register_form<false>>),
    ROW(FENI8087_NOP, kX87, bind_to<register_form<false>>),
    ROW(FDISI8087_NOP, kX87, bind_to<register_form<false>>),
    ROW(FSETPM287_NOP, kX87, bind_to<register_form<false>>),
};

}  // namespace

std::span<const Form> x87_forms() {
  static const std::vector<Form> forms = [] {
    std::vector<Form> all(std::begin(kForms), std::end(kForms));
    for (const auto part : {x87_control_forms(), fxsave_forms()}) all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return forms;
}

}  // namespace xensim::cpu::isa
