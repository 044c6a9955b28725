// VEX forms of the SSE moves, and what AVX adds to them: broadcasts, insertion and extraction of halves,
// VZEROUPPER, VZEROALL (SDM 1, 14.1–14.3; SDM 2). Non-temporal moves are ordinary ones here; with VMOVAPS and its
// like they are the only forms that need alignment.
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace vex {
namespace {

// --- Whole registers.

template <unsigned kHalves>
Outcome copy(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  set_ymm<kHalves>(c, op.reg, ymm(c, op.rm));
  return Outcome::kNext;
}
template <unsigned kBytes, bool kAligned>
Outcome load_register(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide v{};
  if (Outcome o = load<kBytes, kAligned>(c, op, v); failed(o)) return o;
  set_ymm<kBytes == 32 ? 2 : 1>(c, op.reg, v);
  return Outcome::kNext;
}
template <unsigned kBytes, bool kAligned>
Outcome store_register(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  return store<kBytes, kAligned>(c, op, ymm(c, op.rm));
}
template <bool kAligned>
Handler bind_whole(const DecodedInstruction& d, Op&) {
  const bool wide = is_wide(d);
  if (d.is_mem(0)) return wide ? store_register<32, kAligned> : store_register<16, kAligned>;
  if (d.is_mem(1)) return wide ? load_register<32, kAligned> : load_register<16, kAligned>;
  return wide ? copy<2> : copy<1>;
}

// --- Parts of 128 bits. Between registers there are two sources, and so when a half is loaded.

template <auto kMerge, unsigned kBytes>
Handler bind_scalar(const DecodedInstruction& d, Op& op) {
  if (d.is_mem(0)) return store_register<kBytes, false>;
  return d.is_mem(1) ? load_register<kBytes, false> : bind_narrow<kMerge>(d, op);
}
template <auto kMerge>
Handler bind_low_half(const DecodedInstruction& d, Op& op) {
  return d.is_mem(0) ? store_register<8, false> : bind_narrow<kMerge, 8>(d, op);
}
Outcome store_high(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  return c.write(op, c.st.xmm[op.rm].q[1]);
}
Handler bind_high_half(const DecodedInstruction& d, Op& op) {
  return d.is_mem(0) ? store_high : bind_narrow<kLowToHigh, 8>(d, op);
}

// --- General registers.

template <class T>
Outcome from_general(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  set_xmm_zeroing(c, op.reg, from_parts(static_cast<T>(c.st.gpr[op.rm]), 0));
  return Outcome::kNext;
}
template <class T>
Outcome to_general(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  c.st.gpr[op.reg] = static_cast<T>(c.st.xmm[op.rm].q[0]);
  return Outcome::kNext;
}
Handler bind_movd_movq(const DecodedInstruction& d, Op& op) {
  const ZydisDecodedOperand &to = d.op(0), &from = d.op(1);
  if (is_xmm(to)) {
    if (is_xmm(from)) return bind_narrow<kLowQuadword>(d, op);
    if (d.is_mem(1)) return from.size == 64 ? load_register<8, false> : load_register<4, false>;
    return from.size == 64 ? from_general<std::uint64_t> : from_general<std::uint32_t>;
  }
  if (d.is_mem(0)) return to.size == 64 ? store_register<8, false> : store_register<4, false>;
  return to.size == 64 ? to_general<std::uint64_t> : to_general<std::uint32_t>;
}

template <auto kF, unsigned kHalves, unsigned kSigns>
Outcome sign_mask(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  auto signs = static_cast<std::uint32_t>(kF(half(c, op.rm, 0)));
  if constexpr (kHalves == 2) signs |= static_cast<std::uint32_t>(kF(half(c, op.rm, 1))) << kSigns;
  c.st.gpr[op.reg] = signs;
  return Outcome::kNext;
}
// The length is that of the source.
template <auto kF, unsigned kSigns>
Handler bind_sign_mask(const DecodedInstruction& d, Op&) {
  return is_wide(d) ? sign_mask<kF, 2, kSigns> : sign_mask<kF, 1, kSigns>;
}

// --- Broadcasts: the lowest element of the source, everywhere.

template <class T>
__m128i repeated(__m128i v) {
  if constexpr (sizeof(T) == 1) return _mm_set1_epi8(static_cast<char>(low_of(v)));
  if constexpr (sizeof(T) == 2) return _mm_set1_epi16(static_cast<short>(low_of(v)));
  if constexpr (sizeof(T) == 4) return _mm_set1_epi32(static_cast<int>(low_of(v)));
  return _mm_unpacklo_epi64(v, v);
}
template <class T, unsigned kHalves, bool kMemory>
Outcome broadcast(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, sizeof(T)>(c, op, op.rm, b); failed(o)) return o;
  const __m128i v = repeated<T>(b.half[0]);
  set_ymm<kHalves>(c, op.reg, {{v, v}});
  return Outcome::kNext;
}
template <class T>
Handler bind_broadcast(const DecodedInstruction& d, Op&) {
  if (is_wide(d)) return d.is_mem(1) ? broadcast<T, 2, true> : broadcast<T, 2, false>;
  return d.is_mem(1) ? broadcast<T, 1, true> : broadcast<T, 1, false>;
}
Outcome broadcast_half(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = load<16>(c, op, b); failed(o)) return o;
  set_ymm<2>(c, op.reg, {{b.half[0], b.half[0]}});
  return Outcome::kNext;
}
Handler bind_broadcast_half(const DecodedInstruction&, Op&) { return broadcast_half; }

// --- Halves. Bit 0 of the immediate says which.

template <bool kMemory>
Outcome insert_half(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, 16>(c, op, op.sub, b); failed(o)) return o;
  Wide r = ymm(c, op.rm);
  r.half[op.imm & 1] = b.half[0];
  set_ymm<2>(c, op.reg, r);
  return Outcome::kNext;
}
Handler bind_insert_half(const DecodedInstruction& d, Op& op) {
  two_sources(d, op);
  return d.is_mem(2) ? insert_half<true> : insert_half<false>;
}
template <bool kMemory>
Outcome extract_half(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  const __m128i v = half(c, op.rm, op.imm & 1);
  if constexpr (kMemory) return store<16>(c, op, {{v, v}});
  set_xmm_zeroing(c, op.reg, v);
  return Outcome::kNext;
}
Handler bind_extract_half(const DecodedInstruction& d, Op&) {
  return d.is_mem(0) ? extract_half<true> : extract_half<false>;
}

// VZEROUPPER, VZEROALL: registers 0 to 7 outside 64-bit mode.
template <bool kAll>
Outcome zero(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  for (unsigned i = 0; i < op.sub; ++i) {
    if constexpr (kAll) set_half(c, i, 0, _mm_setzero_si128());
    set_half(c, i, 1, _mm_setzero_si128());
  }
  return Outcome::kNext;
}
template <bool kAll>
Handler bind_zero(const DecodedInstruction& d, Op& op) {
  op.sub = d.mode64() ? 16 : 8;
  return zero<kAll>;
}

#define MOVE(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kFpMove, kStraight, __VA_ARGS__)
#define SHUFFLE(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kVecShuffle, kStraight, __VA_ARGS__)

constexpr Form kForms[] = {
    MOVE(VMOVAPS, bind_whole<true>),
    MOVE(VMOVAPD, bind_whole<true>),
    MOVE(VMOVDQA, bind_whole<true>),
    MOVE(VMOVUPS, bind_whole<false>),
    MOVE(VMOVUPD, bind_whole<false>),
    MOVE(VMOVDQU, bind_whole<false>),
    MOVE(VLDDQU, bind_whole<false>),
    MOVE(VMOVNTPS, bind_whole<true>),
    MOVE(VMOVNTPD, bind_whole<true>),
    MOVE(VMOVNTDQ, bind_whole<true>),
    MOVE(VMOVNTDQA, bind_whole<true>),
    MOVE(VMOVSS, (bind_scalar<kLowSingle, 4>)),
    MOVE(VMOVSD, (bind_scalar<kLowDouble, 8>)),
    MOVE(VMOVLPS, bind_low_half<kLowDouble>),
    MOVE(VMOVLPD, bind_low_half<kLowDouble>),
    MOVE(VMOVHPS, bind_high_half),
    MOVE(VMOVHPD, bind_high_half),
    MOVE(VMOVHLPS, bind_narrow<kHighToLow>),
    MOVE(VMOVLHPS, bind_narrow<kLowToHigh>),
    MOVE(VMOVD, bind_movd_movq),
    MOVE(VMOVQ, bind_movd_movq),
    MOVE(VMOVMSKPS, (bind_sign_mask<kSingleSigns, 4>)),
    MOVE(VMOVMSKPD, (bind_sign_mask<kDoubleSigns, 2>)),
    MOVE(VPMOVMSKB, (bind_sign_mask<kByteSigns, 16>)),
    MOVE(VZEROUPPER, bind_zero<false>),
    MOVE(VZEROALL, bind_zero<true>),
    SHUFFLE(VBROADCASTSS, bind_broadcast<std::uint32_t>),
    SHUFFLE(VBROADCASTSD, bind_broadcast<std::uint64_t>),
    SHUFFLE(VPBROADCASTB, bind_broadcast<std::uint8_t>),
    SHUFFLE(VPBROADCASTW, bind_broadcast<std::uint16_t>),
    SHUFFLE(VPBROADCASTD, bind_broadcast<std::uint32_t>),
    SHUFFLE(VPBROADCASTQ, bind_broadcast<std::uint64_t>),
    MOVE(VBROADCASTF128, bind_broadcast_half),
    MOVE(VBROADCASTI128, bind_broadcast_half),
    SHUFFLE(VINSERTF128, bind_insert_half),
    SHUFFLE(VINSERTI128, bind_insert_half),
    SHUFFLE(VEXTRACTF128, bind_extract_half),
    SHUFFLE(VEXTRACTI128, bind_extract_half),
};

}  // namespace
}  // namespace vex

std::span<const Form> avx_move_forms() { return vex::kForms; }

}  // namespace xensim::cpu::isa
