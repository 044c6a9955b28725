// The x87 unit's transcendental functions against values of 400 bits, in every rounding direction, and their
// special operands (SDM 2: FYL2X, FPATAN, FSIN).
#include "models/cpu/isa/x87_transcendental.h"

#include <catch2/catch.hpp>

#include "core_fixture.h"
#include "x87_transcendental_values.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;
using namespace xensim::cpu::isa::x87;

namespace {

Extended result_of(Context& c, const TranscendentalValue& v) {
  const Extended y{v.y, v.y_sign_exponent}, x{v.x, v.x_sign_exponent};
  switch (v.function) {
    case Function::kTwoToTheXMinus1:
      return two_to_the_x_minus_1(c, x);
    case Function::kYLog2X:
      return y_log2_x(c, y, x);
    case Function::kYLog2XPlus1:
      return y_log2_x_plus_1(c, y, x);
    case Function::kArctangent:
      return arctangent(c, y, x);
    case Function::kSine:
      return sine(c, x);
    case Function::kCosine:
      return cosine(c, x);
    case Function::kTangent:
      return tangent(c, x);
  }
  return {};
}

// The number after v, away from zero.
Extended next(Extended v) {
  ++v.significand;
  if (v.significand == 0) v = {std::uint64_t{1} << 63, static_cast<std::uint16_t>(v.sign_exponent + 1)};
  if (v.significand == std::uint64_t{1} << 63 && (v.sign_exponent & 0x7fff) == 0) ++v.sign_exponent;
  return v;
}

bool same(const Extended& a, const Extended& b) {
  return a.significand == b.significand && a.sign_exponent == b.sign_exponent;
}

constexpr Extended kInfinite{std::uint64_t{1} << 63, 0x7fff}, kNought{0, 0}, kOne{std::uint64_t{1} << 63, 0x3fff},
    kTwo{std::uint64_t{1} << 63, 0x4000}, kMinusOne{std::uint64_t{1} << 63, 0xbfff};

}  // namespace

TEST_CASE("transcendental functions are correctly rounded in every direction, and C1 tells which way") {
  for (const TranscendentalValue& v : kTranscendentalValues)
    for (unsigned direction = 0; direction < 4; ++direction) {
      Context c{.control = static_cast<std::uint16_t>(0x007f | direction << 10)};  // precision control: ignored
      const bool negative = (v.sign_exponent & 0x8000) != 0;
      const bool up = direction == 0 ? v.nearest_is_next : direction == 1 ? negative : direction == 2 && !negative;
      const Extended truncated{v.significand, v.sign_exponent}, expected = up ? next(truncated) : truncated;
      const Extended r = result_of(c, v);
      INFO("function " << static_cast<unsigned>(v.function) << ", x " << std::hex << v.x_sign_exponent << ":"
                       << v.x << ", direction " << direction << ": " << r.sign_exponent << ":" << r.significand
                       << " instead of " << expected.sign_exponent << ":" << expected.significand);
      CHECK(same(r, expected));
      CHECK(c.rounded_up == up);
      CHECK((c.raised & kPrecision) != 0);
      CHECK(((c.raised & kUnderflow) != 0) == ((truncated.sign_exponent & 0x7fff) == 0));
    }
}

TEST_CASE("results that are exact are not called inexact") {
  Context c;
  CHECK(same(two_to_the_x_minus_1(c, kOne), kOne));
  CHECK(same(two_to_the_x_minus_1(c, kMinusOne), {std::uint64_t{1} << 63, 0xbffe}));
  CHECK(same(y_log2_x(c, kTwo, {std::uint64_t{1} << 63, 0x3fff + 24}), {std::uint64_t{3} << 62, 0x4004}));  // 48
  CHECK(same(sine(c, kNought), kNought));
  CHECK(same(cosine(c, kNought), kOne));
  CHECK(c.raised == 0);
}

TEST_CASE("logarithms of zero divide by zero, of negative numbers and of infinity times zero are invalid") {
  Context zero_divide;
  CHECK(same(y_log2_x(zero_divide, kMinusOne, kNought), kInfinite));
  CHECK(zero_divide.raised == kZeroDivide);
  for (const auto& [y, x] : {std::pair{kOne, kMinusOne}, std::pair{kNought, kInfinite},
                             std::pair{kNought, kNought}, std::pair{kInfinite, kOne}}) {
    Context c;
    CHECK(same(y_log2_x(c, y, x), kDefaultNan));
    CHECK(c.raised == kInvalid);
  }
}

TEST_CASE("FPATAN of infinities and zeros gives the multiples of a quarter of pi") {
  Context c;
  const Extended three_quarters{0x96cbe3f9990e91a8, 0x4000}, pi{0xc90fdaa22168c235, 0x4000};
  CHECK(same(arctangent(c, kInfinite, {kInfinite.significand, 0xffff}), three_quarters));
  CHECK(same(arctangent(c, kNought, kMinusOne), pi));
  CHECK(same(arctangent(c, kOne, kInfinite), kNought));
}

TEST_CASE("an angle of 2^63 sets C2 and stays where it is, without a push") {
  TestCore t;
  t.program({0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xf2});  // fninit; fld1; fptan
  t.st().cr0 &= ~std::uint64_t{0xc};
  REQUIRE(t.completed());
  CHECK((t.st().x87.status & 0x3c00) == (6 << 11));  // the tangent of 1 was pushed upon
  TestCore big;
  // fninit; fild qword [rsi] (−2^63); fptan
  big.reg(kRsi) = cpu::test::kData;
  big.put<std::uint64_t>(cpu::test::kData, std::uint64_t{1} << 63);
  big.program({0xdb, 0xe3, 0xdf, 0x2e, 0xd9, 0xf2});
  REQUIRE(big.completed());
  CHECK((big.st().x87.status & 0x3c00) == (7 << 11 | 0x400));
  CHECK(same(big.st().x87.r[7], {std::uint64_t{1} << 63, 0xc03e}));
}
