#include "models/cpu/isa/wide_real.h"

#include <utility>

namespace xensim::cpu::isa {

WideReal operator+(const WideReal& a, const WideReal& b) {
  if (a.is_zero()) return b;
  if (b.is_zero()) return a;
  if (magnitude_less(a, b)) return b + a;
  const int apart = a.exponent - b.exponent;
  if (a.negative == b.negative) {
    const Wide sum = shift_right_jam(a.significand, 1) + shift_right_jam(b.significand, apart + 1);
    return scaled(a.negative, sum, a.exponent - 126);
  }
  return scaled(a.negative, a.significand - shift_right_jam(b.significand, apart), a.exponent - 127);
}

WideReal operator*(const WideReal& a, const WideReal& b) {
  const bool negative = a.negative != b.negative;
  if (a.is_zero() || b.is_zero()) return {negative, 0, 0};
  const auto low = [](Wide v) { return static_cast<std::uint64_t>(v); };
  const auto high = [](Wide v) { return static_cast<std::uint64_t>(v >> 64); };
  const Wide ll = static_cast<Wide>(low(a.significand)) * low(b.significand),
             lh = static_cast<Wide>(low(a.significand)) * high(b.significand),
             hl = static_cast<Wide>(high(a.significand)) * low(b.significand),
             hh = static_cast<Wide>(high(a.significand)) * high(b.significand);
  const Wide middle = static_cast<Wide>(high(ll)) + low(lh) + low(hl);
  Wide product = hh + high(lh) + high(hl) + high(middle);
  int exponent = a.exponent + b.exponent + 1;
  std::uint64_t below = low(middle);
  if (product >> 127 == 0) {
    product = product << 1 | below >> 63;
    below <<= 1;
    --exponent;
  }
  return {negative, exponent, product | (below != 0 || low(ll) != 0)};
}

WideReal operator/(const WideReal& a, const WideReal& b) {
  const bool negative = a.negative != b.negative;
  if (a.is_zero()) return {negative, 0, 0};
  // Bit by bit; the first quotient bit is a one.
  Wide rest = a.significand, quotient = 0;
  int exponent = a.exponent - b.exponent;
  bool carry = false;
  if (rest < b.significand) {
    carry = rest >> 127 != 0;
    rest <<= 1;
    --exponent;
  }
  for (int bit = 127;; --bit) {
    if (carry || rest >= b.significand) {
      rest -= b.significand;
      quotient |= Wide{1} << bit;
    }
    if (bit == 0) break;
    carry = rest >> 127 != 0;
    rest <<= 1;
  }
  return {negative, exponent, quotient | (rest != 0)};
}

WideReal operator/(const WideReal& a, std::uint32_t b) {
  if (a.is_zero()) return a;
  // 160 bits by 32, a limb of 32 bits at a time.
  Wide quotient = 0;
  std::uint64_t rest = 0;
  for (int shift = 96; shift >= 0; shift -= 32) {
    rest = rest << 32 | static_cast<std::uint32_t>(a.significand >> shift);
    quotient = quotient << 32 | rest / b;
    rest %= b;
  }
  const int up = 127 - top_bit(quotient);
  const Wide more = up == 0 ? 0 : (static_cast<Wide>(rest) << up) / b;
  const bool inexact = up == 0 ? rest != 0 : (static_cast<Wide>(rest) << up) % b != 0;
  return {a.negative, a.exponent - up, quotient << up | more | inexact};
}

WideReal square_root(const WideReal& a) {
  if (a.is_zero()) return a;
  // The root of a number of 126 or 127 bits, a bit at a time. It has 63 or 64 bits; what is left tells the rest.
  const bool odd = (a.exponent & 1) != 0;
  const Wide radicand = odd ? a.significand : a.significand >> 1;
  std::uint64_t root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const std::uint64_t next = root | std::uint64_t{1} << bit;
    if (static_cast<Wide>(next) * next <= radicand) root = next;
  }
  const Wide rest = radicand - static_cast<Wide>(root) * root;
  const std::uint64_t below = (rest > root ? std::uint64_t{1} << 63 : 0) | (rest != 0);
  return {false, odd ? (a.exponent - 1) / 2 : a.exponent / 2, wide(root, below)};
}

bool magnitude_less(const WideReal& a, const WideReal& b) {
  if (a.is_zero() || b.is_zero()) return !b.is_zero();
  return a.exponent != b.exponent ? a.exponent < b.exponent : a.significand < b.significand;
}

}  // namespace xensim::cpu::isa
