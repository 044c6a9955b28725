#include "models/xen/mm/frame_table.h"

#include <catch2/catch.hpp>

#include "sim/base/rng.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

constexpr domid_t kA = 1, kB = 2;

struct Table {
  memory::PhysicalMemory memory{64 << 20};
  Heap heap;
  FrameTable frames{memory, heap};
  Table() { heap.add(Mfn(256), 8192); }
};

TEST_CASE_METHOD(
    Table,
    "A domain's frame goes back to the heap when its allocation is dropped, and the next owner finds it zero") {
  const Mfn m = *frames.allocate(kA, 0);
  memory.write<std::uint64_t>(address_of(m), 1);
  CHECK(frames.info(m).owner == kA);
  CHECK(frames.totals(kA) == FrameTable::Totals{1, 0, 1});
  CHECK(heap.free_pages() == 8191);
  frames.put_allocation(m);
  CHECK(frames.info(m).owner == DOMID_INVALID);
  CHECK(heap.free_pages() == 8192);
  CHECK(frames.census().empty());
  while (const auto next = frames.allocate(kB, 0))
    if (*next == m) break;
  CHECK(frames.info(m).owner == kB);
  CHECK(memory.read<std::uint64_t>(address_of(m)) == 0);
}

TEST_CASE_METHOD(Table, "A frame that others hold stays its owner's until the last reference goes") {
  const Mfn m = *frames.allocate(kA, 0);
  REQUIRE(frames.get_page(m, kA));
  REQUIRE(frames.get_page(m, kA));
  frames.put_allocation(m);
  frames.put_allocation(m);  // once only
  CHECK(frames.totals(kA) == FrameTable::Totals{1, 0, 2});
  frames.put_page(m);
  CHECK(heap.free_pages() == 8191);
  frames.put_page(m);
  CHECK(heap.free_pages() == 8192);
}

TEST_CASE_METHOD(Table, "No reference is given to what is not the owner's, whatever the number") {
  const Mfn a = *frames.allocate(kA, 0), xen = *frames.allocate_xen();
  CHECK_FALSE(frames.get_page(a, kB));
  CHECK_FALSE(frames.get_page(xen, kA));
  CHECK_FALSE(frames.get_page(xen, DOMID_XEN));
  CHECK_FALSE(frames.get_page(Mfn(5000), DOMID_INVALID));  // in the heap
  CHECK_FALSE(frames.get_page(Mfn(5000), kA));
  CHECK_FALSE(frames.get_page(Mfn(~std::uint64_t{0}), kA));
  CHECK(frames.info(Mfn(~std::uint64_t{0})).owner == DOMID_INVALID);
}

TEST_CASE_METHOD(Table, "A page of Xen's that a guest shares is Xen's again after it, and freed once") {
  const Mfn m = *frames.allocate_xen();
  frames.share_with_guest(m, kA);
  CHECK(frames.totals(kA) == FrameTable::Totals{0, 1, 1});
  REQUIRE(frames.get_page(m, kA));
  frames.put_allocation(m);
  frames.put_page(m);
  CHECK(frames.info(m).owner == DOMID_XEN);
  CHECK(heap.free_pages() == 8191);
  frames.free_xen(m);
  CHECK(heap.free_pages() == 8192);
  CHECK(frames.census().empty());
}

TEST_CASE_METHOD(Table, "A page of Xen's that somebody still maps is freed with his reference") {
  const Mfn m = *frames.allocate_xen();
  frames.share_with_guest(m, kA);
  REQUIRE(frames.get_page(m, kA));
  frames.free_xen(m);
  CHECK(heap.free_pages() == 8191);
  CHECK(frames.totals(kA) == FrameTable::Totals{0, 1, 1});
  frames.put_page(m);
  CHECK(heap.free_pages() == 8192);
}

TEST_CASE_METHOD(Table, "A dying domain gives back all frames but those that others hold") {
  const Mfn big = *frames.allocate(kA, 9), other = *frames.allocate(kB, 3);
  frames.allocate(kA, 4);
  REQUIRE(frames.get_page(Mfn(big.value + 100), kA));
  frames.relinquish(kA);
  CHECK(frames.totals(kA) == FrameTable::Totals{1, 0, 1});
  CHECK(heap.free_pages() == 8192 - 1 - 8);
  frames.put_page(Mfn(big.value + 100));
  CHECK(frames.totals(kA) == FrameTable::Totals{});
  CHECK(frames.info(other).owner == kB);
  CHECK(heap.allocate(12).has_value());  // all of it has coalesced
}

TEST_CASE_METHOD(Table, "A frame that nobody else holds can change its owner") {
  const Mfn m = *frames.allocate(kA, 0);
  REQUIRE(frames.get_page(m, kA));
  CHECK_FALSE(frames.steal(m, kA));
  frames.put_page(m);
  CHECK_FALSE(frames.steal(m, kB));
  REQUIRE(frames.steal(m, kA));
  CHECK(frames.info(m).owner == DOMID_INVALID);
  frames.assign(m, kB);
  CHECK(frames.totals(kA) == FrameTable::Totals{});
  CHECK(frames.totals(kB) == FrameTable::Totals{1, 0, 1});
}

TEST_CASE_METHOD(Table, "Totals agree with the frames after 20,000 random operations") {
  Rng random(7, "frame_table");
  std::map<std::uint64_t, unsigned> held;  // references beside the allocation's
  for (unsigned n = 0; n < 20'000; ++n) {
    const Mfn m(256 + random.next() % 512);
    const PageInfo p = frames.info(m);
    switch (random.next() % 5) {
      case 0:
        frames.allocate(random.next() % 2 ? kA : kB, random.next() % 4);
        break;
      case 1:
        if (p.references > 0 && frames.get_page(m, p.owner)) ++held[m.value];
        break;
      case 2:
        if (held[m.value] > 0) --held[m.value], frames.put_page(m);
        break;
      case 3:
        if (p.references > 0) frames.put_allocation(m);
        break;
      default:
        if (random.next() % 100 == 0) frames.relinquish(kA);
        break;
    }
  }
  for (const domid_t d : {kA, kB}) {
    FrameTable::Totals t;
    frames.for_each_of(d, [&](Mfn, const PageInfo& p) {
      ++t.pages;
      t.references += p.references;
    });
    CHECK(t == frames.totals(d));
  }
  CHECK(heap.free_pages() == 8192 - frames.totals(kA).pages - frames.totals(kB).pages);
}

TEST_CASE("What dom0 holds of a guest outlives the guest, and nothing else does") {
  Bench b;
  const auto before = b.hv->frames.census();
  Domain& d = b.guest(1);
  REQUIRE(b.hv->populate(d, Gfn(0), 9));
  const Mfn m = *b.hv->ram_frame(d, 7);
  REQUIRE(b.hv->frames.get_page(m, 1));
  b.hv->destroy_domain(1);
  CHECK(b.hv->frames.totals(1) == FrameTable::Totals{1, 0, 1});
  b.hv->frames.put_page(m);
  CHECK(b.hv->frames.census() == before);
}

}  // namespace
}  // namespace xensim::xen
