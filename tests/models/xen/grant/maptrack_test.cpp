// Handles of mappings: their order is visible to guests.
#include "models/xen/grant/maptrack.h"

#include <catch2/catch.hpp>

namespace xensim::xen::grant {
namespace {

struct Fixture {
  memory::PhysicalMemory memory{16 << 20};
  Heap heap;
  FrameTable frames{memory, heap};
  Fixture() { heap.add(Mfn(16), 1024); }
};

TEST_CASE_METHOD(Fixture,
                 "Handles are given from 0 on, and one that comes back waits until all others were given") {
  Maptrack t(frames, 4);
  CHECK(t.take(0, 1) == 0u);
  CHECK(t.take(0, 1) == 1u);
  t.put(0);
  for (unsigned i = 2; i < 256; ++i) CHECK(t.take(0, 1) == i);
  // Handle 0 stays as the list's end; so there is a new page.
  CHECK(t.take(0, 1) == 256u);
  CHECK(t.frames() == 2);
}

TEST_CASE_METHOD(Fixture,
                 "At the limit all but one handle can be used, and one that comes back can be used again") {
  Maptrack t(frames, 2);
  for (unsigned i = 0; i < 511; ++i) REQUIRE(t.take(0, 1));
  CHECK_FALSE(t.take(0, 1));
  t.put(77);
  CHECK(t.take(0, 1));
  CHECK_FALSE(t.take(0, 1));
}

TEST_CASE_METHOD(Fixture, "A vCPU takes handles from others at the limit, and one more for its own list's end") {
  Maptrack t(frames, 1);
  CHECK(t.take(0, 2) == 0u);
  CHECK(t.take(1, 2) == 2u);  // 1 became the end of its list
  t.put(2);                   // which goes to the thief's list
  CHECK(t.take(1, 2) == 1u);
  unsigned more = 0;
  while (t.take(0, 2)) ++more;
  CHECK(more == 252);
}

TEST_CASE_METHOD(Fixture, "A limit of no frames gives no handle") {
  Maptrack t(frames, 0);
  CHECK_FALSE(t.take(0, 1));
}

TEST_CASE_METHOD(Fixture, "When Xen has no memory, the limit has come") {
  while (heap.allocate(0)) {
  }
  Maptrack t(frames, 4);
  CHECK_FALSE(t.take(0, 1));
}

TEST_CASE_METHOD(Fixture, "Pages go back to the heap") {
  const std::uint64_t before = heap.free_pages();
  {
    Maptrack t(frames, 4);
    for (unsigned i = 0; i < 600; ++i) REQUIRE(t.take(i % 3, 3));
    CHECK(heap.free_pages() < before);
  }
  CHECK(heap.free_pages() == before);
}

}  // namespace
}  // namespace xensim::xen::grant
