// Parts of x87_forms() that live in files of their own, and what their handlers share.
//
// Records: sub is the opcode byte's low three bits, sub2 the ModRM byte, imm the instruction's own RIP (for the
// FPU instruction pointer).
#pragma once

#include <span>

#include "models/cpu/core.h"
#include "models/cpu/form.h"
#include "models/cpu/isa/x87_convert.h"
#include "models/cpu/isa/x87_frame.h"

namespace xensim::cpu::isa {

std::span<const Form> x87_arithmetic_forms();  // x87_arithmetic.cpp: what computes and compares
std::span<const Form> x87_move_forms();        // x87_move.cpp: loads, stores, moves between registers, the stack
std::span<const Form>
x87_control_forms();                   // x87_control.cpp: control and status words, environment, FNSAVE, FWAIT
std::span<const Form> fxsave_forms();  // fxsave.cpp

namespace x87 {

inline void fill(const DecodedInstruction& d, Op& op) {
  op.sub = d.insn.opcode & 7;
  op.sub2 = static_cast<std::uint8_t>(d.insn.raw.modrm.mod << 6 | d.insn.raw.modrm.reg << 3 | d.insn.raw.modrm.rm);
  op.imm = d.rip;
}

// Bits of the memory operand; 0: none.
inline unsigned memory_bits(const DecodedInstruction& d) {
  for (unsigned i = 0; i < d.insn.operand_count_visible; ++i)
    if (d.is_mem(i)) return d.op(i).size;
  return 0;
}

// The pointers to the last instruction and operand are kept for each non-control instruction; their selectors read
// as zero (CPUID.7.EBX[13]).
void note_instruction(Core& c, const Op& op);
void note_operand(Core& c, const Op& op);

// D8…DF with a register operand ST(i), or none.
template <void (*kRun)(Frame&, unsigned i)>
Outcome register_form(Core& c, const Op& op) {
  if (Outcome o = check<true>(c); o != Outcome::kNext) return o;
  Frame f(c.st.x87);
  kRun(f, op.sub2 & 7u);
  f.finish();
  note_instruction(c, op);
  return Outcome::kNext;
}

template <class Format, void (*kRun)(Frame&, const Extended&)>
Outcome memory_source(Core& c, const Op& op) {
  if (Outcome o = check<true>(c); o != Outcome::kNext) return o;
  typename Format::Stored v;
  if (Outcome o = c.read(op, v); failed(o)) return o;
  Frame f(c.st.x87);
  kRun(f, Format::value(f.context, v));
  f.finish();
  note_instruction(c, op);
  note_operand(c, op);
  return Outcome::kNext;
}

template <Handler kHandler>
Handler bind_to(const DecodedInstruction& d, Op& op) {
  fill(d, op);
  return kHandler;
}
template <void (*kRun)(Frame&, unsigned i)>
Handler bind_register(const DecodedInstruction& d, Op& op) {
  fill(d, op);
  return register_form<kRun>;
}

// Of a single or double in memory, or an integer (FI…).
template <void (*kRun)(Frame&, const Extended&)>
Handler bind_real(const DecodedInstruction& d) {
  return memory_bits(d) == 32 ? memory_source<SingleReal, kRun> : memory_source<DoubleReal, kRun>;
}
template <void (*kRun)(Frame&, const Extended&)>
Handler bind_integer(const DecodedInstruction& d, Op& op) {
  fill(d, op);
  switch (memory_bits(d)) {
    case 16:
      return memory_source<Integer<std::int16_t>, kRun>;
    case 32:
      return memory_source<Integer<std::int32_t>, kRun>;
    default:
      return memory_source<Integer<std::int64_t>, kRun>;
  }
}

}  // namespace x87

}  // namespace xensim::cpu::isa
