// Floating-point arithmetic in integers, for what hosts of the base instruction set cannot do: fused multiply-add
// (FMA) and conversions to and from half precision (F16C). Results and flags are those of SDM 1, 4.8.4, 4.9 and
// 14.5: tininess is detected after rounding, an unmasked underflow is signalled for exact tiny results too.
#pragma once

#include <bit>
#include <cstdint>

#include "models/cpu/isa/wide_real.h"

namespace xensim::cpu::isa::ieee {

// MXCSR's exception flags.
inline constexpr std::uint32_t kInvalid = 1, kDenormal = 2, kOverflow = 8, kUnderflow = 16, kPrecision = 32;

enum class Rounding : std::uint8_t { kNearest, kDown, kUp, kZero };  // MXCSR.RC

// How an operation treats its operands and its result.
struct Control {
  Rounding rounding = Rounding::kNearest;
  bool denormals_are_zero = false;
  bool flush_to_zero = false;
  bool underflow_masked = true;
};
Control control_of(std::uint32_t mxcsr);

// A binary interchange format of kExponentBits and kFractionBits, in the low bits of a 64-bit number.
template <unsigned kExponentBits, unsigned kFractionBits>
struct Format {
  static constexpr unsigned kBits = 1 + kExponentBits + kFractionBits, kFraction = kFractionBits;
  static constexpr int kBias = (1 << (kExponentBits - 1)) - 1, kSmallest = 1 - kBias, kLargest = kBias;
  static constexpr std::uint64_t kSign = std::uint64_t{1} << (kBits - 1), kHidden = std::uint64_t{1} << kFraction,
                                 kQuiet = kHidden >> 1, kFractionMask = kHidden - 1,
                                 kInfinity = ((std::uint64_t{1} << kExponentBits) - 1) << kFraction,
                                 kDefaultNan = kSign | kInfinity | kQuiet;
  static constexpr bool is_nan(std::uint64_t v) { return (v & ~kSign) > kInfinity; }
  static constexpr bool is_signalling(std::uint64_t v) { return is_nan(v) && !(v & kQuiet); }
  static constexpr bool is_infinite(std::uint64_t v) { return (v & ~kSign) == kInfinity; }
  static constexpr bool is_zero(std::uint64_t v) { return (v & ~kSign) == 0; }
  static constexpr bool is_denormal(std::uint64_t v) { return !is_zero(v) && (v & kInfinity) == 0; }
};
using Half = Format<5, 10>;
using Single = Format<8, 23>;
using Double = Format<11, 52>;

// A finite number other than zero: significand × 2^exponent.
struct Unpacked {
  std::uint64_t significand;
  int exponent;
};
template <class F>
Unpacked unpack(std::uint64_t v) {
  const auto biased = static_cast<int>((v & F::kInfinity) >> F::kFraction);
  const std::uint64_t fraction = v & F::kFractionMask;
  if (biased == 0) {
    const int up = std::countl_zero(fraction) - (63 - static_cast<int>(F::kFraction));
    return {fraction << up, F::kSmallest - static_cast<int>(F::kFraction) - up};
  }
  return {fraction | F::kHidden, biased - F::kBias - static_cast<int>(F::kFraction)};
}

// ± significand × 2^exponent in the format, rounded. The significand is not zero; its lowest bit may stand for all
// that is below it (it must then lie below the bits that the format keeps).
template <class F>
std::uint64_t round_and_pack(bool negative, int exponent, Wide significand, const Control& control,
                             std::uint32_t& flags);

// x × y + z, with the product or the addend negated. A NaN operand is the result, x before y before z.
template <class F>
std::uint64_t fused_multiply_add(std::uint64_t x, std::uint64_t y, std::uint64_t z, bool negate_product,
                                 bool negate_addend, const Control& control, std::uint32_t& flags);

std::uint32_t half_to_single(std::uint16_t v, std::uint32_t& flags);
std::uint16_t single_to_half(std::uint32_t v, const Control& control, std::uint32_t& flags);

}  // namespace xensim::cpu::isa::ieee
