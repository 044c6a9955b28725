// Numbers with significands of 128 bits: what is lost stays as a one in the lowest bit.
#include "models/cpu/isa/wide_real.h"

#include <catch2/catch.hpp>

#include "sim/base/rng.h"

using namespace xensim;
using namespace xensim::cpu::isa;

namespace {
bool same(const WideReal& a, const WideReal& b) {
  return a.negative == b.negative && a.exponent == b.exponent && a.significand == b.significand;
}
}  // namespace

TEST_CASE("products, quotients, roots and sums of integers undo each other") {
  Rng rng(1, "wide real");
  for (unsigned n = 0; n < 1000; ++n) {
    const WideReal a = whole(rng.next() >> rng.below(64) | 1), b = whole(rng.next() >> rng.below(64) | 1);
    CHECK(same(a * b / b, a));
    const WideReal root = whole(rng.next() >> 32 | 1);
    CHECK(same(square_root(root * root), root));
    CHECK(same(a + b - b, a));
    CHECK((a - a).is_zero());
    const auto small = static_cast<std::uint32_t>(rng.below(1000) + 1);
    CHECK(same(a / small, a / whole(small)));
  }
}
