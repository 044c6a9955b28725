// The x87 family (SDM 1, chapter 8; SDM 2), in integers from the operands to the flags: x87_extended.h has the
// arithmetic, x87_transcendental.h the functions, x87_convert.h the formats in memory, x87_frame.h the register
// stack; instructions are in x87_arithmetic.cpp, x87_move.cpp and x87_control.cpp, FXSAVE in fxsave.cpp.
//
// A pending unmasked exception is #MF whether CR0.NE is set or not: there is no FERR# pin to wait at.
#include <vector>

#include "models/cpu/isa/x87_parts.h"

namespace xensim::cpu::isa {

void x87::note_instruction(Core& c, const Op& op) {
  c.st.x87.opcode = static_cast<std::uint16_t>((op.sub & 7u) << 8 | op.sub2);
  c.st.x87.instruction_pointer = op.imm;
}

void x87::note_operand(Core& c, const Op& op) {
  std::uint64_t ea = c.st.gpr[op.base] + (c.st.gpr[op.index] << op.scale) + op.disp;
  if (op.flags & kAddr32) ea = static_cast<std::uint32_t>(ea);
  if (op.flags & kAddr16) ea = static_cast<std::uint16_t>(ea);
  c.st.x87.data_pointer = ea;
}

std::span<const Form> x87_forms() {
  static const std::vector<Form> forms = [] {
    std::vector<Form> all;
    for (const auto part : {x87_arithmetic_forms(), x87_move_forms(), x87_control_forms(), fxsave_forms()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return forms;
}

}  // namespace xensim::cpu::isa
