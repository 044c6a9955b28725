// What translations cost: hits in the second-level TLB, native and two-dimensional walks, and what the
// paging-structure caches save of them.
#include <catch2/catch.hpp>

#include "models/memory/cache_system.h"
#include "pipeline_bench.h"

using namespace xensim;
using namespace xensim::cpu;
using memory::Level;

namespace {

constexpr std::uint64_t kFar = Bench::kMapped * 2;  // not in the TLB
constexpr Cycles kEntry = 4;                        // the bench's caches, for table entries

WalkStep guest(unsigned level, std::uint64_t table = 0) {
  return {PhysAddr(0x100000 + table * 0x10000 + level * 0x1000),
          static_cast<std::uint8_t>(level),
          false,
          false,
          false,
          true};
}
WalkStep ept(unsigned level, std::uint64_t table) {
  return {PhysAddr(0x200000 + table * 0x10000 + level * 0x1000),
          static_cast<std::uint8_t>(level),
          true,
          false,
          false,
          true};
}
std::vector<WalkStep> native() { return {guest(4), guest(3), guest(2), guest(1)}; }
// 4 levels in each: an EPT walk for each guest table, and one for the page. They share their upper tables.
std::vector<WalkStep> two_dimensional() {
  std::vector<WalkStep> s;
  for (unsigned level = 4; level >= 1; --level) {
    for (unsigned e = 4; e >= 2; --e) s.push_back(ept(e, 0));
    s.push_back(ept(1, level));
    s.push_back(guest(level));
  }
  for (unsigned e = 4; e >= 2; --e) s.push_back(ept(e, 0));
  s.push_back(ept(1, 9));
  return s;
}
void no_structure_caches(Bench& b) { b.config.paging_structure_caches = b.config.ept_walk_caches = {0, 0, 0}; }

}  // namespace

TEST_CASE("a hit in the second-level TLB adds its latency to the load, and does not stop issue") {
  Bench b;
  const std::uint64_t pages = 5;  // in one set of 4 ways
  for (std::uint64_t i = 0; i < pages; ++i) b.walks.refill(LinearAddr(kFar + i * 16 * kPageSize), Access::kRead);
  const Cycles before = b.now();
  b.load(kFar);
  CHECK(b.now() == before + b.config.expected_l2_tlb_hit() + 4);
  CHECK(b.in(CpiCategory::kTlbWalk) == b.config.l2_tlb_latency - 1);
  CHECK(b.pipeline().stats.l2_tlb_hits == 1);
  CHECK(b.alu() == before + 13);
  b.load(kFar);
  CHECK(b.pipeline().stats.l2_tlb_hits == 1);
}

TEST_CASE("a native walk reads four entries one after the other, then the data") {
  Bench b;
  no_structure_caches(b);
  b.walks.steps = native();
  b.load(kFar);
  CHECK(b.now() == b.config.expected_walk(4, kEntry) + 4);
  CHECK(b.walks.walks == 1);
  b.load(kFar + 8);
  CHECK(b.walks.walks == 1);
}

TEST_CASE("a walk stops issue until it is done, and is charged as a walk") {
  Bench b;
  no_structure_caches(b);
  b.walks.steps = native();
  b.store(kFar);
  const Cycles walk = b.config.expected_walk(4, kEntry);
  CHECK(b.now() == walk);
  CHECK(b.in(CpiCategory::kTlbWalk) == walk - 1);
  CHECK(b.alu() == walk + 1);
}

TEST_CASE("with the PDE cached a native walk reads one entry") {
  Bench b;
  b.walks.steps = native();
  b.load(kFar);
  const Cycles cold = b.now();
  CHECK(cold == b.config.expected_walk(4, kEntry) + 4);
  b.run(Bench::timing(CostClass::kFence));
  const Cycles before = b.now();
  b.load(kFar + kPageSize);
  CHECK(b.now() == before + b.config.expected_walk(1, kEntry) + 4);
  CHECK(b.pipeline().stats.walk_reads_skipped == 3);
}

TEST_CASE("how far the addresses are apart decides which level's cache helps") {
  struct Row {
    std::uint64_t distance;
    unsigned entries;
  };
  for (const Row r : {Row{1ull << 12, 1}, Row{1ull << 21, 2}, Row{1ull << 30, 3}, Row{1ull << 39, 4}}) {
    Bench b;
    b.walks.steps = native();
    b.load(kFar);
    b.run(Bench::timing(CostClass::kFence));
    const Cycles before = b.now();
    b.load(kFar + r.distance);
    CHECK(b.now() == before + b.config.expected_walk(r.entries, kEntry) + 4);
  }
}

TEST_CASE("a two-dimensional walk reads 24 entries without structure caches, EPT's part charged to EPT") {
  Bench b;
  no_structure_caches(b);
  b.walks.steps = two_dimensional();
  REQUIRE(b.walks.steps.size() == 24);
  b.load(kFar);
  CHECK(b.now() == b.config.expected_walk(24, kEntry) + 4);
  CHECK(b.in(CpiCategory::kEptWalk) == 20 * kEntry);
  CHECK(b.in(CpiCategory::kTlbWalk) == b.config.expected_walk(4, kEntry) - 1);
  CHECK(b.pipeline().stats.guest_walk_reads == 4);
  CHECK(b.pipeline().stats.ept_walk_reads == 20);
}

TEST_CASE("EPT's caches leave the last entry of each EPT walk to read") {
  Bench b;
  b.walks.steps = two_dimensional();
  b.load(kFar);
  // The first EPT walk is read whole, the other four from the PDE on; and all four guest entries.
  CHECK(b.now() == b.config.expected_walk(4 + 4 + 4, kEntry) + 4);
}

TEST_CASE("with all structure caches warm a two-dimensional walk reads one guest and one EPT entry") {
  Bench b;
  b.walks.steps = two_dimensional();
  b.load(kFar);
  b.run(Bench::timing(CostClass::kFence));
  const Cycles before = b.now();
  b.load(kFar + kPageSize);
  CHECK(b.now() == before + b.config.expected_walk(2, kEntry) + 4);
}

TEST_CASE("an EPT walk alone, as without guest paging, uses EPT's caches") {
  Bench b;
  b.walks.steps = {ept(4, 0), ept(3, 0), ept(2, 0)};  // a page of 2 MiB
  b.load(kFar);
  b.run(Bench::timing(CostClass::kFence));
  const Cycles before = b.now();
  b.load(kFar + kPageSize);
  CHECK(b.now() == before + b.config.expected_walk(1, kEntry) + 4);
}

TEST_CASE("the guest's structure caches do not serve another VPID, PCID or EPT pointer") {
  for (const Tlb::Context& other :
       {Tlb::Context{2, 1, 0x5000}, Tlb::Context{1, 2, 0x5000}, Tlb::Context{1, 1, 0x6000}}) {
    Bench b;
    b.tlb.set_context({1, 1, 0x5000});
    b.caches.put(Bench::kCode, 4, Level::kL1);
    b.walks.steps = native();
    b.load(kFar);
    b.tlb.set_context(other);
    const auto reads = b.pipeline().stats.guest_walk_reads;
    b.load(kFar + kPageSize);
    CHECK(b.pipeline().stats.guest_walk_reads == reads + 4);
  }
}

TEST_CASE("flushed structure caches know nothing") {
  Bench b;
  b.walks.steps = native();
  b.load(kFar);
  b.pipeline().flush_walk_caches();
  b.load(kFar + kPageSize);
  CHECK(b.pipeline().stats.guest_walk_reads == 8);
}

TEST_CASE("a structure cache keeps the entries used last") {
  RecentKeys k(2);
  const RecentKeys::Key a{1, 0, 0}, b{2, 0, 0}, c{3, 0, 0};
  k.touch(a);
  k.touch(b);
  k.touch(a);
  k.touch(c);
  CHECK(k.contains(a));
  CHECK_FALSE(k.contains(b));
  CHECK(k.contains(c));
  RecentKeys none(0);
  none.touch(a);
  CHECK_FALSE(none.contains(a));
}

TEST_CASE("a fetch that misses the TLB waits for the walk") {
  Bench b;
  no_structure_caches(b);
  b.walks.steps = native();
  b.alu();
  b.pipeline().begin_block(b.block, Bench::kCode);  // same line: nothing
  b.block.address = PhysAddr(0x9000);
  const Cycles before = b.now();
  b.pipeline().begin_block(b.block, kFar);
  CHECK(b.pipeline().stats.itlb_walks == 1);
  CHECK(b.now() == before - 1 + b.config.expected_walk(4, kEntry));  // issue was in cycle 0
}

TEST_CASE("a chase of pointers through real caches takes each level's sum, within 5%") {
  const std::uint64_t hz = 2'400'000'000;
  struct Row {
    std::uint64_t footprint;
    Level level;
    memory::RowOutcome row;
  };
  const Row rows[] = {{16 << 10, Level::kL1, {}},
                      {512 << 10, Level::kL2, {}},
                      {4 << 20, Level::kL3, {}},
                      {64 << 20, Level::kDram, memory::RowOutcome::kConflict}};
  for (const Row& r : rows) {
    memory::CacheSystem caches(memory::CacheSystemConfig{}, 1, hz, 0);
    Bench b;
    InorderPipeline p(b.config, 0, caches, b.tlb, b.walks, b.stack);
    p.begin_block(b.block, Bench::kCode);
    // Every line of the footprint once per round, in an order that leaves each DRAM row before it comes back.
    const std::uint64_t lines = r.footprint / 64;
    const OpTiming t = Bench::timing(CostClass::kMove, {kRax}, {kRax}, 1, kTimingLoad);
    Cycles begin = 0;
    const std::uint64_t measured = std::min<std::uint64_t>(lines, 20000);
    const std::uint64_t warm = r.level == Level::kDram ? 60000 : lines;
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < warm + measured; ++i) {
      if (i == warm) begin = p.now();
      at = (at * 1664525 + 1013904223) & (lines - 1);  // full period
      const MemAccess a{0x100000 + at * 64, 0x100000 + at * 64, 8, false};
      p.retire(b.block, b.op, t, {&a, 1}, false, 0);
    }
    const double per_load = static_cast<double>(p.now() - begin) / static_cast<double>(measured);
    const double expected = static_cast<double>(caches.expected_latency(r.level, r.row));
    INFO(r.footprint);
    CHECK(per_load == Approx(expected).epsilon(0.05));
  }
}
