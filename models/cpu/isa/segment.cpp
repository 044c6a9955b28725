// Instructions on segment registers and selectors (SDM 2): MOV, PUSH and POP of segment registers, LDS … LGS, LAR,
// LSL, VERR, VERW, ARPL, and RDFSBASE and its kin. The checks are in segmentation.cpp.
#include "models/cpu/form.h"
#include "models/cpu/isa/segmentation.h"

namespace xensim::cpu::isa {
namespace {

void put(Core& core, unsigned reg, std::uint64_t value, unsigned size) {
  std::uint64_t& r = core.st.gpr[reg];
  if (size == 2)
    r = (r & ~0xffffull) | (value & 0xffff);
  else
    r = size == 8 ? value : static_cast<std::uint32_t>(value);
}

unsigned size_of(const DecodedInstruction& d) { return d.operand_bits / 8; }

// --- MOV. sub: the segment register.
template <bool Memory>
Outcome mov_to_segment(Core& core, const Op& op) {
  std::uint16_t selector = 0;
  if (Memory) {
    if (Outcome o = core.read(op, selector); failed(o)) return o;
  } else {
    selector = static_cast<std::uint16_t>(core.st.gpr[op.rm]);
  }
  if (Outcome o = load_segment(core, op.sub, selector); failed(o)) return o;
  if (op.sub == kSs) core.st.mov_ss_shadow = true;
  return Outcome::kEndBlock;
}

// sub2: bytes of the register destination; 0: memory.
Outcome mov_from_segment(Core& core, const Op& op) {
  const std::uint16_t selector = core.st.seg[op.sub].selector;
  if (op.sub2 == 0) return core.write(op, selector);
  put(core, op.reg, selector, op.sub2);
  return Outcome::kNext;
}

// --- PUSH and POP. sub: the segment register; sub2: bytes.
Outcome push_segment(Core& core, const Op& op) {
  ArchState& st = core.st;
  StackFrame frame(core, st.seg[kSs], st.gpr[kRsp], st.code64(), core.mmu.current_view(), 0);
  frame.push(st.seg[op.sub].selector, op.sub2);
  const Outcome o = frame.write();
  if (!failed(o)) st.gpr[kRsp] = frame.sp();
  return o;
}

Outcome pop_segment(Core& core, const Op& op) {
  StackReader stack(core);
  std::uint64_t value = 0;
  if (Outcome o = stack.pop(value, op.sub2); failed(o)) return o;
  if (Outcome o = load_segment(core, op.sub, static_cast<std::uint16_t>(value)); failed(o)) return o;
  core.st.gpr[kRsp] = stack.sp();
  if (op.sub == kSs) core.st.mov_ss_shadow = true;
  return Outcome::kEndBlock;
}

// --- LDS, LES, LFS, LGS, LSS.
template <unsigned Size>
Outcome load_far_pointer(Core& core, const Op& op) {
  std::array<std::uint8_t, Size + 2> raw{};
  if (Outcome o = core.read(op, raw); failed(o)) return o;
  std::uint64_t offset = 0;
  std::uint16_t selector = 0;
  std::memcpy(&offset, raw.data(), Size);
  std::memcpy(&selector, raw.data() + Size, 2);
  if (Outcome o = load_segment(core, op.sub, selector); failed(o)) return o;
  put(core, op.reg, offset, Size);
  return Outcome::kEndBlock;
}

template <SegReg Reg>
Handler bind_far_pointer(const DecodedInstruction& d, Op& op) {
  if (!d.is_mem(1) || (d.mode64() && (Reg == kDs || Reg == kEs))) return nullptr;
  op.sub = Reg;
  if (d.operand_bits == 64) return load_far_pointer<8>;
  return d.operand_bits == 16 ? load_far_pointer<2> : load_far_pointer<4>;
}

// --- Questions about selectors. They answer in ZF; bad selectors are no fault.
bool has_selectors(const Core& core) { return core.st.protected_mode() && !core.st.v8086(); }

template <bool Memory>
Outcome selector_source(Core& core, const Op& op, unsigned reg, std::uint16_t& out) {
  if (Memory) return core.read(op, out);
  out = static_cast<std::uint16_t>(core.st.gpr[reg]);
  return Outcome::kNext;
}

// Is the descriptor there, and may this CPL and RPL look at it?
Outcome look_up(Core& core, std::uint16_t selector, bool& visible, Descriptor& d) {
  visible = false;
  if (!(selector & 0xfffc)) return Outcome::kNext;
  bool found = false;
  if (Outcome o = find_descriptor(core, selector, found, d); failed(o)) return o;
  visible = found && (d.conforming() || (core.st.cpl() <= d.dpl() && (selector & 3u) <= d.dpl()));
  return Outcome::kNext;
}

// System descriptor types that LAR and LSL answer for, as bit masks (SDM 2, tables 3-54 and 3-65).
constexpr unsigned kLarLegacy = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 9 | 1u << 11 | 1u << 12;
constexpr unsigned kLarLong = 1u << 2 | 1u << 9 | 1u << 11 | 1u << 12;
constexpr unsigned kLslLegacy = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 9 | 1u << 11;
constexpr unsigned kLslLong = 1u << 2 | 1u << 9 | 1u << 11;

// sub2: bytes of the destination.
template <bool Limit, bool Memory>
Outcome lar_lsl(Core& core, const Op& op) {
  if (!has_selectors(core)) return core.raise_ud();
  std::uint16_t selector = 0;
  if (Outcome o = selector_source<Memory>(core, op, op.rm, selector); failed(o)) return o;
  bool visible = false;
  Descriptor d;
  if (Outcome o = look_up(core, selector, visible, d); failed(o)) return o;
  const bool ia32e = core.st.long_mode_active();
  const unsigned types = Limit ? (ia32e ? kLslLong : kLslLegacy) : (ia32e ? kLarLong : kLarLegacy);
  if (visible && d.system() && !((types >> d.type()) & 1)) visible = false;
  if (visible) put(core, op.reg, Limit ? parse_segment(selector, d).limit : (d.low >> 32) & 0x00f0ff00, op.sub2);
  core.flags.set_zf(visible);
  return Outcome::kNext;
}

template <bool Write, bool Memory>
Outcome verify(Core& core, const Op& op) {
  if (!has_selectors(core)) return core.raise_ud();
  std::uint16_t selector = 0;
  if (Outcome o = selector_source<Memory>(core, op, op.reg, selector); failed(o)) return o;
  bool visible = false;
  Descriptor d;
  if (Outcome o = look_up(core, selector, visible, d); failed(o)) return o;
  core.flags.set_zf(visible && (Write ? d.writable_data() : d.readable()));
  return Outcome::kNext;
}

template <bool Memory>
Outcome arpl(Core& core, const Op& op) {
  if (!has_selectors(core)) return core.raise_ud();
  const unsigned rpl = core.st.gpr[Memory ? op.reg : op.rm] & 3;
  bool raised = false;
  const auto adjust = [&](std::uint16_t v) {
    raised = (v & 3u) < rpl;
    return raised ? static_cast<std::uint16_t>((v & 0xfffc) | rpl) : v;
  };
  Outcome o = Outcome::kNext;
  if (Memory)
    o = core.modify<std::uint16_t>(op, adjust);
  else
    put(core, op.reg, adjust(static_cast<std::uint16_t>(core.st.gpr[op.reg])), 2);
  if (!failed(o)) core.flags.set_zf(raised);
  return o;
}

// --- RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE.
bool base_instructions(const Core& core) { return core.st.code64() && (core.st.cr4 & kCr4Fsgsbase); }

template <SegReg Reg, unsigned Size>
Outcome read_base(Core& core, const Op& op) {
  if (!base_instructions(core)) return core.raise_ud();
  put(core, op.reg, core.st.seg[Reg].base, Size);
  return Outcome::kNext;
}
template <SegReg Reg, unsigned Size>
Outcome write_base(Core& core, const Op& op) {
  if (!base_instructions(core)) return core.raise_ud();
  const std::uint64_t v = Size == 8 ? core.st.gpr[op.reg] : static_cast<std::uint32_t>(core.st.gpr[op.reg]);
  if (!canonical(v)) return core.raise_gp(0);
  core.st.seg[Reg].base = v;
  return Outcome::kNext;
}
template <SegReg Reg, bool Write>
Handler bind_base(const DecodedInstruction& d, Op&) {
  if (!d.mode64()) return nullptr;
  if (Write) return d.operand_bits == 64 ? write_base<Reg, 8> : write_base<Reg, 4>;
  return d.operand_bits == 64 ? read_base<Reg, 8> : read_base<Reg, 4>;
}

template <bool Limit>
Handler bind_lar_lsl(const DecodedInstruction& d, Op& op) {
  op.sub2 = static_cast<std::uint8_t>(size_of(d));
  return d.is_mem(1) ? lar_lsl<Limit, true> : lar_lsl<Limit, false>;
}
template <bool Write>
Handler bind_verify(const DecodedInstruction& d, Op&) {
  return d.is_mem(0) ? verify<Write, true> : verify<Write, false>;
}
// The register operand is the second one: op.rm. With a memory destination the bind moves it to op.reg.
Handler bind_arpl(const DecodedInstruction& d, Op& op) {
  if (d.mode64()) return nullptr;
  if (!d.is_mem(0)) return arpl<false>;
  op.reg = op.rm;
  return arpl<true>;
}

}  // namespace

Handler bind_mov_segment(const DecodedInstruction& d, Op& op) {
  const bool to = d.is_reg(0) && ZydisRegisterGetClass(d.op(0).reg.value) == ZYDIS_REGCLASS_SEGMENT;
  op.sub = to ? op.reg : op.rm;
  if (op.sub > kGs || (to && op.sub == kCs)) return nullptr;
  if (to) return d.is_mem(1) ? mov_to_segment<true> : mov_to_segment<false>;
  op.sub2 = static_cast<std::uint8_t>(d.is_mem(0) ? 0 : size_of(d));
  return mov_from_segment;
}

Handler bind_push_segment(const DecodedInstruction& d, Op& op) {
  op.sub = op.reg;
  op.sub2 = static_cast<std::uint8_t>(size_of(d));
  return push_segment;
}

Handler bind_pop_segment(const DecodedInstruction& d, Op& op) {
  op.sub = op.reg;
  op.sub2 = static_cast<std::uint8_t>(size_of(d));
  return pop_segment;
}

std::span<const Form> segment_forms() {
  using enum BlockShape;
  static constexpr Form kForms[] = {
      {ZYDIS_MNEMONIC_LDS, CostClass::kSegmentLoad, kEnds, bind_far_pointer<kDs>},
      {ZYDIS_MNEMONIC_LES, CostClass::kSegmentLoad, kEnds, bind_far_pointer<kEs>},
      {ZYDIS_MNEMONIC_LFS, CostClass::kSegmentLoad, kEnds, bind_far_pointer<kFs>},
      {ZYDIS_MNEMONIC_LGS, CostClass::kSegmentLoad, kEnds, bind_far_pointer<kGs>},
      {ZYDIS_MNEMONIC_LSS, CostClass::kSegmentLoad, kEnds, bind_far_pointer<kSs>},
      {ZYDIS_MNEMONIC_LAR, CostClass::kSegmentLoad, kStraight, bind_lar_lsl<false>},
      {ZYDIS_MNEMONIC_LSL, CostClass::kSegmentLoad, kStraight, bind_lar_lsl<true>},
      {ZYDIS_MNEMONIC_VERR, CostClass::kSegmentLoad, kStraight, bind_verify<false>},
      {ZYDIS_MNEMONIC_VERW, CostClass::kSegmentLoad, kStraight, bind_verify<true>},
      {ZYDIS_MNEMONIC_ARPL, CostClass::kAlu, kStraight, bind_arpl},
      {ZYDIS_MNEMONIC_RDFSBASE, CostClass::kSegmentLoad, kStraight, bind_base<kFs, false>},
      {ZYDIS_MNEMONIC_RDGSBASE, CostClass::kSegmentLoad, kStraight, bind_base<kGs, false>},
      {ZYDIS_MNEMONIC_WRFSBASE, CostClass::kSegmentLoad, kStraight, bind_base<kFs, true>},
      {ZYDIS_MNEMONIC_WRGSBASE, CostClass::kSegmentLoad, kStraight, bind_base<kGs, true>},
  };
  return kForms;
}

}  // namespace xensim::cpu::isa
