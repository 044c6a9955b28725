// Mapping and unmapping of grants, between domains and by dom0's programs; what is left when one side dies.
#include "models/xen/mm/physmap.h"
#include "tests/models/xen/grant/fixture.h"

namespace xensim::xen::grant {
namespace {

TEST_CASE_METHOD(Grants, "A mapped grant is the granter's frame in the mapper's p2m, counted and referenced") {
  permit(a, 8, 2, 100);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(b, 1, 8, kHole, GNTMAP_host_map, &op) == GNTST_okay);
  const Mfn frame = frame_of(a, 100);
  CHECK(b.p2m->get(Gfn(kHole >> 12)).type == P2mType::kGrantMapRw);
  CHECK(frame_of(b, kHole >> 12) == frame);
  CHECK(op.dev_bus_addr == address_of(frame).value);
  CHECK(references(frame) == 2);
  CHECK(a.grants->active(8).pin == kPinHostWrite);
  CHECK(flags(a, 8) == (GTF_permit_access | GTF_reading | GTF_writing));
  REQUIRE(unmap(b, kHole, op.handle) == GNTST_okay);
  CHECK(b.p2m->get(Gfn(kHole >> 12)).type == P2mType::kMmioDm);
  CHECK(references(frame) == 1);
  CHECK(a.grants->pinned() == 0);
  CHECK(flags(a, 8) == GTF_permit_access);
}

TEST_CASE_METHOD(Grants, "A readonly mapping is of a type of its own, and marks the entry as read") {
  permit(a, 8, 2, 100, GTF_readonly);
  CHECK(map(b, 1, 8, kHole) == GNTST_general_error);
  REQUIRE(map(b, 1, 8, kHole, GNTMAP_host_map | GNTMAP_readonly) == GNTST_okay);
  CHECK(b.p2m->get(Gfn(kHole >> 12)).type == P2mType::kGrantMapRo);
  CHECK(flags(a, 8) == (GTF_permit_access | GTF_readonly | GTF_reading));
}

TEST_CASE_METHOD(Grants, "Checks come in Xen's order: flags, domain, handles, reference, entry, frame, address") {
  permit(a, 8, 2, 100);
  CHECK(map(b, 99, ~0u, kHole, 0) == GNTST_bad_gntref);
  CHECK(map(b, 99, ~0u, kHole, GNTMAP_device_map) == GNTST_general_error);
  CHECK(map(b, 99, ~0u, kHole) == GNTST_bad_domain);
  CHECK(map(b, DOMID_SELF, ~0u, kHole) == GNTST_bad_domain);
  CHECK(map(b, 1, 512, kHole) == GNTST_bad_gntref);
  CHECK(map(b, 1, 9, kHole) == GNTST_general_error);
  permit(a, 9, 2, 1 << 20);
  CHECK(map(b, 1, 9, kHole) == GNTST_bad_page);
  CHECK(map(b, 1, 8, std::uint64_t{1} << 52) == GNTST_general_error);
  CHECK(a.grants->pinned() == 0);
  CHECK(flags(a, 8) == GTF_permit_access);
  CHECK(references(frame_of(a, 100)) == 1);
  CHECK(b.grants->maptrack.in_use() == 0);
}

TEST_CASE_METHOD(Grants, "A domain without handles cannot map, and nothing is left of the attempt") {
  Domain& c = [&]() -> Domain& {
    CreateParameters p;
    p.name = "c";
    p.max_pages = 4096;
    p.grants.max_maptrack_frames = 0;
    return hv->create_domain(3, DomainKind::kGuest, p);
  }();
  permit(a, 8, 3, 100);
  CHECK(map(c, 1, 8, kHole) == GNTST_no_space);
  CHECK(a.grants->pinned() == 0);
}

TEST_CASE_METHOD(Grants, "128 mappings of a kind are the most, and the 129th changes nothing") {
  permit(a, 8, 2, 100);
  for (unsigned i = 0; i < 128; ++i) REQUIRE(map(b, 1, 8, kHole + i * 4096) == GNTST_okay);
  CHECK(map(b, 1, 8, kHole + 128 * 4096) == GNTST_general_error);
  CHECK(a.grants->active(8).pin == 128);
  CHECK(references(frame_of(a, 100)) == 129);
  CHECK(map(b, 1, 8, kHole + 128 * 4096, GNTMAP_host_map | GNTMAP_readonly) == GNTST_okay);
}

TEST_CASE_METHOD(Grants, "What was mapped counts, whatever the entry says now") {
  permit(a, 8, 2, 100);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(b, 1, 8, kHole, GNTMAP_host_map, &op) == GNTST_okay);
  permit(a, 8, 0, 101);
  REQUIRE(map(b, 1, 8, kHole + 4096) == GNTST_okay);
  CHECK(frame_of(b, (kHole + 4096) >> 12) == frame_of(a, 100));
  memory.write<std::uint64_t>(a.grants->entry(8), ~std::uint64_t{0});
  CHECK(unmap(b, kHole, op.handle) == GNTST_okay);
  CHECK(a.grants->active(8).pin == kPinHostWrite);
}

TEST_CASE_METHOD(Grants, "An entry that one domain uses is closed to others") {
  Domain& c = guest(3);
  permit(a, 8, 2, 100);
  REQUIRE(map(b, 1, 8, kHole) == GNTST_okay);
  permit(a, 8, 3, 100);
  CHECK(map(c, 1, 8, kHole) == GNTST_general_error);
  CHECK(copy(c, {8, 1, 0}, {8, 1, 0}, 1, GNTCOPY_source_gref | GNTCOPY_dest_gref) == GNTST_general_error);
}

TEST_CASE_METHOD(Grants, "Bad unmaps say what is bad, and leave the mapping") {
  permit(a, 8, 2, 100);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(b, 1, 8, kHole, GNTMAP_host_map, &op) == GNTST_okay);
  CHECK(unmap(b, kHole, op.handle + 1) == GNTST_bad_handle);
  CHECK(unmap(b, kHole, 1 << 20) == GNTST_bad_handle);
  CHECK(unmap(b, kHole, ~0u) == GNTST_bad_handle);
  CHECK(unmap(a, kHole, op.handle) == GNTST_bad_handle);
  CHECK(unmap(b, kHole + 4096, op.handle) == GNTST_general_error);
  CHECK(unmap(b, 4096, op.handle) == GNTST_general_error);
  CHECK(unmap(b, 0, op.handle) == GNTST_okay);  // nothing was named, nothing is undone
  CHECK(a.grants->active(8).pin == kPinHostWrite);
  CHECK(unmap(b, kHole, op.handle) == GNTST_okay);
  CHECK(unmap(b, kHole, op.handle) == GNTST_bad_handle);
}

TEST_CASE_METHOD(Grants, "A grant to oneself moves the page") {
  const Mfn frame = frame_of(a, 100);
  permit(a, 8, 1, 100);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(a, 1, 8, kHole, GNTMAP_host_map, &op) == GNTST_okay);
  CHECK(a.p2m->get(Gfn(100)).type == P2mType::kMmioDm);
  CHECK(frame_of(a, kHole >> 12) == frame);
  REQUIRE(unmap(a, kHole, op.handle) == GNTST_okay);
  CHECK(hv->frames.info(frame).owner == 1);
  CHECK(references(frame) == 1);
  CHECK(map(a, 1, 8, kHole) == GNTST_bad_page);
}

TEST_CASE_METHOD(Grants, "Mapping over RAM hides it, and mapping over a grant crashes the mapper") {
  permit(a, 8, 2, 100);
  permit(a, 9, 2, 101);
  const std::uint64_t pages = hv->frames.totals(2).pages;
  REQUIRE(map(b, 1, 8, 5 << 12) == GNTST_okay);
  CHECK(hv->frames.totals(2).pages == pages);
  CHECK_FALSE(b.shutdown);
  CHECK(map(b, 1, 9, 5 << 12) == GNTST_general_error);
  REQUIRE(b.shutdown);
  CHECK(*b.shutdown == ShutdownReason::kCrash);
  CHECK(a.grants->active(9).pin == 0);
  CHECK(references(frame_of(a, 101)) == 1);
}

TEST_CASE_METHOD(Grants, "A page that is only mapped cannot be granted on") {
  permit(a, 8, 2, 100);
  REQUIRE(map(b, 1, 8, kHole) == GNTST_okay);
  permit(b, 8, 1, kHole >> 12);
  CHECK(map(a, 2, 8, kHole) == GNTST_bad_page);
}

TEST_CASE_METHOD(Grants, "A frame that the granter gives up lives on until it is unmapped") {
  permit(a, 8, 2, 100);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(b, 1, 8, kHole, GNTMAP_host_map, &op) == GNTST_okay);
  const Mfn frame = frame_of(a, 100);
  const std::uint64_t free = hv->heap.free_pages();
  REQUIRE(physmap::free_page(*hv, a, 100) == 0);
  CHECK(hv->frames.info(frame).owner == 1);
  CHECK(frame_of(b, kHole >> 12) == frame);
  REQUIRE(unmap(b, kHole, op.handle) == GNTST_okay);
  CHECK(hv->frames.info(frame).owner == DOMID_INVALID);
  CHECK(hv->heap.free_pages() >= free);
}

TEST_CASE_METHOD(Grants,
                 "A dead granter's frame and table live on until the last mapping is gone, then all is free") {
  const std::uint64_t free = hv->heap.free_pages();
  Domain& c = guest(3);
  REQUIRE(hv->populate(c, Gfn(0), 9));
  permit(c, 8, 2, 100);
  permit(c, 9, 2, 101);
  memory.fill(address_of(frame_of(c, 100)), 0x5a, kPageSize);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(b, 3, 8, kHole, GNTMAP_host_map, &op) == GNTST_okay);
  const std::uint64_t used_by_b = b.p2m->table_pages();
  hv->destroy_domain(3);
  CHECK(hv->frames.totals(3).pages == 1);
  CHECK(memory.read<std::uint8_t>(address_of(frame_of(b, kHole >> 12))) == 0x5a);
  CHECK(map(b, 3, 9, kHole + 4096) == GNTST_bad_page);  // its p2m is gone
  CHECK(copy(b, {8, 3, 0}, {0, DOMID_SELF, 0}, 16, GNTCOPY_source_gref) == GNTST_bad_domain);
  REQUIRE(unmap(b, kHole, op.handle) == GNTST_okay);
  CHECK(map(b, 3, 8, kHole) == GNTST_bad_domain);
  CHECK(hv->frames.totals(3) == FrameTable::Totals{});
  hv->destroy_domain(2);
  // Everything of domain 3 is free again, and of domain 2 what it took since.
  Domain& again = guest(4);
  static_cast<void>(again);
  static_cast<void>(used_by_b);
  hv->destroy_domain(4);
  CHECK(hv->heap.free_pages() > free);
}

TEST_CASE_METHOD(Grants, "A dead mapper's mappings are undone") {
  Domain& c = guest(3);
  permit(a, 8, 3, 100);
  permit(a, 9, 3, 101, GTF_readonly);
  REQUIRE(map(c, 1, 8, kHole) == GNTST_okay);
  REQUIRE(map(c, 1, 8, kHole + 4096) == GNTST_okay);
  REQUIRE(map(c, 1, 9, kHole + 8192, GNTMAP_host_map | GNTMAP_readonly) == GNTST_okay);
  hv->destroy_domain(3);
  CHECK(a.grants->pinned() == 0);
  CHECK(flags(a, 8) == GTF_permit_access);
  CHECK(flags(a, 9) == (GTF_permit_access | GTF_readonly));
  CHECK(references(frame_of(a, 100)) == 1);
}

TEST_CASE_METHOD(Grants, "Two domains that map each other's pages and themselves die without a rest") {
  const std::uint64_t before = hv->heap.free_pages();
  Domain &c = guest(3), &d = guest(4);
  for (Domain* x : {&c, &d}) REQUIRE(hv->populate(*x, Gfn(0), 9));
  permit(c, 8, 4, 1);
  permit(d, 8, 3, 1);
  permit(c, 9, 3, 2);
  REQUIRE(map(d, 3, 8, kHole) == GNTST_okay);
  REQUIRE(map(c, 4, 8, kHole) == GNTST_okay);
  REQUIRE(map(c, 3, 9, kHole + 4096) == GNTST_okay);
  hv->destroy_domain(3);
  hv->destroy_domain(4);
  CHECK(hv->frames.totals(3) == FrameTable::Totals{});
  CHECK(hv->frames.totals(4) == FrameTable::Totals{});
  CHECK(hv->heap.free_pages() == before);
}

TEST_CASE_METHOD(Grants, "dom0's programs map by reference and get the frame") {
  permit(a, 8, 0, 100);
  FrameMapping m, n;
  REQUIRE(map_frame(*hv, vcpu(dom0), 1, 8, false, m) == GNTST_okay);
  REQUIRE(map_frame(*hv, vcpu(dom0), 1, 8, true, n) == GNTST_okay);
  CHECK(m.frame == frame_of(a, 100));
  CHECK(m.address != n.address);
  CHECK(map_frame(*hv, vcpu(dom0), 1, 9, false, n) == GNTST_general_error);
  CHECK(unmap_frame(*hv, vcpu(dom0), m) == GNTST_okay);
  CHECK(unmap_frame(*hv, vcpu(dom0), m) == GNTST_bad_handle);
  CHECK(unmap_frame(*hv, vcpu(dom0), n) == GNTST_okay);
  CHECK(a.grants->pinned() == 0);
}

TEST_CASE_METHOD(Grants, "dom0 may map for devices: each kind has its count, its reference and its unmapping") {
  permit(a, 8, 0, 100);
  gnttab_map_grant_ref_t op{};
  REQUIRE(map(dom0, 1, 8, 0x1000, GNTMAP_host_map | GNTMAP_device_map, &op) == GNTST_okay);
  const Mfn frame = frame_of(a, 100);
  CHECK(a.grants->active(8).pin == (kPinHostWrite | kPinDeviceWrite));
  CHECK(references(frame) == 3);
  CHECK(unmap(dom0, 0, op.handle, op.dev_bus_addr + 4096) == GNTST_bad_dev_addr);
  CHECK(unmap(dom0, 0, op.handle, op.dev_bus_addr) == GNTST_okay);
  CHECK(a.grants->active(8).pin == kPinHostWrite);
  CHECK(unmap(dom0, 0x1000, op.handle) == GNTST_okay);
  CHECK(unmap(dom0, 0x1000, op.handle) == GNTST_bad_handle);
  CHECK(references(frame) == 1);
}

TEST_CASE_METHOD(Grants, "unmap_and_replace puts another mapping in the place of one") {
  permit(a, 8, 0, 100);
  permit(a, 9, 0, 101);
  gnttab_map_grant_ref_t first{}, second{};
  REQUIRE(map(dom0, 1, 8, 0x1000, GNTMAP_host_map, &first) == GNTST_okay);
  REQUIRE(map(dom0, 1, 9, 0x2000, GNTMAP_host_map, &second) == GNTST_okay);
  gnttab_unmap_and_replace_t op{};
  op.host_addr = 0x1000;
  op.new_addr = 0x2000;
  op.handle = first.handle;
  unmap_and_replace(*hv, vcpu(dom0), op);
  CHECK(op.status == GNTST_okay);
  CHECK(a.grants->active(8).pin == 0);
  CHECK(unmap(dom0, 0x2000, second.handle) == GNTST_general_error);
  CHECK(unmap(dom0, 0x1000, second.handle) == GNTST_okay);
  // A guest with a p2m cannot do that.
  permit(a, 8, 2, 100);
  REQUIRE(map(b, 1, 8, kHole, GNTMAP_host_map, &first) == GNTST_okay);
  op.host_addr = kHole;
  op.handle = first.handle;
  unmap_and_replace(*hv, vcpu(b), op);
  CHECK(op.status == GNTST_general_error);
}

}  // namespace
}  // namespace xensim::xen::grant
