// x87 arithmetic where the manual is exact and processors or shortcuts go astray.
#include <catch2/catch.hpp>

#include "core_fixture.h"
#include "models/cpu/isa/x87_convert.h"
#include "models/cpu/isa/x87_extended.h"

using namespace xensim;
using namespace xensim::cpu;
using namespace xensim::cpu::test;
using namespace xensim::cpu::isa::x87;

namespace {

constexpr std::uint64_t kTop = std::uint64_t{1} << 63;
// ± 1.… × 2^exponent
Extended number(int exponent, std::uint64_t significand = kTop, bool negative = false) {
  return {significand, static_cast<std::uint16_t>((negative ? 0x8000 : 0) | (0x3fff + exponent))};
}
bool same(const Extended& a, const Extended& b) {
  return a.significand == b.significand && a.sign_exponent == b.sign_exponent;
}

}  // namespace

TEST_CASE("a partial remainder takes several FPREMs, and the last one gives the quotient's lowest bits") {
  // 2^130 is 12 times a number whose lowest bits are 101, and 4.
  // = 5.
  const Extended divisor{std::uint64_t{3} << 62, 0x4002};
  Extended rest = number(130);
  std::optional<std::uint16_t> conditions;
  unsigned steps = 0;
  do {
    Context c;
    rest = remainder<false>(c, rest, divisor, conditions);
    CHECK(c.raised == 0);
    ++steps;
  } while (*conditions & kC2);
  CHECK(steps > 1);
  CHECK(same(rest, number(2)));
  CHECK((*conditions & (kC0 | kC1 | kC3)) == (kC0 | kC1));
}

TEST_CASE("an unmasked overflow gives the result with its exponent 24576 less, a masked one infinity") {
  Context masked, unmasked{.control = 0x0377};
  CHECK(same(multiply(masked, number(16000), number(1000)), infinity(false)));
  CHECK(masked.raised == (kOverflow | kPrecision));
  CHECK(masked.rounded_up);
  CHECK(same(multiply(unmasked, number(16000), number(1000)), number(17000 - 24576)));
  CHECK(unmasked.raised == kOverflow);
}

TEST_CASE("a denormal result is inexact and tiny, or neither") {
  Context exact, inexact;
  CHECK(same(multiply(exact, number(-16382), number(-1)), {kTop >> 1, 0}));
  CHECK(exact.raised == 0);
  CHECK(same(multiply(inexact, number(-16382, kTop | 1), number(-1)), {kTop >> 1, 0}));
  CHECK(inexact.raised == (kUnderflow | kPrecision));
}

TEST_CASE("a NaN hides a denormal operand in memory, and of two NaNs the larger significand counts") {
  Context c;
  const Extended small = SingleReal::value(c, 1), nan{kTop | kTop >> 1 | 5, 0x7fff};
  CHECK(same(add(c, nan, small), nan));
  CHECK(c.raised == 0);
  CHECK(same(add(c, small, number(0)), number(0)));
  CHECK((c.raised & kDenormal) != 0);
  Context two;
  CHECK(same(add(two, nan, {kTop | 9, 0xffff}), nan));  // signalling, but quiet goes first
  CHECK(two.raised == kInvalid);
}

TEST_CASE("precision control rounds sums, and not what is loaded or scaled") {
  Context c{.control = 0x007f};
  const Extended fine = number(0, kTop | 1);
  CHECK(same(add(c, fine, zero(false)), number(0)));
  CHECK(same(scale(c, fine, number(1)), number(2, kTop | 1)));
}

TEST_CASE("packed decimal goes through a register, and too large a number is the indefinite one") {
  Context c;
  const Bytes10 digits{{0x21, 0x43, 0x65, 0x87, 0x09, 0, 0, 0, 0x90, 0x80}};
  CHECK(DecimalStore::of(c, Decimal::value(c, digits)).b == digits.b);
  CHECK(c.raised == 0);
  CHECK(DecimalStore::of(c, number(60)).b == DecimalStore::indefinite().b);
  CHECK(c.raised == kInvalid);
}

TEST_CASE("FCOMI stopped by an unmasked exception leaves the flags, and clears C1") {
  TestCore t;
  t.reg(kRsi) = cpu::test::kData;
  t.put<std::uint16_t>(cpu::test::kData, 0x037e);
  t.st().x87.status = 0x0200;
  // fninit; fldcw [rsi]; fldz; fldz; fdecstp with an empty ST(0); stc; fcomi st, st(1)
  t.program({0xdb, 0xe3, 0xd9, 0x2e, 0xd9, 0xee, 0xd9, 0xee, 0xd9, 0xf6, 0xf9, 0xdb, 0xf1});
  REQUIRE(t.completed());
  CHECK((t.st().x87.status & 0x02c1) == 0x00c1);
  CHECK((t.core.rflags() & (kZf | kPf | kCf)) == kCf);
}
