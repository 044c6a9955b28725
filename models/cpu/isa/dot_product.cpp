// DPPS and DPPD, with VEX and without (SDM 2): products that imm 7:4 selects, summed in pairs; imm 3:0 says which
// lanes get the sum. Each step rounds and settles MXCSR by itself: an unmasked exception of the products keeps the
// sums from being made, and their flags from being set.
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

using namespace sse;
using vex::Wide;

namespace {

// The elements whose bit in mask is set; the others are zero.
template <bool kDouble>
__m128i selected(__m128i v, unsigned mask) {
  const auto lane = [&](unsigned i) { return mask >> i & 1 ? ~0u : 0u; };
  const auto bits = [](unsigned high, unsigned low) { return std::uint64_t{high} << 32 | low; };
  const __m128i keep = kDouble ? from_parts(bits(lane(0), lane(0)), bits(lane(1), lane(1)))
                               : from_parts(bits(lane(1), lane(0)), bits(lane(3), lane(2)));
  return _mm_and_si128(v, keep);
}

template <bool kDouble>
void multiply(__m128i& a, __m128i b) {
  if constexpr (kDouble)
    asm volatile("mulpd %1, %0" : "+x"(a) : "x"(b));
  else
    asm volatile("mulps %1, %0" : "+x"(a) : "x"(b));
}
template <bool kDouble>
void add_pairs(__m128i& a) {
  if constexpr (kDouble)
    asm volatile("haddpd %0, %0" : "+x"(a));
  else
    asm volatile("haddps %0, %0" : "+x"(a));
}

template <bool kDouble, unsigned kHalves>
Outcome dot_product(Core& c, const Op& op, Wide a, Wide b, Wide& out) {
  const auto imm = static_cast<unsigned>(op.imm & 0xff);
  const auto step = [&](auto one_half) {
    return run_float(
        c,
        [&] {
          for (unsigned h = 0; h < kHalves; ++h) one_half(h);
        },
        [&] {
          constexpr Tiny kLanes = kDouble ? Tiny::kDouble2 : Tiny::kSingle4;
          return has_denormal_lane(a.half[0], kLanes) || (kHalves == 2 && has_denormal_lane(a.half[1], kLanes));
        });
  };
  for (unsigned h = 0; h < kHalves; ++h) {
    a.half[h] = selected<kDouble>(a.half[h], imm >> 4);
    b.half[h] = selected<kDouble>(b.half[h], imm >> 4);
  }
  if (Outcome o = step([&](unsigned h) { multiply<kDouble>(a.half[h], b.half[h]); }); failed(o)) return o;
  for (unsigned sums = 0; sums < (kDouble ? 1 : 2); ++sums)
    if (Outcome o = step([&](unsigned h) { add_pairs<kDouble>(a.half[h]); }); failed(o)) return o;
  for (unsigned h = 0; h < kHalves; ++h) out.half[h] = selected<kDouble>(a.half[h], imm);
  return Outcome::kNext;
}

template <bool kDouble, bool kMemory>
Outcome legacy(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide a{{xmm(c, op.reg), _mm_setzero_si128()}}, b{{xmm(c, op.rm), _mm_setzero_si128()}};
  if constexpr (kMemory)
    if (Outcome o = load<16>(c, op, b.half[0]); failed(o)) return o;
  if (Outcome o = dot_product<kDouble, 1>(c, op, a, b, a); failed(o)) return o;
  set_xmm(c, op.reg, a.half[0]);
  return Outcome::kNext;
}
template <bool kDouble>
Handler bind_legacy(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? legacy<kDouble, true> : legacy<kDouble, false>;
}

template <bool kDouble, unsigned kHalves, bool kMemory>
Outcome extended(Core& c, const Op& op) {
  if (!vex::usable(c)) [[unlikely]]
    return vex::unusable(c);
  Wide b{};
  if (Outcome o = vex::source<kMemory, 16 * kHalves>(c, op, op.sub, b); failed(o)) return o;
  Wide r{};
  if (Outcome o = dot_product<kDouble, kHalves>(c, op, vex::ymm(c, op.rm), b, r); failed(o)) return o;
  vex::set_ymm<kHalves>(c, op.reg, r);
  return Outcome::kNext;
}
template <bool kDouble>
Handler bind_extended(const DecodedInstruction& d, Op& op) {
  vex::two_sources(d, op);
  if (vex::is_wide(d)) return d.is_mem(2) ? extended<kDouble, 2, true> : extended<kDouble, 2, false>;
  return d.is_mem(2) ? extended<kDouble, 1, true> : extended<kDouble, 1, false>;
}

const Form kForms[] = {
    Form(ZYDIS_MNEMONIC_DPPS, CostClass::kFpMul, BlockShape::kStraight, bind_legacy<false>),
    Form(ZYDIS_MNEMONIC_DPPD, CostClass::kFpMul, BlockShape::kStraight, bind_legacy<true>),
    XENSIM_VEX_ROW(DPPS, kFpMul, bind_extended<false>),
    XENSIM_VEX_ROW(DPPD, kFpMul, bind_extended<true>),
};

}  // namespace

std::span<const Form> dot_product_forms() { return kForms; }

}  // namespace xensim::cpu::isa
