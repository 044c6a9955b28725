// SSE3, SSSE3 and SSE4.1, and PCMPGTQ of SSE4.2 (SDM 1, chapter 12; SDM 2). They run as the host's
// instructions, which every x86-64 host of the last fifteen years has; those with an immediate that selects work
// are written out.
#include <cstdlib>

#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

#define HOST(text)                          \
  [](__m128i a, __m128i b) {                \
    asm(text " %1, %0" : "+x"(a) : "x"(b)); \
    return a;                               \
  }
// Where the MMX form takes its lanes from both operands side by side: one vector of both, and the result's low
// half.
#define HOST_PAIRED(text)          \
  [](__m128i a, __m128i b) {       \
    a = _mm_unpacklo_epi64(a, b);  \
    asm(text " %0, %0" : "+x"(a)); \
    return a;                      \
  }

template <class T>
struct Lanes {
  static constexpr unsigned kCount = 16 / sizeof(T);
  alignas(16) T v[kCount];
  explicit Lanes(__m128i x) { _mm_store_si128(reinterpret_cast<__m128i*>(v), x); }
  __m128i value() const { return _mm_load_si128(reinterpret_cast<const __m128i*>(v)); }
};

// In the MMX form bit 3 of an index means nothing.
constexpr auto kShuffleBytes = HOST("pshufb");
constexpr auto kShuffleBytesMmx = [](__m128i a, __m128i b) {
  return kShuffleBytes(a, _mm_and_si128(b, _mm_set1_epi8(static_cast<char>(0x87))));
};

template <unsigned kBytes>
__m128i align_right(__m128i a, __m128i b, unsigned imm) {
  std::uint8_t both[48] = {};
  _mm_storeu_si128(reinterpret_cast<__m128i*>(both), b);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(both + kBytes), a);
  if constexpr (kBytes == 8) _mm_storeu_si128(reinterpret_cast<__m128i*>(both + 16), _mm_setzero_si128());
  if (imm >= 2 * kBytes) return _mm_setzero_si128();
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(both + imm));
}

template <class T>
__m128i blend(__m128i a, __m128i b, unsigned imm) {
  Lanes<T> r(a);
  const Lanes<T> s(b);
  for (unsigned i = 0; i < Lanes<T>::kCount; ++i)
    if (imm >> i & 1) r.v[i] = s.v[i];
  return r.value();
}
// BLENDVPS and its like take their mask from XMM0.
template <class T>
__m128i blended(__m128i a, __m128i b, __m128i by) {
  Lanes<T> r(a);
  const Lanes<T> s(b), mask(by);
  for (unsigned i = 0; i < Lanes<T>::kCount; ++i)
    if (mask.v[i] >> (8 * sizeof(T) - 1) & 1) r.v[i] = s.v[i];
  return r.value();
}
template <class T, bool kMemory>
Outcome variable_blend_form(Core& c, const Op& op) {
  if (!usable(c)) return unusable(c);
  __m128i b{};
  if (Outcome o = source<kMemory, 16>(c, op, b); failed(o)) return o;
  set_xmm(c, op.reg, blended<T>(xmm(c, op.reg), b, xmm(c, 0)));
  return Outcome::kNext;
}
// The VEX forms name it, in op.sub2.
template <class T, unsigned kHalves, bool kMemory>
Outcome vex_variable_blend(Core& c, const Op& op) {
  if (!vex::usable(c)) return vex::unusable(c);
  vex::Wide b{};
  if (Outcome o = vex::source<kMemory, 16 * kHalves>(c, op, op.sub, b); failed(o)) return o;
  vex::Wide r{};
  for (unsigned i = 0; i < kHalves; ++i) r.half[i] = blended<T>(half(c, op.rm, i), b.half[i], half(c, op.sub2, i));
  vex::set_ymm<kHalves>(c, op.reg, r);
  return Outcome::kNext;
}
template <class T>
Handler bind_vex_variable_blend(const DecodedInstruction& d, Op& op) {
  vex::two_sources(d, op);
  op.sub2 = static_cast<std::uint8_t>(ZydisRegisterGetId(d.op(3).reg.value));
  if (vex::is_wide(d)) return d.is_mem(2) ? vex_variable_blend<T, 2, true> : vex_variable_blend<T, 2, false>;
  return d.is_mem(2) ? vex_variable_blend<T, 1, true> : vex_variable_blend<T, 1, false>;
}
template <class T>
Handler bind_variable_blend(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? variable_blend_form<T, true> : variable_blend_form<T, false>;
}

// INSERTPS: bits 7:6 choose the source lane of a register (memory is one lane), 5:4 the destination, 3:0 zero
// lanes.
__m128i insert_single(__m128i a, std::uint32_t v, unsigned imm) {
  Lanes<std::uint32_t> r(a);
  r.v[imm >> 4 & 3] = v;
  for (unsigned i = 0; i < 4; ++i)
    if (imm >> i & 1) r.v[i] = 0;
  return r.value();
}
constexpr auto kInsertFromRegister = [](__m128i a, __m128i b, unsigned imm) {
  return insert_single(a, Lanes<std::uint32_t>(b).v[imm >> 6 & 3], imm);
};
constexpr auto kInsertFromMemory = [](__m128i a, __m128i b, unsigned imm) {
  return insert_single(a, static_cast<std::uint32_t>(low_of(b)), imm);
};
Handler bind_insertps(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? xmm_memory<kInsertFromMemory, 4> : xmm_xmm<kInsertFromRegister>;
}
Handler bind_vex_insertps(const DecodedInstruction& d, Op& op) {
  return d.is_mem(2) ? vex::bind_narrow<kInsertFromMemory, 4>(d, op)
                     : vex::bind_narrow<kInsertFromRegister>(d, op);
}

// PINSRB/D/Q, PEXTRB/D/Q, EXTRACTPS.
template <class T, bool kVex, bool kMemory>
Outcome insert(Core& c, const Op& op) {
  if (!available<kVex>(c)) return unavailable<kVex>(c);
  T v;
  if constexpr (kMemory) {
    if (Outcome o = c.read(op, v); failed(o)) return o;
  } else {
    v = static_cast<T>(c.st.gpr[last<kVex>(op)]);
  }
  Lanes<T> r(xmm(c, first<kVex>(op)));
  r.v[op.imm & (Lanes<T>::kCount - 1)] = v;
  put<kVex>(c, op.reg, r.value());
  return Outcome::kNext;
}
template <class T>
Handler bind_insert(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? insert<T, false, true> : insert<T, false, false>;
}
template <class T>
Handler bind_vex_insert(const DecodedInstruction& d, Op& op) {
  vex::two_sources(d, op);
  return d.is_mem(2) ? insert<T, true, true> : insert<T, true, false>;
}
template <class T, bool kVex, bool kMemory>
Outcome extract(Core& c, const Op& op) {
  if (!available<kVex>(c)) return unavailable<kVex>(c);
  const T v = Lanes<T>(xmm(c, op.rm)).v[op.imm & (Lanes<T>::kCount - 1)];
  if constexpr (kMemory) return c.write(op, v);
  c.st.gpr[op.reg] = v;
  return Outcome::kNext;
}
template <class T, bool kVex = false>
Handler bind_extract(const DecodedInstruction& d, Op&) {
  return d.is_mem(0) ? extract<T, kVex, true> : extract<T, kVex, false>;
}

// PTEST: ZF if the AND, CF if the AND NOT, is zero.
template <bool kMemory>
Outcome ptest(Core& c, const Op& op) {
  if (!usable(c)) return unusable(c);
  __m128i b{};
  if (Outcome o = source<kMemory, 16>(c, op, b); failed(o)) return o;
  const __m128i a = xmm(c, op.reg);
  auto is_zero = [](__m128i v) { return (low_of(v) | high_of(v)) == 0; };
  c.flags.load((is_zero(_mm_and_si128(b, a)) ? kZf : 0) | (is_zero(_mm_andnot_si128(a, b)) ? kCf : 0));
  return Outcome::kNext;
}
// VPTEST, and VTESTPS and VTESTPD, which look at sign bits only.
template <std::uint64_t kBits, unsigned kHalves, bool kMemory>
Outcome vex_test(Core& c, const Op& op) {
  if (!vex::usable(c)) return vex::unusable(c);
  vex::Wide b{};
  if (Outcome o = vex::source<kMemory, 16 * kHalves>(c, op, op.rm, b); failed(o)) return o;
  std::uint64_t both = 0, only = 0;
  for (unsigned i = 0; i < kHalves; ++i) {
    const __m128i a = half(c, op.reg, i);
    const __m128i x = _mm_and_si128(b.half[i], a), y = _mm_andnot_si128(a, b.half[i]);
    both |= low_of(x) | high_of(x);
    only |= low_of(y) | high_of(y);
  }
  c.flags.load((both & kBits ? 0 : kZf) | (only & kBits ? 0 : kCf));
  return Outcome::kNext;
}
template <std::uint64_t kBits>
Handler bind_vex_test(const DecodedInstruction& d, Op&) {
  if (vex::is_wide(d)) return d.is_mem(1) ? vex_test<kBits, 2, true> : vex_test<kBits, 2, false>;
  return d.is_mem(1) ? vex_test<kBits, 1, true> : vex_test<kBits, 1, false>;
}
Handler bind_ptest(const DecodedInstruction& d, Op&) { return d.is_mem(1) ? ptest<true> : ptest<false>; }

// MPSADBW: sums of absolute differences of four bytes of b, at 4 × imm 1:0, with eight positions in a, from 4 ×
// imm 2.
__m128i sum_differences(__m128i a, __m128i b, unsigned imm) {
  const Lanes<std::uint8_t> x(a), y(b);
  Lanes<std::uint16_t> r(a);
  const unsigned from = imm & 4, block = (imm & 3) * 4;
  for (unsigned i = 0; i < 8; ++i) {
    unsigned sum = 0;
    for (unsigned k = 0; k < 4; ++k)
      sum += static_cast<unsigned>(std::abs(int{x.v[from + i + k]} - int{y.v[block + k]}));
    r.v[i] = static_cast<std::uint16_t>(sum);
  }
  return r.value();
}

// ROUNDxx: bits 1:0 of the immediate are the rounding mode, bit 2 takes MXCSR's, bit 3 hides the inexact flag.
#define ROUND_CASE(text, n)                                      \
  case n:                                                        \
    asm volatile(text " %2, %1, %0" : "+x"(a) : "x"(b), "i"(n)); \
    break;
#define ROUND(text)                                           \
  [](__m128i a, __m128i b, unsigned imm) {                    \
    switch (imm & 15) {                                       \
      ROUND_CASE(text, 0)                                     \
      ROUND_CASE(text, 1)                                     \
      ROUND_CASE(text, 2)                                     \
      ROUND_CASE(text, 3)                                     \
      ROUND_CASE(text, 4)                                     \
      ROUND_CASE(text, 8)                                     \
      ROUND_CASE(text, 9)                                     \
      ROUND_CASE(text, 10)                                    \
      ROUND_CASE(text, 11)                                    \
      case 5:                                                 \
      case 6:                                                 \
      case 7:                                                 \
        asm volatile(text " $4, %1, %0" : "+x"(a) : "x"(b));  \
        break;                                                \
      default:                                                \
        asm volatile(text " $12, %1, %0" : "+x"(a) : "x"(b)); \
        break;                                                \
    }                                                         \
    return a;                                                 \
  }

// VMOVDDUP reads 8 bytes into 128 bits, but all of 256.
constexpr auto kDuplicateLow = [](__m128i, __m128i b) { return _mm_unpacklo_epi64(b, b); };
Handler bind_vex_movddup(const DecodedInstruction& d, Op& op) {
  return vex::is_wide(d) ? vex::bind_lanes<kDuplicateLow>(d, op) : vex::bind_narrow<kDuplicateLow, 8>(d, op);
}

#define ROW(name, cost, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::cost, kStraight, __VA_ARGS__)
#define ROW_HOST(name, cost, text) \
  ROW(name, cost, bind_xmm<HOST(text)>), XENSIM_VEX_ROW(name, cost, vex::bind_lanes<HOST(text)>)
#define ROW_LANES(name, cost, text) \
  ROW(name, cost, bind_lanes<HOST(text)>), XENSIM_VEX_ROW(name, cost, vex::bind_lanes<HOST(text)>)
#define ROW_PAIRED(name, cost, text)                          \
  ROW(name, cost, bind_lanes<HOST(text), HOST_PAIRED(text)>), \
      XENSIM_VEX_ROW(name, cost, vex::bind_lanes<HOST(text)>)
#define ROW_WIDEN(name, text, bytes)                   \
  ROW(name, kVecShuffle, bind_xmm<HOST(text), bytes>), \
      XENSIM_VEX_ROW(name, kVecShuffle, vex::bind_widen<HOST(text), bytes>)
#define ROW_FLOAT(name, text, tiny)                                       \
  ROW(name, kFpAdd, bind_float<XENSIM_HOST_FLOAT(text), 16, Tiny::tiny>), \
      XENSIM_VEX_ROW(name, kFpAdd, vex::bind_float<XENSIM_HOST_FLOAT(text), 16, Tiny::tiny>)
#define ROW_ROUND(name, text, bytes)                     \
  ROW(name, kFpConvert, bind_float<ROUND(text), bytes>), \
      XENSIM_VEX_ROW(name, kFpConvert, vex::bind_float<ROUND(text), bytes>)
#define ROW_MOVE(name, type)                                                                           \
  ROW(PINSR##name, kVecShuffle, bind_insert<type>), ROW(PEXTR##name, kVecShuffle, bind_extract<type>), \
      XENSIM_VEX_ROW(PINSR##name, kVecShuffle, bind_vex_insert<type>),                                 \
      XENSIM_VEX_ROW(PEXTR##name, kVecShuffle, bind_extract<type, true>)

constexpr Form kForms[] = {
    // SSE3
    ROW(LDDQU, kFpMove, bind_xmm<[](__m128i, __m128i b) { return b; }, 16, false>),
    ROW(MOVDDUP, kVecShuffle, bind_xmm<[](__m128i, __m128i b) { return _mm_unpacklo_epi64(b, b); }, 8>),
    XENSIM_VEX_ROW(MOVDDUP, kVecShuffle, bind_vex_movddup),
    ROW_HOST(MOVSHDUP, kVecShuffle, "movshdup"),
    ROW_HOST(MOVSLDUP, kVecShuffle, "movsldup"),
    ROW_FLOAT(ADDSUBPS, "addsubps", kSingle4),
    ROW_FLOAT(ADDSUBPD, "addsubpd", kDouble2),
    ROW_FLOAT(HADDPS, "haddps", kSingle4),
    ROW_FLOAT(HADDPD, "haddpd", kDouble2),
    ROW_FLOAT(HSUBPS, "hsubps", kSingle4),
    ROW_FLOAT(HSUBPD, "hsubpd", kDouble2),
    // SSSE3
    ROW(PSHUFB, kVecShuffle, bind_lanes<kShuffleBytes, kShuffleBytesMmx>),
    XENSIM_VEX_ROW(PSHUFB, kVecShuffle, vex::bind_lanes<kShuffleBytes>),
    ROW(PALIGNR, kVecShuffle, bind_lanes<align_right<16>, align_right<8>>),
    XENSIM_VEX_ROW(PALIGNR, kVecShuffle, vex::bind_lanes<align_right<16>>),
    ROW_PAIRED(PHADDW, kVecAlu, "phaddw"),
    ROW_PAIRED(PHADDD, kVecAlu, "phaddd"),
    ROW_PAIRED(PHADDSW, kVecAlu, "phaddsw"),
    ROW_PAIRED(PHSUBW, kVecAlu, "phsubw"),
    ROW_PAIRED(PHSUBD, kVecAlu, "phsubd"),
    ROW_PAIRED(PHSUBSW, kVecAlu, "phsubsw"),
    ROW_LANES(PMADDUBSW, kVecMul, "pmaddubsw"),
    ROW_LANES(PMULHRSW, kVecMul, "pmulhrsw"),
    ROW_LANES(PSIGNB, kVecAlu, "psignb"),
    ROW_LANES(PSIGNW, kVecAlu, "psignw"),
    ROW_LANES(PSIGND, kVecAlu, "psignd"),
    ROW_LANES(PABSB, kVecAlu, "pabsb"),
    ROW_LANES(PABSW, kVecAlu, "pabsw"),
    ROW_LANES(PABSD, kVecAlu, "pabsd"),
    // SSE4.1
    ROW(BLENDPS, kVecAlu, bind_xmm<blend<std::uint32_t>>),
    XENSIM_VEX_ROW(BLENDPS, kVecAlu, vex::bind_lanes<blend<std::uint32_t>, 4>),
    ROW(BLENDPD, kVecAlu, bind_xmm<blend<std::uint64_t>>),
    XENSIM_VEX_ROW(BLENDPD, kVecAlu, vex::bind_lanes<blend<std::uint64_t>, 2>),
    ROW(PBLENDW, kVecAlu, bind_xmm<blend<std::uint16_t>>),
    XENSIM_VEX_ROW(PBLENDW, kVecAlu, vex::bind_lanes<blend<std::uint16_t>, 0>),
    Form(ZYDIS_MNEMONIC_VPBLENDD, CostClass::kVecAlu, kStraight, vex::bind_lanes<blend<std::uint32_t>, 4>),
    ROW(BLENDVPS, kVecAlu, bind_variable_blend<std::uint32_t>),
    XENSIM_VEX_ROW(BLENDVPS, kVecAlu, bind_vex_variable_blend<std::uint32_t>),
    ROW(BLENDVPD, kVecAlu, bind_variable_blend<std::uint64_t>),
    XENSIM_VEX_ROW(BLENDVPD, kVecAlu, bind_vex_variable_blend<std::uint64_t>),
    ROW(PBLENDVB, kVecAlu, bind_variable_blend<std::uint8_t>),
    XENSIM_VEX_ROW(PBLENDVB, kVecAlu, bind_vex_variable_blend<std::uint8_t>),
    ROW(INSERTPS, kVecShuffle, bind_insertps),
    XENSIM_VEX_ROW(INSERTPS, kVecShuffle, bind_vex_insertps),
    ROW(EXTRACTPS, kVecShuffle, bind_extract<std::uint32_t>),
    XENSIM_VEX_ROW(EXTRACTPS, kVecShuffle, bind_extract<std::uint32_t, true>),
    ROW_MOVE(B, std::uint8_t),
    ROW_MOVE(D, std::uint32_t),
    ROW_MOVE(Q, std::uint64_t),
    ROW(MOVNTDQA, kFpMove, bind_xmm<[](__m128i, __m128i b) { return b; }>),
    ROW(PTEST, kVecAlu, bind_ptest),
    XENSIM_VEX_ROW(PTEST, kVecAlu, bind_vex_test<~std::uint64_t{0}>),
    Form(ZYDIS_MNEMONIC_VTESTPS, CostClass::kVecAlu, kStraight, bind_vex_test<0x8000000080000000>),
    Form(ZYDIS_MNEMONIC_VTESTPD, CostClass::kVecAlu, kStraight, bind_vex_test<0x8000000000000000>),
    ROW_ROUND(ROUNDPS, "roundps", 16),
    ROW_ROUND(ROUNDPD, "roundpd", 16),
    ROW_ROUND(ROUNDSS, "roundss", 4),
    ROW_ROUND(ROUNDSD, "roundsd", 8),
    ROW_HOST(PCMPEQQ, kVecAlu, "pcmpeqq"),
    ROW_HOST(PACKUSDW, kVecShuffle, "packusdw"),
    ROW_HOST(PMULDQ, kVecMul, "pmuldq"),
    ROW_HOST(PMULLD, kVecMul, "pmulld"),
    ROW_HOST(PMINSB, kVecAlu, "pminsb"),
    ROW_HOST(PMINSD, kVecAlu, "pminsd"),
    ROW_HOST(PMINUW, kVecAlu, "pminuw"),
    ROW_HOST(PMINUD, kVecAlu, "pminud"),
    ROW_HOST(PMAXSB, kVecAlu, "pmaxsb"),
    ROW_HOST(PMAXSD, kVecAlu, "pmaxsd"),
    ROW_HOST(PMAXUW, kVecAlu, "pmaxuw"),
    ROW_HOST(PMAXUD, kVecAlu, "pmaxud"),
    ROW_HOST(PHMINPOSUW, kVecMul, "phminposuw"),
    ROW_WIDEN(PMOVSXBW, "pmovsxbw", 8),
    ROW_WIDEN(PMOVSXBD, "pmovsxbd", 4),
    ROW_WIDEN(PMOVSXBQ, "pmovsxbq", 2),
    ROW_WIDEN(PMOVSXWD, "pmovsxwd", 8),
    ROW_WIDEN(PMOVSXWQ, "pmovsxwq", 4),
    ROW_WIDEN(PMOVSXDQ, "pmovsxdq", 8),
    ROW_WIDEN(PMOVZXBW, "pmovzxbw", 8),
    ROW_WIDEN(PMOVZXBD, "pmovzxbd", 4),
    ROW_WIDEN(PMOVZXBQ, "pmovzxbq", 2),
    ROW_WIDEN(PMOVZXWD, "pmovzxwd", 8),
    ROW_WIDEN(PMOVZXWQ, "pmovzxwq", 4),
    ROW_WIDEN(PMOVZXDQ, "pmovzxdq", 8),
    ROW(MPSADBW, kVecMul, bind_xmm<sum_differences>),
    XENSIM_VEX_ROW(MPSADBW, kVecMul, vex::bind_lanes<sum_differences, 3>),
    // SSE4.2
    ROW_HOST(PCMPGTQ, kVecAlu, "pcmpgtq"),
};

}  // namespace

std::span<const Form> sse_extension_forms() { return kForms; }

}  // namespace xensim::cpu::isa
