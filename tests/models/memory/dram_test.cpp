#include "models/memory/dram.h"

#include <catch2/catch.hpp>

#include "sim/base/error.h"

using namespace xensim;
using namespace xensim::memory;

namespace {

// One cycle per nanosecond, and times that can be told apart.
constexpr std::uint64_t kHz = 1'000'000'000;
DramConfig base_config() {
  DramConfig c;
  c.channels = 2;
  c.ranks = 1;
  c.banks = 4;
  c.row_bytes = 1024;
  c.overhead = 100'000;
  c.t_cl = 10'000;
  c.t_rcd = 20'000;
  c.t_rp = 40'000;
  c.burst = 3'000;
  return c;
}
constexpr Cycles kHit = 113, kClosed = 133, kConflict = 173;
// Addresses: bit 6 channel, bits 7…10 column, bits 11…12 bank, from 13 row.
constexpr PhysAddr at(std::uint64_t row, std::uint64_t bank, std::uint64_t column, std::uint64_t channel = 0) {
  return PhysAddr(row << 13 | bank << 11 | column << 7 | channel << 6);
}

}  // namespace

TEST_CASE("fixed DRAM takes its time, whatever is asked") {
  DramConfig c = base_config();
  c.kind = DramKind::kFixed;
  c.fixed_latency = 60'000;
  auto d = make_dram(c, kHz);
  CHECK(d->access(PhysAddr(0), false, 0) == 60);
  CHECK(d->access(PhysAddr(1 << 20), true, 0) == 60);
  CHECK(d->expected(RowOutcome::kConflict) == 60);
  CHECK(d->stats.reads == 1);
  CHECK(d->stats.writes == 1);
}

TEST_CASE("times become whole cycles of the core clock, rounded up") {
  CHECK(cycles_of_picoseconds(14250, 2'400'000'000) == 35);  // 34.2
  CHECK(cycles_of_picoseconds(0, 2'400'000'000) == 0);
  CHECK(cycles_of_picoseconds(1000, 1'000'000'000) == 1);
  CHECK(cycles_of_picoseconds(1001, 1'000'000'000) == 2);
}

TEST_CASE("an open row, a closed bank and another row open cost what their commands add up to") {
  BankedDram d(base_config(), kHz);
  CHECK(d.expected(RowOutcome::kHit) == kHit);
  CHECK(d.expected(RowOutcome::kClosed) == kClosed);
  CHECK(d.expected(RowOutcome::kConflict) == kConflict);
  CHECK(d.access(at(5, 1, 0), false, 1000) == kClosed);
  CHECK(d.access(at(5, 1, 1), false, 2000) == kHit);
  CHECK(d.access(at(6, 1, 0), false, 3000) == kConflict);
  CHECK(d.access(at(6, 2, 0), false, 4000) == kClosed);
  CHECK(d.stats.row_hits == 1);
  CHECK(d.stats.row_closed == 2);
  CHECK(d.stats.row_conflicts == 1);
  CHECK(d.stats.wait_cycles == 0);
}

TEST_CASE("an access waits until its bank has finished the one before, and not a cycle longer") {
  // The first occupies its bank for activate and burst: 20 + 3.
  BankedDram late(base_config(), kHz), early(base_config(), kHz);
  late.access(at(5, 1, 0), false, 1000);
  CHECK(late.access(at(6, 1, 0), false, 1023) == kConflict);
  early.access(at(5, 1, 0), false, 1000);
  CHECK(early.access(at(6, 1, 0), false, 1022) == kConflict + 1);
  CHECK(early.stats.wait_cycles == 1);
}

TEST_CASE("banks work side by side, and their bursts share the channel's bus") {
  BankedDram d(base_config(), kHz);
  CHECK(d.access(at(5, 0, 0), false, 1000) == kClosed);
  CHECK(d.access(at(5, 1, 0), false, 1000) == kClosed + 3);
  CHECK(d.access(at(5, 2, 0), false, 1000) == kClosed + 6);
  CHECK(d.access(at(5, 0, 0, 1), false, 1000) == kClosed);  // another channel
}

TEST_CASE("a request from before the last one does not wait for what came later") {
  BankedDram d(base_config(), kHz);
  d.access(at(5, 1, 0), false, 100'000);
  CHECK(d.access(at(6, 1, 0), false, 50'000) == kConflict);
  CHECK(d.access(at(6, 1, 1), false, 100'030) == kHit);
}

TEST_CASE("consecutive lines go round the channels, then along the row, then to the next bank") {
  BankedDram d(base_config(), kHz);
  const auto a = d.place_of(PhysAddr(0)), b = d.place_of(PhysAddr(64)), c = d.place_of(PhysAddr(128));
  CHECK(a.channel == 0);
  CHECK(b.channel == 1);
  CHECK(c.channel == 0);
  CHECK(a.bank == c.bank);
  CHECK(a.row == c.row);
  const auto next = d.place_of(PhysAddr(2048));
  CHECK(next.bank == a.bank + 1);
  CHECK(next.row == 0);
  CHECK(d.place_of(PhysAddr(8192)).row == 1);
}

TEST_CASE("the defaults put a read of a closed bank 80 ns from the core") {
  const std::uint64_t hz = 2'400'000'000;
  BankedDram d(DramConfig{}, hz);
  const Cycles l3 = 50;
  const double ns = static_cast<double>(l3 + d.expected(RowOutcome::kClosed)) / 2.4;
  CHECK(ns > 78);
  CHECK(ns < 82);
}

TEST_CASE("a geometry that is no power of two is refused with its place") {
  DramConfig c = base_config();
  c.channels = 3;
  CHECK_THROWS_WITH(make_dram(c, kHz), Catch::Contains("/memory/dram/channels"));
  c = base_config();
  c.row_bytes = 32;
  CHECK_THROWS_AS(make_dram(c, kHz), UserError);
}
