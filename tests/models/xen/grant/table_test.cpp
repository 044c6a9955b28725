// The table as a whole: growth, limits, versions, where its frames are; and the operations that only dom0 has.
#include "models/xen/mm/physmap.h"
#include "tests/models/xen/grant/fixture.h"

namespace xensim::xen::grant {
namespace {

struct Tables : Grants {
  long place(Domain& d, std::uint64_t index, std::uint64_t gfn) {
    return physmap::add_to_physmap(*hv, d, XENMAPSPACE_grant_table, index, gfn);
  }
  std::vector<std::uint64_t> setup(Domain& by, domid_t domid, unsigned frames, int& status) {
    gnttab_setup_table_t op{};
    op.dom = domid;
    op.nr_frames = frames;
    std::vector<std::uint64_t> gfns;
    setup_table(*hv, vcpu(by), op, gfns);
    status = op.status;
    return gfns;
  }
};

TEST_CASE_METHOD(Tables, "A table has one frame, grows when asked, up to its limit, and never shrinks") {
  int status = 0;
  CHECK(a.grants->frames() == 1);
  CHECK(setup(a, DOMID_SELF, 64, status).size() == 64);
  CHECK(status == GNTST_okay);
  CHECK(a.grants->frames() == 64);
  setup(a, DOMID_SELF, 65, status);
  CHECK(status == GNTST_general_error);
  setup(a, DOMID_SELF, ~0u, status);
  CHECK(status == GNTST_general_error);
  setup(a, DOMID_SELF, 1, status);
  CHECK(a.grants->frames() == 64);
  CHECK(a.grants->entries() == 64 * 512);
}

TEST_CASE_METHOD(Tables, "Growth that finds no memory fails, and leaves the table and the heap as they were") {
  std::vector<Mfn> taken;
  while (const auto m = hv->heap.allocate(0)) taken.push_back(*m);
  for (unsigned i = 0; i < 7; ++i) {
    hv->heap.free(taken.back(), 0);
    taken.pop_back();
  }
  const std::uint64_t free = hv->heap.free_pages();
  int status = 0;
  setup(a, DOMID_SELF, 3, status);
  CHECK(status == GNTST_general_error);
  CHECK(a.grants->frames() == 1);
  setup(a, DOMID_SELF, 1, status);
  CHECK(status == GNTST_okay);
  CHECK(hv->heap.free_pages() == free);
}

TEST_CASE_METHOD(Tables, "Frames are where the guest puts them, one place each, and nowhere when covered") {
  int status = 0;
  CHECK(setup(a, DOMID_SELF, 1, status)[0] == ~std::uint64_t{0});
  REQUIRE(place(a, 0, 0x1000) == 0);
  CHECK(setup(a, DOMID_SELF, 1, status)[0] == 0x1000);
  REQUIRE(place(a, 0, 0x2000) == 0);
  CHECK(setup(a, DOMID_SELF, 1, status)[0] == 0x2000);
  CHECK(a.p2m->get(Gfn(0x1000)).type == P2mType::kMmioDm);
  REQUIRE(place(a, 1, 0x2000) == 0);
  CHECK(setup(a, DOMID_SELF, 2, status)[0] == ~std::uint64_t{0});
  CHECK(place(a, 64, 0x3000) == -kEinval);
  CHECK(place(a, ~std::uint64_t{0}, 0x3000) == -kEinval);
  CHECK(place(a, std::uint64_t{1} << 32, 0x3000) == 0);  // Xen looks at 32 bits
  CHECK(place(a, XENMAPIDX_grant_table_status, 0x3000) == -kEinval);
}

TEST_CASE_METHOD(Tables, "Only a domain itself and dom0 may look at its table") {
  int status = 0;
  setup(b, 1, 1, status);
  CHECK(status == GNTST_permission_denied);
  setup(b, 99, 1, status);
  CHECK(status == GNTST_bad_domain);
  setup(dom0, 1, 1, status);
  CHECK(status == GNTST_okay);
  gnttab_get_version_t version{};
  version.dom = 1;
  CHECK(get_version(*hv, vcpu(b), version) == -kEperm);
  CHECK(get_version(*hv, vcpu(dom0), version) == 0);
  version.dom = 99;
  CHECK(get_version(*hv, vcpu(dom0), version) == -kEsrch);
}

TEST_CASE_METHOD(Tables, "A new version clears the table but for the toolstack's entries, which may be in use") {
  permit(a, 1, 0, 5);
  permit(a, 8, 2, 6);
  FrameMapping m;
  REQUIRE(map_frame(*hv, vcpu(dom0), 1, 1, false, m) == GNTST_okay);
  set_version(a, 2);
  CHECK(a.grants->status_frames() == 1);
  CHECK(flags(a, 1) == (GTF_permit_access | GTF_reading | GTF_writing));
  CHECK(memory.read<std::uint16_t>(a.grants->entry(1)) == GTF_permit_access);
  CHECK(flags(a, 8) == 0);
  set_version(a, 1);
  CHECK(a.grants->status_frames() == 0);
  CHECK(memory.read<std::uint16_t>(a.grants->entry(1)) == (GTF_permit_access | GTF_reading | GTF_writing));
  REQUIRE(unmap_frame(*hv, vcpu(dom0), m) == GNTST_okay);
  CHECK(flags(a, 1) == GTF_permit_access);
}

TEST_CASE_METHOD(Tables,
                 "A version is refused while other entries are in use, or cannot be said in it, or is none") {
  gnttab_set_version_t op{2};
  permit(a, 8, 0, 6);
  FrameMapping m;
  REQUIRE(map_frame(*hv, vcpu(dom0), 1, 8, false, m) == GNTST_okay);
  CHECK(grant::set_version(*hv, vcpu(a), op) == -kEbusy);
  CHECK(op.version == 1);
  REQUIRE(unmap_frame(*hv, vcpu(dom0), m) == GNTST_okay);
  set_version(a, 2);
  grant_entry_v2_t e{};
  e.transitive.hdr = {GTF_transitive, 2};
  memory.write(a.grants->entry(7), e);
  op.version = 1;
  CHECK(grant::set_version(*hv, vcpu(a), op) == -kErange);
  e = {};
  e.full_page.hdr = {GTF_permit_access, 2};
  e.full_page.frame = std::uint64_t{1} << 32;
  memory.write(a.grants->entry(7), e);
  op.version = 1;
  CHECK(grant::set_version(*hv, vcpu(a), op) == -kErange);
  op.version = 3;
  CHECK(grant::set_version(*hv, vcpu(a), op) == -kEinval);
  CHECK(op.version == 2);
}

TEST_CASE_METHOD(Tables,
                 "Status frames leave the guest with version 2, and one that another uses costs it its life") {
  set_version(a, 2);
  REQUIRE(place(a, XENMAPIDX_grant_table_status, 0x2000) == 0);
  set_version(a, 1);
  CHECK(a.p2m->get(Gfn(0x2000)).type == P2mType::kMmioDm);
  set_version(a, 2);
  REQUIRE(place(a, XENMAPIDX_grant_table_status, 0x2000) == 0);
  permit(a, 5, 2, 0x2000);
  REQUIRE(map(b, 1, 5, kHole) == GNTST_okay);
  gnttab_set_version_t op{1};
  CHECK(grant::set_version(*hv, vcpu(a), op) == -kEbusy);
  CHECK(a.shutdown == ShutdownReason::kCrash);
  hv->destroy_domain(1);
  hv->destroy_domain(2);
  CHECK(hv->frames.totals(1) == FrameTable::Totals{});
}

TEST_CASE_METHOD(Tables, "A domain that may not have version 2 is told so") {
  CreateParameters p;
  p.name = "old";
  p.grants.max_version = 1;
  Domain& old = hv->create_domain(9, DomainKind::kGuest, p);
  gnttab_set_version_t op{2};
  CHECK(grant::set_version(*hv, vcpu(old), op) == -kEnosys);
}

TEST_CASE_METHOD(Tables, "Swapped entries change places, unless one is in use") {
  permit(a, 8, 0, 6);
  permit(a, 9, 2, 7, GTF_readonly);
  const auto swapped = [&](grant_ref_t x, grant_ref_t y) {
    gnttab_swap_grant_ref_t op{x, y, 0};
    grant::swap(*hv, vcpu(a), op);
    return static_cast<int>(op.status);
  };
  CHECK(swapped(8, 9) == GNTST_okay);
  CHECK(flags(a, 8) == (GTF_permit_access | GTF_readonly));
  CHECK(memory.read<std::uint32_t>(a.grants->entry(9) + 4) == 6);
  CHECK(swapped(8, 512) == GNTST_bad_gntref);
  CHECK(swapped(~0u, 8) == GNTST_bad_gntref);
  FrameMapping m;
  REQUIRE(map_frame(*hv, vcpu(dom0), 1, 9, false, m) == GNTST_okay);
  CHECK(swapped(9, 9) == GNTST_okay);
  CHECK(swapped(8, 9) == GNTST_eagain);
}

TEST_CASE_METHOD(Tables, "dom0 gives a page away to an entry that accepts one") {
  const auto page = hv->frames.allocate(0, 0);
  REQUIRE(page);
  gnttab_transfer_t op{};
  op.mfn = page->value;
  op.domid = 1;
  op.ref = 8;
  memory.write(a.grants->entry(8), grant_entry_v1_t{GTF_accept_transfer, 0, 0x5000});
  const std::uint64_t pages = hv->frames.totals(1).pages;
  transfer(*hv, vcpu(dom0), op);
  REQUIRE(op.status == GNTST_okay);
  CHECK(hv->frames.info(*page).owner == 1);
  CHECK(hv->frames.totals(1).pages == pages + 1);
  CHECK(frame_of(a, 0x5000) == *page);
  CHECK(flags(a, 8) == (GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed));
  transfer(*hv, vcpu(dom0), op);
  CHECK(op.status == GNTST_bad_page);  // it is not dom0's any more
}

TEST_CASE_METHOD(Tables, "A page that cannot arrive is lost to its giver too") {
  const auto give = [&](domid_t to, grant_ref_t ref) {
    const auto page = hv->frames.allocate(0, 0);
    REQUIRE(page);
    gnttab_transfer_t op{};
    op.mfn = page->value;
    op.domid = to;
    op.ref = ref;
    transfer(*hv, vcpu(dom0), op);
    CHECK(hv->frames.info(*page).owner == DOMID_INVALID);
    return static_cast<int>(op.status);
  };
  CHECK(give(99, 8) == GNTST_bad_domain);
  CHECK(give(1, 8) == GNTST_general_error);
  CHECK(give(1, 4000) == GNTST_general_error);
  memory.write(a.grants->entry(8), grant_entry_v1_t{GTF_accept_transfer, 2, 0x5000});
  CHECK(give(1, 8) == GNTST_general_error);
  a.max_pages = hv->frames.totals(1).pages;
  memory.write(a.grants->entry(8), grant_entry_v1_t{GTF_accept_transfer, 0, 0x5000});
  CHECK(give(1, 8) == GNTST_general_error);
}

TEST_CASE_METHOD(Tables, "Cache flushes: of one's own pages and mapped ones, and only with a write-back") {
  gnttab_cache_flush_t op{};
  grant_ref_t from = 0;
  const auto flush = [&](Domain& by, Mfn m, unsigned offset, unsigned length, std::uint32_t what) {
    op.a.dev_bus_addr = address_of(m).value;
    op.offset = static_cast<std::uint16_t>(offset);
    op.length = static_cast<std::uint16_t>(length);
    op.op = what;
    from = 0;
    return cache_flush(*hv, vcpu(by), op, from);
  };
  const Mfn theirs = frame_of(a, 100);
  CHECK(flush(a, theirs, 0, 4096, GNTTAB_CACHE_CLEAN) == 0);
  CHECK(flush(a, theirs, 0, 4096, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL) == 0);
  CHECK(flush(a, theirs, 0, 4096, GNTTAB_CACHE_INVAL) == -kEopnotsupp);
  CHECK(flush(a, theirs, 0, 4096, 0) == 0);
  CHECK(flush(a, theirs, 0, 4096, 4) == -kEinval);
  CHECK(flush(a, theirs, 4096, 0, GNTTAB_CACHE_CLEAN) == -kEinval);
  CHECK(flush(a, theirs, 1, 4096, GNTTAB_CACHE_CLEAN) == -kEinval);
  CHECK(flush(a, Mfn(1 << 30), 0, 1, GNTTAB_CACHE_CLEAN) == -kEinval);
  CHECK(flush(dom0, theirs, 0, 1, GNTTAB_CACHE_CLEAN) == -kEinval);
  permit(a, 8, 0, 100);
  FrameMapping m;
  REQUIRE(map_frame(*hv, vcpu(dom0), 1, 8, false, m) == GNTST_okay);
  CHECK(flush(dom0, theirs, 0, 1, GNTTAB_CACHE_CLEAN) == 0);
}

TEST_CASE_METHOD(Tables, "The toolstack maps a domain's grant frames as a resource") {
  std::array<Mfn, 3> frames;
  CHECK(acquire_resource(*hv, a, 7, 0, frames) == -kEinval);
  CHECK(acquire_resource(*hv, a, XENMEM_resource_grant_table_id_shared, 0, frames) == 3);
  CHECK(frames[2] == a.grants->frame(false, 2));
  CHECK(acquire_resource(*hv, a, XENMEM_resource_grant_table_id_shared, 62, frames) == -kEinval);
  CHECK(acquire_resource(*hv, a, XENMEM_resource_grant_table_id_shared, ~0u, frames) == -kEinval);
  CHECK(acquire_resource(*hv, a, XENMEM_resource_grant_table_id_status, 0, frames) == -kEinval);
  set_version(a, 2);
  CHECK(acquire_resource(*hv, a, XENMEM_resource_grant_table_id_status, 0, frames) == 3);
  CHECK(a.grants->frames() == 24);
}

}  // namespace
}  // namespace xensim::xen::grant
