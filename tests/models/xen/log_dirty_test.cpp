#include "models/xen/mm/log_dirty.h"

#include <xen/domctl.h>

#include "models/xen/mm/sharing.h"
#include "sim/base/rng.h"
#include "tests/models/xen/guest_memory_access.h"

namespace xensim::xen {
namespace {

using Pages = std::set<std::uint64_t>;

struct Fixture : MemoryBench {
  Pages clean(Domain& d, std::uint64_t pages = 1024) {
    std::vector<std::uint8_t> bitmap((pages + 7) / 8);
    REQUIRE(d.log_dirty->clean(bitmap, pages, report) == 0);
    return pages_in(bitmap);
  }
  Pages peek(Domain& d, std::uint64_t pages = 1024) {
    std::vector<std::uint8_t> bitmap((pages + 7) / 8);
    REQUIRE(d.log_dirty->peek(bitmap, pages, report) == 0);
    return pages_in(bitmap);
  }
  LogDirty::Report report;
};

template <LogDirtyMechanism M>
struct With : Fixture {
  With() : Fixture() { const_cast<HypervisorConfig&>(hv->config).log_dirty = M; }
};
struct ByFaults : With<LogDirtyMechanism::kWriteProtect> {};
struct ByFlags : With<LogDirtyMechanism::kEptDirtyFlags> {};
struct ByLog : With<LogDirtyMechanism::kPageModificationLog> {};

// The same behaviour is asked of all three.
void finds_what_is_written(Fixture& f) {
  Domain& d = f.guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  for (const std::uint64_t g : {3, 511, 512, 700, 3, 1023}) REQUIRE(f.write(d, g));
  for (const std::uint64_t g : {4, 600}) REQUIRE(f.read(d, g));
  CHECK(f.peek(d) == Pages{3, 511, 512, 700, 1023});
  CHECK(f.report.dirty_count == 5);
  CHECK(f.clean(d) == Pages{3, 511, 512, 700, 1023});
  CHECK(f.clean(d).empty());
  CHECK(f.report.dirty_count == 0);
  // Written again, found again.
  REQUIRE(f.write(d, 700));
  REQUIRE(f.write(d, 5));
  CHECK(f.clean(d) == Pages{5, 700});
  REQUIRE(d.log_dirty->disable() == 0);
  REQUIRE(f.write(d, 9));
  CHECK(f.peek(d).empty());
}

void agrees_with_a_plain_set(Fixture& f, std::uint64_t seed) {
  Domain& d = f.guest_with_memory(1);
  Rng random(seed, "log_dirty");
  Pages expected;
  REQUIRE(d.log_dirty->enable() == 0);
  for (unsigned n = 0; n < 4000; ++n) {
    const std::uint64_t gfn = random.below(1024);
    switch (random.below(8)) {
      case 0:
        REQUIRE(f.read(d, gfn));
        break;
      case 1:
        d.log_dirty->mark(Gfn(gfn));
        expected.insert(gfn);
        break;
      case 2:
        if (random.below(20) == 0) {
          REQUIRE(f.clean(d) == expected);
          expected.clear();
        } else if (random.below(20) == 0) {
          REQUIRE(f.peek(d) == expected);
        }
        break;
      default:
        REQUIRE(f.write(d, gfn));
        expected.insert(gfn);
        break;
    }
  }
  CHECK(f.clean(d) == expected);
}

}  // namespace

TEST_CASE_METHOD(ByFaults, "Write protection finds the pages that are written, once a round") {
  finds_what_is_written(*this);
}
TEST_CASE_METHOD(ByFlags, "The dirty flags of EPT find the pages that are written, once a round") {
  finds_what_is_written(*this);
}
TEST_CASE_METHOD(ByLog, "Page-modification logs find the pages that are written, once a round") {
  finds_what_is_written(*this);
}
TEST_CASE_METHOD(ByFaults, "Write protection agrees with a plain set over 4,000 random steps") {
  agrees_with_a_plain_set(*this, 1);
}
TEST_CASE_METHOD(ByFlags, "The dirty flags of EPT agree with a plain set over 4,000 random steps") {
  agrees_with_a_plain_set(*this, 2);
}
TEST_CASE_METHOD(ByLog, "Page-modification logs agree with a plain set over 4,000 random steps") {
  agrees_with_a_plain_set(*this, 3);
}

TEST_CASE_METHOD(ByFaults, "With write protection every page faults once a round, and accesses are seen lazily") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  CHECK(d.p2m->get(Gfn(700)).type == P2mType::kRamLogDirty);
  CHECK(d.p2m->get(Gfn(3)).order == 9);
  REQUIRE(read(d, 700));
  // The root's entry, two tables below it, and the table of 512 pages.
  CHECK(misconfigurations >= 1);
  const unsigned after_first = misconfigurations;
  REQUIRE(read(d, 701));
  CHECK(misconfigurations == after_first);
  REQUIRE(write(d, 700));
  REQUIRE(write(d, 700));
  CHECK(violations == 1);
  REQUIRE(write(d, 701));
  CHECK(violations == 2);
}

TEST_CASE_METHOD(ByLog, "With page-modification logs only a large page faults, once, and is shattered") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  CHECK(d.log_dirty->mechanism() == LogDirtyMechanism::kPageModificationLog);
  REQUIRE(write(d, 3));
  CHECK(violations == 1);
  CHECK(d.p2m->get(Gfn(3)).order == 0);
  for (std::uint64_t g = 4; g < 1024; ++g) REQUIRE(write(d, g));
  CHECK(violations == 1);
  CHECK(clean(d).size() == 1021);
  CHECK(d.log_dirty->stats().log_drains >= 2);  // 1,020 entries do not fit into one log
  CHECK(d.log_dirty->stats().log_entries == 1020);
}

TEST_CASE_METHOD(ByLog, "Shattered pages stay so when logging ends, unless Xen is told to join them") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  REQUIRE(write(d, 3));
  SECTION("as Xen 4.17") {
    REQUIRE(d.log_dirty->disable() == 0);
    CHECK(d.p2m->get(Gfn(3)).order == 0);
  }
  SECTION("ept_coalesce") {
    const_cast<HypervisorConfig&>(hv->config).ept_coalesce = true;
    const Mfn before = d.p2m->get(Gfn(3)).mfn;
    REQUIRE(d.log_dirty->disable() == 0);
    CHECK(d.p2m->get(Gfn(3)).order == 9);
    CHECK(d.p2m->get(Gfn(3)).mfn == before);
    CHECK(d.p2m->get(Gfn(700)).order == 0);  // those frames are not contiguous, or not aligned
    REQUIRE(write(d, 3));
  }
}

TEST_CASE_METHOD(Fixture, "Enabling twice is -EINVAL, disabling twice is nothing, looking works when off") {
  Domain& d = guest_with_memory(1);
  CHECK(clean(d).empty());
  CHECK(d.log_dirty->enable() == 0);
  CHECK(d.log_dirty->enable() == -kEinval);
  CHECK(d.log_dirty->disable() == 0);
  CHECK(d.log_dirty->disable() == 0);
  CHECK(peek(d).empty());
}

TEST_CASE_METHOD(Fixture, "Logs, bitmap and flags are gone after the end of logging") {
  Domain& d = guest_with_memory(1);
  const auto before = hv->frames.census();
  REQUIRE(d.log_dirty->enable() == 0);
  CHECK((d.p2m->eptp() & 0x40) != 0);
  REQUIRE(write(d, 600));
  REQUIRE(d.log_dirty->disable() == 0);
  CHECK(d.log_dirty->pool_pages() == 0);
  CHECK(hv->frames.census() == before);
  CHECK((d.p2m->eptp() & 0x40) == 0);
  CHECK(cpu::Vmcs(memory, d.vcpus[0]->vmcs).read(cpu::VmcsField::kPmlAddress) == 0);
  CHECK((cpu::Vmcs(memory, d.vcpus[0]->vmcs).read(cpu::VmcsField::kSecondaryControls) >> 17 & 1) == 0);
  CHECK(d.p2m->get(Gfn(600)).type == P2mType::kRamRw);
}

TEST_CASE_METHOD(Fixture, "Without a page for the log there is write protection") {
  Domain& d = guest_with_memory(1);
  d.p2m->table_limit = d.p2m->table_pages();
  REQUIRE(d.log_dirty->enable() == 0);
  CHECK(d.log_dirty->mechanism() == LogDirtyMechanism::kWriteProtect);
}

TEST_CASE_METHOD(ByFaults, "Without pages for the bitmap marks are lost, and every look says -ENOMEM") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  d.p2m->table_limit = d.p2m->table_pages() + 3;  // the fourth, the leaf, is missing
  REQUIRE(write(d, 600));
  std::vector<std::uint8_t> bitmap(128, 0xff);
  CHECK(d.log_dirty->peek(bitmap, 1024, report) == -kEnomem);
  CHECK(bitmap[0] == 0xff);
  CHECK(d.log_dirty->clean(bitmap, 1024, report) == -kEnomem);
  CHECK(d.log_dirty->stats().failed_allocations == 1);
  CHECK(d.log_dirty->disable() == 0);
}

TEST_CASE_METHOD(Fixture, "A look at fewer pages than are dirty shows those alone") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  for (const std::uint64_t g : {0, 7, 8, 15, 16}) REQUIRE(write(d, g));
  CHECK(peek(d, 9) == Pages{0, 7, 8, 15});  // whole bytes, as Xen copies them
  CHECK(report.pages == 9);
  CHECK(peek(d, 0).empty());
  CHECK(report.dirty_count == 5);
}

TEST_CASE_METHOD(Fixture, "A frame is marked by its number only for the domain that owns it") {
  Domain& d = guest_with_memory(1);
  Domain& other = guest_with_memory(2);
  REQUIRE(d.log_dirty->enable() == 0);
  d.log_dirty->mark_frame(d.p2m->get(Gfn(17)).mfn);
  d.log_dirty->mark_frame(other.p2m->get(Gfn(18)).mfn);
  d.log_dirty->mark_frame(Mfn(~std::uint64_t{0}));
  CHECK(clean(d) == Pages{17});
}

TEST_CASE_METHOD(Fixture, "Frame numbers that no domain has are not marked") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  d.log_dirty->mark(Gfn(~std::uint64_t{0}));
  d.log_dirty->mark(Gfn(std::uint64_t{1} << 42));
  clean(d);
  CHECK(report.dirty_count == 0);
  d.log_dirty->mark(Gfn((std::uint64_t{1} << 42) - 1));
  clean(d);
  CHECK(report.dirty_count == 1);
}

TEST_CASE_METHOD(Fixture, "A destroyed domain gives everything back while it is being logged") {
  const auto before = hv->frames.census();
  const std::uint64_t free = hv->heap.free_pages();
  Domain& d = guest_with_memory(1);
  REQUIRE(d.log_dirty->enable() == 0);
  REQUIRE(write(d, 3));
  hv->here().current = nullptr;
  hv->destroy_domain(1);
  CHECK(hv->frames.census() == before);
  CHECK(hv->heap.free_pages() == free);
}

TEST_CASE_METHOD(Fixture, "Changes of EPT interrupt the other pCPU only if it has the domain's registers") {
  Domain& d = guest_with_memory(1);
  PcpuState& other = hv->pcpus[hv->here().pcpu->index ^ 1];
  other.loaded = nullptr;
  REQUIRE(d.log_dirty->enable() == 0);
  CHECK(d.mm_stats.ept_syncs > 0);
  CHECK(d.mm_stats.ept_sync_ipis == 0);
  other.loaded = d.vcpus[0].get();
  clean(d);
  CHECK(d.mm_stats.ept_sync_ipis == 1);
  other.loaded = nullptr;
}

// XEN_DOMCTL_shadow_op: the answers of a real Xen 4.17.

TEST_CASE_METHOD(Fixture, "XEN_DOMCTL_shadow_op answers as Xen does") {
  Domain& d = guest_with_memory(1);
  const Domain& dom0 = *hv->find_domain(0);
  std::vector<std::uint8_t> copied;
  bool fault = false;
  const auto op = [&](std::uint32_t what, std::uint32_t mode = 0, std::uint64_t pages = 0, bool bitmap = false) {
    xen_domctl_shadow_op o{};
    o.op = what;
    o.mode = mode;
    o.pages = pages;
    if (bitmap) o.dirty_bitmap.p = reinterpret_cast<std::uint8_t*>(0x1000);
    return log_dirty::shadow_op(*hv, dom0, d, o, [&](std::uint64_t, std::span<const std::uint8_t> bytes) {
      copied.assign(bytes.begin(), bytes.end());
      return !fault;
    });
  };
  CHECK(op(XEN_DOMCTL_SHADOW_OP_PEEK) == 0);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_CLEAN) == 0);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_OFF) == 0);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_ENABLE) == -kEinval);
  CHECK(op(99) == -kEinval);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY) == 0);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY) == -kEinval);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_PEEK, XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL) == 0);
  CHECK(op(XEN_DOMCTL_SHADOW_OP_PEEK, 2) == -kEinval);
  REQUIRE(write(d, 10));
  CHECK(op(XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 1024, true) == 0);
  CHECK(pages_in(copied) == Pages{10});
  fault = true;
  CHECK(op(XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 1024, true) == -kEfault);
  fault = false;
  // Any number of pages may be asked for.
  CHECK(op(XEN_DOMCTL_SHADOW_OP_PEEK, 0, ~std::uint64_t{0}) == 0);
  xen_domctl_shadow_op o{};
  o.op = XEN_DOMCTL_SHADOW_OP_PEEK;
  CHECK(log_dirty::shadow_op(*hv, d, d, o, {}) == -kEinval);
}

TEST_CASE_METHOD(ByLog, "What Xen writes when it sends an event is dirty: a registered vcpu_info, FIFO's words") {
  Domain& d = guest_with_memory(1);
  Vcpu& v = *d.vcpus[0];
  // vcpu_info in guest frame 40, FIFO's control block in 41 and its words in 42.
  REQUIRE(hv->frames.get_page(*hv->ram_frame(d, 40), d.domid));
  v.vcpu_info = address_of(*hv->ram_frame(d, 40)) + 64;
  v.vcpu_info_registered = true;
  std::uint32_t port = 0;
  REQUIRE(event::bind_ipi(*hv, d, 0, port) == 0);
  REQUIRE(d.log_dirty->enable() == 0);
  hv->event_set_pending(d, port);
  CHECK(clean(d) == Pages{40});  // the shared words are in shared_info, which the guest has not mapped
  hv->event_set_pending(d, port);
  CHECK(clean(d).empty());  // it was pending already: nothing is written
  memory.write<std::uint8_t>(v.vcpu_info, 0);
  evtchn_init_control_t op{};
  op.control_gfn = 41;
  REQUIRE(event::init_control(*hv, d, op) == 0);
  REQUIRE(event::expand_array(d, 42) == 0);
  clean(d);
  // The guest has taken it: its word, the queue's ready bit and the upcall byte are 0.
  memory.write<std::uint32_t>(address_of(*hv->ram_frame(d, 42)) + 4 * port, 0);
  memory.write<std::uint32_t>(address_of(*hv->ram_frame(d, 41)), 0);
  memory.write<std::uint8_t>(v.vcpu_info, 0);
  hv->event_set_pending(d, port);
  CHECK(clean(d) == Pages{40, 41, 42});
  REQUIRE(event::unmask(d, port) == 0);
  CHECK(clean(d).empty());
  memory.write<std::uint32_t>(address_of(*hv->ram_frame(d, 42)) + 4 * port, 1u << 30);  // masked
  REQUIRE(event::unmask(d, port) == 0);
  CHECK(clean(d) == Pages{42});
}

TEST_CASE_METHOD(ByLog, "What Xen writes into shared_info is dirty where the guest has it") {
  Domain& d = guest_with_memory(1);
  REQUIRE(d.p2m->set(Gfn(1000), d.shared_info, 0, P2mType::kRamRw));
  hv->frames.set_gfn(d.shared_info, 1000);
  std::uint32_t port = 0;
  REQUIRE(event::bind_ipi(*hv, d, 0, port) == 0);
  REQUIRE(d.log_dirty->enable() == 0);
  hv->event_set_pending(d, port);
  CHECK(clean(d) == Pages{1000});
}

}  // namespace xensim::xen
