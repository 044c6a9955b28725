// Permutations of AVX and AVX2, across the halves too, and shifts by a count per element (SDM 2, VPERM…, VPSLLV…).
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace vex {
namespace {

// --- Within halves.

// VPERMILPS, VPERMILPD with a control per element (bit 1 of it for doubles), and with an immediate.
constexpr auto kSinglesByControl = [](__m128i a, __m128i control) {
  const auto s = elements<std::uint32_t>(a), by = elements<std::uint32_t>(control);
  auto r = s;
  for (unsigned i = 0; i < 4; ++i) r[i] = s[by[i] & 3];
  return value_of<__m128i>(r);
};
constexpr auto kDoublesByControl = [](__m128i a, __m128i control) {
  const auto s = elements<std::uint64_t>(a), by = elements<std::uint64_t>(control);
  auto r = s;
  for (unsigned i = 0; i < 2; ++i) r[i] = s[by[i] >> 1 & 1];
  return value_of<__m128i>(r);
};
constexpr auto kSinglesByImmediate = [](__m128i, __m128i b, unsigned imm) {
  const auto s = elements<std::uint32_t>(b);
  auto r = s;
  for (unsigned i = 0; i < 4; ++i) r[i] = s[imm >> (2 * i) & 3];
  return value_of<__m128i>(r);
};
constexpr auto kDoublesByImmediate = [](__m128i, __m128i b, unsigned imm) {
  const auto s = elements<std::uint64_t>(b);
  auto r = s;
  for (unsigned i = 0; i < 2; ++i) r[i] = s[imm >> i & 1];
  return value_of<__m128i>(r);
};
Handler bind_permilps(const DecodedInstruction& d, Op& op) {
  return d.is_imm(2) ? bind_lanes<kSinglesByImmediate>(d, op) : bind_lanes<kSinglesByControl>(d, op);
}
Handler bind_permilpd(const DecodedInstruction& d, Op& op) {
  return d.is_imm(2) ? bind_lanes<kDoublesByImmediate, 2>(d, op) : bind_lanes<kDoublesByControl>(d, op);
}

// Shifts with a count for each element; counts past the width give 0, or the sign.
template <class T, class F>
__m128i shift_each(__m128i a, __m128i count, F f) {
  const auto by = elements<T>(count);
  auto r = elements<T>(a);
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = f(r[i], by[i]);
  return value_of<__m128i>(r);
}
template <class T>
constexpr auto kLeft = [](__m128i a, __m128i b) {
  return shift_each<T>(a, b, [](T v, T n) { return n < 8 * sizeof(T) ? v << n : T{0}; });
};
template <class T>
constexpr auto kRight = [](__m128i a, __m128i b) {
  return shift_each<T>(a, b, [](T v, T n) { return n < 8 * sizeof(T) ? v >> n : T{0}; });
};
constexpr auto kRightSigned = [](__m128i a, __m128i b) {
  return shift_each<std::uint32_t>(a, b, [](std::uint32_t v, std::uint32_t n) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(v) >> (n < 32 ? n : 31));
  });
};

// --- Over all 256 bits: kF(first source, last source, immediate).

template <auto kF, bool kTwo, bool kMemory>
Outcome whole(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, 32>(c, op, kTwo ? op.sub : op.rm, b); failed(o)) return o;
  set_ymm<2>(c, op.reg, kF(ymm(c, op.rm), b, static_cast<unsigned>(op.imm & 0xff)));
  return Outcome::kNext;
}
template <auto kF>
Handler bind_whole(const DecodedInstruction& d, Op& op) {
  if (two_sources(d, op)) return d.is_mem(2) ? whole<kF, true, true> : whole<kF, true, false>;
  return d.is_mem(1) ? whole<kF, false, true> : whole<kF, false, false>;
}

// Each half of the result: one of four halves, or zero.
constexpr auto kHalves = [](const Wide& a, const Wide& b, unsigned imm) {
  Wide r{};
  for (unsigned i = 0; i < 2; ++i) {
    const unsigned by = imm >> (4 * i);
    r.half[i] = by & 8 ? _mm_setzero_si128() : (by & 2 ? b : a).half[by & 1];
  }
  return r;
};
constexpr auto kQuadwords = [](const Wide&, const Wide& b, unsigned imm) {
  const auto s = elements<std::uint64_t>(b);
  auto r = s;
  for (unsigned i = 0; i < 4; ++i) r[i] = s[imm >> (2 * i) & 3];
  return value_of<Wide>(r);
};
// The first source chooses.
constexpr auto kDoublewords = [](const Wide& by, const Wide& b, unsigned) {
  const auto s = elements<std::uint32_t>(b), index = elements<std::uint32_t>(by);
  auto r = s;
  for (unsigned i = 0; i < 8; ++i) r[i] = s[index[i] & 7];
  return value_of<Wide>(r);
};

#define SHUFFLE(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kVecShuffle, kStraight, __VA_ARGS__)
#define ALU(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kVecAlu, kStraight, __VA_ARGS__)

constexpr Form kForms[] = {
    SHUFFLE(VPERMILPS, bind_permilps),
    SHUFFLE(VPERMILPD, bind_permilpd),
    SHUFFLE(VPERM2F128, bind_whole<kHalves>),
    SHUFFLE(VPERM2I128, bind_whole<kHalves>),
    SHUFFLE(VPERMQ, bind_whole<kQuadwords>),
    SHUFFLE(VPERMPD, bind_whole<kQuadwords>),
    SHUFFLE(VPERMD, bind_whole<kDoublewords>),
    SHUFFLE(VPERMPS, bind_whole<kDoublewords>),
    ALU(VPSLLVD, bind_lanes<kLeft<std::uint32_t>>),
    ALU(VPSLLVQ, bind_lanes<kLeft<std::uint64_t>>),
    ALU(VPSRLVD, bind_lanes<kRight<std::uint32_t>>),
    ALU(VPSRLVQ, bind_lanes<kRight<std::uint64_t>>),
    ALU(VPSRAVD, bind_lanes<kRightSigned>),
};

}  // namespace
}  // namespace vex

std::span<const Form> avx_permute_forms() { return vex::kForms; }

}  // namespace xensim::cpu::isa
