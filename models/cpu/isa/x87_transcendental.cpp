#include "models/cpu/isa/x87_transcendental.h"

#include <cstdlib>

namespace xensim::cpu::isa::x87 {

namespace {

// Truncated after 128 bits.
constexpr WideReal kPi{false, 1, wide(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1)}, kHalfPi{false, 0, kPi.significand},
    kQuarterPi{false, -1, kPi.significand}, kLogOf2{false, -1, wide(0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af)},
    kLog2OfE{false, 0, wide(0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88)},
    kLog2Of10{false, 1, wide(0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c)},
    kLog10Of2{false, -2, wide(0x9a209a84fbcff798, 0x8f8959ac0b7c9178)},
    kArctangentOfHalf{false, -2, wide(0xed63382b0dda7b45, 0x6fe445ecbc3a8d03)},
    kSquareRootOf2{false, 0, wide(0xb504f333f9de6484, 0x597d89b3754abe9f)};
constexpr WideReal kOne{false, 0, Wide{1} << 127}, kHalf{false, -1, Wide{1} << 127};

// Below this power of two the second term of a series is less than the last bit of the first.
constexpr int kNegligible = -70;

// A value that is no number of 64 bits, so that it is never taken for an exact result.
WideReal inexact(WideReal v) {
  v.significand |= 1;
  return v;
}
// A little nearer to zero, or farther from it.
WideReal below(WideReal v) {
  v = scaled(v.negative, v.significand - 1, v.exponent - 127);
  return inexact(v);
}
WideReal above(const WideReal& v) { return inexact(v); }

// Σ over n = 1…terms of products, by Horner: 1 + first(1)(1 + first(2)(1 + …)), first(n) = v × multiplier/divisor.
template <class Factor>
WideReal nested(const WideReal& v, unsigned terms, Factor factor) {
  WideReal sum = kOne;
  for (unsigned n = terms; n > 0; --n) sum = kOne + factor(v * sum, n);
  return sum;
}

// e^v − 1 for |v| < 0.7: v (1 + v/2 (1 + v/3 (1 + …))).
WideReal exponential_minus_1(const WideReal& v) {
  return v * nested(v, 34, [](const WideReal& t, unsigned n) { return t / (n + 1); });
}

// log2((1 + s) / (1 − s)) for |s| < 0.18: 2 log2(e) (s + s³/3 + s⁵/5 + …).
WideReal log2_of_ratio(const WideReal& s) {
  const WideReal square = s * s;
  WideReal sum{};
  for (unsigned n = 27; n-- > 0;) sum = kOne / (2 * n + 1) + square * sum;
  WideReal r = s * sum * kLog2OfE;
  ++r.exponent;
  return r;
}

// log2 of a positive number.
WideReal log2(const WideReal& x) {
  WideReal m{false, 0, x.significand};
  int power = x.exponent;
  if (!magnitude_less(m, kSquareRootOf2)) {
    m.exponent = -1;
    ++power;
  }
  const WideReal fraction = log2_of_ratio((m - kOne) / (m + kOne));
  return scaled(power < 0, static_cast<Wide>(std::abs(power)), 0) + fraction;
}

// arctan of 0 < t <= 1, by Euler's series about 0, arctan 1/2 or arctan 1.
WideReal arctangent_of(const WideReal& t) {
  if (t.exponent < kNegligible) return below(t);
  WideReal rest = t, start{};
  const bool upper_half = t.significand >> 126 == 3;
  const bool near_one = t.exponent == 0 || (t.exponent == -1 && upper_half),
             near_half = t.exponent == -1 || (t.exponent == -2 && upper_half);
  if (near_one || near_half) {
    start = near_one ? kQuarterPi : kArctangentOfHalf;
    const WideReal centre = near_one ? kOne : kHalf;
    rest = (t - centre) / (kOne + t * centre);
  }
  if (rest.is_zero()) return inexact(start);
  // rest/(1 + rest²) (1 + 2/3 u (1 + 4/5 u (1 + 6/7 u …))), u = rest²/(1 + rest²)
  const WideReal square = rest * rest, whole_square = kOne + square;
  const WideReal series = nested(square / whole_square, 44,
                                 [](const WideReal& v, unsigned n) { return v * whole(2 * n) / (2 * n + 1); });
  return inexact(start + rest / whole_square * series);
}

// The operand less the nearest multiple of π/2, and that multiple modulo 4.
struct Reduced {
  WideReal rest;
  unsigned quadrant = 0;
};
Reduced reduced(const WideReal& x) {
  // π/2 of 66 bits in units of 2^−67, and so is its quarter turn's half an integer.
  constexpr Wide kQuarterTurn = static_cast<Wide>(0xc90fdaa22168c234) << 4 | 0xc;
  constexpr int kUnit = -67;
  if (x.exponent < -1) return {x, 0};  // below 1/2
  // x is a multiple of 2^−64 here; long division, the highest bits first.
  Wide rest = 0;
  unsigned quotient = 0;
  const auto digits = static_cast<std::uint64_t>(x.significand >> 64);
  const int bits = x.exponent - kUnit + 1;
  for (int n = 0; n < bits; ++n) {
    rest = rest << 1 | (n < 64 ? digits >> (63 - n) & 1 : 0);
    quotient <<= 1;
    if (rest >= kQuarterTurn) {
      rest -= kQuarterTurn;
      quotient |= 1;
    }
  }
  bool negative = x.negative;
  if (rest > kQuarterTurn - rest) {
    rest = kQuarterTurn - rest;
    negative = !negative;
    ++quotient;
  }
  return {scaled(negative, rest, kUnit), (x.negative ? 0 - quotient : quotient) & 3};
}

// For |v| <= π/4 + a little.
WideReal sine_of(const WideReal& v) {
  if (v.exponent < kNegligible) return below(v);
  return v * nested(-(v * v), 17, [](const WideReal& t, unsigned n) { return t / (2 * n * (2 * n + 1)); });
}
WideReal cosine_of(const WideReal& v) {
  if (v.is_zero()) return kOne;
  if (v.exponent < kNegligible) return below(kOne);
  return nested(-(v * v), 17, [](const WideReal& t, unsigned n) { return t / (2 * n * (2 * n - 1)); });
}

Extended finish(Context& c, const WideReal& v) { return round(c, inexact(v), 64); }

// What sine, cosine and tangent make of NaNs, infinities and denormals; nothing: an ordinary operand.
std::optional<Extended> special_angle(Context& c, const Extended& x) {
  if (const auto nan = nan_result(c, x)) return nan;
  if (kind_of(x) == Kind::kInfinity) return invalid(c);
  note_denormals(c, x);
  return std::nullopt;
}

Extended turned(Context& c, const Extended& x, unsigned quarters) {
  const Reduced r = reduced(real_of(x));
  const unsigned quadrant = (r.quadrant + quarters) & 3;
  WideReal v = quadrant & 1 ? cosine_of(r.rest) : sine_of(r.rest);
  if (quadrant & 2) v.negative = !v.negative;
  return finish(c, v);
}

// y × log2(…), which is `log`: not zero, and irrational unless exact.
Extended product(Context& c, const WideReal& y, const WideReal& log, bool exact) {
  return exact ? round(c, y * log, 64) : finish(c, y * log);
}

bool is_power_of_two(const WideReal& v) { return v.significand == Wide{1} << 127; }

}  // namespace

Extended two_to_the_x_minus_1(Context& c, const Extended& x) {
  if (const auto nan = nan_result(c, x)) return *nan;
  switch (kind_of(x)) {
    case Kind::kZero:
      return x;
    case Kind::kInfinity:
      return is_negative(x) ? one(true) : x;
    default:
      break;
  }
  note_denormals(c, x);
  const WideReal v = real_of(x);
  if (v.exponent > 0 || (v.exponent == 0 && !is_power_of_two(v))) {  // outside −1…1 nothing is defined
    c.raised |= kPrecision;
    return x;
  }
  if (v.exponent == 0) return v.negative ? round(c, -kHalf, 64) : one();
  return finish(c, exponential_minus_1(v * kLogOf2));
}

Extended y_log2_x(Context& c, const Extended& y, const Extended& x) {
  if (const auto nan = nan_result(c, y, x)) return *nan;
  const Kind ky = kind_of(y), kx = kind_of(x);
  const bool negative = is_negative(y);
  if (kx == Kind::kZero) {
    if (ky == Kind::kZero) return invalid(c);
    if (ky != Kind::kInfinity) c.raised |= kZeroDivide;
    return infinity(!negative);
  }
  if (is_negative(x)) return invalid(c);
  if (kx == Kind::kInfinity) {
    if (ky == Kind::kZero) return invalid(c);
    note_denormals(c, y);
    return infinity(negative);
  }
  const WideReal v = real_of(x);
  const bool exact = is_power_of_two(v), is_one = exact && v.exponent == 0, below_one = v.exponent < 0;
  if (ky == Kind::kInfinity && is_one) return invalid(c);
  note_denormals(c, y, x);
  if (ky == Kind::kInfinity) return infinity(negative != below_one);
  if (ky == Kind::kZero || is_one) return zero(negative != below_one);
  return product(c, real_of(y), log2(v), exact);
}

Extended y_log2_x_plus_1(Context& c, const Extended& y, const Extended& x) {
  if (const auto nan = nan_result(c, y, x)) return *nan;
  const Kind ky = kind_of(y), kx = kind_of(x);
  const bool negative = is_negative(y) != is_negative(x);
  if (kx == Kind::kInfinity) {
    if (is_negative(x) || ky == Kind::kZero) return invalid(c);
    note_denormals(c, y);
    return infinity(negative);
  }
  if (kx == Kind::kZero) {
    if (ky == Kind::kInfinity) return invalid(c);
    note_denormals(c, y);
    return zero(negative);
  }
  const WideReal v = real_of(x);
  // −1 and below: outside the function's domain, as for FYL2X.
  if (v.negative && v.exponent >= 0) {
    if (v.exponent > 0 || !is_power_of_two(v) || ky == Kind::kZero) return invalid(c);
    if (ky != Kind::kInfinity) c.raised |= kZeroDivide;
    return infinity(negative);
  }
  note_denormals(c, y, x);
  if (ky == Kind::kInfinity) return infinity(negative);
  if (ky == Kind::kZero) return zero(negative);
  if (v.exponent < -2) return product(c, real_of(y), log2_of_ratio(v / (v + kOne + kOne)), false);
  const WideReal sum = v + kOne;
  return product(c, real_of(y), log2(sum), is_power_of_two(sum));
}

Extended arctangent(Context& c, const Extended& y, const Extended& x) {
  if (const auto nan = nan_result(c, y, x)) return *nan;
  const Kind ky = kind_of(y), kx = kind_of(x);
  const bool negative = is_negative(y), left = is_negative(x);
  note_denormals(c, y, x);
  const auto signed_angle = [&](WideReal angle) {
    angle.negative = negative;
    return finish(c, angle);
  };
  if (ky == Kind::kInfinity) {
    if (kx != Kind::kInfinity) return signed_angle(kHalfPi);
    return signed_angle(left ? kHalfPi + kQuarterPi : kQuarterPi);
  }
  if (ky == Kind::kZero || kx == Kind::kInfinity) return left ? signed_angle(kPi) : zero(negative);
  if (kx == Kind::kZero) return signed_angle(kHalfPi);
  const WideReal a = real_of(y).magnitude(), b = real_of(x).magnitude();
  if (!magnitude_less(b, a)) {  // |y| <= |x|
    const WideReal t = a / b, angle = arctangent_of(t);
    return signed_angle(left ? kPi - angle : angle);
  }
  const WideReal angle = arctangent_of(b / a);
  return signed_angle(left ? kHalfPi + angle : kHalfPi - angle);
}

bool beyond_reduction(const Extended& x) {
  return kind_of(x) == Kind::kNormal && (x.sign_exponent & 0x7fff) >= kExtendedBias + 63;
}

Extended sine(Context& c, const Extended& x) {
  if (const auto special = special_angle(c, x)) return *special;
  return kind_of(x) == Kind::kZero ? x : turned(c, x, 0);
}

Extended cosine(Context& c, const Extended& x) {
  if (const auto special = special_angle(c, x)) return *special;
  return kind_of(x) == Kind::kZero ? one() : turned(c, x, 1);
}

Extended tangent(Context& c, const Extended& x) {
  if (const auto special = special_angle(c, x)) return *special;
  if (kind_of(x) == Kind::kZero) return x;
  const Reduced r = reduced(real_of(x));
  if (r.rest.exponent < kNegligible && !(r.quadrant & 1)) return finish(c, above(r.rest));
  const WideReal s = sine_of(r.rest), k = cosine_of(r.rest);
  return finish(c, r.quadrant & 1 ? -(k / s) : s / k);
}

Extended constant(const Context& c, Constant which) {
  constexpr WideReal kValues[] = {kLog2Of10, kLog2OfE, kPi, kLog10Of2, kLogOf2};
  Context quiet{.control = static_cast<std::uint16_t>(c.control | 0x3f)};
  return round(quiet, kValues[static_cast<unsigned>(which)], 64);
}

}  // namespace xensim::cpu::isa::x87
