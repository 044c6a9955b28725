#include "models/cpu/timing/inorder_pipeline.h"

#include <catch2/catch.hpp>

#include "pipeline_bench.h"
#include "sim/base/rng.h"
#include "sim/stats/stats.h"

using namespace xensim;
using namespace xensim::cpu;
using memory::AccessKind;
using memory::Level;
using C = CostClass;

namespace {

constexpr std::uint8_t kA = kRax, kB = kRbx, kD = kRdx;
constexpr std::uint64_t kData = 0x10000;

}  // namespace

TEST_CASE("a result is ready after its class's latency, for every class that does not drain") {
  for (const CostRow& row : default_cost_table()) {
    if (row.drains) continue;
    INFO(row.name);
    Bench b;
    CHECK(b.run(Bench::timing(row.cost, {}, {kA})) == row.latency);
    CHECK(b.alu({kA}, {kB}) == row.latency + 1u);
  }
}

TEST_CASE("what does not depend on a result does not wait for it") {
  Bench b;
  b.run(Bench::timing(C::kMul, {}, {kA}));
  CHECK(b.alu({kB}, {kB}) == 3);  // in the same group, under the multiplication
  CHECK(b.alu({kB}, {kB}) == 3);  // issues at 1
  CHECK(b.alu({kB}, {kB}) == 3);  // at 2
  CHECK(b.alu({kB}, {kB}) == 4);  // at 3
}

TEST_CASE("an issue group holds as many instructions as the width, and no more") {
  for (unsigned width = 1; width <= 4; ++width) {
    Bench b;
    b.config.issue_width = width;
    for (unsigned i = 0; i < 20; ++i) CHECK(b.alu() == i / width + 1);
  }
}

TEST_CASE("issue is in order: what follows an instruction that waits does not pass it") {
  Bench b;
  b.load(kData, {}, kA);  // ready at 4
  CHECK(b.alu({kA}) == 5);
  b.config.issue_width = 2;
  CHECK(b.alu() == 5);  // beside it, at 4
  CHECK(b.alu() == 6);  // the next group, at 5
}

TEST_CASE("a unit that is occupied takes the next instruction when it is free") {
  Bench b;
  CHECK(b.run(Bench::timing(C::kDiv, {}, {kA})) == 26);
  CHECK(b.run(Bench::timing(C::kDiv, {}, {kB})) == 32);  // starts at 6
  Bench other;
  other.run(Bench::timing(C::kDiv, {}, {kA}));
  CHECK(other.run(Bench::timing(C::kMul, {}, {kB})) == 26);  // another unit
}

TEST_CASE("load-to-use is what the caches say, and waiting is charged to where the data came from") {
  const std::pair<Level, CpiCategory> levels[] = {{Level::kL1, CpiCategory::kL1},
                                                  {Level::kL2, CpiCategory::kL2},
                                                  {Level::kL3, CpiCategory::kL3},
                                                  {Level::kRemoteCache, CpiCategory::kRemoteCache},
                                                  {Level::kDram, CpiCategory::kDram}};
  Cycles latency = 4;
  for (auto [level, category] : levels) {
    Bench b;
    b.caches.put(kData, latency, level);
    CHECK(b.load(kData, {}, kA) == latency);
    CHECK(b.alu({kA}) == latency + 1);
    CHECK(b.in(category) == latency - 1);
    CHECK(b.in(CpiCategory::kBase) == 2);
    latency *= 3;
  }
}

TEST_CASE("dependent loads take the sum of their latencies") {
  Bench b;
  for (unsigned i = 0; i < 10; ++i) b.caches.put(kData + 64 * i, 14, Level::kL2);
  for (unsigned i = 0; i < 10; ++i) CHECK(b.load(kData + 64 * i, {kA}, kA) == 14 * (i + 1));
}

TEST_CASE("independent misses overlap") {
  Bench b;
  for (unsigned i = 0; i < 4; ++i) b.caches.put(kData + 64 * i, 100, Level::kDram);
  for (unsigned i = 0; i < 4; ++i) b.load(kData + 64 * i);
  CHECK(b.now() == 101);  // two per group
}

TEST_CASE("a miss waits for a line fill buffer when all are in use") {
  Bench b;
  b.config.line_fill_buffers = 2;
  b.caches.put(kData, 100, Level::kDram);
  b.caches.put(kData + 64, 120, Level::kDram);
  b.caches.put(kData + 128, 50, Level::kL3);
  b.load(kData);
  CHECK(b.load(kData + 64) == 120);
  CHECK(b.load(kData + 128) == 150);  // starts when the first is there, at 100
  CHECK(b.pipeline().stats.line_fill_buffers_full == 1);
}

TEST_CASE("a second load of a line that is on its way waits for it, and one after its arrival does not") {
  Bench b;
  b.caches.put(kData, 100, Level::kDram);
  b.load(kData);
  b.load(kData + 8, {}, kA);
  CHECK(b.alu({kA}, {kB}) == 101);
  CHECK(b.load(kData + 16, {kB}, kA) == 105);  // issues at 101
}

TEST_CASE("a load-op instruction's other sources may come later than its address") {
  Bench b;
  b.run(Bench::timing(C::kDiv, {}, {kB}));  // ready at 26
  CHECK(b.run(Bench::timing(C::kAlu, {kA, kB}, {kB}, 1, kTimingLoad), {{kData, kData, 8, false}}) == 27);
  CHECK(b.caches.asked.back().now == 0);
  Bench late;
  late.caches.put(kData, 60, Level::kL3);
  late.run(Bench::timing(C::kDiv, {}, {kB}));
  CHECK(late.run(Bench::timing(C::kAlu, {kA, kB}, {kB}, 1, kTimingLoad), {{kData, kData, 8, false}}) == 61);
}

TEST_CASE("an access across two lines takes both, the second a cycle later") {
  Bench b;
  b.load(kData + 60, {}, kA);
  CHECK(b.caches.asked.size() == 3);  // with the fetch
  CHECK(b.now() == 5);
  Bench page;  // what lies past the page is logged as an access of its own
  page.load(kData + 0xffc, {}, kA);
  CHECK(page.caches.asked.size() == 2);
}

TEST_CASE("stores do not wait for the cache") {
  Bench b;
  b.caches.put(kData, 200, Level::kDram);
  CHECK(b.store(kData) == 1);
  CHECK(b.alu() == 1);
}

TEST_CASE("a full store buffer stops issue until its oldest store has committed") {
  Bench b;
  b.config.store_buffer = 2;
  b.caches.put(kData, 200, Level::kDram);
  b.store(kData);
  b.store(kData + 64);
  CHECK(b.now() == 1);
  CHECK(b.store(kData + 128) == 200);
  CHECK(b.pipeline().stats.store_buffer_full == 1);
  CHECK(b.in(CpiCategory::kDram) == 198);
  CHECK(b.stack.total() == b.now());
}

TEST_CASE("stores commit in order, one per cycle") {
  Bench b;
  b.caches.put(kData, 200, Level::kDram);
  for (unsigned i = 0; i < 10; ++i) b.store(kData + 64 * i);
  // The first at 200, the last at 209; a locked instruction waits for it and takes 4 + 14.
  CHECK(b.lock(0x20000) == 209 + 18);
}

TEST_CASE("a load gets the bytes of a store to a line on its way, and waits for the line's other bytes") {
  Bench b;
  b.caches.put(kData, 200, Level::kDram);
  b.store(kData);
  CHECK(b.load(kData) == 4);
  CHECK(b.load(kData + 4, {}, kA, 4) == 5);
  Bench other;
  other.caches.put(kData, 200, Level::kDram);
  other.store(kData);
  CHECK(other.load(kData + 4) == 200);
}

TEST_CASE("a locked instruction takes the line for writing, and accesses after it wait until it is done") {
  Bench b;
  CHECK(b.lock(kData, kA) == 18);
  CHECK(b.caches.asked.back().kind == AccessKind::kStore);
  CHECK(b.caches.asked.size() == 2);
  CHECK(b.alu() == 18);  // issues beside it
  CHECK(b.load(kData + 64) == 22);
}

TEST_CASE("a draining instruction waits for everything before it and holds back everything after it") {
  Bench b;
  b.caches.put(kData, 200, Level::kDram);
  b.caches.put(kData + 64, 300, Level::kDram);
  b.load(kData, {}, kA);
  b.store(kData + 64);
  CHECK(b.run(Bench::timing(C::kCpuid, {}, {kA})) == 400);  // the store commits at 300
  CHECK(b.alu() == 401);
  Bench flag;
  flag.load(kData);
  CHECK(flag.run(Bench::timing(C::kAlu, {}, {}, 0, kTimingSerialising)) == 5);
  CHECK(flag.alu() == 6);
}

TEST_CASE("the stack pointer of a pop is ready before its data") {
  Bench b;
  b.run(Bench::timing(C::kPop, {kRsp}, {kA, kRsp}, 1, kTimingLoad), {{kData, kData, 8, false}});
  b.run(Bench::timing(C::kPop, {kRsp}, {kB, kRsp}, 1, kTimingLoad), {{kData + 8, kData + 8, 8, false}});
  CHECK(b.now() == 5);
  CHECK(b.alu({kB}) == 6);
}

TEST_CASE("the lines of a REP part are accessed one per cycle") {
  Bench b;
  std::vector<MemAccess> a;
  for (unsigned i = 0; i < 8; ++i) a.push_back({kData + 64 * i, kData + 64 * i, 64, false});
  CHECK(b.run(Bench::timing(C::kString, {}, {}, 0, kTimingLoad), a) == 7 + 4 + 1);
  CHECK(b.alu() == 12);
  CHECK(b.caches.asked.back().now == 7);
}

TEST_CASE("delivering an event drains and costs its accesses and its class") {
  Bench b;
  const MemAccess a[] = {{kData, kData, 16, false}, {kData + 64, kData + 64, 8, true}};
  b.alu();
  b.pipeline().deliver_event(a);
  CHECK(b.now() == 1 + 4 + 80);
  CHECK(b.alu() == 86);
}

// --- Branches.

namespace {

OpTiming conditional() {
  return Bench::timing(C::kBranch, {kRegFlags}, {}, 0, kTimingBranch | kTimingConditional);
}

}  // namespace

TEST_CASE("a mispredicted branch stops issue for the penalty after its result") {
  Bench b;
  b.config.branch_predictor.kind = BranchPredictorKind::kStatic;
  b.run(conditional(), {}, true, Bench::kCode + 100);  // forward, taken
  CHECK(b.now() == 1 + 16);
  CHECK(b.alu() == 18);
  CHECK(b.in(CpiCategory::kBranch) == 16);
  CHECK(b.pipeline().stats.mispredicts == 1);
  Bench waits;
  waits.config.branch_predictor.kind = BranchPredictorKind::kStatic;
  waits.run(Bench::timing(C::kMul, {}, {kRegFlags}));
  CHECK(waits.run(conditional(), {}, true, Bench::kCode + 100) == 3 + 1 + 16);
}

TEST_CASE("a branch that is predicted right costs its slot, and ends the group if taken") {
  Bench b;
  b.config.branch_predictor.kind = BranchPredictorKind::kStatic;
  CHECK(b.run(conditional(), {}, true, Bench::kCode - 100) == 1);
  CHECK(b.alu() == 2);
  Bench not_taken;
  not_taken.config.branch_predictor.kind = BranchPredictorKind::kStatic;
  CHECK(not_taken.run(conditional(), {}, false, Bench::kCode + 100) == 1);
  CHECK(not_taken.alu() == 1);
}

TEST_CASE("a direct branch whose target fetch did not know costs the resteer") {
  Bench b;
  b.run(Bench::timing(C::kBranch, {}, {}, 0, kTimingBranch), {}, true, Bench::kCode + 64);
  CHECK(b.alu() == 1 + 8 + 1);
  CHECK(b.pipeline().stats.resteers == 1);
}

// --- Fetch.

TEST_CASE("a fetch that misses L1 stops issue for its latency") {
  Bench b;
  b.caches.put(Bench::kCode, 14, Level::kL2);
  CHECK(b.alu() == 15);
  CHECK(b.in(CpiCategory::kFrontEnd) == 13);
  CHECK(b.in(CpiCategory::kBase) == 2);
}

TEST_CASE("a block's lines are fetched as its instructions reach them, the last byte included") {
  Bench b;
  b.caches.put(Bench::kCode + 64, 14, Level::kL2);
  b.op.offset = 60;
  b.op.length = 4;
  CHECK(b.alu() == 1);
  b.op.offset = 64 - 3;
  CHECK(b.alu() == 15);  // issues at 14, in the line's own group
  CHECK(b.caches.asked.size() == 2);
}

TEST_CASE("the line that was fetched last is not looked up again") {
  Bench b;
  b.alu();
  b.pipeline().begin_block(b.block, Bench::kCode);
  b.pipeline().begin_block(b.block, Bench::kCode);
  CHECK(b.caches.asked.size() == 1);
}

TEST_CASE("an instruction that crosses a page is fetched from both pages' frames") {
  Bench b;
  b.block.rip = 0x1ffe;
  b.block.address = PhysAddr(0x1ffe);
  b.block.second_page = PhysAddr(0x7000);
  b.op.length = 5;
  b.pipeline();
  b.alu();
  REQUIRE(b.caches.asked.size() == 2);
  CHECK(b.caches.asked[0].physical == 0x1ffe);
  CHECK(b.caches.asked[1].physical == 0x7000);
}

// --- Time.

TEST_CASE("restarting at the present changes nothing, and later drains") {
  Bench a, b, c;
  for (Bench* x : {&a, &b, &c}) {
    x->caches.put(kData, 100, Level::kDram);
    x->load(kData, {}, kA);
    x->alu();
  }
  b.pipeline().restart_at(b.now());
  CHECK(a.alu() == b.alu());
  CHECK(a.alu() == b.alu());
  CHECK(a.alu({kA}) == b.alu({kA}));
  c.pipeline().restart_at(500);
  CHECK(c.now() == 500);
  CHECK(c.alu({kA}) == 501);
  CHECK(c.stack.total() == 100 + 1);  // what passed between was charged by whoever spent it
}

TEST_CASE("a stream of hits that overlap perfectly is execution, not waiting") {
  Bench b;
  for (unsigned i = 0; i < 2000; ++i) b.load(kData);
  CHECK(b.now() == 1000 + 3);
  CHECK(b.in(CpiCategory::kBase) >= 1000);
  CHECK(b.in(CpiCategory::kL1) <= 3);
}

namespace {

// A random mix of everything; checks the stack after each instruction if `check`.
std::pair<Cycles, CpiStack> random_run(std::uint64_t seed, bool check) {
  Bench b;
  b.config.store_buffer = 4;
  b.config.line_fill_buffers = 3;
  b.caches.once = false;
  Rng rng(seed, "pipeline");
  for (unsigned i = 0; i < 64; ++i) {
    const std::uint64_t level = rng.below(5);
    b.caches.put(kData + 64 * i, 4 + 20 * level, static_cast<Level>(level));
  }
  b.walks.steps = {{PhysAddr(kData), 4, false, false, false, true},
                   {PhysAddr(kData + 64), 2, true, false, false, true},
                   {PhysAddr(kData + 128), 1, true, false, false, true},
                   {PhysAddr(kData + 192), 3, false, false, false, true}};
  Cycles outside = 0;
  bool exact = true, forward = true;
  for (unsigned i = 0; i < 3000; ++i) {
    const Cycles before = b.now();
    const auto reg = [&] { return static_cast<std::uint8_t>(rng.below(kRegCount)); };
    OpTiming t = Bench::timing(static_cast<C>(rng.below(kCostClasses)), {reg(), reg(), reg()}, {reg(), reg()},
                               static_cast<unsigned>(rng.below(4)));
    std::vector<MemAccess> a;
    for (std::uint64_t n = rng.below(6); n > 3; --n) {
      const std::uint64_t at = kData + rng.below(64 * 64);
      a.push_back({at, rng.below(8) ? at : at + Bench::kMapped, static_cast<std::uint8_t>(1 + rng.below(64)),
                   rng.below(2) == 0});
    }
    if (rng.below(4) == 0) t.flags = static_cast<std::uint8_t>(kTimingBranch | rng.below(128));
    if (rng.below(10) == 0) b.op.flags = kLock;
    b.op.offset = static_cast<std::uint16_t>(rng.below(256));
    b.run(t, a, rng.below(2) == 0, Bench::kCode + rng.below(64));
    b.op.flags = 0;
    if (rng.below(5) == 0) {
      b.block.address = PhysAddr(Bench::kCode + 64 * rng.below(64));
      b.pipeline().begin_block(b.block, b.block.address.value + (rng.below(9) ? 0 : Bench::kMapped));
    }
    if (rng.below(50) == 0) {
      outside += 17;
      b.pipeline().restart_at(b.now() + 17);
    }
    if (rng.below(50) == 0) b.pipeline().restart_at(b.now());
    if (rng.below(50) == 0) b.pipeline().deliver_event(a);
    forward &= b.now() >= before;
    exact &= b.stack.total() + outside == b.now();
  }
  if (check) {
    CHECK(exact);
    CHECK(forward);
  }
  return {b.now(), b.stack};
}

}  // namespace

TEST_CASE("the CPI stack adds up to the time after every instruction of random streams") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) random_run(seed, true);
}

TEST_CASE("the same stream takes the same time, category by category") {
  const auto a = random_run(5, false), b = random_run(5, false);
  CHECK(a.first == b.first);
  CHECK(a.second.cycles == b.second.cycles);
  CHECK(random_run(6, false).first != a.first);
}

TEST_CASE("every CPI category has a name of its own") {
  for (unsigned i = 0; i < kCpiCategories; ++i)
    for (unsigned k = 0; k < i; ++k)
      CHECK(name_of(static_cast<CpiCategory>(i)) != name_of(static_cast<CpiCategory>(k)));
}

TEST_CASE("the CPI stack and the pipeline's counters are registered under their names") {
  Bench b;
  stats::Group g;
  register_stats(g.group("cpi"), b.stack);
  register_stats(g.group("inorder"), b.pipeline().stats);
  b.run(conditional(), {}, false, Bench::kCode + 100);
  const stats::Snapshot s = g.snapshot();
  CHECK(s.number("cpi.base") == 1);
  CHECK(s.number("inorder.branches") == 1);
  CHECK(s.find("cpi.ept_walk") != nullptr);
}
