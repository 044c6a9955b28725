#include "models/cpu/isa/x87_extended.h"

#include <algorithm>
#include <cstdlib>

namespace xensim::cpu::isa::x87 {

namespace {

using ieee::Rounding;

// Unmasked overflow and underflow give the result with its exponent moved by so much (SDM 1, 8.5.4 and 8.5.5).
constexpr int kExponentAdjustment = 24576;

struct Rounded {
  Wide significand;  // zero or up to 2^128, which is given as zero with `carried`
  bool carried, inexact, up;
};

// To the highest `bits` of the 128.
Rounded rounded(Wide v, unsigned bits, bool negative, Rounding direction) {
  const unsigned below = 128 - bits;
  const Wide unit = Wide{1} << below, rest = v & (unit - 1), half = unit >> 1;
  Rounded r{v - rest, false, rest != 0, false};
  switch (direction) {
    case Rounding::kNearest:
      r.up = rest > half || (rest == half && (v & unit) != 0);
      break;
    case Rounding::kDown:
      r.up = negative && r.inexact;
      break;
    case Rounding::kUp:
      r.up = !negative && r.inexact;
      break;
    case Rounding::kZero:
      break;
  }
  if (r.up) {
    r.significand += unit;
    r.carried = r.significand == 0;
  }
  return r;
}

Extended pack(bool negative, int biased, Wide significand) {
  return {static_cast<std::uint64_t>(significand >> 64),
          static_cast<std::uint16_t>((negative ? 0x8000 : 0) | biased)};
}

Extended overflowed(Context& c, bool negative, unsigned bits) {
  c.raised |= kOverflow | kPrecision;
  const Rounding d = c.rounding();
  c.rounded_up = d == Rounding::kNearest || d == (negative ? Rounding::kDown : Rounding::kUp);
  if (c.rounded_up) return infinity(negative);
  return pack(negative, 0x7ffe, ~Wide{0} << (128 - bits));
}

Extended denormalised(Context& c, const WideReal& v, unsigned bits) {
  const Rounded r =
      rounded(shift_right_jam(v.significand, kExtendedSmallest - v.exponent), bits, v.negative, c.rounding());
  if (r.inexact) c.raised |= kUnderflow | kPrecision;
  c.rounded_up = r.up;
  return pack(v.negative, r.significand >> 127 != 0 ? 1 : 0, r.significand);
}

Extended quiet(const Extended& v) { return {v.significand | kIntegerBit >> 1, v.sign_exponent}; }

// The lowest bits of a quotient in C0, C3 and C1.
std::uint16_t quotient_conditions(std::uint64_t quotient) {
  return static_cast<std::uint16_t>((quotient & 4 ? kC0 : 0) | (quotient & 2 ? kC3 : 0) |
                                    (quotient & 1 ? kC1 : 0));
}

// ± of equal numbers with opposite signs.
Extended cancelled(const Context& c) { return zero(c.rounding() == Rounding::kDown); }

Extended sum(Context& c, const Extended& a, const Extended& b, bool negate_b) {
  if (const auto nan = nan_result(c, a, b)) return *nan;
  const bool b_negative = is_negative(b) != negate_b;
  const bool a_infinite = kind_of(a) == Kind::kInfinity, b_infinite = kind_of(b) == Kind::kInfinity;
  if (a_infinite && b_infinite && is_negative(a) != b_negative) return invalid(c);
  note_denormals(c, a, b);
  if (a_infinite) return a;
  if (b_infinite) return infinity(b_negative);
  WideReal y = real_of(b);
  y.negative = b_negative;
  const WideReal x = real_of(a), r = x + y;
  if (!r.is_zero()) return round(c, r, c.precision());
  if (x.is_zero() && is_negative(a) == b_negative) return zero(b_negative);
  return cancelled(c);
}

}  // namespace

unsigned Context::precision() const {
  constexpr unsigned kBits[] = {24, 64, 53, 64};  // 1 is reserved
  return kBits[control >> 8 & 3];
}

Kind kind_of(const Extended& v) {
  const unsigned exponent = v.sign_exponent & 0x7fffu;
  if (exponent == 0) return v.significand == 0 ? Kind::kZero : Kind::kDenormal;
  if (!(v.significand & kIntegerBit)) return Kind::kUnsupported;
  if (exponent != 0x7fff) return Kind::kNormal;
  if (v.significand == kIntegerBit) return Kind::kInfinity;
  return v.significand & kIntegerBit >> 1 ? Kind::kQuietNan : Kind::kSignallingNan;
}

Extended zero(bool negative) { return {0, static_cast<std::uint16_t>(negative ? 0x8000 : 0)}; }
Extended infinity(bool negative) { return {kIntegerBit, static_cast<std::uint16_t>(negative ? 0xffff : 0x7fff)}; }
Extended one(bool negative) { return {kIntegerBit, static_cast<std::uint16_t>(negative ? 0xbfff : 0x3fff)}; }

WideReal real_of(const Extended& v) {
  const int biased = std::max(v.sign_exponent & 0x7fff, 1);
  return scaled(is_negative(v), v.significand, biased - kExtendedBias - 63);
}

Extended round(Context& c, const WideReal& v, unsigned bits) {
  if (c.stopped()) return {};
  const Rounded r = rounded(v.significand, bits, v.negative, c.rounding());
  int exponent = v.exponent + r.carried;
  const Wide significand = r.carried ? Wide{1} << 127 : r.significand;
  const bool tiny = exponent < kExtendedSmallest;
  if (v.exponent < kExtendedSmallest && (!tiny || c.masked(kUnderflow))) {
    const std::uint16_t before = c.raised;
    const Extended result = denormalised(c, v, bits);
    if (!tiny) c.raised = static_cast<std::uint16_t>(before | (c.raised & ~kUnderflow));
    return result;
  }
  if (tiny) {
    c.raised |= kUnderflow;
    exponent += kExponentAdjustment;
    if (exponent < kExtendedSmallest) {
      c.raised |= kPrecision;
      return zero(v.negative);
    }
  } else if (exponent > kExtendedLargest) {
    if (c.masked(kOverflow)) return overflowed(c, v.negative, bits);
    c.raised |= kOverflow;
    exponent -= kExponentAdjustment;
    if (exponent > kExtendedLargest) {
      c.raised |= kPrecision;
      c.rounded_up = true;
      return infinity(v.negative);
    }
  }
  if (r.inexact) c.raised |= kPrecision;
  c.rounded_up = r.up;
  return pack(v.negative, exponent + kExtendedBias, significand);
}

Extended invalid(Context& c) {
  c.raised |= kInvalid;
  return kDefaultNan;
}

Whole whole_part(const WideReal& v, ieee::Rounding direction) {
  const Rounded r = rounded(shift_right_jam(v.significand, 63 - v.exponent), 64, v.negative, direction);
  return {static_cast<std::uint64_t>(r.significand >> 64), r.inexact, r.up};
}

Extended from_magnitude(bool negative, std::uint64_t magnitude) {
  if (magnitude == 0) return zero(negative);
  const WideReal v = scaled(negative, magnitude, 0);
  return pack(negative, v.exponent + kExtendedBias, v.significand);
}

std::optional<Extended> nan_result(Context& c, const Extended& a) {
  switch (kind_of(a)) {
    case Kind::kUnsupported:
      return invalid(c);
    case Kind::kSignallingNan:
      c.raised |= kInvalid;
      return quiet(a);
    case Kind::kQuietNan:
      return a;
    default:
      return std::nullopt;
  }
}

std::optional<Extended> nan_result(Context& c, const Extended& a, const Extended& b) {
  const Kind ka = kind_of(a), kb = kind_of(b);
  if (ka == Kind::kUnsupported || kb == Kind::kUnsupported) return invalid(c);
  if (!is_nan(ka) && !is_nan(kb)) return std::nullopt;
  if (ka == Kind::kSignallingNan || kb == Kind::kSignallingNan) c.raised |= kInvalid;
  if (!is_nan(ka)) return quiet(b);
  if (!is_nan(kb)) return quiet(a);
  if (ka != kb) return ka == Kind::kQuietNan ? a : b;
  if (a.significand != b.significand) return quiet(a.significand > b.significand ? a : b);
  return quiet(is_negative(a) ? b : a);
}

void note_denormals(Context& c, const Extended& a) {
  if (kind_of(a) == Kind::kDenormal || c.denormal_source) c.raised |= kDenormal;
}
void note_denormals(Context& c, const Extended& a, const Extended& b) {
  note_denormals(c, a);
  note_denormals(c, b);
}

Extended add(Context& c, const Extended& a, const Extended& b) { return sum(c, a, b, false); }
Extended subtract(Context& c, const Extended& a, const Extended& b) { return sum(c, a, b, true); }
Extended subtract_reversed(Context& c, const Extended& a, const Extended& b) { return sum(c, b, a, true); }

Extended multiply(Context& c, const Extended& a, const Extended& b) {
  if (const auto nan = nan_result(c, a, b)) return *nan;
  const Kind ka = kind_of(a), kb = kind_of(b);
  const bool negative = is_negative(a) != is_negative(b);
  const bool infinite = ka == Kind::kInfinity || kb == Kind::kInfinity;
  const bool nought = ka == Kind::kZero || kb == Kind::kZero;
  if (infinite && nought) return invalid(c);
  note_denormals(c, a, b);
  if (infinite) return infinity(negative);
  if (nought) return zero(negative);
  return round(c, real_of(a) * real_of(b), c.precision());
}

Extended divide(Context& c, const Extended& a, const Extended& b) {
  if (const auto nan = nan_result(c, a, b)) return *nan;
  const Kind ka = kind_of(a), kb = kind_of(b);
  const bool negative = is_negative(a) != is_negative(b);
  if ((ka == Kind::kInfinity || ka == Kind::kZero) && ka == kb) return invalid(c);
  if (kb == Kind::kZero && ka != Kind::kInfinity) {
    c.raised |= kZeroDivide;
    return infinity(negative);
  }
  note_denormals(c, a, b);
  if (ka == Kind::kInfinity) return infinity(negative);
  if (ka == Kind::kZero || kb == Kind::kInfinity) return zero(negative);
  return round(c, real_of(a) / real_of(b), c.precision());
}

Extended divide_reversed(Context& c, const Extended& a, const Extended& b) { return divide(c, b, a); }

Extended square_root(Context& c, const Extended& a) {
  if (const auto nan = nan_result(c, a)) return *nan;
  const Kind k = kind_of(a);
  if (k == Kind::kZero) return a;
  if (is_negative(a)) return invalid(c);
  if (k == Kind::kInfinity) return a;
  note_denormals(c, a);
  return round(c, isa::square_root(real_of(a)), c.precision());
}

Extended round_to_integer(Context& c, const Extended& a) {
  if (const auto nan = nan_result(c, a)) return *nan;
  const Kind k = kind_of(a);
  if (k == Kind::kZero || k == Kind::kInfinity) return a;
  note_denormals(c, a);
  const WideReal v = real_of(a);
  if (v.exponent >= 63 || c.stopped()) return a;
  const Whole w = whole_part(v, c.rounding());
  if (w.inexact) c.raised |= kPrecision;
  c.rounded_up = w.up;
  return from_magnitude(v.negative, w.magnitude);
}

Extended scale(Context& c, const Extended& a, const Extended& b) {
  if (const auto nan = nan_result(c, a, b)) return *nan;
  const Kind ka = kind_of(a), kb = kind_of(b);
  if (kb == Kind::kInfinity) {
    if (ka == (is_negative(b) ? Kind::kInfinity : Kind::kZero)) return invalid(c);
    note_denormals(c, a);
    return is_negative(b) ? zero(is_negative(a)) : infinity(is_negative(a));
  }
  note_denormals(c, a, b);
  if (ka == Kind::kZero || ka == Kind::kInfinity) return a;
  WideReal v = real_of(a);
  const WideReal by = real_of(b);
  if (!by.is_zero() && by.exponent >= 0) {
    // Beyond this every result is out of range.
    constexpr int kBeyond = 0x10000;
    const int n = by.exponent > 16 ? kBeyond : static_cast<int>(by.significand >> (127 - by.exponent));
    v.exponent += by.negative ? -n : n;
  }
  return round(c, v, 64);
}

template <bool kNearest>
Extended remainder(Context& c, const Extended& a, const Extended& b, std::optional<std::uint16_t>& conditions) {
  if (const auto nan = nan_result(c, a, b)) return *nan;
  const Kind ka = kind_of(a), kb = kind_of(b);
  if (ka == Kind::kInfinity || kb == Kind::kZero) return invalid(c);
  note_denormals(c, a, b);
  if (ka == Kind::kZero) {
    conditions = 0;
    return a;
  }
  const WideReal v = real_of(a);
  if (kb == Kind::kInfinity) {
    conditions = 0;
    return round(c, v, 64);
  }
  const WideReal by = real_of(b);
  const int apart = v.exponent - by.exponent;
  if (apart < -1 || (!kNearest && apart < 0)) {
    conditions = 0;
    return round(c, v, 64);
  }
  // A reduction by 2^63 at most at once; a partial one takes between 32 and 63 bits.
  const bool partial = apart >= 64;
  const int steps = partial ? 32 + apart % 32 : apart;
  // The rest in units of 2^(by.exponent − 64), times what a partial reduction leaves.
  const Wide divisor = by.significand >> 63;
  Wide rest = v.significand >> (steps < 0 ? 64 : 63);
  std::uint64_t quotient = 0;
  for (int n = std::max(steps, 0);; --n) {
    quotient <<= 1;
    if (rest >= divisor) {
      rest -= divisor;
      quotient |= 1;
    }
    if (n == 0) break;
    rest <<= 1;
  }
  bool negative = v.negative;
  if (kNearest && !partial && (rest > divisor - rest || (rest == divisor - rest && (quotient & 1)))) {
    rest = divisor - rest;
    negative = !negative;
    ++quotient;
  }
  conditions = partial ? kC2 : quotient_conditions(quotient);
  if (rest == 0) return zero(v.negative);
  return round(c, scaled(negative, rest, by.exponent - 64 + (partial ? apart - steps : 0)), 64);
}
template Extended remainder<false>(Context&, const Extended&, const Extended&, std::optional<std::uint16_t>&);
template Extended remainder<true>(Context&, const Extended&, const Extended&, std::optional<std::uint16_t>&);

Parts extract(Context& c, const Extended& a) {
  if (const auto nan = nan_result(c, a)) return {*nan, *nan};
  switch (kind_of(a)) {
    case Kind::kZero:
      c.raised |= kZeroDivide;
      return {infinity(true), a};
    case Kind::kInfinity:
      return {infinity(false), a};
    default:
      break;
  }
  note_denormals(c, a);
  const WideReal v = real_of(a);
  return {from_magnitude(v.exponent < 0, static_cast<std::uint64_t>(std::abs(v.exponent))),
          pack(v.negative, kExtendedBias, v.significand)};
}

std::uint16_t compare(Context& c, const Extended& a, const Extended& b, bool quiet) {
  const Kind ka = kind_of(a), kb = kind_of(b);
  const auto bad = [&](Kind k) {
    return k == Kind::kUnsupported || k == Kind::kSignallingNan || (k == Kind::kQuietNan && !quiet);
  };
  if (bad(ka) || bad(kb)) c.raised |= kInvalid;
  if (bad(ka) || bad(kb) || is_nan(ka) || is_nan(kb)) return kC0 | kC2 | kC3;
  note_denormals(c, a, b);
  if (ka == Kind::kZero && kb == Kind::kZero) return kC3;
  const bool negative = is_negative(a);
  if (negative != is_negative(b)) {
    if (ka == Kind::kZero) return is_negative(b) ? 0 : kC0;
    return negative ? kC0 : 0;
  }
  const auto before = [&](const Extended& x, Kind kx, const Extended& y, Kind ky) {
    if (kx == Kind::kInfinity || ky == Kind::kInfinity) return kx != ky && ky == Kind::kInfinity;
    return magnitude_less(real_of(x), real_of(y));
  };
  if (before(a, ka, b, kb)) return negative ? 0 : kC0;
  if (before(b, kb, a, ka)) return negative ? kC0 : 0;
  return kC3;
}

std::uint16_t examine(const Extended& a, bool empty) {
  const std::uint16_t sign = is_negative(a) ? kC1 : 0;
  if (empty) return sign | kC0 | kC3;
  switch (kind_of(a)) {
    case Kind::kUnsupported:
      return sign;
    case Kind::kQuietNan:
    case Kind::kSignallingNan:
      return sign | kC0;
    case Kind::kNormal:
      return sign | kC2;
    case Kind::kInfinity:
      return sign | kC0 | kC2;
    case Kind::kZero:
      return sign | kC3;
    case Kind::kDenormal:
      return sign | kC2 | kC3;
  }
  return sign;
}

}  // namespace xensim::cpu::isa::x87
