// The name of an instruction's form: prefixes that make it another instruction (LOCK, REP), mnemonic, and the kind
// of each visible operand, as in "lock add m32, r32", "movsd xmm, m64" or "jmp rel8". Coverage is counted in
// forms.
//
//   r8 … r64  general registers      cl        the count register of shifts       sreg cr dr
//   m8 … m512 memory of that size; "m" where only the address counts (LEA, INVLPG) or the size is the state's
//   imm8 … imm64, rel8 … rel32, ptr  immediates, as they are encoded; "1" the one of shifts by one
//   st mm xmm ymm zmm k              floating-point, vector and mask registers
//
// Which register it is, the address's shape and the mode are not part of it. EVEX-encoded forms end in "{evex}".
#pragma once

#include <Zydis/Zydis.h>

#include <string>

namespace xensim::cpu {

// A decoder for code of 16 (real mode), 32 or 64 bits, with every extension that Zydis knows.
ZydisDecoder decoder_of_mode(unsigned mode);

std::string form_name(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands);

}  // namespace xensim::cpu
