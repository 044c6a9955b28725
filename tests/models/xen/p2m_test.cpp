#include "models/xen/mm/p2m.h"

#include <catch2/catch.hpp>
#include <map>

#include "sim/base/rng.h"

namespace xensim::xen {
namespace {

struct Fixture {
  memory::PhysicalMemory memory{64 << 20};
  Heap heap;
  FrameTable frames{memory, heap};
  Fixture() { heap.add(Mfn(256), 8192); }
};

TEST_CASE_METHOD(Fixture, "A frame that was never set is a hole") {
  P2m p2m(memory, frames);
  CHECK(p2m.get(Gfn(0)).type == P2mType::kMmioDm);
  CHECK(p2m.get(Gfn(0)).order == 27);
  CHECK(p2m.get(Gfn((std::uint64_t{1} << 36) - 1)).type == P2mType::kMmioDm);
  CHECK(p2m.get(Gfn(~std::uint64_t{0})).type == P2mType::kMmioDm);
}

TEST_CASE_METHOD(Fixture, "Frames are found in entries of each size") {
  P2m p2m(memory, frames);
  REQUIRE(p2m.set(Gfn(5), Mfn(1000), 0, P2mType::kRamRw));
  REQUIRE(p2m.set(Gfn(512), Mfn(1024), 9, P2mType::kRamRw));
  REQUIRE(p2m.set(Gfn(262144), Mfn(262144), 18, P2mType::kRamRw));
  CHECK(p2m.get(Gfn(5)).mfn == Mfn(1000));
  CHECK(p2m.get(Gfn(5)).order == 0);
  CHECK(p2m.get(Gfn(512 + 17)).mfn == Mfn(1024 + 17));
  CHECK(p2m.get(Gfn(512 + 17)).order == 9);
  CHECK(p2m.get(Gfn(2 * 262144 - 1)).mfn == Mfn(2 * 262144 - 1));
  CHECK(p2m.get(Gfn(2 * 262144 - 1)).order == 18);
  const P2m::Counts c = p2m.counts();
  CHECK(c.pages_4k == 1);
  CHECK(c.pages_2m == 1);
  CHECK(c.pages_1g == 1);
}

TEST_CASE_METHOD(Fixture, "A change inside a large entry splits it and leaves its other frames alone") {
  P2m p2m(memory, frames);
  REQUIRE(p2m.set(Gfn(262144), Mfn(262144), 18, P2mType::kRamRw));
  REQUIRE(p2m.set(Gfn(262144 + 700), Mfn(0), 0, P2mType::kInvalid));
  CHECK(p2m.get(Gfn(262144 + 700)).type == P2mType::kMmioDm);
  CHECK(p2m.get(Gfn(262144 + 699)).mfn == Mfn(262144 + 699));
  CHECK(p2m.get(Gfn(262144 + 699)).order == 0);
  CHECK(p2m.get(Gfn(262144 + 1024)).order == 9);
  const P2m::Counts c = p2m.counts();
  CHECK(c.pages_4k == 511);
  CHECK(c.pages_2m == 511);
  CHECK(c.pages_1g == 0);
}

TEST_CASE_METHOD(Fixture, "An entry has the rights of its type, less what its access takes") {
  P2m p2m(memory, frames);
  const auto entry_of = [&](std::uint64_t gfn) {
    std::uint64_t table = p2m.eptp() >> kPageShift;
    std::uint64_t e = 0;
    for (unsigned level = 4; level >= 1; --level) {
      e = memory.read<std::uint64_t>(address_of(Mfn(table)) + 8 * (gfn >> (9 * (level - 1)) & 511));
      table = e >> kPageShift & 0xffffffff;
    }
    return e;
  };
  REQUIRE(p2m.set(Gfn(1), Mfn(1001), 0, P2mType::kRamRw));
  REQUIRE(p2m.set(Gfn(2), Mfn(1002), 0, P2mType::kRamRo));
  REQUIRE(p2m.set(Gfn(3), kNoMfn, 0, P2mType::kMmioDm));
  REQUIRE(p2m.set(Gfn(4), Mfn(1003), 0, P2mType::kGrantMapRo));
  REQUIRE(p2m.set(Gfn(5), kNoMfn, 0, P2mType::kPopulateOnDemand));
  REQUIRE(p2m.set(Gfn(6), Mfn(1004), 0, P2mType::kRamLogDirty));
  REQUIRE(p2m.set(Gfn(7), Mfn(1005), 0, P2mType::kRamRw, P2mAccess::kRx));
  p2m.pml = true;
  REQUIRE(p2m.set(Gfn(8), Mfn(1006), 0, P2mType::kRamLogDirty));
  CHECK((entry_of(1) & 7) == 7);
  CHECK((entry_of(1) >> 3 & 7) == 6);  // write-back
  CHECK((entry_of(2) & 7) == 5);
  CHECK((entry_of(3) & 7) == 0);
  CHECK((entry_of(4) & 7) == 1);
  CHECK((entry_of(5) & 7) == 0);
  CHECK((entry_of(6) & 7) == 5);
  CHECK((entry_of(7) & 7) == 5);
  CHECK((entry_of(8) & 7) == 7);
  CHECK((entry_of(1) >> 8 & 3) == 3);  // accessed and dirty from the start
  CHECK((entry_of(8) >> 8 & 3) == 1);
  CHECK(p2m.get(Gfn(5)).type == P2mType::kPopulateOnDemand);
  CHECK(p2m.get(Gfn(5)).mfn == kNoMfn);
  CHECK(p2m.get(Gfn(3)).type == P2mType::kMmioDm);
}

TEST_CASE_METHOD(Fixture, "An exposed page leads outside RAM, and nowhere again afterwards") {
  P2m p2m(memory, frames);
  REQUIRE(p2m.set(Gfn(0xfee00), kNoMfn, 0, P2mType::kMmioDm));
  const auto hidden = p2m.expose(Gfn(0xfee00));
  REQUIRE(hidden);
  CHECK(p2m.get(Gfn(0xfee00)).type == P2mType::kMmioDm);
  CHECK_FALSE(memory.contains(address_of(p2m.get(Gfn(0xfee00)).mfn), 1));
  p2m.hide(Gfn(0xfee00), *hidden);
  CHECK(p2m.get(Gfn(0xfee00)).mfn == kNoMfn);
}

TEST_CASE_METHOD(Fixture, "Every table page goes back to the heap, and the limit on them holds") {
  const std::uint64_t before = heap.free_pages();
  {
    P2m p2m(memory, frames);
    p2m.table_limit = 40;
    unsigned set = 0;
    for (std::uint64_t i = 0; i < 64; ++i) set += p2m.set(Gfn(i << 18), Mfn(300), 0, P2mType::kRamRw);
    CHECK(set < 64);
    CHECK(p2m.table_pages() == 40);
    CHECK(heap.free_pages() == before - 40);
    REQUIRE(p2m.set(Gfn(0), Mfn(512), 18, P2mType::kRamRw));  // takes the place of two tables
    CHECK(p2m.table_pages() == 38);
  }
  CHECK(heap.free_pages() == before);
}

TEST_CASE_METHOD(Fixture, "A pool grows and shrinks a part at a time, and tables keep what they have taken") {
  const std::uint64_t before = heap.free_pages();
  {
    P2m p2m(memory, frames);
    REQUIRE(p2m.set(Gfn(0), Mfn(300), 0, P2mType::kRamRw));
    const std::uint64_t tables = p2m.table_pages();
    CHECK(p2m.resize_pool(40, 10) == -kErestart);
    CHECK(p2m.resize_pool(40, 100) == 0);
    CHECK(heap.free_pages() == before - 40);
    CHECK(p2m.resize_pool(12, 100) == 0);
    CHECK(heap.free_pages() == before - 12);
    CHECK(p2m.resize_pool(0, 100) == 0);
    CHECK(heap.free_pages() == before - tables);
    CHECK_FALSE(p2m.set(Gfn(1 << 18), Mfn(300), 0, P2mType::kRamRw));
    CHECK(p2m.resize_pool(before + 1, before + 1) == -kEnomem);
  }
  CHECK(heap.free_pages() == before);
}

TEST_CASE_METHOD(Fixture, "A range goes in with the largest entries that its alignment and the options allow") {
  P2m p2m(memory, frames);
  REQUIRE(p2m.set_range(Gfn(1024), Mfn(2048), 10, P2mType::kRamRw));
  CHECK(p2m.get(Gfn(1024)).order == 9);
  REQUIRE(p2m.set_range(Gfn(2048), Mfn(2049), 9, P2mType::kRamRw));
  CHECK(p2m.get(Gfn(2048)).order == 0);
  CHECK(p2m.get(Gfn(2559)).mfn == Mfn(2560));
  p2m.use_2mb = false;
  REQUIRE(p2m.set_range(Gfn(4096), kNoMfn, 9, P2mType::kPopulateOnDemand));
  CHECK(p2m.get(Gfn(4096)).order == 0);
  CHECK(p2m.max_mapped_gfn() == 4096 + 511);
}

TEST_CASE_METHOD(Fixture, "An entry of a foreign frame holds a reference to it until it goes") {
  const Mfn m = *frames.allocate(7, 0);
  {
    P2m p2m(memory, frames);
    REQUIRE(p2m.set(Gfn(1), m, 0, P2mType::kMapForeign));
    REQUIRE(p2m.set(Gfn(2), m, 0, P2mType::kMapForeign));
    CHECK(frames.info(m).references == 3);
    REQUIRE(p2m.set(Gfn(1), kNoMfn, 0, P2mType::kInvalid));
    CHECK(frames.info(m).references == 2);
  }
  CHECK(frames.info(m).references == 1);
}

TEST_CASE_METHOD(Fixture, "Without table pages a change fails and changes nothing") {
  Heap small;
  small.add(Mfn(256), 2);
  FrameTable few(memory, small);
  P2m p2m(memory, few);
  CHECK_FALSE(p2m.set(Gfn(0), Mfn(300), 0, P2mType::kRamRw));
  CHECK(p2m.get(Gfn(0)).type == P2mType::kMmioDm);
}

TEST_CASE_METHOD(Fixture, "The p2m agrees with a plain map over 5,000 random changes") {
  P2m p2m(memory, frames);
  std::map<std::uint64_t, std::uint64_t> expected;
  Rng random(3, "p2m");
  for (unsigned n = 0; n < 5'000; ++n) {
    const unsigned order = random.next() % 8 == 0 ? 9 : 0;
    const std::uint64_t size = std::uint64_t{1} << order;
    const std::uint64_t gfn = random.next() % 4096 & ~(size - 1), mfn = random.next() % 4096 & ~(size - 1);
    const bool remove = random.next() % 3 == 0;
    REQUIRE(p2m.set(Gfn(gfn), Mfn(mfn), order, remove ? P2mType::kInvalid : P2mType::kRamRw));
    for (std::uint64_t i = 0; i < size; ++i)
      if (remove)
        expected.erase(gfn + i);
      else
        expected[gfn + i] = mfn + i;
  }
  std::map<std::uint64_t, std::uint64_t> found;
  p2m.for_each([&](Gfn g, Mfn m, unsigned order, P2mType) {
    for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i) found[g.value + i] = m.value + i;
  });
  CHECK(found == expected);
  for (std::uint64_t g = 0; g < 4096; ++g) {
    const P2mEntry e = p2m.get(Gfn(g));
    const auto it = expected.find(g);
    REQUIRE((e.type == P2mType::kRamRw) == (it != expected.end()));
    if (it != expected.end()) REQUIRE(e.mfn.value == it->second);
  }
}

}  // namespace
}  // namespace xensim::xen
