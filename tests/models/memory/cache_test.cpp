#include "models/memory/cache.h"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "sim/base/error.h"
#include "sim/base/rng.h"

using namespace xensim;
using namespace xensim::memory;

namespace {

CacheConfig geometry(unsigned sets, unsigned ways, ReplacementKind r = ReplacementKind::kLru) {
  return {std::uint64_t{sets} * ways * kLineBytes, ways, 4, r, "test"};
}

// Puts a line in, as a cache system would; returns the line that went.
std::uint64_t fill(Cache& c, std::uint64_t line) {
  Cache::Victim victim;
  const std::uint32_t slot = c.make_room(line, victim);
  c.fill(slot, line, LineState::kExclusive);
  return victim.line;
}

}  // namespace

TEST_CASE("a cache finds what was filled, and not what was invalidated") {
  Cache c(geometry(4, 2), "/test", 0);
  CHECK(c.find(7) == Cache::kNone);
  fill(c, 7);
  REQUIRE(c.find(7) != Cache::kNone);
  CHECK(c.find_recent(7) == c.find(7));
  CHECK(c.state(c.find(7)) == LineState::kExclusive);
  c.invalidate(c.find(7));
  CHECK(c.find(7) == Cache::kNone);
  CHECK(c.find_recent(7) == Cache::kNone);
}

TEST_CASE("a set holds as many lines as it has ways, and one more evicts") {
  Cache c(geometry(4, 2), "/test", 0);
  CHECK(fill(c, 1) == Cache::kNoLine);
  CHECK(fill(c, 5) == Cache::kNoLine);
  CHECK(fill(c, 2) == Cache::kNoLine);
  CHECK(c.stats.evictions == 0);
  CHECK(fill(c, 9) == 1);
  CHECK(c.stats.evictions == 1);
  CHECK(c.find(5) != Cache::kNone);
  CHECK(c.find(2) != Cache::kNone);
}

TEST_CASE("an invalid way is filled before a valid line is evicted") {
  Cache c(geometry(1, 4), "/test", 0);
  for (std::uint64_t l = 0; l < 4; ++l) fill(c, l);
  c.invalidate(c.find(2));
  CHECK(fill(c, 9) == Cache::kNoLine);
  CHECK(c.find(0) != Cache::kNone);
}

TEST_CASE("LRU evicts the line that was used longest ago") {
  Cache c(geometry(1, 4), "/test", 0);
  for (std::uint64_t l = 0; l < 4; ++l) fill(c, l);
  c.touch(c.find(0));
  c.touch(c.find(1));
  CHECK(fill(c, 10) == 2);
  CHECK(fill(c, 11) == 3);
  CHECK(fill(c, 12) == 0);
}

TEST_CASE("tree PLRU points away from the half that was used last") {
  Cache c(geometry(1, 4, ReplacementKind::kTreePlru), "/test", 0);
  for (std::uint64_t l = 0; l < 4; ++l) fill(c, l);
  c.touch(c.find(0));
  CHECK(fill(c, 10) == 2);  // the other half, and there the one that 3 pointed away to
  c.touch(c.find(10));
  CHECK(fill(c, 11) == 1);
}

TEST_CASE("tree PLRU with a number of ways that is no power of two uses every way") {
  Cache c(geometry(1, 11, ReplacementKind::kTreePlru), "/test", 0);
  std::set<std::uint64_t> gone;
  for (std::uint64_t l = 0; l < 200; ++l)
    if (const std::uint64_t v = fill(c, l); v != Cache::kNoLine) gone.insert(v);
  CHECK(gone.size() == 200 - 11);
}

TEST_CASE("random replacement depends on the seed alone, and uses every way") {
  std::vector<std::uint64_t> runs[3];
  for (unsigned run = 0; run < 3; ++run) {
    Cache c(geometry(1, 8, ReplacementKind::kRandom), "/test", run == 2 ? 2 : 1);
    for (std::uint64_t l = 0; l < 100; ++l) runs[run].push_back(fill(c, l));
  }
  CHECK(runs[0] == runs[1]);
  CHECK(runs[0] != runs[2]);
}

TEST_CASE("touching the way that was touched last changes nothing, for every policy") {
  for (const ReplacementRow& row : replacement_table()) {
    if (row.kind == ReplacementKind::kRandom) continue;
    auto once = row.make(1, 8, 0, "a"), twice = row.make(1, 8, 0, "a");
    Rng rng(3, "touch");
    for (unsigned i = 0; i < 100; ++i) {
      const unsigned way = static_cast<unsigned>(rng.below(8));
      once->touch(0, way);
      twice->touch(0, way);
      twice->touch(0, way);
      CHECK(once->victim(0) == twice->victim(0));
      CHECK(once->victim(0) != way);
    }
  }
}

TEST_CASE("a cache whose sets are no power of two is refused with its place") {
  CHECK_THROWS_WITH(Cache({3 * 8 * 64, 8, 4, ReplacementKind::kLru, "test"}, "/memory/l2", 0),
                    Catch::Contains("/memory/l2: ") && Catch::Contains("512 bytes times a power of two"));
  CHECK_THROWS_AS(Cache({1000, 8, 4, ReplacementKind::kLru, "test"}, "/memory/l2", 0), UserError);
  CHECK_THROWS_AS(Cache({1024, 0, 4, ReplacementKind::kLru, "test"}, "/memory/l2", 0), UserError);
}

TEST_CASE("ways need not be a power of two") {
  Cache c({64 * 11 * 2048, 11, 50, ReplacementKind::kLru, "test"}, "/memory/l3", 0);
  CHECK(c.sets() == 2048);
  CHECK(c.ways() == 11);
}
