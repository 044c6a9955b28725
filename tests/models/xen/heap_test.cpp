#include "models/xen/mm/heap.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "sim/base/rng.h"

namespace xensim::xen {
namespace {

TEST_CASE(
    "The heap takes the highest zone, in it the smallest block that fits, and the upper end of a larger one") {
  Heap heap;
  heap.add(Mfn(3), 13);  // 3 | 4-7 | 8-15, each a zone of its own
  CHECK(heap.total_pages() == 13);
  CHECK(heap.free_pages() == 13);
  CHECK(heap.allocate(0)->value == 15);
  CHECK(heap.allocate(1)->value == 12);
  CHECK(heap.allocate(0)->value == 14);
  CHECK(heap.allocate(2)->value == 8);
  CHECK(heap.allocate(2)->value == 4);
  CHECK(heap.allocate(0)->value == 3);
  CHECK_FALSE(heap.allocate(0));
  CHECK(heap.free_pages() == 0);
}

TEST_CASE("Who can only use low addresses gets them") {
  Heap heap;
  heap.add(Mfn(16), 240);
  Heap::Request r;
  r.highest_zone = 5;  // below 32
  for (unsigned i = 0; i < 16; ++i) CHECK(heap.allocate(r)->value < 32);
  CHECK_FALSE(heap.allocate(r));
  CHECK(heap.free_pages() == 224);
}

struct TwoNodes {
  Heap heap;
  TwoNodes() {
    heap.set_nodes({{Mfn(0), 4096, 0}, {Mfn(4096), 4096, 1}});
    heap.add(Mfn(1024), 7168);
  }
  unsigned node(const Heap::Request& r) {
    const auto m = heap.allocate(r);
    return m ? heap.node_of(*m) : 99;
  }
};

TEST_CASE_METHOD(TwoNodes, "A domain's memory comes from its nodes in turn, and from others when they are full") {
  CHECK(heap.free_pages(0) == 3072);
  CHECK(heap.free_pages(1) == 4096);
  Heap::Request r{.order = 9, .nodes = 1};
  unsigned from_0 = 0, from_1 = 0;
  for (unsigned i = 0; i < 8; ++i) (node(r) == 0 ? from_0 : from_1) += 1;
  CHECK(from_0 == 6);  // all that node 0 has
  CHECK(from_1 == 2);
  r = {.order = 0, .nodes = 3, .last_node = 0};
  CHECK(node(r) == 1);
}

TEST_CASE_METHOD(TwoNodes, "A request for exactly one node fails when that is full, whatever the others have") {
  Heap::Request r{.order = 9, .nodes = 2, .node = 0, .exact = true};
  for (unsigned i = 0; i < 6; ++i) CHECK(node(r) == 0);
  CHECK(node(r) == 99);
  r.exact = false;
  CHECK(node(r) == 1);
}

TEST_CASE("Buddies of different nodes do not merge") {
  Heap heap;
  heap.set_nodes({{Mfn(0), 1536, 0}, {Mfn(1536), 512, 1}});
  heap.add(Mfn(1024), 1024);
  CHECK_FALSE(heap.allocate(10));
  CHECK(heap.allocate(9));
}

TEST_CASE("A large request looks for clean blocks first, and a dirty page is reported once") {
  Heap heap;
  heap.add(Mfn(1024), 1024);
  heap.allocate(10);
  heap.free(Mfn(1536), 9, true);
  CHECK(heap.dirty_pages(0) == 512);
  heap.free(Mfn(1024), 8);
  CHECK(heap.allocate(8)->value == 1024);
  const Mfn m = *heap.allocate(8);  // only dirty ones are left
  CHECK(m.value == 1792);
  CHECK(heap.take_dirty(m));
  CHECK_FALSE(heap.take_dirty(m));
  CHECK(heap.dirty_pages(0) == 511);
}

TEST_CASE("Scrubbing takes eight pages at a time, until the block is clean") {
  Heap heap;
  heap.add(Mfn(1024), 1024);
  heap.allocate(10);
  heap.free(Mfn(1040), 4, true);
  CHECK(heap.scrub(0).size() == 8);
  CHECK(heap.dirty_pages(0) == 8);
  CHECK(heap.scrub(0).size() == 8);
  CHECK(heap.scrub(0).empty());
  const Mfn m = *heap.allocate(4);
  for (unsigned i = 0; i < 16; ++i) CHECK_FALSE(heap.take_dirty(Mfn(m.value + i)));
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
      if (random.next() % 8 == 0) heap.scrub(0);
      heap.free(Mfn(it->first), it->second, random.next() % 2 == 0);
      pages -= std::uint64_t{1} << it->second;
      held.erase(it);
    }
    REQUIRE(heap.free_pages() == 70'000 - pages);
  }
}

}  // namespace
}  // namespace xensim::xen
