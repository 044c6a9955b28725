#include "models/cpu/isa/x87_convert.h"

#include <cstring>
#include <optional>
#include <type_traits>

namespace xensim::cpu::isa::x87 {

namespace {

template <class F>
Extended value_of(Context& c, std::uint64_t v) {
  constexpr unsigned kUp = 63 - F::kFraction;
  const bool negative = (v & F::kSign) != 0;
  if (F::is_zero(v)) return zero(negative);
  if (F::is_nan(v) || F::is_infinite(v)) {
    Extended special = infinity(negative);
    special.significand |= (v & F::kFractionMask) << kUp;
    return special;
  }
  c.denormal_source = F::is_denormal(v);
  const ieee::Unpacked u = ieee::unpack<F>(v);
  const WideReal r = scaled(negative, u.significand, u.exponent);
  return {static_cast<std::uint64_t>(r.significand >> 64),
          static_cast<std::uint16_t>((negative ? 0x8000 : 0) | (r.exponent + kExtendedBias))};
}

template <class F>
std::uint64_t stored(Context& c, const Extended& v) {
  const bool negative = is_negative(v);
  const std::uint64_t sign = negative ? F::kSign : 0;
  switch (kind_of(v)) {
    case Kind::kUnsupported:
      c.raised |= kInvalid;
      return F::kDefaultNan;
    case Kind::kSignallingNan:
      c.raised |= kInvalid;
      [[fallthrough]];
    case Kind::kQuietNan:
      return sign | F::kInfinity | F::kQuiet | (v.significand >> (63 - F::kFraction) & F::kFractionMask);
    case Kind::kInfinity:
      return sign | F::kInfinity;
    case Kind::kZero:
      return sign;
    default:
      break;
  }
  const WideReal exact = real_of(v);
  std::uint32_t flags = 0;
  const std::uint64_t r =
      ieee::round_and_pack<F>(negative, exact.exponent - 127, exact.significand,
                              {.rounding = c.rounding(), .underflow_masked = c.masked(kUnderflow)}, flags);
  // What an unmasked overflow or underflow prevents is not inexact.
  if (const std::uint32_t range = flags & (kOverflow | kUnderflow) & ~std::uint32_t{c.control}; range != 0) {
    c.raised |= static_cast<std::uint16_t>(range);
    return r;
  }
  c.raised |= static_cast<std::uint16_t>(flags);
  if (F::is_infinite(r)) {
    c.rounded_up = true;
  } else if (!F::is_zero(r)) {
    const ieee::Unpacked u = ieee::unpack<F>(r);
    c.rounded_up = magnitude_less(exact, scaled(negative, u.significand, u.exponent));
  }
  return r;
}

// The magnitude of an integer that is at most `largest`, or nothing and invalid operation.
std::optional<std::uint64_t> integer_magnitude(Context& c, const Extended& v, ieee::Rounding rounding,
                                               std::uint64_t largest) {
  const Kind k = kind_of(v);
  if (k == Kind::kZero) return 0;
  const bool finite = k == Kind::kNormal || k == Kind::kDenormal;
  const WideReal exact = finite ? real_of(v) : WideReal{};
  if (finite && exact.exponent < 64) {
    const Whole w = whole_part(exact, rounding);
    if (w.magnitude <= largest) {
      if (w.inexact) c.raised |= kPrecision;
      c.rounded_up = w.up;
      return w.magnitude;
    }
  }
  c.raised |= kInvalid;
  return std::nullopt;
}

}  // namespace

Extended SingleReal::value(Context& c, Stored v) { return value_of<ieee::Single>(c, v); }
Extended DoubleReal::value(Context& c, Stored v) { return value_of<ieee::Double>(c, v); }

Extended ExtendedReal::value(Context&, const Stored& v) {
  Extended r;
  std::memcpy(&r.significand, v.b.data(), 8);
  std::memcpy(&r.sign_exponent, v.b.data() + 8, 2);
  return r;
}

Extended Decimal::value(Context&, const Stored& v) {
  std::uint64_t magnitude = 0;
  for (unsigned n = 9; n-- > 0;) magnitude = magnitude * 100 + (v.b[n] >> 4) * 10u + (v.b[n] & 15u);
  return from_magnitude((v.b[9] & 0x80) != 0, magnitude);
}

template <class Format>
auto RealStore<Format>::of(Context& c, const Extended& v) -> Stored {
  using F = std::conditional_t<sizeof(Stored) == 4, ieee::Single, ieee::Double>;
  return static_cast<Stored>(stored<F>(c, v));
}
template <class Format>
auto RealStore<Format>::indefinite() -> Stored {
  using F = std::conditional_t<sizeof(Stored) == 4, ieee::Single, ieee::Double>;
  return static_cast<Stored>(F::kDefaultNan);
}
template struct RealStore<SingleReal>;
template struct RealStore<DoubleReal>;

template <class Signed, bool kTruncates>
auto IntegerStore<Signed, kTruncates>::of(Context& c, const Extended& v) -> Stored {
  const std::uint64_t limit = std::uint64_t{1} << (8 * sizeof(Stored) - 1);
  const bool negative = is_negative(v);
  const auto m =
      integer_magnitude(c, v, kTruncates ? ieee::Rounding::kZero : c.rounding(), negative ? limit : limit - 1);
  if (!m) return indefinite();
  return static_cast<Stored>(negative ? 0 - *m : *m);
}
template struct IntegerStore<std::int16_t, false>;
template struct IntegerStore<std::int32_t, false>;
template struct IntegerStore<std::int64_t, false>;
template struct IntegerStore<std::int16_t, true>;
template struct IntegerStore<std::int32_t, true>;
template struct IntegerStore<std::int64_t, true>;

auto ExtendedStore::of(Context&, const Extended& v) -> Stored {
  Stored r;
  std::memcpy(r.b.data(), &v.significand, 8);
  std::memcpy(r.b.data() + 8, &v.sign_exponent, 2);
  return r;
}
auto ExtendedStore::indefinite() -> Stored {
  Context c;
  return of(c, kDefaultNan);
}

auto DecimalStore::of(Context& c, const Extended& v) -> Stored {
  constexpr std::uint64_t kLargest = 999'999'999'999'999'999;
  const auto m = integer_magnitude(c, v, c.rounding(), kLargest);
  if (!m) return indefinite();
  Stored r{};
  std::uint64_t rest = *m;
  for (unsigned n = 0; n < 9; ++n, rest /= 100)
    r.b[n] = static_cast<std::uint8_t>((rest / 10 % 10) << 4 | rest % 10);
  r.b[9] = is_negative(v) ? 0x80 : 0;
  return r;
}
auto DecimalStore::indefinite() -> Stored { return {{0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff}}; }

}  // namespace xensim::cpu::isa::x87
