// Real numbers with a significand of 128 bits and an unbounded exponent: what the x87 unit computes with before it
// rounds. Operations truncate, and keep a lost remainder as a one in the lowest bit ("jam"). So the results for
// operands of 64 bits round correctly to 64 bits and fewer, and those for operands of 128 bits are within 2⁻¹²⁶.
// Nothing here depends on the host's floating point.
#pragma once

#include <bit>
#include <cstdint>

namespace xensim::cpu::isa {

using Wide = unsigned __int128;

constexpr Wide wide(std::uint64_t high, std::uint64_t low) { return static_cast<Wide>(high) << 64 | low; }

// The place of the highest one; of zero: −1.
constexpr int top_bit(Wide v) {
  const auto high = static_cast<std::uint64_t>(v >> 64);
  return high ? 127 - std::countl_zero(high) : 63 - std::countl_zero(static_cast<std::uint64_t>(v));
}

// v / 2^n; what is lost stays as a one in the lowest bit.
constexpr Wide shift_right_jam(Wide v, int n) {
  if (n == 0) return v;
  if (n > 127) return v != 0;
  const Wide lost = v & ((Wide{1} << n) - 1);
  return (v >> n) | (lost != 0);
}

// ± significand × 2^(exponent − 127). The significand's highest bit is set, unless the number is zero.
struct WideReal {
  bool negative = false;
  int exponent = 0;
  Wide significand = 0;

  constexpr bool is_zero() const { return significand == 0; }
  constexpr WideReal operator-() const { return {!negative, exponent, significand}; }
  constexpr WideReal magnitude() const { return {false, exponent, significand}; }
};

// ± v × 2^exponent.
constexpr WideReal scaled(bool negative, Wide v, int exponent) {
  if (v == 0) return {negative, 0, 0};
  const int top = top_bit(v);
  return {negative, exponent + top, v << (127 - top)};
}
constexpr WideReal whole(std::uint64_t v) { return scaled(false, v, 0); }

WideReal operator+(const WideReal& a, const WideReal& b);
inline WideReal operator-(const WideReal& a, const WideReal& b) { return a + -b; }
WideReal operator*(const WideReal& a, const WideReal& b);
WideReal operator/(const WideReal& a, const WideReal& b);   // b is not zero
WideReal operator/(const WideReal& a, std::uint32_t b);     // likewise
WideReal square_root(const WideReal& a);                    // of at most 64 bits, not negative
bool magnitude_less(const WideReal& a, const WideReal& b);  // |a| < |b|

}  // namespace xensim::cpu::isa
