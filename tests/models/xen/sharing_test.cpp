#include "models/xen/mm/sharing.h"

#include <xen/vm_event.h>

#include "models/xen/control/domain_control.h"
#include "sim/base/rng.h"
#include "tests/models/xen/guest_memory_access.h"

namespace xensim::xen {
namespace {

struct Fixture : MemoryBench {
  Fixture() { const_cast<HypervisorConfig&>(hv->config).mem_sharing = true; }
  Sharing& s() { return *hv->sharing; }
  // Both pages hold `byte`, and are one frame afterwards.
  void share(Domain& a, std::uint64_t ga, Domain& b, std::uint64_t gb, std::uint8_t byte) {
    fill(a, ga, byte);
    fill(b, gb, byte);
    std::uint64_t ha = 0, hb = 0;
    REQUIRE(s().nominate(a, Gfn(ga), ha) == 0);
    REQUIRE(s().nominate(b, Gfn(gb), hb) == 0);
    REQUIRE(s().share(a, Gfn(ga), ha, b, Gfn(gb), hb) == 0);
  }
  std::uint64_t pages(const Domain& d) const { return hv->frames.totals(d.domid).pages; }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "Two shared pages are one frame of DOMID_COW's, and save one") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  const std::uint64_t free = hv->heap.free_pages();
  const std::uint64_t tables = a.p2m->table_pages() + b.p2m->table_pages();
  share(a, 600, b, 700, 0x5a);
  CHECK(a.p2m->get(Gfn(600)).mfn == b.p2m->get(Gfn(700)).mfn);
  CHECK(a.p2m->get(Gfn(600)).type == P2mType::kRamShared);
  CHECK(hv->frames.info(a.p2m->get(Gfn(600)).mfn).owner == DOMID_COW);
  CHECK(hv->frames.totals(DOMID_COW).pages == 1);
  CHECK(pages(a) == 1023);
  CHECK(pages(b) == 1023);
  CHECK(a.shared_pages == 1);
  CHECK(b.shared_pages == 1);
  CHECK(s().shared_frames() == 1);
  CHECK(s().saved_frames() == 1);
  CHECK(s().references(a, Gfn(600)) == 2);
  CHECK(s().audit() == 0);
  CHECK(hv->heap.free_pages() == free + 1 - (a.p2m->table_pages() + b.p2m->table_pages() - tables));
  REQUIRE(read(a, 600));
  CHECK(violations == 0);
}

TEST_CASE_METHOD(Fixture, "A write gives the writer a copy, the last user gets the frame itself") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  share(a, 600, b, 700, 0x5a);
  const Mfn frame = a.p2m->get(Gfn(600)).mfn;
  REQUIRE(write(a, 600));
  fill(a, 600, 0x11);
  CHECK(first_byte(b, 700) == 0x5a);
  CHECK(a.p2m->get(Gfn(600)).mfn != frame);
  CHECK(a.p2m->get(Gfn(600)).type == P2mType::kRamRw);
  CHECK(pages(a) == 1024);
  CHECK(s().saved_frames() == 0);
  CHECK(s().shared_frames() == 1);
  CHECK(s().stats().unshared_by_copy == 1);
  REQUIRE(write(b, 700));
  CHECK(b.p2m->get(Gfn(700)).mfn == frame);
  CHECK(hv->frames.info(frame).owner == 2);
  CHECK(hv->frames.totals(DOMID_COW) == FrameTable::Totals{});
  CHECK(s().shared_frames() == 0);
  CHECK(s().stats().unshared_last == 1);
  CHECK(s().audit() == 0);
}

TEST_CASE_METHOD(Fixture, "What may not be shared is refused with Xen's errors") {
  Domain& a = guest_with_memory(1);
  std::uint64_t h = 0, again = 0;
  CHECK(s().nominate(a, Gfn(5000), h) == -kEinval);
  CHECK(s().nominate(a, Gfn(~std::uint64_t{0}), h) == -kEinval);
  REQUIRE(hv->frames.get_page(a.p2m->get(Gfn(600)).mfn, 1));
  CHECK(s().nominate(a, Gfn(600), h) == -kE2big);
  hv->frames.put_page(a.p2m->get(Gfn(600)).mfn);
  CHECK(s().nominate(a, Gfn(600), h) == 0);
  CHECK(s().nominate(a, Gfn(600), again) == 0);
  CHECK(h == again);
  a.vcpus[0]->runstate_area = {true, address_of(a.p2m->get(Gfn(601)).mfn), address_of(a.p2m->get(Gfn(601)).mfn),
                               48};
  CHECK(s().nominate(a, Gfn(601), h) == -kE2big);
  a.vcpus[0]->runstate_area.valid = false;
  a.p2m->table_limit = a.p2m->table_pages();
  CHECK(s().nominate(a, Gfn(3), h) == -kEnomem);  // in a large page
  CHECK(a.p2m->get(Gfn(3)).type == P2mType::kRamRw);
  CHECK(s().audit() == 0);
}

TEST_CASE_METHOD(Fixture, "A wrong handle is told apart by whose it is") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  std::uint64_t ha = 0, hb = 0;
  CHECK(s().share(a, Gfn(600), 0, b, Gfn(600), 0) != 0);
  REQUIRE(s().nominate(a, Gfn(600), ha) == 0);
  REQUIRE(s().nominate(b, Gfn(600), hb) == 0);
  CHECK(s().share(a, Gfn(600), ha + 99, b, Gfn(600), hb) == XENMEM_SHARING_OP_S_HANDLE_INVALID);
  CHECK(s().share(a, Gfn(600), ha, b, Gfn(600), hb + 99) == XENMEM_SHARING_OP_C_HANDLE_INVALID);
  CHECK(s().share(a, Gfn(600), ha, b, Gfn(601), hb) == XENMEM_SHARING_OP_C_HANDLE_INVALID);
  CHECK(s().share(a, Gfn(600), ha, a, Gfn(600), 77) == 0);  // one page already
  CHECK(s().share(a, Gfn(600), ha, b, Gfn(600), hb) == 0);
  CHECK(s().share(a, Gfn(600), ha, b, Gfn(600), hb) == 0);
}

TEST_CASE_METHOD(Fixture, "Without memory a write to a shared page crashes the domain, and nothing else changes") {
  Domain& a = guest_with_memory(1, 1024);
  Domain& b = guest_with_memory(2);
  share(a, 600, b, 700, 0x5a);
  REQUIRE(hv->populate(a, Gfn(2000), 0));  // takes the page that sharing saved
  CHECK_FALSE(write(a, 600));
  CHECK(a.shutdown == ShutdownReason::kCrash);
  CHECK(s().saved_frames() == 1);
  CHECK(s().audit() == 0);
  CHECK(first_byte(b, 700) == 0x5a);
}

TEST_CASE_METHOD(Fixture, "Without memory, but with a helper, the vCPU waits, and goes on when there is memory") {
  Domain& a = guest_with_memory(1, 1024);
  Domain& b = guest_with_memory(2);
  a.hvm_params[HVM_PARAM_SHARING_RING_PFN] = 1023;
  std::uint32_t port = 0;
  REQUIRE(vm_event::enable(*hv, *hv->find_domain(0), a, VmEventKind::kSharing, port) == 0);
  share(a, 600, b, 700, 0x5a);
  REQUIRE(hv->populate(a, Gfn(2000), 0));
  run_as(a);
  CHECK_FALSE(write(a, 600));
  CHECK_FALSE(a.shutdown);
  CHECK((a.vcpus[0]->pause_flags & kPauseVmEvent) != 0);
  CHECK(a.vm_events.get(VmEventKind::kSharing)->requests == 1);
  a.max_pages = 2048;
  vm_event::unpause(*hv, *a.vcpus[0]);
  CHECK(write(a, 600));
  CHECK(s().audit() == 0);
}

TEST_CASE_METHOD(Fixture, "A helper's event makes Xen take its answers, and Xen's event tells it of a request") {
  Domain& dom0 = *hv->find_domain(0);
  Domain& a = guest_with_memory(1, 1024);
  Domain& b = guest_with_memory(2);
  a.hvm_params[HVM_PARAM_SHARING_RING_PFN] = 1023;
  std::uint32_t xens = 0, ours = 0;
  REQUIRE(vm_event::enable(*hv, dom0, a, VmEventKind::kSharing, xens) == 0);
  CHECK(hv->evtchn_close(a, xens) == -kEinval);  // the guest cannot touch it
  REQUIRE(hv->evtchn_bind_interdomain(dom0, 1, xens, ours) == 0);
  hv->model_take_event(dom0, ours);
  share(a, 600, b, 700, 0x5a);
  REQUIRE(hv->populate(a, Gfn(2000), 0));  // no room for a copy
  run_as(a);
  CHECK_FALSE(write(a, 600));
  CHECK(hv->model_take_event(dom0, ours));
  // The helper makes room, answers in the ring, and sends an event.
  a.max_pages = 2048;
  const PhysAddr ring = address_of(a.vm_events.get(VmEventKind::kSharing)->page());
  CHECK(memory.read<std::uint32_t>(ring) == 1);  // req_prod
  auto answer = memory.read<vm_event_request_t>(ring + 64);
  CHECK(answer.reason == VM_EVENT_REASON_MEM_SHARING);
  CHECK(answer.u.mem_sharing.gfn == 600);
  memory.write(ring + 64, answer);
  memory.write<std::uint32_t>(ring + 8, 1);  // rsp_prod
  CHECK((a.vcpus[0]->pause_flags & kPauseVmEvent) != 0);
  REQUIRE(hv->evtchn_send(dom0, ours) == 0);
  CHECK((a.vcpus[0]->pause_flags & kPauseVmEvent) == 0);
  CHECK(a.vm_events.get(VmEventKind::kSharing)->responses == 1);
  CHECK(write(a, 600));
  REQUIRE(vm_event::disable(*hv, a, VmEventKind::kSharing) == 0);
  CHECK(dom0.events.ports[ours].state == PortState::kUnbound);
}

TEST_CASE_METHOD(Fixture, "Domain information counts the pages that are shared") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  share(a, 600, b, 700, 0x5a);
  share(a, 601, b, 701, 0x5b);
  CHECK(control::domain_info(*hv, a).shr_pages == 2);
  REQUIRE(write(a, 600));
  CHECK(control::domain_info(*hv, a).shr_pages == 1);
  CHECK(control::domain_info(*hv, b).shr_pages == 2);
}

TEST_CASE_METHOD(Fixture, "A destroyed domain leaves its shared pages to the others") {
  Domain& b = guest_with_memory(2);
  const auto census = hv->frames.census();
  Domain& a = guest_with_memory(1);
  share(a, 600, b, 700, 0x5a);
  share(a, 601, a, 602, 0x77);
  hv->here().current = nullptr;
  hv->destroy_domain(1);
  CHECK(s().audit() == 0);
  CHECK(s().shared_frames() == 1);
  CHECK(s().saved_frames() == 0);
  CHECK(first_byte(b, 700) == 0x5a);
  run_as(b);
  REQUIRE(write(b, 700));
  CHECK(s().shared_frames() == 0);
  CHECK(hv->frames.census() == census);
}

TEST_CASE_METHOD(Fixture, "A page that is unshared while it is being logged is dirty") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  share(a, 600, b, 700, 0x5a);
  run_as(a);
  REQUIRE(a.log_dirty->enable() == 0);
  REQUIRE(write(a, 600));
  std::vector<std::uint8_t> bitmap(128);
  LogDirty::Report report;
  REQUIRE(a.log_dirty->clean(bitmap, 1024, report) == 0);
  CHECK(pages_in(bitmap) == std::set<std::uint64_t>{600});
}

TEST_CASE_METHOD(Fixture, "A range of two paused domains is shared gfn by gfn, in stretches") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  std::uint64_t next = 512;
  REQUIRE(hv->frames.get_page(b.p2m->get(Gfn(514)).mfn, 2));
  CHECK(s().range_share(a, b, next, 1023) == 0);
  CHECK(next == 1024);
  CHECK(s().saved_frames() == 511);
  CHECK(a.p2m->get(Gfn(513)).mfn == b.p2m->get(Gfn(513)).mfn);
  CHECK(a.p2m->get(Gfn(514)).mfn != b.p2m->get(Gfn(514)).mfn);
  next = 0;
  CHECK(s().range_share(a, b, next, 1023) == 1);
  CHECK(next == 512);
  hv->frames.put_page(b.p2m->get(Gfn(514)).mfn);
  CHECK(s().audit() == 0);
}

TEST_CASE_METHOD(Fixture, "A nominated page can be mapped where there is nothing") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  std::uint64_t h = 0;
  fill(a, 600, 0x33);
  REQUIRE(s().nominate(a, Gfn(600), h) == 0);
  CHECK(s().add_to_physmap(a, Gfn(600), h, b, Gfn(600)) == XENMEM_SHARING_OP_C_HANDLE_INVALID);
  CHECK(s().add_to_physmap(a, Gfn(600), h + 1, b, Gfn(3000)) == XENMEM_SHARING_OP_S_HANDLE_INVALID);
  REQUIRE(s().add_to_physmap(a, Gfn(600), h, b, Gfn(3000)) == 0);
  CHECK(first_byte(b, 3000) == 0x33);
  CHECK(s().saved_frames() == 1);
  CHECK(s().audit() == 0);
}

TEST_CASE_METHOD(Fixture, "Random sharing and writing never mixes contents, and the books balance") {
  Domain& a = guest_with_memory(1);
  Domain& b = guest_with_memory(2);
  std::array<Domain*, 2> d{&a, &b};
  std::array<std::array<std::uint8_t, 64>, 2> want{};
  for (unsigned i = 0; i < 2; ++i)
    for (unsigned g = 0; g < 64; ++g) fill(*d[i], 600 + g, want[i][g] = static_cast<std::uint8_t>(g % 3));
  Rng random(5, "sharing");
  for (unsigned n = 0; n < 3000; ++n) {
    const auto i = static_cast<unsigned>(random.below(2)), j = static_cast<unsigned>(random.below(2));
    const std::uint64_t g = random.below(64), k = random.below(64);
    if (random.below(2)) {
      if (want[i][g] != want[j][k]) continue;
      std::uint64_t x = 0, y = 0;
      REQUIRE(s().nominate(*d[i], Gfn(600 + g), x) == 0);
      REQUIRE(s().nominate(*d[j], Gfn(600 + k), y) == 0);
      REQUIRE(s().share(*d[i], Gfn(600 + g), x, *d[j], Gfn(600 + k), y) == 0);
    } else {
      REQUIRE(write(*d[i], 600 + g));
      fill(*d[i], 600 + g, want[i][g] = static_cast<std::uint8_t>(random.below(3)));
    }
    if (n % 100 == 0) REQUIRE(s().audit() == 0);
    REQUIRE(hv->frames.totals(1).pages + hv->frames.totals(2).pages + hv->frames.totals(DOMID_COW).pages +
                s().saved_frames() ==
            2048);
  }
  for (unsigned i = 0; i < 2; ++i)
    for (unsigned g = 0; g < 64; ++g) CHECK(first_byte(*d[i], 600 + g) == want[i][g]);
}

}  // namespace xensim::xen
