#include "models/cpu/timing/branch_predictor.h"

#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "sim/base/rng.h"

using namespace xensim;
using namespace xensim::cpu;

namespace {

BranchOutcome conditional(std::uint64_t a, std::uint64_t target, bool taken) {
  return {a, a + 2, target, taken, true, false, false, false};
}
BranchOutcome jump(std::uint64_t a, std::uint64_t target) {
  return {a, a + 5, target, true, false, false, false, false};
}
BranchOutcome indirect(std::uint64_t a, std::uint64_t target) {
  return {a, a + 2, target, true, false, true, false, false};
}
BranchOutcome call(std::uint64_t a, std::uint64_t target) {
  return {a, a + 5, target, true, false, false, true, false};
}
BranchOutcome ret(std::uint64_t a, std::uint64_t target) {
  return {a, a + 1, target, true, false, true, false, true};
}

}  // namespace

TEST_CASE("the static predictor takes backward branches and no forward ones") {
  StaticPredictor p({});
  CHECK(p.resolve(conditional(100, 50, true)) == Prediction::kRight);
  CHECK(p.resolve(conditional(100, 50, false)) == Prediction::kWrong);
  CHECK(p.resolve(conditional(100, 150, false)) == Prediction::kRight);
  CHECK(p.resolve(conditional(100, 150, true)) == Prediction::kWrong);
  CHECK(p.resolve(jump(100, 150)) == Prediction::kRight);
  CHECK(p.resolve(indirect(100, 150)) == Prediction::kWrong);
}

TEST_CASE("gshare learns a loop, and then even its end") {
  GsharePredictor p({});
  unsigned wrong = 0;
  for (unsigned round = 0; round < 60; ++round)
    for (unsigned i = 0; i < 8; ++i)
      if (p.resolve(conditional(0x400, 0x380, i != 7)) == Prediction::kWrong && round >= 40) ++wrong;
  CHECK(wrong == 0);
}

TEST_CASE("gshare learns a branch that alternates") {
  GsharePredictor p({});
  unsigned wrong = 0;
  for (unsigned i = 0; i < 400; ++i)
    if (p.resolve(conditional(0x400, 0x500, i % 2)) == Prediction::kWrong && i >= 200) ++wrong;
  CHECK(wrong == 0);
}

TEST_CASE("nothing learns a coin") {
  GsharePredictor p({});
  Rng rng(1, "coin");
  unsigned wrong = 0;
  for (unsigned i = 0; i < 4000; ++i)
    if (p.resolve(conditional(0x400, 0x500, rng.below(2))) == Prediction::kWrong) ++wrong;
  CHECK(wrong > 1600);
  CHECK(wrong < 2400);
}

TEST_CASE("a direct jump is steered to its target once, then known") {
  GsharePredictor p({});
  CHECK(p.resolve(jump(0x400, 0x900)) == Prediction::kResteer);
  CHECK(p.resolve(jump(0x400, 0x900)) == Prediction::kRight);
}

TEST_CASE("an indirect branch is predicted to go where it went last") {
  GsharePredictor p({});
  CHECK(p.resolve(indirect(0x400, 0x900)) == Prediction::kWrong);
  CHECK(p.resolve(indirect(0x400, 0x900)) == Prediction::kRight);
  CHECK(p.resolve(indirect(0x400, 0xa00)) == Prediction::kWrong);
  CHECK(p.resolve(indirect(0x400, 0xa00)) == Prediction::kRight);
}

TEST_CASE("returns go to their calls, as deep as the return stack, and no deeper") {
  BranchPredictorConfig c;
  c.return_stack = 4;
  for (unsigned depth = 1; depth <= 6; ++depth) {
    GsharePredictor p(c);
    for (unsigned i = 0; i < depth; ++i) p.resolve(call(0x1000 * i, 0x1000 * (i + 1)));
    unsigned right = 0;
    for (unsigned i = depth; i-- > 0;)
      right += p.resolve(ret(0x1000 * (i + 1) + 8, 0x1000 * i + 5)) == Prediction::kRight;
    CHECK(right == std::min(depth, 4u));
  }
}

TEST_CASE("without a return stack returns are never known") {
  BranchPredictorConfig c;
  c.return_stack = 0;
  GsharePredictor p(c);
  p.resolve(call(0x1000, 0x2000));
  CHECK(p.resolve(ret(0x2008, 0x1005)) == Prediction::kWrong);
}

TEST_CASE("the target buffer forgets the branch used longest ago in a full set") {
  BranchPredictorConfig c;
  c.btb_entries = 2;
  c.btb_ways = 2;
  GsharePredictor p(c);
  p.resolve(jump(0x10, 0x900));
  p.resolve(jump(0x20, 0x900));
  CHECK(p.resolve(jump(0x10, 0x900)) == Prediction::kRight);
  p.resolve(jump(0x30, 0x900));
  CHECK(p.resolve(jump(0x10, 0x900)) == Prediction::kRight);
  CHECK(p.resolve(jump(0x20, 0x900)) == Prediction::kResteer);
}

TEST_CASE("each row of the table makes a predictor of its name") {
  for (const BranchPredictorRow& row : branch_predictor_table()) {
    BranchPredictorConfig c;
    c.kind = row.kind;
    CHECK(make_branch_predictor(c) != nullptr);
    CHECK(names_of(row.kind)[static_cast<unsigned>(row.kind)] == row.name);
  }
}

TEST_CASE("sizes that do not make sets are refused with their place") {
  BranchPredictorConfig c;
  c.btb_ways = 3;
  CHECK_THROWS_WITH(make_branch_predictor(c), Catch::Contains("/cpu/timing/branch_predictor/btb_entries"));
  c = {};
  c.history_bits = 0;
  CHECK_THROWS_AS(make_branch_predictor(c), UserError);
}
