// The instruction table. Each family of instructions (models/cpu/isa/<family>.cpp) exports its rows; a row without
// a cost class does not compile. Decode finds the row by mnemonic, lets it pick the handler for the operands at
// hand, and fills the operand fields of the record that all handlers share.
#pragma once

#include <Zydis/Zydis.h>

#include <span>

#include "models/cpu/block.h"
#include "models/cpu/op.h"

namespace xensim::cpu {

struct DecodedInstruction {
  const ZydisDecodedInstruction& insn;
  const ZydisDecodedOperand* operands;  // insn.operand_count of them; the visible ones first
  unsigned operand_bits;                // effective operand size: 8, 16, 32, 64
  std::uint32_t mode;                   // kMode… bits
  std::uint64_t rip;                    // of this instruction
  std::uint64_t next_rip;

  bool mode64() const { return mode & kMode64; }
  const ZydisDecodedOperand& op(unsigned i) const { return operands[i]; }
  bool is_mem(unsigned i) const { return operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY; }
  bool is_reg(unsigned i) const { return operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER; }
  bool is_imm(unsigned i) const { return operands[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }
};

// The shared fields, filled by decode before bind() is called:
//   reg   register of visible operand 0, if that is a register       rm   register of visible operand 1, likewise
//         General-purpose: the index into st.gpr; for 8-bit registers the byte offset into st.gpr (index × 8, and
//         + 1 for AH, CH, DH, BH), so that a handler reads reinterpret_cast<uint8_t*>(gpr)[offset]. XMM, x87, MMX,
//         segment, control and debug registers: their number.
//   imm   the (last) visible immediate, sign-extended as the instruction does
//         Of relative branches: the target's absolute RIP, truncated
//         to the operand size.
//   base, index, scale, disp, seg, flags   the memory operand, if there is one (for LEA too)
//   length, offset                          the instruction's place
// There is at most one memory operand; string instructions and other implicit operands are the family's own
// business.
//
// Picks the handler for these operands and fills what is special to the family (imm, sub, …). The shared fields
// (reg, rm, base, index, scale, disp, seg, flags, length, offset) are filled already. nullptr: the form raises
// #UD.
using Bind = Handler (*)(const DecodedInstruction&, Op&);

// How a form shapes its block.
enum class BlockShape : std::uint8_t {
  kStraight,  // the block may go on
  kEnds,      // branches, and everything that may change mode, paging or interruptibility
  kAlone,     // begins and ends its own block: reads the time, or is serialising
};

struct Form {
  constexpr Form(ZydisMnemonic m, CostClass c, BlockShape s, Bind b) : mnemonic(m), cost(c), shape(s), bind(b) {}
  ZydisMnemonic mnemonic;
  CostClass cost;
  BlockShape shape;
  Bind bind;
};

namespace isa {
// Parts of MOV, PUSH and POP that are other families' business: to and from segment registers (segment.cpp),
// control and debug registers (system.cpp).
Handler bind_mov_segment(const DecodedInstruction&, Op&);
Handler bind_push_segment(const DecodedInstruction&, Op&);
Handler bind_pop_segment(const DecodedInstruction&, Op&);
Handler bind_mov_control(const DecodedInstruction&, Op&);
Handler bind_mov_debug(const DecodedInstruction&, Op&);
// Far JMP, CALL and RET (far_transfer.cpp): the rows of JMP, CALL and RET bind these when the branch type is far.
Handler bind_far_jmp(const DecodedInstruction&, Op&);
Handler bind_far_call(const DecodedInstruction&, Op&);
Handler bind_far_ret(const DecodedInstruction&, Op&);
}  // namespace isa

// The row of a mnemonic; nullptr: no family has it. [isa/form_table.cpp]
const Form* find_form(ZydisMnemonic mnemonic);
// MOVSD and CMPSD name a string and an SSE2 instruction: the other row, to try when the first has no handler.
const Form* find_second_form(ZydisMnemonic mnemonic);

// The families; each is defined in the file of its name in models/cpu/isa/.
namespace isa {
std::span<const Form> data_movement_forms();  // MOV, MOVZX, LEA, PUSH, POP, XCHG, CMOVcc, BSWAP, …
std::span<const Form> arithmetic_forms();     // ADD … CMP, INC, MUL, DIV, …
std::span<const Form> logic_forms();          // AND, OR, XOR, TEST, NOT, shifts, rotates, bit test and scan
std::span<const Form> atomic_forms();         // XADD, CMPXCHG, CMPXCHG8B/16B
std::span<const Form> control_flow_forms();   // near JMP, Jcc, CALL, RET, LOOP, SETcc
std::span<const Form> string_forms();         // MOVS, STOS, LODS, CMPS, SCAS with REP
std::span<const Form> flag_forms();  // CLC, CLD, LAHF, PUSHF, POPF, CLI, STI, NOP, PAUSE, fences, prefetches
std::span<const Form> far_transfer_forms();  // far JMP/CALL/RET, INT n, IRET, SYSCALL, SYSRET, SYSENTER, SYSEXIT
std::span<const Form> system_forms();   // CR/DR moves, MSRs, CPUID, descriptor tables, HLT, INVLPG, RDTSC, …
std::span<const Form> segment_forms();  // MOV to segment, LDS…, LAR, LSL, VERR, VERW, PUSH/POP seg, RDFSBASE…
std::span<const Form> io_forms();       // IN, OUT, INS, OUTS
std::span<const Form> sse_forms();      // SSE, SSE2
std::span<const Form> x87_forms();      // x87, FXSAVE, FXRSTOR
std::span<const Form> xsave_forms();    // XSAVE…, XRSTOR…, XGETBV, XSETBV
std::span<const Form> vmx_forms();      // VMXON … VMRESUME, VMCALL, INVEPT, INVVPID
}  // namespace isa

}  // namespace xensim::cpu
