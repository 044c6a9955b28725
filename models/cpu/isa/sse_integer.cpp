// Packed integer arithmetic, logic and shifts of SSE2 and MMX (SDM 2). Operations stay within lanes unless a
// second lambda says how the MMX form differs.
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

#define LANES(intrinsic) [](__m128i a, __m128i b) { return intrinsic(a, b); }
#define LANES_MMX(expression) [](__m128i a, __m128i b) { return expression; }
#define ROW(name, cost, intrinsic)                                                       \
  Form(ZYDIS_MNEMONIC_##name, CostClass::cost, kStraight, bind_lanes<LANES(intrinsic)>), \
      XENSIM_VEX_ROW(name, cost, vex::bind_lanes<LANES(intrinsic)>)
#define ROW_MMX(name, cost, intrinsic, bytes, mmx)                                                              \
  Form(ZYDIS_MNEMONIC_##name, CostClass::cost, kStraight, bind_lanes<LANES(intrinsic), LANES_MMX(mmx), bytes>), \
      XENSIM_VEX_ROW(name, cost, vex::bind_lanes<LANES(intrinsic)>)
#define ROW_XMM(name, cost, intrinsic)                                                 \
  Form(ZYDIS_MNEMONIC_##name, CostClass::cost, kStraight, bind_xmm<LANES(intrinsic)>), \
      XENSIM_VEX_ROW(name, cost, vex::bind_lanes<LANES(intrinsic)>)
#define ROW_SHIFT(name, intrinsic)                                                          \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kVecAlu, kStraight, bind_shift<LANES(intrinsic)>), \
      XENSIM_VEX_ROW(name, kVecAlu, vex::bind_shift<LANES(intrinsic)>)

namespace {

template <bool kLeft>
__m128i shift_bytes(__m128i a, unsigned count) {
  if (count > 15) return _mm_setzero_si128();
  unsigned __int128 v = (static_cast<unsigned __int128>(high_of(a)) << 64) | low_of(a);
  v = kLeft ? v << (count * 8) : v >> (count * 8);
  return from_parts(static_cast<std::uint64_t>(v), static_cast<std::uint64_t>(v >> 64));
}

template <bool kLeft>
Outcome byte_shift(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  set_xmm(c, op.reg, shift_bytes<kLeft>(xmm(c, op.reg), static_cast<unsigned>(op.imm & 0xff)));
  return Outcome::kNext;
}
template <bool kLeft>
Handler bind_byte_shift(const DecodedInstruction&, Op&) {
  return byte_shift<kLeft>;
}

__m128i zero() { return _mm_setzero_si128(); }
// The two MMX operands as one vector, for packing.
__m128i joined(__m128i a, __m128i b) { return _mm_unpacklo_epi64(a, b); }
__m128i upper(__m128i v) { return _mm_unpackhi_epi64(v, v); }

constexpr Form kForms[] = {
    ROW(PADDB, kVecAlu, _mm_add_epi8),
    ROW(PADDW, kVecAlu, _mm_add_epi16),
    ROW(PADDD, kVecAlu, _mm_add_epi32),
    ROW(PADDQ, kVecAlu, _mm_add_epi64),
    ROW(PADDSB, kVecAlu, _mm_adds_epi8),
    ROW(PADDSW, kVecAlu, _mm_adds_epi16),
    ROW(PADDUSB, kVecAlu, _mm_adds_epu8),
    ROW(PADDUSW, kVecAlu, _mm_adds_epu16),
    ROW(PSUBB, kVecAlu, _mm_sub_epi8),
    ROW(PSUBW, kVecAlu, _mm_sub_epi16),
    ROW(PSUBD, kVecAlu, _mm_sub_epi32),
    ROW(PSUBQ, kVecAlu, _mm_sub_epi64),
    ROW(PSUBSB, kVecAlu, _mm_subs_epi8),
    ROW(PSUBSW, kVecAlu, _mm_subs_epi16),
    ROW(PSUBUSB, kVecAlu, _mm_subs_epu8),
    ROW(PSUBUSW, kVecAlu, _mm_subs_epu16),
    ROW(PMULLW, kVecMul, _mm_mullo_epi16),
    ROW(PMULHW, kVecMul, _mm_mulhi_epi16),
    ROW(PMULHUW, kVecMul, _mm_mulhi_epu16),
    ROW(PMULUDQ, kVecMul, _mm_mul_epu32),
    ROW(PMADDWD, kVecMul, _mm_madd_epi16),
    ROW(PSADBW, kVecMul, _mm_sad_epu8),
    ROW(PAVGB, kVecAlu, _mm_avg_epu8),
    ROW(PAVGW, kVecAlu, _mm_avg_epu16),
    ROW(PMINUB, kVecAlu, _mm_min_epu8),
    ROW(PMINSW, kVecAlu, _mm_min_epi16),
    ROW(PMAXUB, kVecAlu, _mm_max_epu8),
    ROW(PMAXSW, kVecAlu, _mm_max_epi16),
    ROW(PCMPEQB, kVecAlu, _mm_cmpeq_epi8),
    ROW(PCMPEQW, kVecAlu, _mm_cmpeq_epi16),
    ROW(PCMPEQD, kVecAlu, _mm_cmpeq_epi32),
    ROW(PCMPGTB, kVecAlu, _mm_cmpgt_epi8),
    ROW(PCMPGTW, kVecAlu, _mm_cmpgt_epi16),
    ROW(PCMPGTD, kVecAlu, _mm_cmpgt_epi32),
    ROW(PAND, kVecAlu, _mm_and_si128),
    ROW(PANDN, kVecAlu, _mm_andnot_si128),
    ROW(POR, kVecAlu, _mm_or_si128),
    ROW(PXOR, kVecAlu, _mm_xor_si128),
    ROW_XMM(ANDPS, kVecAlu, _mm_and_si128),
    ROW_XMM(ANDPD, kVecAlu, _mm_and_si128),
    ROW_XMM(ANDNPS, kVecAlu, _mm_andnot_si128),
    ROW_XMM(ANDNPD, kVecAlu, _mm_andnot_si128),
    ROW_XMM(ORPS, kVecAlu, _mm_or_si128),
    ROW_XMM(ORPD, kVecAlu, _mm_or_si128),
    ROW_XMM(XORPS, kVecAlu, _mm_xor_si128),
    ROW_XMM(XORPD, kVecAlu, _mm_xor_si128),

    ROW_MMX(PACKSSWB, kVecShuffle, _mm_packs_epi16, 8, _mm_packs_epi16(joined(a, b), zero())),
    ROW_MMX(PACKSSDW, kVecShuffle, _mm_packs_epi32, 8, _mm_packs_epi32(joined(a, b), zero())),
    ROW_MMX(PACKUSWB, kVecShuffle, _mm_packus_epi16, 8, _mm_packus_epi16(joined(a, b), zero())),
    ROW_MMX(PUNPCKLBW, kVecShuffle, _mm_unpacklo_epi8, 4, _mm_unpacklo_epi8(a, b)),
    ROW_MMX(PUNPCKLWD, kVecShuffle, _mm_unpacklo_epi16, 4, _mm_unpacklo_epi16(a, b)),
    ROW_MMX(PUNPCKLDQ, kVecShuffle, _mm_unpacklo_epi32, 4, _mm_unpacklo_epi32(a, b)),
    ROW_XMM(PUNPCKLQDQ, kVecShuffle, _mm_unpacklo_epi64),
    ROW_MMX(PUNPCKHBW, kVecShuffle, _mm_unpackhi_epi8, 8, upper(_mm_unpacklo_epi8(a, b))),
    ROW_MMX(PUNPCKHWD, kVecShuffle, _mm_unpackhi_epi16, 8, upper(_mm_unpacklo_epi16(a, b))),
    ROW_MMX(PUNPCKHDQ, kVecShuffle, _mm_unpackhi_epi32, 8, upper(_mm_unpacklo_epi32(a, b))),
    ROW_XMM(PUNPCKHQDQ, kVecShuffle, _mm_unpackhi_epi64),

    ROW_SHIFT(PSLLW, _mm_sll_epi16),
    ROW_SHIFT(PSLLD, _mm_sll_epi32),
    ROW_SHIFT(PSLLQ, _mm_sll_epi64),
    ROW_SHIFT(PSRLW, _mm_srl_epi16),
    ROW_SHIFT(PSRLD, _mm_srl_epi32),
    ROW_SHIFT(PSRLQ, _mm_srl_epi64),
    ROW_SHIFT(PSRAW, _mm_sra_epi16),
    ROW_SHIFT(PSRAD, _mm_sra_epi32),
    Form(ZYDIS_MNEMONIC_PSLLDQ, CostClass::kVecShuffle, kStraight, bind_byte_shift<true>),
    Form(ZYDIS_MNEMONIC_PSRLDQ, CostClass::kVecShuffle, kStraight, bind_byte_shift<false>),
    XENSIM_VEX_ROW(PSLLDQ, kVecShuffle,
                   vex::bind_lanes<[](__m128i, __m128i b, unsigned n) { return shift_bytes<true>(b, n); }>),
    XENSIM_VEX_ROW(PSRLDQ, kVecShuffle,
                   vex::bind_lanes<[](__m128i, __m128i b, unsigned n) { return shift_bytes<false>(b, n); }>),
};

}  // namespace

std::span<const Form> sse_integer_forms() { return kForms; }

}  // namespace xensim::cpu::isa
