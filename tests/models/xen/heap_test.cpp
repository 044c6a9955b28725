#include "models/xen/mm/heap.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "sim/base/rng.h"

namespace xensim::xen {
namespace {

TEST_CASE("The heap gives the lowest block of the smallest order that fits") {
  Heap heap;
  heap.add(Mfn(3), 13);  // 3 | 4-7 | 8-15
  CHECK(heap.total_pages() == 13);
  CHECK(heap.free_pages() == 13);
  CHECK(heap.allocate(0)->value == 3);
  CHECK(heap.allocate(0)->value == 4);  // splits the order-2 block
  CHECK(heap.allocate(1)->value == 6);
  CHECK(heap.allocate(3)->value == 8);
  CHECK(heap.allocate(0)->value == 5);
  CHECK_FALSE(heap.allocate(0));
  CHECK(heap.free_pages() == 0);
}

TEST_CASE("Freed buddies merge, whatever the order in which they come back") {
  Heap heap;
  heap.add(Mfn(512), 512);
  std::vector<Mfn> pages;
  for (unsigned i = 0; i < 512; ++i) pages.push_back(*heap.allocate(0));
  CHECK_FALSE(heap.allocate(0));
  Rng random(1, "heap");
  while (!pages.empty()) {
    const auto i = static_cast<std::size_t>(random.next() % pages.size());
    heap.free(pages[i], 0);
    pages.erase(pages.begin() + static_cast<std::ptrdiff_t>(i));
  }
  CHECK(heap.allocate(9)->value == 512);
}

TEST_CASE("A block may come back in aligned parts") {
  Heap heap;
  heap.add(Mfn(1024), 1024);
  const Mfn block = *heap.allocate(9);
  heap.free(block, 8);
  for (unsigned i = 0; i < 256; ++i) heap.free(Mfn(block.value + 256 + i), 0);
  CHECK(heap.free_pages() == 1024);
  CHECK(heap.allocate(10)->value == 1024);
}

TEST_CASE("Blocks never overlap, are aligned, and nothing is lost, over 20,000 random requests") {
  Heap heap;
  heap.add(Mfn(77), 70'000);
  Rng random(2, "heap");
  std::map<std::uint64_t, unsigned> held;  // first frame → order
  std::uint64_t pages = 0;
  for (unsigned n = 0; n < 20'000; ++n) {
    if (random.next() % 2 == 0) {
      const auto order = static_cast<unsigned>(random.next() % 11);
      const auto m = heap.allocate(order);
      if (!m) continue;
      const std::uint64_t size = std::uint64_t{1} << order;
      REQUIRE(m->value % size == 0);
      REQUIRE(m->value >= 77);
      REQUIRE(m->value + size <= 77 + 70'000);
      const auto next = held.lower_bound(m->value);
      REQUIRE((next == held.end() || next->first >= m->value + size));
      if (next != held.begin()) {
        const auto before = std::prev(next);
        REQUIRE(before->first + (std::uint64_t{1} << before->second) <= m->value);
      }
      held[m->value] = order;
      pages += size;
    } else if (!held.empty()) {
      auto it = held.lower_bound(random.next() % 70'000);
      if (it == held.end()) it = held.begin();
      heap.free(Mfn(it->first), it->second);
      pages -= std::uint64_t{1} << it->second;
      held.erase(it);
    }
    REQUIRE(heap.free_pages() == 70'000 - pages);
  }
}

}  // namespace
}  // namespace xensim::xen
