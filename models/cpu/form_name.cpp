#include "models/cpu/form_name.h"

namespace xensim::cpu {
namespace {

std::string register_kind(const ZydisDecodedOperand& o) {
  // The count of a shift is CL and cannot be another.
  if (o.reg.value == ZYDIS_REGISTER_CL && o.encoding == ZYDIS_OPERAND_ENCODING_NONE) return "cl";
  switch (ZydisRegisterGetClass(o.reg.value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return "r" + std::to_string(o.size);
    case ZYDIS_REGCLASS_X87:
      return "st";
    case ZYDIS_REGCLASS_MMX:
      return "mm";
    case ZYDIS_REGCLASS_XMM:
      return "xmm";
    case ZYDIS_REGCLASS_YMM:
      return "ymm";
    case ZYDIS_REGCLASS_ZMM:
      return "zmm";
    case ZYDIS_REGCLASS_MASK:
      return "k";
    case ZYDIS_REGCLASS_SEGMENT:
      return "sreg";
    case ZYDIS_REGCLASS_CONTROL:
      return "cr";
    case ZYDIS_REGCLASS_DEBUG:
      return "dr";
    default:
      return ZydisRegisterGetString(o.reg.value);
  }
}

std::string immediate_kind(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& o) {
  if (o.encoding == ZYDIS_OPERAND_ENCODING_NONE) return "1";
  // ENTER and EXTRQ have two immediates; all others' is the first.
  const bool second = insn.raw.imm[1].size != 0 && o.id > 0 && insn.mnemonic == ZYDIS_MNEMONIC_ENTER;
  const unsigned bits = insn.raw.imm[second ? 1 : 0].size;
  return (o.imm.is_relative ? "rel" : "imm") + std::to_string(bits);
}

std::string kind(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& o) {
  switch (o.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      return register_kind(o);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      return immediate_kind(insn, o);
    case ZYDIS_OPERAND_TYPE_POINTER:
      return "ptr";
    case ZYDIS_OPERAND_TYPE_MEMORY:
      if (o.mem.type == ZYDIS_MEMOP_TYPE_AGEN || o.size == 0) return "m";
      return "m" + std::to_string(o.size);
    default:
      return "?";
  }
}

}  // namespace

ZydisDecoder decoder_of_mode(unsigned mode) {
  ZydisDecoder d;
  if (mode == 64)
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  else if (mode == 32)
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
  else
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
  return d;
}

std::string form_name(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  std::string name;
  if (insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) name += "lock ";
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REP) name += "rep ";
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REPE) name += "repe ";
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REPNE) name += "repne ";
  name += ZydisMnemonicGetString(insn.mnemonic);
  if (insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) name += " far";
  for (unsigned i = 0; i < insn.operand_count_visible; ++i)
    name += (i == 0 ? " " : ", ") + kind(insn, operands[i]);
  if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) name += " {evex}";
  return name;
}

}  // namespace xensim::cpu
