// SSE and SSE2 floating-point arithmetic and compares, packed and scalar (SDM 1, 10.4 and 11.4; SDM 2).
//
// RCPPS and RSQRTPS differ between processors within an error bound of 1.5 × 2⁻¹². Here the result is the quotient
// 1/x, or 1/√x, in double precision (correctly rounded steps), truncated to 12 fraction bits: the same on every
// host. Denormal sources count as zero, results below the normal range are zero; no flag is raised and MXCSR has
// no influence.
#include <bit>
#include <cmath>

#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

std::uint32_t truncated_single(double v, std::uint32_t sign) {
  const auto bits = std::bit_cast<std::uint64_t>(v);
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1023 + 127;
  if (exponent <= 0) return sign;
  const auto fraction = static_cast<std::uint32_t>((bits & 0x000fffffffffffff) >> 40) << 11;
  return sign | (static_cast<std::uint32_t>(exponent) << 23) | fraction;
}

// A normal single as a double, exactly, without the help of host conversions.
double widened(std::uint32_t x) {
  const std::uint64_t exponent = ((x >> 23) & 0xff) + (1023 - 127);
  return std::bit_cast<double>((exponent << 52) | (static_cast<std::uint64_t>(x & 0x7fffff) << 29));
}

std::uint32_t reciprocal(std::uint32_t x) {
  const std::uint32_t sign = x & 0x80000000, magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return x | 0x00400000;
  if (magnitude == 0x7f800000) return sign;
  if (magnitude < 0x00800000) return sign | 0x7f800000;
  return truncated_single(1.0 / widened(magnitude), sign);
}

std::uint32_t reciprocal_root(std::uint32_t x) {
  const std::uint32_t sign = x & 0x80000000, magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return x | 0x00400000;
  if (magnitude < 0x00800000) return sign | 0x7f800000;
  if (sign) return 0xffc00000;
  if (magnitude == 0x7f800000) return 0;
  return truncated_single(1.0 / std::sqrt(widened(magnitude)), 0);
}

template <std::uint32_t (*kF)(std::uint32_t)>
__m128i approximate4(__m128i, __m128i b) {
  alignas(16) std::uint32_t v[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(v), b);
  for (std::uint32_t& x : v) x = kF(x);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(v));
}
template <std::uint32_t (*kF)(std::uint32_t)>
__m128i approximate1(__m128i a, __m128i b) {
  const std::uint64_t low = low_of(a);
  return from_parts((low & 0xffffffff00000000) | kF(static_cast<std::uint32_t>(low_of(b))), high_of(a));
}

#define COMPARE(insn, predicate)                                         \
  [](__m128i a, __m128i b) {                                             \
    asm volatile(insn " %2, %1, %0" : "+x"(a) : "x"(b), "i"(predicate)); \
    return a;                                                            \
  }
#define COMPARE_BINDS(name, text, bytes)                                 \
  Handler bind_##name(const DecodedInstruction& d, Op& op) {             \
    if (d.insn.meta.category == ZYDIS_CATEGORY_STRINGOP) return nullptr; \
    switch (op.imm & 7) {                                                \
      case 0:                                                            \
        return bind_float<COMPARE(text, 0), bytes>(d, op);               \
      case 1:                                                            \
        return bind_float<COMPARE(text, 1), bytes>(d, op);               \
      case 2:                                                            \
        return bind_float<COMPARE(text, 2), bytes>(d, op);               \
      case 3:                                                            \
        return bind_float<COMPARE(text, 3), bytes>(d, op);               \
      case 4:                                                            \
        return bind_float<COMPARE(text, 4), bytes>(d, op);               \
      case 5:                                                            \
        return bind_float<COMPARE(text, 5), bytes>(d, op);               \
      case 6:                                                            \
        return bind_float<COMPARE(text, 6), bytes>(d, op);               \
      default:                                                           \
        return bind_float<COMPARE(text, 7), bytes>(d, op);               \
    }                                                                    \
  }
COMPARE_BINDS(cmpps, "cmpps", 16)
COMPARE_BINDS(cmppd, "cmppd", 16)
COMPARE_BINDS(cmpss, "cmpss", 4)
COMPARE_BINDS(cmpsd, "cmpsd", 8)

// COMISS and its like: unordered, greater, less, equal as ZF, PF, CF; the other three flags are cleared.
template <auto kF, unsigned kBytes, bool kMemory, bool kVex>
Outcome compare_to_flags(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  __m128i b{};
  if (Outcome o = source<kMemory, kBytes>(c, op, b); failed(o)) return o;
  const __m128i a = xmm(c, op.reg);
  std::uint64_t status = 0;
  if (Outcome o = run_float(
          c, [&] { status = kF(a, b); }, [] { return false; });
      failed(o)) [[unlikely]]
    return o;
  c.flags.load(status);
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes, bool kVex = false>
Handler bind_compare_to_flags(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? compare_to_flags<kF, kBytes, true, kVex> : compare_to_flags<kF, kBytes, false, kVex>;
}

#define TO_FLAGS(insn)                                                                              \
  [](__m128i a, __m128i b) {                                                                        \
    bool zero, parity, carry;                                                                       \
    asm volatile(insn " %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b)); \
    return (zero ? kZf : 0) | (parity ? kPf : 0) | (carry ? kCf : 0);                               \
  }

#define BOTH(NAME, cost, insn, bytes, tiny)                     \
  Form(ZYDIS_MNEMONIC_##NAME, CostClass::cost, kStraight,       \
       bind_float<XENSIM_HOST_FLOAT(insn), bytes, Tiny::tiny>), \
      XENSIM_VEX_ROW(NAME, cost, vex::bind_float<XENSIM_HOST_FLOAT(insn), bytes, Tiny::tiny>)
#define ARITHMETIC(NAME, insn, cost)                                                            \
  BOTH(NAME##PS, cost, insn "ps", 16, kSingle4), BOTH(NAME##PD, cost, insn "pd", 16, kDouble2), \
      BOTH(NAME##SS, cost, insn "ss", 4, kSingle1), BOTH(NAME##SD, cost, insn "sd", 8, kDouble1)
#define NEVER_TINY(NAME, insn, cost)                                                      \
  BOTH(NAME##PS, cost, insn "ps", 16, kNone), BOTH(NAME##PD, cost, insn "pd", 16, kNone), \
      BOTH(NAME##SS, cost, insn "ss", 4, kNone), BOTH(NAME##SD, cost, insn "sd", 8, kNone)
#define COMPARE_TO_FLAGS(NAME, insn, bytes)                                                                    \
  Form(ZYDIS_MNEMONIC_##NAME, CostClass::kFpCompare, kStraight, bind_compare_to_flags<TO_FLAGS(insn), bytes>), \
      XENSIM_VEX_ROW(NAME, kFpCompare, bind_compare_to_flags<TO_FLAGS(insn), bytes, true>)
constexpr Form kForms[] = {
    ARITHMETIC(ADD, "add", kFpAdd),
    ARITHMETIC(SUB, "sub", kFpAdd),
    ARITHMETIC(MUL, "mul", kFpMul),
    ARITHMETIC(DIV, "div", kFpDiv),
    NEVER_TINY(SQRT, "sqrt", kFpSqrt),
    NEVER_TINY(MIN, "min", kFpCompare),
    NEVER_TINY(MAX, "max", kFpCompare),
    Form(ZYDIS_MNEMONIC_CMPPS, CostClass::kFpCompare, kStraight, bind_cmpps),
    Form(ZYDIS_MNEMONIC_CMPPD, CostClass::kFpCompare, kStraight, bind_cmppd),
    Form(ZYDIS_MNEMONIC_CMPSS, CostClass::kFpCompare, kStraight, bind_cmpss),
    Form(ZYDIS_MNEMONIC_CMPSD, CostClass::kFpCompare, kStraight, bind_cmpsd),
    COMPARE_TO_FLAGS(COMISS, "comiss", 4),
    COMPARE_TO_FLAGS(COMISD, "comisd", 8),
    COMPARE_TO_FLAGS(UCOMISS, "ucomiss", 4),
    COMPARE_TO_FLAGS(UCOMISD, "ucomisd", 8),
    Form(ZYDIS_MNEMONIC_RCPPS, CostClass::kFpMul, kStraight, bind_xmm<approximate4<reciprocal>>),
    Form(ZYDIS_MNEMONIC_RCPSS, CostClass::kFpMul, kStraight, bind_xmm<approximate1<reciprocal>, 4>),
    XENSIM_VEX_ROW(RCPPS, kFpMul, vex::bind_lanes<approximate4<reciprocal>>),
    XENSIM_VEX_ROW(RCPSS, kFpMul, vex::bind_narrow<approximate1<reciprocal>, 4>),
    Form(ZYDIS_MNEMONIC_RSQRTPS, CostClass::kFpMul, kStraight, bind_xmm<approximate4<reciprocal_root>>),
    Form(ZYDIS_MNEMONIC_RSQRTSS, CostClass::kFpMul, kStraight, bind_xmm<approximate1<reciprocal_root>, 4>),
    XENSIM_VEX_ROW(RSQRTPS, kFpMul, vex::bind_lanes<approximate4<reciprocal_root>>),
    XENSIM_VEX_ROW(RSQRTSS, kFpMul, vex::bind_narrow<approximate1<reciprocal_root>, 4>),
};

}  // namespace

std::span<const Form> sse_float_forms() { return kForms; }

}  // namespace xensim::cpu::isa
