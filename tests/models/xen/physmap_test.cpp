#include "models/xen/mm/physmap.h"

#include <catch2/catch.hpp>

#include "models/xen/mm/allocation.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

struct Guest : Bench {
  Guest() : d(guest(1, 1, 4096)) {
    REQUIRE(hv->populate(d, Gfn(0), 9));
    REQUIRE(hv->populate(d, Gfn(512), 0));
  }
  Domain& d;
  std::uint64_t pages() const { return hv->frames.totals(1).pages; }
  Mfn at(std::uint64_t gfn) const { return d.p2m->get(Gfn(gfn)).mfn; }
  long add(unsigned space, std::uint64_t index, std::uint64_t gfn) {
    return physmap::add_to_physmap(*hv, d, space, index, gfn);
  }
};

TEST_CASE_METHOD(Guest, "Xen knows where each frame of a domain is") {
  for (const std::uint64_t gfn : {0u, 77u, 511u, 512u}) CHECK(hv->frames.gfn_of(at(gfn)) == gfn);
  const Mfn m = at(77);
  REQUIRE(physmap::remove_page(*hv, d, 77, m, 0) == 0);
  CHECK(hv->frames.gfn_of(m) == kNoGfn);
  CHECK(pages() == 513);  // it is still the domain's
  CHECK(d.p2m->get(Gfn(78)).order == 0);
}

TEST_CASE_METHOD(Guest, "A frame that is freed is the heap's, a hole has none, and what is no RAM is refused") {
  const std::uint64_t free = hv->heap.free_pages();
  CHECK(physmap::free_page(*hv, d, 512) == 0);
  CHECK(hv->heap.free_pages() == free + 1);
  CHECK(physmap::free_page(*hv, d, 512) == -kEnoent);
  CHECK(physmap::free_page(*hv, d, ~std::uint64_t{0}) == -kEnoent);
  REQUIRE(d.p2m->set(Gfn(600), Mfn(1), 0, P2mType::kMmioDirect));
  CHECK(physmap::free_page(*hv, d, 600) == -kEperm);
}

TEST_CASE_METHOD(Guest, "What a guest maps over its memory leaves the frame its own, as in Xen") {
  const Mfn old = at(512);
  const auto m = allocate_pages(*hv, d, 0);
  REQUIRE(m);
  REQUIRE(physmap::add_page(*hv, d, 512, *m, 0) == 0);
  CHECK(hv->frames.info(old).owner == 1);
  CHECK(hv->frames.gfn_of(old) == kNoGfn);
  CHECK(pages() == 514);
  hv->destroy_domain(1);
  CHECK(hv->frames.totals(1) == FrameTable::Totals{});
}

TEST_CASE_METHOD(Guest, "A frame moves, and what it covers is freed") {
  const Mfn m = at(3);
  CHECK(add(XENMAPSPACE_gmfn, 3, 512) == 0);
  CHECK(at(512) == m);
  CHECK(is_empty(d.p2m->get(Gfn(3)).type));
  CHECK(pages() == 512);
  CHECK(add(XENMAPSPACE_gmfn, 3, 600) == -kEinval);
  CHECK(add(XENMAPSPACE_gmfn, 512, 512) == 0);
}

TEST_CASE_METHOD(Guest, "shared_info is at one place, and frees what it covers, but is never freed itself") {
  CHECK(add(XENMAPSPACE_shared_info, 0, 5) == 0);
  CHECK(at(5) == d.shared_info);
  CHECK(pages() == 512);
  CHECK(add(XENMAPSPACE_shared_info, 0, 6) == 0);
  CHECK(is_empty(d.p2m->get(Gfn(5)).type));
  CHECK(add(XENMAPSPACE_shared_info, 1, 7) == -kEinval);
  CHECK(physmap::free_page(*hv, d, 6) == 0);
  CHECK(hv->frames.info(d.shared_info).owner == DOMID_XEN);
  CHECK(add(XENMAPSPACE_shared_info, 0, 5) == 0);
  hv->destroy_domain(1);
}

TEST_CASE_METHOD(Guest, "A grant or foreign mapping is in nobody's way, but whoever maps over it is crashed") {
  Domain& other = guest(2, 1, 4096);
  REQUIRE(hv->populate(other, Gfn(9), 0));
  REQUIRE(d.p2m->set(Gfn(700), *hv->ram_frame(other, 9), 0, P2mType::kGrantMapRw));
  CHECK(physmap::free_page(*hv, d, 700) == -kEnxio);
  const auto m = allocate_pages(*hv, d, 0);
  CHECK(physmap::add_page(*hv, d, 700, *m, 0) == -kEperm);
  CHECK(d.shutdown.has_value());
}

TEST_CASE_METHOD(Guest, "Only a hardware domain maps foreign frames, and it holds them while it does") {
  Domain& other = guest(2, 1, 4096);
  REQUIRE(hv->populate(other, Gfn(9), 0));
  CHECK(physmap::add_to_physmap(*hv, d, XENMAPSPACE_gmfn_foreign, 9, 700, 2) == -kEperm);
  d.role.hardware = d.role.control = true;
  CHECK(physmap::add_to_physmap(*hv, d, XENMAPSPACE_gmfn_foreign, 9, 700, 1) == -kEperm);
  CHECK(physmap::add_to_physmap(*hv, d, XENMAPSPACE_gmfn_foreign, 9, 700, 77) == -kEsrch);
  CHECK(physmap::add_to_physmap(*hv, d, XENMAPSPACE_gmfn_foreign, 8, 700, 2) == -kEinval);
  REQUIRE(physmap::add_to_physmap(*hv, d, XENMAPSPACE_gmfn_foreign, 9, 700, 2) == 0);
  const Mfn m = *hv->ram_frame(other, 9);
  CHECK(d.p2m->get(Gfn(700)).type == P2mType::kMapForeign);
  CHECK(hv->frames.info(m).references == 2);
  hv->destroy_domain(2);
  CHECK(hv->frames.totals(2).pages == 1);
  REQUIRE(physmap::remove_page(*hv, d, 700, m, 0) == 0);
  CHECK(hv->frames.totals(2) == FrameTable::Totals{});
}

TEST_CASE_METHOD(Guest, "Frames beyond the last one, or of another's, are refused") {
  const auto m = allocate_pages(*hv, d, 0);
  REQUIRE(m);
  CHECK(physmap::add_page(*hv, d, P2m::kFrames, *m, 0) == -kEinval);
  CHECK(physmap::add_page(*hv, d, ~std::uint64_t{0}, *m, 0) == -kEinval);
  CHECK(physmap::remove_page(*hv, d, 0, at(1), 0) == -kEilseq);
  CHECK_FALSE(physmap::get_page(*hv, d, 900, physmap::kAllocate));
  const auto page = physmap::get_page(*hv, d, 4, physmap::kAllocate);
  REQUIRE(page);
  CHECK(hv->frames.info(page->mfn).references == 2);
  hv->frames.put_page(page->mfn);
}

TEST_CASE_METHOD(Guest, "A claim sets memory aside, and is used up by what the domain gets") {
  const std::uint64_t free = hv->heap.free_pages();
  CHECK(claim_pages(*hv, d, 5000) == -kEinval);  // above its maximum
  CHECK(claim_pages(*hv, d, 100) == -kEinval);   // it has more
  REQUIRE(claim_pages(*hv, d, 513 + 1000) == 0);
  CHECK(claim_pages(*hv, d, 2000) == -kEinval);  // one at a time
  CHECK(hv->frames.claimed() == 1000);
  REQUIRE(hv->populate(d, Gfn(1024), 9));
  CHECK(hv->frames.claimed() == 488);
  Domain& other = guest(2, 1, free);
  std::uint64_t got = 0;
  while (allocate_pages(*hv, other, 0)) ++got;
  CHECK(hv->heap.free_pages() == 488);
  CHECK(got > 0);
  REQUIRE(hv->populate(d, Gfn(2048), 0));
  CHECK(hv->frames.claimed() == 487);
  REQUIRE(claim_pages(*hv, d, 0) == 0);
  CHECK(allocate_pages(*hv, other, 0));
}

TEST_CASE_METHOD(Guest,
                 "A dead domain's memory is cleared before another gets it, by idle pCPUs or by the next owner") {
  const Mfn m = at(512);
  memory.write<std::uint64_t>(address_of(m), 0x5ec2e7);
  hv->destroy_domain(1);
  CHECK(hv->heap.dirty_pages(0) >= 513);
  while (hv->frames.scrub(0) > 0) {
  }
  CHECK(hv->heap.dirty_pages(0) == 0);
  CHECK(memory.read<std::uint64_t>(address_of(m)) == 0);
}

}  // namespace
}  // namespace xensim::xen
