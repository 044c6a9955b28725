// Shuffles, interleaves, insertions and extractions of SSE, SSE2 and the MMX extensions (SDM 2).
#include "models/cpu/isa/sse_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

template <class T>
struct Lanes {
  alignas(16) T v[16 / sizeof(T)];
  explicit Lanes(__m128i x) { _mm_store_si128(reinterpret_cast<__m128i*>(v), x); }
  Lanes() = default;
  __m128i value() const { return _mm_load_si128(reinterpret_cast<const __m128i*>(v)); }
};

__m128i shuffle_doublewords(__m128i, __m128i b, unsigned imm) {
  const Lanes<std::uint32_t> s(b);
  Lanes<std::uint32_t> r;
  for (unsigned i = 0; i < 4; ++i) r.v[i] = s.v[(imm >> (2 * i)) & 3];
  return r.value();
}
__m128i shuffle_low_words(__m128i, __m128i b, unsigned imm) {
  const Lanes<std::uint16_t> s(b);
  Lanes<std::uint16_t> r(b);
  for (unsigned i = 0; i < 4; ++i) r.v[i] = s.v[(imm >> (2 * i)) & 3];
  return r.value();
}
__m128i shuffle_high_words(__m128i, __m128i b, unsigned imm) {
  const Lanes<std::uint16_t> s(b);
  Lanes<std::uint16_t> r(b);
  for (unsigned i = 0; i < 4; ++i) r.v[4 + i] = s.v[4 + ((imm >> (2 * i)) & 3)];
  return r.value();
}
__m128i shuffle_singles(__m128i a, __m128i b, unsigned imm) {
  const Lanes<std::uint32_t> x(a), y(b);
  Lanes<std::uint32_t> r;
  for (unsigned i = 0; i < 4; ++i) r.v[i] = (i < 2 ? x : y).v[(imm >> (2 * i)) & 3];
  return r.value();
}
__m128i shuffle_doubles(__m128i a, __m128i b, unsigned imm) {
  return from_parts(imm & 1 ? high_of(a) : low_of(a), imm & 2 ? high_of(b) : low_of(b));
}

// PEXTRW r32, xmm/mm, imm.
template <bool kMmx>
Outcome extract_word(Core& c, const Op& op) {
  if (!(kMmx ? mmx_usable(c) : usable(c))) [[unlikely]]
    return kMmx ? mmx_unusable(c) : unusable(c);
  const Lanes<std::uint16_t> s(kMmx ? mmx(c, op.rm) : xmm(c, op.rm));
  c.st.gpr[op.reg] = s.v[op.imm & (kMmx ? 3 : 7)];
  if constexpr (kMmx) enter_mmx(c);
  return Outcome::kNext;
}
// SSE4.1's encoding with a memory destination.
Outcome extract_word_to_memory(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  return c.write(op, Lanes<std::uint16_t>(xmm(c, op.rm)).v[op.imm & 7]);
}
Handler bind_extract_word(const DecodedInstruction& d, Op&) {
  if (d.is_mem(0)) return extract_word_to_memory;
  return is_mmx(d.op(1)) ? extract_word<true> : extract_word<false>;
}

// PINSRW xmm/mm, r32/m16, imm.
template <bool kMmx, bool kMemory>
Outcome insert_word(Core& c, const Op& op) {
  if (!(kMmx ? mmx_usable(c) : usable(c))) [[unlikely]]
    return kMmx ? mmx_unusable(c) : unusable(c);
  std::uint16_t v;
  if constexpr (kMemory) {
    if (Outcome o = c.read(op, v); failed(o)) return o;
  } else {
    v = static_cast<std::uint16_t>(c.st.gpr[op.rm]);
  }
  Lanes<std::uint16_t> r(kMmx ? mmx(c, op.reg) : xmm(c, op.reg));
  r.v[op.imm & (kMmx ? 3 : 7)] = v;
  if constexpr (kMmx)
    set_mmx(c, op.reg, low_of(r.value()));
  else
    set_xmm(c, op.reg, r.value());
  return Outcome::kNext;
}
Handler bind_insert_word(const DecodedInstruction& d, Op&) {
  if (is_mmx(d.op(0))) return d.is_mem(1) ? insert_word<true, true> : insert_word<true, false>;
  return d.is_mem(1) ? insert_word<false, true> : insert_word<false, false>;
}

#define LANES(intrinsic) [](__m128i a, __m128i b) { return intrinsic(a, b); }

constexpr Form kForms[] = {
    Form(ZYDIS_MNEMONIC_PSHUFD, CostClass::kVecShuffle, kStraight, bind_xmm<shuffle_doublewords>),
    Form(ZYDIS_MNEMONIC_PSHUFLW, CostClass::kVecShuffle, kStraight, bind_xmm<shuffle_low_words>),
    Form(ZYDIS_MNEMONIC_PSHUFHW, CostClass::kVecShuffle, kStraight, bind_xmm<shuffle_high_words>),
    Form(ZYDIS_MNEMONIC_PSHUFW, CostClass::kVecShuffle, kStraight, bind_lanes<shuffle_low_words>),
    Form(ZYDIS_MNEMONIC_SHUFPS, CostClass::kVecShuffle, kStraight, bind_xmm<shuffle_singles>),
    Form(ZYDIS_MNEMONIC_SHUFPD, CostClass::kVecShuffle, kStraight, bind_xmm<shuffle_doubles>),
    Form(ZYDIS_MNEMONIC_UNPCKLPS, CostClass::kVecShuffle, kStraight, bind_xmm<LANES(_mm_unpacklo_epi32)>),
    Form(ZYDIS_MNEMONIC_UNPCKHPS, CostClass::kVecShuffle, kStraight, bind_xmm<LANES(_mm_unpackhi_epi32)>),
    Form(ZYDIS_MNEMONIC_UNPCKLPD, CostClass::kVecShuffle, kStraight, bind_xmm<LANES(_mm_unpacklo_epi64)>),
    Form(ZYDIS_MNEMONIC_UNPCKHPD, CostClass::kVecShuffle, kStraight, bind_xmm<LANES(_mm_unpackhi_epi64)>),
    Form(ZYDIS_MNEMONIC_PEXTRW, CostClass::kVecShuffle, kStraight, bind_extract_word),
    Form(ZYDIS_MNEMONIC_PINSRW, CostClass::kVecShuffle, kStraight, bind_insert_word),
};

}  // namespace

std::span<const Form> sse_shuffle_forms() { return kForms; }

}  // namespace xensim::cpu::isa
