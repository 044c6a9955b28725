#include "models/memory/cache_system.h"

#include <catch2/catch.hpp>
#include <vector>

#include "sim/base/rng.h"
#include "sim/stats/stats.h"

using namespace xensim;
using namespace xensim::memory;

namespace {

constexpr std::uint64_t kHz = 1'000'000'000;
constexpr auto kLoad = AccessKind::kLoad, kStore = AccessKind::kStore, kFetch = AccessKind::kInstruction;
constexpr auto I = LineState::kInvalid, S = LineState::kShared, E = LineState::kExclusive,
               M = LineState::kModified;

CacheSystemConfig base_config() {
  CacheSystemConfig c;
  c.dram.kind = DramKind::kFixed;
  c.dram.fixed_latency = 100'000;  // 100 cycles
  return c;
}
constexpr Cycles kL1 = 4, kL2 = 14, kL3 = 50, kRemote = 50 + 40, kInvalidation = 50 + 30, kDram = 50 + 100;

// Small enough to evict by hand: L1 1 set × 2, L2 1 × 4, L3 1 × 8.
CacheSystemConfig tiny() {
  CacheSystemConfig c = base_config();
  c.l1i = c.l1d = {2 * 64, 2, 4, ReplacementKind::kLru, "test"};
  c.l2 = {4 * 64, 4, 14, ReplacementKind::kLru, "test"};
  c.l3 = {8 * 64, 8, 50, ReplacementKind::kLru, "test"};
  return c;
}
constexpr PhysAddr line(std::uint64_t n) { return PhysAddr(n * 64); }

}  // namespace

TEST_CASE("each level answers with its own latency") {
  CacheSystem c(tiny(), 1, kHz, 0);
  const auto expect = [&](unsigned n, Cycles latency, Level level) {
    const AccessResult r = c.access(0, line(n), kLoad, 0);
    CHECK(r.latency == latency);
    CHECK(r.level == level);
    CHECK(r.latency == c.expected_latency(level));
  };
  expect(0, kDram, Level::kDram);
  expect(0, kL1, Level::kL1);
  expect(1, kDram, Level::kDram);
  expect(0, kL1, Level::kL1);      // not the most recent way
  expect(2, kDram, Level::kDram);  // L1 holds 0, 2
  expect(1, kL2, Level::kL2);
  expect(3, kDram, Level::kDram);
  expect(4, kDram, Level::kDram);  // L2 holds 1 … 4
  expect(0, kL3, Level::kL3);
  c.check();
}

TEST_CASE("fetches and loads have first-level caches of their own, and share the second") {
  CacheSystem c(base_config(), 1, kHz, 0);
  CHECK(c.access(0, line(9), kFetch, 0).latency == kDram);
  CHECK(c.access(0, line(9), kFetch, 0).latency == kL1);
  CHECK(c.access(0, line(9), kLoad, 0).latency == kL2);
  CHECK(c.access(0, line(9), kLoad, 0).latency == kL1);
  c.check();
}

TEST_CASE("a store to a line that the own instruction cache holds drops it there") {
  CacheSystem c(base_config(), 1, kHz, 0);
  c.access(0, line(9), kFetch, 0);
  c.access(0, line(9), kStore, 0);
  CHECK(c.access(0, line(9), kFetch, 0).latency == kL2);
  c.check();
}

TEST_CASE("the table of coherence transitions holds for each request and each state") {
  // How the line got to other (pCPU 1) and own (pCPU 0), the request of pCPU 0, and what follows.
  struct Row {
    const char* what;
    std::vector<std::pair<unsigned, AccessKind>> before;
    AccessKind request;
    Cycles latency;
    Level level;
    LineState own, other;
  };
  // pCPU 1 takes the line and pCPU 2's request makes it shared.
  const Row table[] = {
      {"load, no line", {}, kLoad, kDram, Level::kDram, E, I},
      {"fetch, no line", {}, kFetch, kDram, Level::kDram, E, I},
      {"store, no line", {}, kStore, kDram, Level::kDram, M, I},
      {"load, another's E", {{1, kLoad}}, kLoad, kRemote, Level::kRemoteCache, S, S},
      {"load, another's M", {{1, kStore}}, kLoad, kRemote, Level::kRemoteCache, S, S},
      {"load, another's E that it has stored to",
       {{1, kLoad}, {1, kStore}},
       kLoad,
       kRemote,
       Level::kRemoteCache,
       S,
       S},
      {"fetch, another's M", {{1, kStore}}, kFetch, kRemote, Level::kRemoteCache, S, S},
      {"store, another's E", {{1, kLoad}}, kStore, kRemote, Level::kRemoteCache, M, I},
      {"store, another's M", {{1, kStore}}, kStore, kRemote, Level::kRemoteCache, M, I},
      {"load, shared", {{1, kLoad}, {2, kLoad}}, kLoad, kL3, Level::kL3, S, S},
      {"store, shared", {{1, kLoad}, {2, kLoad}}, kStore, kInvalidation, Level::kRemoteCache, M, I},
      {"load, own E", {{0, kLoad}}, kLoad, kL1, Level::kL1, E, I},
      {"store, own E", {{0, kLoad}}, kStore, kL1, Level::kL1, M, I},
      {"store, own M", {{0, kStore}}, kStore, kL1, Level::kL1, M, I},
      {"load, own M", {{0, kStore}}, kLoad, kL1, Level::kL1, M, I},
      {"load, own S", {{0, kLoad}, {1, kLoad}}, kLoad, kL1, Level::kL1, S, S},
      {"store, own S, others too", {{0, kLoad}, {1, kLoad}}, kStore, kInvalidation, Level::kRemoteCache, M, I},
  };
  for (const Row& r : table) {
    INFO(r.what);
    CacheSystem c(base_config(), 3, kHz, 0);
    for (auto [cpu, kind] : r.before) c.access(cpu, line(5), kind, 0);
    const AccessResult got = c.access(0, line(5), r.request, 1000);
    CHECK(got.latency == r.latency);
    CHECK(got.level == r.level);
    CHECK(c.state(0, line(5)) == r.own);
    CHECK(c.state(1, line(5)) == r.other);
    c.check();
  }
}

TEST_CASE("a store to an own shared line that the others have evicted asks the directory only") {
  CacheSystem c(tiny(), 2, kHz, 0);
  c.access(1, line(0), kLoad, 0);
  c.access(0, line(0), kLoad, 0);
  for (unsigned n = 1; n <= 4; ++n) c.access(1, line(n), kLoad, 0);
  REQUIRE(c.state(1, line(0)) == I);
  REQUIRE(c.state(0, line(0)) == S);
  const AccessResult r = c.access(0, line(0), kStore, 0);
  CHECK(r.latency == kL3);
  CHECK(r.level == Level::kL3);
  CHECK(c.state(0, line(0)) == M);
  c.check();
}

TEST_CASE("after an upgrade the next store hits in L1") {
  CacheSystem c(base_config(), 2, kHz, 0);
  c.access(0, line(5), kLoad, 0);
  c.access(1, line(5), kLoad, 0);
  CHECK(c.access(0, line(5), kStore, 0).latency == kInvalidation);
  CHECK(c.access(0, line(5), kStore, 0).latency == kL1);
  CHECK(c.coherence().upgrades == 1);
  CHECK(c.coherence().invalidations == 1);
}

TEST_CASE("a line that leaves L3 leaves the caches above it, and is written back if one had modified it") {
  CacheSystem c(tiny(), 2, kHz, 0);
  c.access(1, line(0), kStore, 0);
  for (unsigned n = 1; n <= 7; ++n) c.access(0, line(n), kLoad, 0);
  REQUIRE(c.state(1, line(0)) == M);
  CHECK(c.dram().stats.writes == 0);
  c.access(0, line(8), kLoad, 0);
  CHECK(c.state(1, line(0)) == I);
  CHECK_FALSE(c.in_l3(line(0)));
  CHECK(c.coherence().back_invalidations == 1);
  CHECK(c.dram().stats.writes == 1);
  CHECK(c.access(1, line(0), kLoad, 0).level == Level::kDram);
  c.check();
}

TEST_CASE("a clean line that leaves L3 is not written back") {
  CacheSystem c(tiny(), 2, kHz, 0);
  for (unsigned n = 0; n <= 8; ++n) c.access(0, line(n), kLoad, 0);
  CHECK(c.dram().stats.writes == 0);
}

TEST_CASE("modified data goes down level by level, and to DRAM once") {
  CacheSystem c(tiny(), 1, kHz, 0);
  c.access(0, line(0), kStore, 0);
  c.access(0, line(1), kLoad, 0);
  c.access(0, line(2), kLoad, 0);
  CHECK(c.l1d(0).writebacks == 1);
  CHECK(c.l2(0).writebacks == 0);
  c.access(0, line(3), kLoad, 0);
  c.access(0, line(4), kLoad, 0);
  CHECK(c.l2(0).writebacks == 1);
  CHECK(c.dram().stats.writes == 0);
  for (unsigned n = 5; n <= 8; ++n) c.access(0, line(n), kLoad, 0);
  CHECK(c.dram().stats.writes == 1);
  CHECK(c.l3().writebacks == 1);
}

TEST_CASE("a load of another's modified line makes L3's copy the modified one") {
  CacheSystem c(tiny(), 2, kHz, 0);
  c.access(1, line(0), kStore, 0);
  c.access(0, line(0), kLoad, 0);
  for (unsigned n = 1; n <= 8; ++n) c.access(0, line(n), kLoad, 0);
  CHECK(c.dram().stats.writes == 1);
}

TEST_CASE("every access is a hit somewhere, once") {
  CacheSystem c(tiny(), 2, kHz, 0);
  Rng rng(1, "stream");
  for (unsigned i = 0; i < 5000; ++i)
    c.access(static_cast<unsigned>(rng.below(2)), line(rng.below(24)), static_cast<AccessKind>(rng.below(3)), i);
  std::uint64_t hits = c.l3().hits + c.l3().misses, l1 = 0, l2 = 0;
  for (unsigned cpu = 0; cpu < 2; ++cpu) {
    hits += c.l1i(cpu).hits + c.l1d(cpu).hits + c.l2(cpu).hits;
    l1 += c.l1i(cpu).misses + c.l1d(cpu).misses;
    l2 += c.l2(cpu).hits + c.l2(cpu).misses;
  }
  CHECK(hits == 5000);
  CHECK(l1 == l2);
  CHECK(c.dram().stats.reads == c.l3().misses);
}

TEST_CASE("inclusion and the directory hold after any stream, for 1, 3 and 64 pCPUs and every policy") {
  for (const ReplacementRow& policy : replacement_table())
    for (PrefetcherKind prefetcher : {PrefetcherKind::kNone, PrefetcherKind::kNextLine})
      for (unsigned cpus : {1u, 3u, 64u}) {
        CacheSystemConfig k = base_config();
        k.l1i = k.l1d = {4 * 64, 2, 4, policy.kind, "test"};
        k.l2 = {16 * 64, 4, 14, policy.kind, "test"};
        k.l3 = {64 * 64, 8, 50, policy.kind, "test"};
        k.prefetcher = prefetcher;
        CacheSystem c(k, cpus, kHz, 7);
        Rng rng(cpus, "stream");
        for (unsigned i = 0; i < 4000; ++i) {
          c.access(static_cast<unsigned>(rng.below(cpus)), line(rng.below(160)),
                   static_cast<AccessKind>(rng.below(3)), i);
          if (i % 256 == 0) c.check();
        }
        c.check();
      }
}

TEST_CASE("the same stream gives the same latencies") {
  std::vector<Cycles> runs[2];
  for (auto& run : runs) {
    CacheSystemConfig k = tiny();
    k.dram.kind = DramKind::kBanked;
    CacheSystem c(k, 4, kHz, 7);
    Rng rng(9, "stream");
    for (unsigned i = 0; i < 3000; ++i)
      run.push_back(c.access(static_cast<unsigned>(rng.below(4)), line(rng.below(64)),
                             static_cast<AccessKind>(rng.below(3)), i * 10)
                        .latency);
  }
  CHECK(runs[0] == runs[1]);
}

TEST_CASE("the next-line prefetcher brings the following line, not across a page, at its own time") {
  CacheSystemConfig k = base_config();
  k.prefetcher = PrefetcherKind::kNextLine;
  CacheSystem c(k, 1, kHz, 0);
  CHECK(c.access(0, line(0), kLoad, 1000).latency == kDram);
  CHECK(c.coherence().prefetches == 1);
  CacheSystem late(k, 1, kHz, 0), early(k, 1, kHz, 0);
  late.access(0, line(0), kLoad, 1000);
  early.access(0, line(0), kLoad, 1000);
  // It arrives at 1000 + 150; a hit in L2 takes 14.
  CHECK(late.access(0, line(1), kLoad, 1136).latency == kL2);
  CHECK(early.access(0, line(1), kLoad, 1135).latency == 15);
  CHECK(early.coherence().late_prefetches == 1);
  c.access(0, line(63), kLoad, 5000);
  CHECK_FALSE(c.in_l3(line(64)));
}

TEST_CASE("the prefetcher does not take lines that another pCPU owns") {
  CacheSystemConfig k = base_config();
  k.prefetcher = PrefetcherKind::kNextLine;
  CacheSystem c(k, 2, kHz, 0);
  c.access(1, line(1), kStore, 0);
  c.access(0, line(0), kLoad, 0);
  CHECK(c.state(1, line(1)) == M);
  CHECK(c.state(0, line(1)) == I);
}

TEST_CASE("expected latencies are the configuration's sums") {
  CacheSystemConfig k;
  CacheSystem c(k, 2, 2'400'000'000, 0);
  CHECK(c.expected_latency(Level::kL1) == k.l1d.latency);
  CHECK(c.expected_latency(Level::kL2) == k.l2.latency);
  CHECK(c.expected_latency(Level::kL3) == k.l3.latency);
  CHECK(c.expected_latency(Level::kRemoteCache) == k.l3.latency + k.transfer_latency);
  CHECK(c.expected_latency(Level::kDram, RowOutcome::kConflict) ==
        k.l3.latency + c.dram().expected(RowOutcome::kConflict));
  CHECK(c.access(0, PhysAddr(0x123440), kLoad, 0).latency ==
        c.expected_latency(Level::kDram, RowOutcome::kClosed));
}

TEST_CASE("all counters are registered under their names") {
  CacheSystem c(base_config(), 2, kHz, 0);
  stats::Group g;
  c.register_stats(g);
  c.access(1, line(3), kLoad, 0);
  c.access(1, line(3), kLoad, 0);
  const stats::Snapshot s = g.snapshot();
  CHECK(s.number("pcpu.1.l1d.hits") == 1);
  CHECK(s.number("pcpu.1.l1d.misses") == 1);
  CHECK(s.number("l3.misses") == 1);
  CHECK(s.number("dram.reads") == 1);
  CHECK(s.find("coherence.transfers") != nullptr);
}
