#include "models/cpu/decode.h"

#include <algorithm>
#include <array>

#include "models/cpu/core.h"
#include "models/cpu/isa/operands.h"
#include "sim/base/bits.h"

namespace xensim::cpu {
namespace {

Outcome undefined_opcode(Core& core, const Op&) { return core.raise_ud(); }
Outcome too_long(Core& core, const Op&) { return core.raise_gp(); }

ZydisDecoder make_decoder(ZydisMachineMode mode, ZydisStackWidth stack, bool lzcnt, bool tzcnt) {
  ZydisDecoder d;
  ZydisDecoderInit(&d, mode, stack);
  // Encodings that are NOPs, or other instructions, on a processor without the extension.
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_LZCNT, lzcnt ? ZYAN_TRUE : ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_TZCNT, tzcnt ? ZYAN_TRUE : ZYAN_FALSE);
  return d;
}

bool has_lzcnt(const CpuidPolicy& p) { return bit(p.query(0x80000001, 0).ecx, 5); }

std::uint8_t record_register(ZydisRegister r) {
  switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return isa::register_number(r);
    default: {
      const int id = ZydisRegisterGetId(r);
      return id < 0 ? 0 : static_cast<std::uint8_t>(id);
    }
  }
}

// A base or index register: 16, 32 or 64 bits wide.
std::uint8_t address_register(ZydisRegister r) {
  return r == ZYDIS_REGISTER_NONE ? kZeroReg : static_cast<std::uint8_t>(ZydisRegisterGetId(r));
}

std::uint8_t scoreboard_register(ZydisRegister r) {
  switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_GPR8:
      if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
        return static_cast<std::uint8_t>(r - ZYDIS_REGISTER_AH);
      return static_cast<std::uint8_t>(isa::register_number(r) / 8);
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return static_cast<std::uint8_t>(ZydisRegisterGetId(r));
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
      return static_cast<std::uint8_t>(kRegXmm0 + (ZydisRegisterGetId(r) & 15));
    case ZYDIS_REGCLASS_X87:
    case ZYDIS_REGCLASS_MMX:
      return kRegX87;
    case ZYDIS_REGCLASS_FLAGS:
      return kRegFlags;
    default:
      return kRegNone;
  }
}

template <std::size_t N>
void note(std::uint8_t (&list)[N], std::uint8_t r) {
  for (std::uint8_t& e : list) {
    if (e == r) return;
    if (e == kRegNone) {
      e = r;
      return;
    }
  }
}

constexpr bool reads(const ZydisDecodedOperand& o) { return o.actions & ZYDIS_OPERAND_ACTION_MASK_READ; }
constexpr bool writes(const ZydisDecodedOperand& o) { return o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE; }

// XOR and its like with twice the same register: the result does not depend on it.
bool clears_register(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_XORPS:
    case ZYDIS_MNEMONIC_XORPD:
      return operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER && operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
             operands[0].reg.value == operands[1].reg.value && operands[0].size >= 32;
    case ZYDIS_MNEMONIC_VPXOR:
    case ZYDIS_MNEMONIC_VXORPS:
    case ZYDIS_MNEMONIC_VXORPD:
      return operands[2].type == ZYDIS_OPERAND_TYPE_REGISTER && operands[1].reg.value == operands[2].reg.value;
    default:
      return false;
  }
}

std::uint8_t branch_flags(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  const bool indirect = insn.operand_count_visible == 0 || operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
  const std::uint8_t i = indirect ? kTimingIndirect : 0;
  switch (insn.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
      return kTimingBranch | kTimingConditional;
    case ZYDIS_CATEGORY_UNCOND_BR:
      return static_cast<std::uint8_t>(kTimingBranch | i);
    case ZYDIS_CATEGORY_CALL:
      return static_cast<std::uint8_t>(kTimingBranch | kTimingCall | i);
    case ZYDIS_CATEGORY_RET:
      return kTimingBranch | kTimingReturn;
    default:
      return 0;
  }
}

bool serialising(CostClass c) {
  switch (c) {
    case CostClass::kCpuid:
    case CostClass::kControlRegister:
    case CostClass::kIret:
    case CostClass::kFence:
    case CostClass::kMsr:
    case CostClass::kTlbInvalidate:
    case CostClass::kVmx:
      return true;
    default:
      return false;
  }
}

// One row serves all forms of a mnemonic; some of them cost what another class costs.
CostClass refine(CostClass cost, const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  if (insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR && cost != CostClass::kIret) return CostClass::kFarTransfer;
  if (cost == CostClass::kDiv && insn.operand_width == 64) return CostClass::kDiv64;
  if (cost == CostClass::kBranch && (branch_flags(insn, operands) & kTimingIndirect)) return CostClass::kIndirect;
  if (cost != CostClass::kMove && cost != CostClass::kPush && cost != CostClass::kPop) return cost;
  CostClass memory = cost;
  for (unsigned i = 0; i < insn.operand_count_visible; ++i) {
    const ZydisDecodedOperand& o = operands[i];
    if (o.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      switch (ZydisRegisterGetClass(o.reg.value)) {
        case ZYDIS_REGCLASS_SEGMENT:
          return writes(o) ? CostClass::kSegmentLoad : cost;
        case ZYDIS_REGCLASS_CONTROL:
        case ZYDIS_REGCLASS_DEBUG:
          return CostClass::kControlRegister;
        default:
          break;
      }
    }
    if (cost == CostClass::kMove && o.type == ZYDIS_OPERAND_TYPE_MEMORY)
      memory = writes(o) ? CostClass::kStore : CostClass::kLoad;
  }
  return memory;
}

OpTiming timing_of(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands, CostClass cost) {
  OpTiming t;
  t.flags = branch_flags(insn, operands);
  if (serialising(cost)) t.flags |= kTimingSerialising;
  t.address_sources = 0;
  std::fill(std::begin(t.src), std::end(t.src), kRegNone);
  std::fill(std::begin(t.dst), std::end(t.dst), kRegNone);
  const std::span all(operands, insn.operand_count);
  for (const ZydisDecodedOperand& o : all) {
    if (o.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    for (ZydisRegister r : {o.mem.base, o.mem.index})
      if (const std::uint8_t s = scoreboard_register(r); s != kRegNone) note(t.src, s);
    if (o.mem.type == ZYDIS_MEMOP_TYPE_AGEN) continue;
    if (reads(o)) t.flags |= kTimingLoad;
    if (writes(o)) t.flags |= kTimingStore;
  }
  if (t.flags & (kTimingLoad | kTimingStore))
    t.address_sources = static_cast<std::uint8_t>(std::find(std::begin(t.src), std::end(t.src), kRegNone) - t.src);
  const bool clears = clears_register(insn, operands);
  for (const ZydisDecodedOperand& o : all) {
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const std::uint8_t r = scoreboard_register(o.reg.value);
    if (r == kRegNone) continue;
    const bool partial = r < kRegFlags && o.size < 32;
    const bool conditional = o.actions & ZYDIS_OPERAND_ACTION_CONDWRITE;
    const bool is_read = r == kRegFlags ? insn.cpu_flags && insn.cpu_flags->tested != 0 : reads(o);
    if ((is_read || (writes(o) && (partial || (conditional && r != kRegFlags)))) && !(clears && r != kRegFlags))
      note(t.src, r);
    if (writes(o)) note(t.dst, r);
  }
  t.cost = cost;
  return t;
}

void fill_memory(Op& op, const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& o, std::uint32_t mode,
                 std::uint64_t next_rip) {
  op.disp = static_cast<std::uint64_t>(o.mem.disp.value);
  op.seg = static_cast<std::uint8_t>(ZydisRegisterGetId(o.mem.segment) < 0 ? static_cast<ZyanI8>(kDs)
                                                                           : ZydisRegisterGetId(o.mem.segment));
  if (o.mem.base == ZYDIS_REGISTER_RIP || o.mem.base == ZYDIS_REGISTER_EIP) {
    op.disp += next_rip;
    op.flags |= kRipRelative;
  } else {
    op.base = address_register(o.mem.base);
  }
  op.index = address_register(o.mem.index);
  op.scale = o.mem.scale == 8 ? 3 : o.mem.scale == 4 ? 2 : o.mem.scale == 2 ? 1 : 0;
  const bool fs_gs = op.seg == kFs || op.seg == kGs;
  if (insn.address_width == 64) {
    if (!fs_gs) op.flags |= kAddrSimple;
  } else if (insn.address_width == 32) {
    op.flags |= kAddr32;
    const bool flat = mode & kMode64 ? !fs_gs : (mode & kModeFlat) && !fs_gs && op.seg != kCs;
    if (flat) op.flags |= kAddrFlat32;
  } else {
    op.flags |= kAddr16;
  }
}

Decoder::Result raising(Handler handler, std::size_t length) {
  Decoder::Result r{};
  r.op.fn = handler;
  r.op.base = r.op.index = kZeroReg;
  r.op.length = static_cast<std::uint8_t>(length);
  r.timing.cost = CostClass::kNop;
  std::fill(std::begin(r.timing.src), std::end(r.timing.src), kRegNone);
  std::fill(std::begin(r.timing.dst), std::end(r.timing.dst), kRegNone);
  r.shape = BlockShape::kEnds;
  return r;
}

}  // namespace

Decoder::Decoder(const CpuidPolicy& policy) : policy_(policy) {
  const bool lz = has_lzcnt(policy), tz = policy.has_7_ebx(3);
  long64_ = make_decoder(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, lz, tz);
  protected32_ = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32, lz, tz);
  protected16_ = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16, lz, tz);
  real_ = make_decoder(ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16, lz, tz);
}

bool Decoder::permitted(const ZydisDecodedInstruction& insn) const {
  const CpuidPolicy& p = policy_;
  if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
    if (!p.has_1_ecx(28) && insn.meta.isa_set != ZYDIS_ISA_SET_BMI1 && insn.meta.isa_set != ZYDIS_ISA_SET_BMI2)
      return false;
  } else if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || insn.encoding == ZYDIS_INSTRUCTION_ENCODING_XOP ||
             insn.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX) {
    return false;
  }
  switch (insn.meta.isa_set) {
    // clang-format off
    case ZYDIS_ISA_SET_X87: return p.has_1_edx(0);
    case ZYDIS_ISA_SET_CMOV: return p.has_1_edx(15);
    case ZYDIS_ISA_SET_CLFSH: return p.has_1_edx(19);
    case ZYDIS_ISA_SET_PENTIUMMMX: return p.has_1_edx(23);
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_FXSAVE64: return p.has_1_edx(24);
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSEMXCSR: return p.has_1_edx(25);
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX: return p.has_1_edx(26);
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87: return p.has_1_ecx(0);
    case ZYDIS_ISA_SET_PCLMULQDQ: return p.has_1_ecx(1);
    case ZYDIS_ISA_SET_MONITOR: return p.has_1_ecx(3);
    case ZYDIS_ISA_SET_VTX: return p.has_1_ecx(5);
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX: return p.has_1_ecx(9);
    case ZYDIS_ISA_SET_FMA: return p.has_1_ecx(12);
    case ZYDIS_ISA_SET_CMPXCHG16B: return p.has_1_ecx(13);
    case ZYDIS_ISA_SET_SSE4: return p.has_1_ecx(19);
    case ZYDIS_ISA_SET_SSE42: return p.has_1_ecx(20);
    case ZYDIS_ISA_SET_MOVBE: return p.has_1_ecx(22);
    case ZYDIS_ISA_SET_POPCNT: return p.has_1_ecx(23);
    case ZYDIS_ISA_SET_AES: return p.has_1_ecx(25);
    case ZYDIS_ISA_SET_XSAVE: return p.has_1_ecx(26);
    case ZYDIS_ISA_SET_AVX: return insn.mnemonic != ZYDIS_MNEMONIC_VPCLMULQDQ || p.has_1_ecx(1);
    case ZYDIS_ISA_SET_AVXAES: return p.has_1_ecx(25);
    case ZYDIS_ISA_SET_VAES: return p.has_7_ecx(9);
    case ZYDIS_ISA_SET_VPCLMULQDQ: return p.has_7_ecx(10);
    case ZYDIS_ISA_SET_F16C: return p.has_1_ecx(29);
    case ZYDIS_ISA_SET_RDRAND: return p.has_1_ecx(30);
    case ZYDIS_ISA_SET_RDWRFSGS: return p.has_7_ebx(0);
    case ZYDIS_ISA_SET_BMI1: return p.has_7_ebx(3);
    case ZYDIS_ISA_SET_AVX2:
    case ZYDIS_ISA_SET_AVX2GATHER: return p.has_7_ebx(5);
    case ZYDIS_ISA_SET_BMI2: return p.has_7_ebx(8);
    case ZYDIS_ISA_SET_INVPCID: return p.has_7_ebx(10);
    case ZYDIS_ISA_SET_RTM: return p.has_7_ebx(11);
    case ZYDIS_ISA_SET_RDSEED: return p.has_7_ebx(18);
    case ZYDIS_ISA_SET_ADOX_ADCX: return p.has_7_ebx(19);
    case ZYDIS_ISA_SET_SMAP: return p.has_7_ebx(20);
    case ZYDIS_ISA_SET_CLFLUSHOPT: return p.has_7_ebx(23);
    case ZYDIS_ISA_SET_CLWB: return p.has_7_ebx(24);
    case ZYDIS_ISA_SET_SHA: return p.has_7_ebx(29);
    case ZYDIS_ISA_SET_RDPID: return bit(p.query(7, 0).ecx, 22);
    case ZYDIS_ISA_SET_RDTSCP: return p.has_80000001_edx(27);
    case ZYDIS_ISA_SET_LZCNT: return has_lzcnt(p);
    case ZYDIS_ISA_SET_XSAVEOPT: return bit(p.query(0xd, 1).eax, 0);
    case ZYDIS_ISA_SET_XSAVEC: return bit(p.query(0xd, 1).eax, 1);
    case ZYDIS_ISA_SET_XSAVES: return bit(p.query(0xd, 1).eax, 3);
    default: return true;
      // clang-format on
  }
}

std::optional<Decoder::Result> Decoder::decode(const std::uint8_t* bytes, std::size_t available, std::uint64_t rip,
                                               std::uint32_t mode) const {
  const ZydisDecoder& decoder = mode & kMode64                    ? long64_
                                : mode & (kModeReal | kModeV8086) ? real_
                                : mode & kModeCode32              ? protected32_
                                                                  : protected16_;
  ZydisDecodedInstruction insn;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
  const ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes, available, &insn, operands.data());
  if (status == ZYDIS_STATUS_NO_MORE_DATA && available < ZYDIS_MAX_INSTRUCTION_LENGTH) return std::nullopt;
  if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA)
    return raising(too_long, std::min<std::size_t>(available, 15));
  if (!ZYAN_SUCCESS(status)) return raising(undefined_opcode, std::min<std::size_t>(available, 15));

  const Form* form = find_form(insn.mnemonic);
  const bool no_vex = mode & (kModeReal | kModeV8086);
  if (!form || !permitted(insn) || (no_vex && insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX))
    return raising(undefined_opcode, insn.length);

  Result r{};
  r.op.base = r.op.index = kZeroReg;
  r.op.seg = kDs;
  r.op.length = insn.length;
  std::uint64_t next_rip = rip + insn.length;
  if (!(mode & kMode64)) next_rip = static_cast<std::uint32_t>(next_rip);
  const DecodedInstruction d{insn, operands.data(), insn.operand_width, mode, rip, next_rip};

  if (insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) r.op.flags |= kRep;
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REPNE) r.op.flags |= kRepne;
  if (insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) r.op.flags |= kLock;
  for (unsigned i = 0; i < insn.operand_count_visible; ++i) {
    const ZydisDecodedOperand& o = operands[i];
    switch (o.type) {
      case ZYDIS_OPERAND_TYPE_REGISTER:
        if (i == 0) r.op.reg = record_register(o.reg.value);
        if (i == 1) r.op.rm = record_register(o.reg.value);
        break;
      case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        r.op.imm = o.imm.value.u;
        if (o.imm.is_relative) {
          r.op.imm += next_rip;
          if (!(mode & kMode64)) r.op.imm &= insn.operand_width == 16 ? 0xffff : 0xffffffff;
        }
        break;
      case ZYDIS_OPERAND_TYPE_MEMORY:
        fill_memory(r.op, insn, o, mode, next_rip);
        break;
      default:
        break;
    }
  }
  r.op.fn = form->bind(d, r.op);
  if (!r.op.fn) {
    form = find_second_form(insn.mnemonic);
    if (form) r.op.fn = form->bind(d, r.op);
  }
  if (!r.op.fn) return raising(undefined_opcode, insn.length);
  r.timing = timing_of(insn, operands.data(), refine(form->cost, insn, operands.data()));
  r.shape = form->shape;
  return r;
}

}  // namespace xensim::cpu
