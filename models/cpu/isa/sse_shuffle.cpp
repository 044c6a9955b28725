// Shuffles, interleaves, insertions and extractions of SSE, SSE2 and the MMX extensions (SDM 2).
#include "models/cpu/isa/vex_operands.h"

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
template <bool kVex>
Outcome extract_word(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  c.st.gpr[op.reg] = Lanes<std::uint16_t>(xmm(c, op.rm)).v[op.imm & 7];
  return Outcome::kNext;
}
Outcome extract_word_mmx(Core& c, const Op& op) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  c.st.gpr[op.reg] = Lanes<std::uint16_t>(mmx(c, op.rm)).v[op.imm & 3];
  enter_mmx(c);
  return Outcome::kNext;
}
// SSE4.1's encoding with a memory destination.
template <bool kVex>
Outcome extract_word_to_memory(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  return c.write(op, Lanes<std::uint16_t>(xmm(c, op.rm)).v[op.imm & 7]);
}
template <bool kVex>
Handler bind_extract_word(const DecodedInstruction& d, Op&) {
  if (d.is_mem(0)) return extract_word_to_memory<kVex>;
  return is_mmx(d.op(1)) ? extract_word_mmx : extract_word<kVex>;
}

// PINSRW xmm/mm, r32/m16, imm.
template <bool kMmx, bool kVex, bool kMemory>
Outcome insert_word(Core& c, const Op& op) {
  if (!(kMmx ? mmx_usable(c) : available<kVex>(c))) [[unlikely]]
    return kMmx ? mmx_unusable(c) : unavailable<kVex>(c);
  std::uint16_t v;
  if constexpr (kMemory) {
    if (Outcome o = c.read(op, v); failed(o)) return o;
  } else {
    v = static_cast<std::uint16_t>(c.st.gpr[last<kVex>(op)]);
  }
  Lanes<std::uint16_t> r(kMmx ? mmx(c, op.reg) : xmm(c, first<kVex>(op)));
  r.v[op.imm & (kMmx ? 3 : 7)] = v;
  if constexpr (kMmx)
    set_mmx(c, op.reg, low_of(r.value()));
  else
    put<kVex>(c, op.reg, r.value());
  return Outcome::kNext;
}
Handler bind_insert_word(const DecodedInstruction& d, Op&) {
  if (is_mmx(d.op(0))) return d.is_mem(1) ? insert_word<true, false, true> : insert_word<true, false, false>;
  return d.is_mem(1) ? insert_word<false, false, true> : insert_word<false, false, false>;
}
Handler bind_vex_insert_word(const DecodedInstruction& d, Op& op) {
  vex::two_sources(d, op);
  return d.is_mem(2) ? insert_word<false, true, true> : insert_word<false, true, false>;
}

#define BOTH(name, f, ...)                                                     \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kVecShuffle, kStraight, bind_xmm<f>), \
      XENSIM_VEX_ROW(name, kVecShuffle, vex::bind_lanes<f __VA_OPT__(, ) __VA_ARGS__>)
#define LANES(intrinsic) [](__m128i a, __m128i b) { return intrinsic(a, b); }

constexpr Form kForms[] = {
    BOTH(PSHUFD, shuffle_doublewords),
    BOTH(PSHUFLW, shuffle_low_words),
    BOTH(PSHUFHW, shuffle_high_words),
    Form(ZYDIS_MNEMONIC_PSHUFW, CostClass::kVecShuffle, kStraight, bind_lanes<shuffle_low_words>),
    BOTH(SHUFPS, shuffle_singles),
    BOTH(SHUFPD, shuffle_doubles, 2),
    BOTH(UNPCKLPS, LANES(_mm_unpacklo_epi32)),
    BOTH(UNPCKHPS, LANES(_mm_unpackhi_epi32)),
    BOTH(UNPCKLPD, LANES(_mm_unpacklo_epi64)),
    BOTH(UNPCKHPD, LANES(_mm_unpackhi_epi64)),
    Form(ZYDIS_MNEMONIC_PEXTRW, CostClass::kVecShuffle, kStraight, bind_extract_word<false>),
    XENSIM_VEX_ROW(PEXTRW, kVecShuffle, bind_extract_word<true>),
    Form(ZYDIS_MNEMONIC_PINSRW, CostClass::kVecShuffle, kStraight, bind_insert_word),
    XENSIM_VEX_ROW(PINSRW, kVecShuffle, bind_vex_insert_word),
};

}  // namespace

std::span<const Form> sse_shuffle_forms() { return kForms; }

}  // namespace xensim::cpu::isa
