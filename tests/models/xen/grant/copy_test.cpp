// Copies by grant.
#include "tests/models/xen/grant/fixture.h"

namespace xensim::xen::grant {
namespace {

constexpr std::uint16_t kFrom = GNTCOPY_source_gref, kTo = GNTCOPY_dest_gref;

struct Copies : Grants {
  void fill(Domain& d, std::uint64_t gfn, std::uint8_t byte) {
    memory.fill(address_of(frame_of(d, gfn)), byte, kPageSize);
  }
  int byte(Domain& d, std::uint64_t gfn, unsigned offset) {
    return memory.read<std::uint8_t>(address_of(frame_of(d, gfn)) + offset);
  }
  bool quiet() { return a.grants->pinned() == 0 && b.grants->pinned() == 0; }
};

TEST_CASE_METHOD(Copies, "Bytes move from and to a grant, those that were asked for and no others") {
  permit(a, 8, 2, 100);
  fill(a, 100, 1);
  fill(b, 5, 2);
  REQUIRE(copy(b, {8, 1, 10}, {5, DOMID_SELF, 20}, 30, kFrom) == GNTST_okay);
  CHECK(byte(b, 5, 19) == 2);
  CHECK(byte(b, 5, 20) == 1);
  CHECK(byte(b, 5, 49) == 1);
  CHECK(byte(b, 5, 50) == 2);
  REQUIRE(copy(b, {5, DOMID_SELF, 0}, {8, 1, 4095}, 1, kTo) == GNTST_okay);
  CHECK(byte(a, 100, 4094) == 1);
  CHECK(byte(a, 100, 4095) == 2);
  CHECK(quiet());
  CHECK(flags(a, 8) == GTF_permit_access);
  CHECK(references(frame_of(a, 100)) == 1);
  CHECK(references(frame_of(b, 5)) == 1);
}

TEST_CASE_METHOD(Copies, "Checks come in Xen's order: domains, source, destination, page ends, parts") {
  permit(a, 8, 2, 100, GTF_readonly);
  CHECK(copy(b, {5, 1, 0}, {8, 99, 0}, 5000, kTo) == GNTST_permission_denied);
  CHECK(copy(b, {8, 99, 0}, {5, 1, 0}, 5000, kFrom) == GNTST_bad_domain);
  CHECK(copy(b, {8, 1, 0}, {5, 1, 0}, 5000, kFrom) == GNTST_permission_denied);
  CHECK(copy(b, {9999, 1, 0}, {1 << 20, DOMID_SELF, 0}, 5000, kFrom) == GNTST_bad_gntref);
  CHECK(copy(b, {9, 1, 0}, {1 << 20, DOMID_SELF, 0}, 5000, kFrom) == GNTST_general_error);
  CHECK(copy(b, {8, 1, 0}, {1 << 20, DOMID_SELF, 0}, 5000, kFrom) == GNTST_bad_page);
  CHECK(copy(b, {5, DOMID_SELF, 0}, {8, 1, 0}, 5000, kTo) == GNTST_general_error);
  CHECK(copy(b, {8, 1, 0}, {5, DOMID_SELF, 0}, 5000, kFrom) == GNTST_bad_copy_arg);
  CHECK(copy(b, {8, 1, 65535}, {5, DOMID_SELF, 0}, 65535, kFrom) == GNTST_bad_copy_arg);
  CHECK(quiet());
  CHECK(flags(a, 8) == (GTF_permit_access | GTF_readonly));
}

TEST_CASE_METHOD(Copies,
                 "A batch keeps an entry acquired while it is used, and gives it back at the end or a failure") {
  permit(a, 8, 2, 100);
  {
    CopyBatch batch(*hv, vcpu(b));
    gnttab_copy_t op = copy_of({8, 1, 0}, {5, DOMID_SELF, 0}, 1, kFrom);
    batch.copy(op);
    REQUIRE(op.status == GNTST_okay);
    CHECK(a.grants->active(8).pin == kPinHostRead);
    memory.write<std::uint16_t>(a.grants->entry(8), GTF_invalid);  // revoked too late
    batch.copy(op);
    CHECK(op.status == GNTST_okay);
    gnttab_copy_t bad = copy_of({8, 1, 4096}, {5, DOMID_SELF, 0}, 1, kFrom);
    batch.copy(bad);
    CHECK(bad.status == GNTST_bad_copy_arg);
    CHECK(a.grants->active(8).pin == 0);
    batch.copy(op);
    CHECK(op.status == GNTST_general_error);
  }
  CHECK(quiet());
}

TEST_CASE_METHOD(Copies, "A part of a page is all that a sub-page grant gives") {
  set_version(a, 2);
  const auto part = [&](std::uint16_t offset, std::uint16_t length) {
    grant_entry_v2_t e{};
    e.sub_page.hdr = {GTF_permit_access | GTF_sub_page, 2};
    e.sub_page.page_off = offset;
    e.sub_page.length = length;
    e.sub_page.frame = 100;
    memory.write(a.grants->entry(8), e);
  };
  part(100, 50);
  CHECK(copy(b, {8, 1, 100}, {5, DOMID_SELF, 0}, 50, kFrom) == GNTST_okay);
  CHECK(copy(b, {8, 1, 99}, {5, DOMID_SELF, 0}, 2, kFrom) == GNTST_general_error);
  CHECK(copy(b, {8, 1, 149}, {5, DOMID_SELF, 0}, 2, kFrom) == GNTST_general_error);
  part(4000, 65535);
  CHECK(copy(b, {8, 1, 4000}, {5, DOMID_SELF, 0}, 96, kFrom) == GNTST_okay);
  CHECK(copy(b, {8, 1, 4000}, {5, DOMID_SELF, 0}, 97, kFrom) == GNTST_bad_copy_arg);
  CHECK(map(b, 1, 8, kHole) == GNTST_general_error);
  CHECK(quiet());
}

struct Transitive : Copies {
  Domain& c = guest(3);
  Transitive() {
    REQUIRE(hv->populate(c, Gfn(0), 9));
    set_version(b, 2);
    permit(a, 8, 2, 100);  // a grants to b,
    chain(9, 3, 1, 8);     // which grants it on to c
    fill(a, 100, 7);
  }
  void chain(grant_ref_t ref, domid_t domid, domid_t owner, grant_ref_t theirs) {
    grant_entry_v2_t e{};
    e.transitive.hdr = {GTF_transitive, domid};
    e.transitive.trans_domid = owner;
    e.transitive.gref = theirs;
    memory.write(b.grants->entry(ref), e);
  }
};

TEST_CASE_METHOD(Transitive,
                 "A transitive grant is as good as the one behind it, and marks both while it is used") {
  {
    CopyBatch batch(*hv, vcpu(c));
    gnttab_copy_t op = copy_of({9, 2, 0}, {5, DOMID_SELF, 0}, 16, kFrom);
    batch.copy(op);
    REQUIRE(op.status == GNTST_okay);
    CHECK(flags(a, 8) == (GTF_permit_access | GTF_reading));
    CHECK(flags(b, 9) == (GTF_transitive | GTF_reading));
  }
  CHECK(byte(c, 5, 15) == 7);
  CHECK(flags(a, 8) == GTF_permit_access);
  CHECK(flags(b, 9) == GTF_transitive);
  CHECK(quiet());
  CHECK(references(frame_of(a, 100)) == 1);
}

TEST_CASE_METHOD(Transitive, "A transitive grant gives no more than the one behind it, and is one level deep") {
  permit(a, 8, 2, 100, GTF_readonly);
  CHECK(copy(c, {5, DOMID_SELF, 0}, {9, 2, 0}, 1, kTo) == GNTST_general_error);
  permit(a, 8, 3, 100);
  CHECK(copy(c, {9, 2, 0}, {5, DOMID_SELF, 0}, 1, kFrom) == GNTST_general_error);
  permit(a, 8, 2, 100);
  CHECK(map(c, 2, 9, kHole) == GNTST_general_error);
  chain(9, 3, 2, 10);
  CHECK(copy(c, {9, 2, 0}, {5, DOMID_SELF, 0}, 1, kFrom) == GNTST_general_error);
  chain(9, 3, 99, 10);
  CHECK(copy(c, {9, 2, 0}, {5, DOMID_SELF, 0}, 1, kFrom) == GNTST_general_error);
  chain(9, 3, 1, 4000);
  CHECK(copy(c, {9, 2, 0}, {5, DOMID_SELF, 0}, 1, kFrom) == GNTST_bad_gntref);
  set_version(a, 2);
  grant_entry_v2_t e{};
  e.transitive.hdr = {GTF_transitive, 2};
  e.transitive.trans_domid = 3;
  memory.write(a.grants->entry(8), e);
  chain(9, 3, 1, 8);
  CHECK(copy(c, {9, 2, 0}, {5, DOMID_SELF, 0}, 1, kFrom) == GNTST_general_error);
  CHECK(quiet());
  CHECK(flags(b, 9) == GTF_transitive);
}

TEST_CASE_METHOD(Transitive, "An entry that comes to stand for another grant while it is used is not used on") {
  CopyBatch batch(*hv, vcpu(c));
  gnttab_copy_t op = copy_of({9, 2, 0}, {5, DOMID_SELF, 0}, 16, kFrom);
  batch.copy(op);
  REQUIRE(op.status == GNTST_okay);
  permit(a, 10, 2, 101);
  chain(9, 3, 1, 10);
  CHECK(copy(c, {9, 2, 0}, {5, DOMID_SELF, 0}, 16, kFrom) == GNTST_eagain);
  CHECK(a.grants->active(10).pin == 0);
  CHECK(references(frame_of(a, 101)) == 1);
  CHECK(b.grants->active(9).pin == kPinHostRead);
}

TEST_CASE_METHOD(Copies,
                 "A copy costs its bytes: more for memory than for what is cached, and nothing without costs") {
  hv->here().pcpu->core.set_timing(cpu::TimingKind::kInorder);
  permit(a, 8, 2, 100);
  const auto cost_of = [&](std::uint16_t length) {
    const Cycles begin = hv->here().pcpu->core.now;
    REQUIRE(copy(b, {8, 1, 0}, {5, DOMID_SELF, 0}, length, kFrom) == GNTST_okay);
    return hv->here().pcpu->core.now - begin;
  };
  const Cycles cold = cost_of(4096), warm = cost_of(4096), none = cost_of(0);
  CHECK(warm == none + 4096 / 32);
  CHECK(cold > warm + 100);
}

}  // namespace
}  // namespace xensim::xen::grant
