#include "models/cpu/isa/ieee_rounding.h"

#include <initializer_list>

namespace xensim::cpu::isa::ieee {

namespace {

// v / 2^n rounded to an integer; at most 64 bits are left.
std::uint64_t rounded(Wide v, int n, bool negative, Rounding rounding, bool& inexact) {
  inexact = false;
  if (n <= 0) return static_cast<std::uint64_t>(v << -n);
  // Two bits below the integer: half, and anything less.
  const Wide with_guard = n >= 2 ? shift_right_jam(v, n - 2) : v << (2 - n);
  const auto guard = static_cast<unsigned>(with_guard & 3);
  auto r = static_cast<std::uint64_t>(with_guard >> 2);
  inexact = guard != 0;
  switch (rounding) {
    case Rounding::kNearest:
      r += guard > 2 || (guard == 2 && (r & 1));
      break;
    case Rounding::kDown:
      r += negative && inexact;
      break;
    case Rounding::kUp:
      r += !negative && inexact;
      break;
    case Rounding::kZero:
      break;
  }
  return r;
}

template <class F>
std::uint64_t overflowed(bool negative, Rounding rounding) {
  const bool to_infinity = rounding == Rounding::kNearest || (rounding == Rounding::kDown && negative) ||
                           (rounding == Rounding::kUp && !negative);
  return to_infinity ? F::kInfinity : F::kInfinity - 1;
}

}  // namespace

Control control_of(std::uint32_t mxcsr) {
  constexpr std::uint32_t kDaz = 0x40, kUnderflowMask = 0x800, kFtz = 0x8000;
  return {static_cast<Rounding>(mxcsr >> 13 & 3), (mxcsr & kDaz) != 0, (mxcsr & kFtz) != 0,
          (mxcsr & kUnderflowMask) != 0};
}

template <class F>
std::uint64_t round_and_pack(bool negative, int exponent, Wide significand, const Control& control,
                             std::uint32_t& flags) {
  const std::uint64_t sign = negative ? F::kSign : 0;
  const int top = top_bit(significand);
  int e = exponent + top;  // the number is 1.… × 2^e
  const int drop = top - static_cast<int>(F::kFraction);
  bool inexact = false;
  std::uint64_t r = rounded(significand, drop, negative, control.rounding, inexact);
  const bool carried = r == F::kHidden << 1;
  const bool tiny = e + carried < F::kSmallest;
  if (tiny || e < F::kSmallest) {
    r = rounded(significand, drop + F::kSmallest - e, negative, control.rounding, inexact);
    if (tiny && control.flush_to_zero && control.underflow_masked) {
      flags |= kUnderflow | kPrecision;
      return sign;
    }
    if (tiny && (inexact || !control.underflow_masked)) flags |= kUnderflow;
    if (inexact) flags |= kPrecision;
    return sign | r;  // the smallest normal number, if rounding got there
  }
  if (carried) {
    r >>= 1;
    ++e;
  }
  if (e > F::kLargest) {
    flags |= kOverflow | kPrecision;
    return sign | overflowed<F>(negative, control.rounding);
  }
  if (inexact) flags |= kPrecision;
  return sign | (static_cast<std::uint64_t>(e + F::kBias) << F::kFraction) | (r & F::kFractionMask);
}

template <class F>
std::uint64_t fused_multiply_add(std::uint64_t x, std::uint64_t y, std::uint64_t z, bool negate_product,
                                 bool negate_addend, const Control& control, std::uint32_t& flags) {
  if (F::is_nan(x) || F::is_nan(y) || F::is_nan(z)) {
    if (F::is_signalling(x) || F::is_signalling(y) || F::is_signalling(z)) flags |= kInvalid;
    return (F::is_nan(x) ? x : F::is_nan(y) ? y : z) | F::kQuiet;
  }
  if (control.denormals_are_zero)
    for (std::uint64_t* v : {&x, &y, &z})
      if (F::is_denormal(*v)) *v &= F::kSign;
  const bool product_negative = ((x ^ y) & F::kSign) != 0 ? !negate_product : negate_product;
  const bool addend_negative = (z & F::kSign) != 0 ? !negate_addend : negate_addend;
  const bool infinite = F::is_infinite(x) || F::is_infinite(y);
  if ((infinite && (F::is_zero(x) || F::is_zero(y))) ||
      (infinite && F::is_infinite(z) && product_negative != addend_negative)) {
    flags |= kInvalid;
    return F::kDefaultNan;
  }
  if (F::is_denormal(x) || F::is_denormal(y) || F::is_denormal(z)) flags |= kDenormal;
  if (infinite) return F::kInfinity | (product_negative ? F::kSign : 0);
  if (F::is_infinite(z)) return F::kInfinity | (addend_negative ? F::kSign : 0);

  const bool down = control.rounding == Rounding::kDown;
  if (F::is_zero(x) || F::is_zero(y)) {
    if (F::is_zero(z)) return (product_negative == addend_negative ? product_negative : down) ? F::kSign : 0;
    const Unpacked a = unpack<F>(z);
    return round_and_pack<F>(addend_negative, a.exponent, a.significand, control, flags);
  }
  const Unpacked a = unpack<F>(x), b = unpack<F>(y);
  // Both terms with their highest bit near bit 124, so that nothing is lost where they can cancel each other.
  constexpr int kProductUp = 123 - 2 * static_cast<int>(F::kFraction),
                kAddendUp = 124 - static_cast<int>(F::kFraction);
  Wide product = static_cast<Wide>(a.significand) * b.significand << kProductUp;
  int exponent = a.exponent + b.exponent - kProductUp;
  if (F::is_zero(z)) return round_and_pack<F>(product_negative, exponent, product, control, flags);
  const Unpacked c = unpack<F>(z);
  Wide addend = static_cast<Wide>(c.significand) << kAddendUp;
  const int apart = exponent - (c.exponent - kAddendUp);
  if (apart > 0) {
    addend = shift_right_jam(addend, apart);
  } else {
    product = shift_right_jam(product, -apart);
    exponent -= apart;
  }
  if (product_negative == addend_negative)
    return round_and_pack<F>(product_negative, exponent, product + addend, control, flags);
  if (product == addend) return down ? F::kSign : 0;
  return product > addend ? round_and_pack<F>(product_negative, exponent, product - addend, control, flags)
                          : round_and_pack<F>(addend_negative, exponent, addend - product, control, flags);
}

template std::uint64_t fused_multiply_add<Single>(std::uint64_t, std::uint64_t, std::uint64_t, bool, bool,
                                                  const Control&, std::uint32_t&);
template std::uint64_t fused_multiply_add<Double>(std::uint64_t, std::uint64_t, std::uint64_t, bool, bool,
                                                  const Control&, std::uint32_t&);

// Every half-precision number is a single-precision one.
std::uint32_t half_to_single(std::uint16_t v, std::uint32_t& flags) {
  const std::uint32_t sign = v & Half::kSign ? 1u << 31 : 0;
  if (Half::is_zero(v)) return sign;
  if (Half::is_infinite(v)) return sign | static_cast<std::uint32_t>(Single::kInfinity);
  if (Half::is_nan(v)) {
    if (Half::is_signalling(v)) flags |= kInvalid;
    constexpr unsigned kUp = Single::kFraction - Half::kFraction;
    return sign |
           static_cast<std::uint32_t>(Single::kInfinity | Single::kQuiet | (v & Half::kFractionMask) << kUp);
  }
  const Unpacked u = unpack<Half>(v);
  return sign | static_cast<std::uint32_t>(round_and_pack<Single>(false, u.exponent, u.significand, {}, flags));
}

std::uint16_t single_to_half(std::uint32_t v, const Control& control, std::uint32_t& flags) {
  const bool negative = v >> 31 != 0;
  const auto sign = static_cast<std::uint16_t>(negative ? Half::kSign : 0);
  if (Single::is_nan(v)) {
    if (Single::is_signalling(v)) flags |= kInvalid;
    constexpr unsigned kDown = Single::kFraction - Half::kFraction;
    return static_cast<std::uint16_t>(sign | Half::kInfinity | Half::kQuiet |
                                      (v & Single::kFractionMask) >> kDown);
  }
  if (Single::is_infinite(v)) return static_cast<std::uint16_t>(sign | Half::kInfinity);
  if (Single::is_denormal(v)) {
    if (control.denormals_are_zero) return sign;
    flags |= kDenormal;
  }
  if (Single::is_zero(v)) return sign;
  const Unpacked u = unpack<Single>(v);
  return static_cast<std::uint16_t>(round_and_pack<Half>(negative, u.exponent, u.significand, control, flags));
}

}  // namespace xensim::cpu::isa::ieee
