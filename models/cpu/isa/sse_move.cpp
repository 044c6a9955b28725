// SSE and SSE2 data movement: whole registers, parts, general registers, masks, non-temporal and masked stores,
// MXCSR (SDM 1, 10.4.1 and 11.4.1; SDM 2). Non-temporal stores are ordinary stores here.
#include "models/cpu/isa/sse_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

template <unsigned kBytes, bool kAligned>
Outcome store_low(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  return store<kBytes, kAligned>(c, op, xmm(c, op.rm));
}
Outcome store_high(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  return c.write(op, c.st.xmm[op.rm].q[1]);
}

// MOVAPS and its like: all 16 bytes.
template <bool kAligned>
Handler bind_whole(const DecodedInstruction& d, Op&) {
  if (d.is_mem(0)) return store_low<16, kAligned>;
  return d.is_mem(1) ? xmm_memory<kSource, 16, kAligned> : xmm_xmm<kSource>;
}
// MOVSS, MOVSD: a load clears the rest of the register, a register move keeps it.
template <auto kMerge, unsigned kBytes>
Handler bind_scalar(const DecodedInstruction& d, Op&) {
  if (d.insn.meta.category == ZYDIS_CATEGORY_STRINGOP) return nullptr;
  if (d.is_mem(0)) return store_low<kBytes, false>;
  return d.is_mem(1) ? xmm_memory<kSource, kBytes> : xmm_xmm<kMerge>;
}
Handler bind_low_half(const DecodedInstruction& d, Op&) {
  return d.is_mem(0) ? store_low<8, false> : xmm_memory<kLowDouble, 8>;
}
Handler bind_high_half(const DecodedInstruction& d, Op&) {
  return d.is_mem(0) ? store_high : xmm_memory<kLowToHigh, 8>;
}
template <auto kF>
Handler bind_register(const DecodedInstruction&, Op&) {
  return xmm_xmm<kF>;
}

// MOVD and MOVQ between general registers or memory, and XMM or MMX registers.
template <class T, bool kMmx>
Outcome from_general(Core& c, const Op& op) {
  if (!(kMmx ? mmx_usable(c) : usable(c))) [[unlikely]]
    return kMmx ? mmx_unusable(c) : unusable(c);
  const std::uint64_t v = static_cast<T>(c.st.gpr[op.rm]);
  if constexpr (kMmx)
    set_mmx(c, op.reg, v);
  else
    set_xmm(c, op.reg, from_parts(v, 0));
  return Outcome::kNext;
}
template <class T, bool kMmx>
Outcome to_general(Core& c, const Op& op) {
  if (!(kMmx ? mmx_usable(c) : usable(c))) [[unlikely]]
    return kMmx ? mmx_unusable(c) : unusable(c);
  c.st.gpr[op.reg] = static_cast<T>(low_of(kMmx ? mmx(c, op.rm) : xmm(c, op.rm)));
  if constexpr (kMmx) enter_mmx(c);
  return Outcome::kNext;
}
template <class T>
Outcome store_mmx(Core& c, const Op& op) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  const Outcome o = c.write(op, static_cast<T>(c.st.x87.r[op.rm & 7].significand));
  if (!failed(o)) enter_mmx(c);
  return o;
}

Handler bind_movd_movq(const DecodedInstruction& d, Op&) {
  const ZydisDecodedOperand &to = d.op(0), &from = d.op(1);
  if (is_xmm(to)) {
    if (is_xmm(from)) return xmm_xmm<kLowQuadword>;
    if (d.is_mem(1)) return from.size == 64 ? xmm_memory<kSource, 8> : xmm_memory<kSource, 4>;
    return from.size == 64 ? from_general<std::uint64_t, false> : from_general<std::uint32_t, false>;
  }
  if (is_mmx(to)) {
    if (is_mmx(from)) return mmx_mmx<kSource>;
    if (d.is_mem(1)) return from.size == 64 ? mmx_memory<kSource, 8> : mmx_memory<kSource, 4>;
    return from.size == 64 ? from_general<std::uint64_t, true> : from_general<std::uint32_t, true>;
  }
  const bool wide = to.size == 64;
  if (is_xmm(from)) {
    if (d.is_mem(0)) return wide ? store_low<8, false> : store_low<4, false>;
    return wide ? to_general<std::uint64_t, false> : to_general<std::uint32_t, false>;
  }
  if (d.is_mem(0)) return wide ? store_mmx<std::uint64_t> : store_mmx<std::uint32_t>;
  return wide ? to_general<std::uint64_t, true> : to_general<std::uint32_t, true>;
}
Handler bind_store_mmx(const DecodedInstruction&, Op&) { return store_mmx<std::uint64_t>; }

Outcome movq2dq(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  set_xmm(c, op.reg, mmx(c, op.rm));
  enter_mmx(c);
  return Outcome::kNext;
}
Handler bind_movq2dq(const DecodedInstruction&, Op&) { return movq2dq; }

Outcome movdq2q(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  set_mmx(c, op.reg, low_of(xmm(c, op.rm)));
  return Outcome::kNext;
}
Handler bind_movdq2q(const DecodedInstruction&, Op&) { return movdq2q; }

// Sign bits to a general register.
template <auto kF>
Outcome sign_mask(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  c.st.gpr[op.reg] = static_cast<std::uint32_t>(kF(xmm(c, op.rm)));
  return Outcome::kNext;
}
Outcome sign_mask_mmx(Core& c, const Op& op) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  c.st.gpr[op.reg] = static_cast<std::uint32_t>(_mm_movemask_epi8(mmx(c, op.rm)));
  enter_mmx(c);
  return Outcome::kNext;
}
Handler bind_pmovmskb(const DecodedInstruction& d, Op&) {
  return is_mmx(d.op(1)) ? sign_mask_mmx : sign_mask<kByteSigns>;
}
template <auto kF>
Handler bind_sign_mask(const DecodedInstruction&, Op&) {
  return sign_mask<kF>;
}

// MASKMOVDQU, MASKMOVQ: the bytes whose mask byte has its top bit set go to DS:rDI. All are checked before any is
// written; a mask of zeros touches no memory.
template <bool kMmx, bool kVex>
Outcome masked_store(Core& c, const Op& op) {
  if (!(kMmx ? mmx_usable(c) : available<kVex>(c))) [[unlikely]]
    return kMmx ? mmx_unusable(c) : unavailable<kVex>(c);
  constexpr unsigned kBytes = kMmx ? 8 : 16;
  alignas(16) std::uint8_t data[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(data), kMmx ? mmx(c, op.reg) : xmm(c, op.reg));
  const auto mask = static_cast<unsigned>(_mm_movemask_epi8(kMmx ? mmx(c, op.rm) : xmm(c, op.rm)));
  std::uint64_t a;
  if (!c.linear_address(op, kBytes, true, a)) return Outcome::kFault;
  for (unsigned i = 0; i < kBytes; ++i)
    if (mask >> i & 1)
      if (Outcome o = c.mmu.probe_write(LinearAddr(a + i), 1, c.mmu.current_view()); failed(o)) return o;
  Outcome result = Outcome::kNext;
  for (unsigned i = 0; i < kBytes; ++i) {
    if (!(mask >> i & 1)) continue;
    const Outcome o = c.write_linear(a + i, data[i]);
    if (failed(o)) return o;
    if (o != Outcome::kNext) result = o;
  }
  if constexpr (kMmx) enter_mmx(c);
  return result;
}
template <bool kMmx, bool kVex = false>
Handler bind_masked_store(const DecodedInstruction& d, Op& op) {
  op.base = kRdi;
  op.index = kZeroReg;
  op.scale = 0;
  op.disp = 0;
  op.seg = kDs;
  for (unsigned i = 0; i < d.insn.operand_count; ++i) {
    if (!d.is_mem(i)) continue;
    const int id = ZydisRegisterGetId(d.op(i).mem.segment);
    if (id >= kEs && id <= kGs) op.seg = static_cast<std::uint8_t>(id);
  }
  op.flags = static_cast<std::uint8_t>(op.flags & ~(kAddrSimple | kAddr32 | kAddr16 | kRipRelative));
  if (d.insn.address_width == 64) {
    if (op.seg != kFs && op.seg != kGs) op.flags |= kAddrSimple;
  } else {
    op.flags |= d.insn.address_width == 32 ? kAddr32 : kAddr16;
  }
  return masked_store<kMmx, kVex>;
}

template <bool kVex>
Outcome ldmxcsr(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  std::uint32_t v;
  if (Outcome o = c.read(op, v); failed(o)) return o;
  if (v & 0xffff0000) return c.raise_gp();
  c.st.mxcsr = v;
  return Outcome::kNext;
}
template <bool kVex>
Outcome stmxcsr(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  return c.write(op, c.st.mxcsr);
}
template <Handler kHandler>
Handler bind_handler(const DecodedInstruction&, Op&) {
  return kHandler;
}

#define MOVE(name, bind) Form(ZYDIS_MNEMONIC_##name, CostClass::kFpMove, kStraight, bind)

constexpr Form kForms[] = {
    MOVE(MOVAPS, bind_whole<true>),
    MOVE(MOVAPD, bind_whole<true>),
    MOVE(MOVDQA, bind_whole<true>),
    MOVE(MOVUPS, bind_whole<false>),
    MOVE(MOVUPD, bind_whole<false>),
    MOVE(MOVDQU, bind_whole<false>),
    MOVE(MOVNTPS, bind_whole<true>),
    MOVE(MOVNTPD, bind_whole<true>),
    MOVE(MOVNTDQ, bind_whole<true>),
    MOVE(MOVNTQ, bind_store_mmx),
    MOVE(MOVSS, (bind_scalar<kLowSingle, 4>)),
    MOVE(MOVSD, (bind_scalar<kLowDouble, 8>)),
    MOVE(MOVLPS, bind_low_half),
    MOVE(MOVLPD, bind_low_half),
    MOVE(MOVHPS, bind_high_half),
    MOVE(MOVHPD, bind_high_half),
    MOVE(MOVHLPS, bind_register<kHighToLow>),
    MOVE(MOVLHPS, bind_register<kLowToHigh>),
    MOVE(MOVD, bind_movd_movq),
    MOVE(MOVQ, bind_movd_movq),
    MOVE(MOVQ2DQ, bind_movq2dq),
    MOVE(MOVDQ2Q, bind_movdq2q),
    MOVE(MOVMSKPS, bind_sign_mask<kSingleSigns>),
    MOVE(MOVMSKPD, bind_sign_mask<kDoubleSigns>),
    MOVE(PMOVMSKB, bind_pmovmskb),
    MOVE(MASKMOVDQU, bind_masked_store<false>),
    MOVE(MASKMOVQ, bind_masked_store<true>),
    MOVE(VMASKMOVDQU, (bind_masked_store<false, true>)),
    MOVE(LDMXCSR, bind_handler<ldmxcsr<false>>),
    MOVE(STMXCSR, bind_handler<stmxcsr<false>>),
    MOVE(VLDMXCSR, bind_handler<ldmxcsr<true>>),
    MOVE(VSTMXCSR, bind_handler<stmxcsr<true>>),
};

}  // namespace

std::span<const Form> sse_move_forms() { return kForms; }

}  // namespace xensim::cpu::isa
