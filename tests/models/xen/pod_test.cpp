#include "models/xen/mm/pod.h"

#include <catch2/catch.hpp>

#include "models/xen/mm/allocation.h"
#include "models/xen/mm/physmap.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

// A domain with room for 16 MiB of entries and so many pages of memory.
struct OnDemand : Bench {
  explicit OnDemand(std::uint64_t target = 1024) : d(guest(1, 1, 4096)), before(hv->heap.free_pages()) {
    for (unsigned i = 0; i < 8; ++i) REQUIRE(pod::mark(*hv, d, 512 * i, 9) == 0);
    set_target(target);
  }
  Domain& d;
  std::uint64_t before;

  // As a hypercall does that is continued until it is done.
  void set_target(std::uint64_t target) {
    long r = 0;
    do r = pod::set_target(*hv, d, target);
    while (r == -kErestart);
    REQUIRE(r == 0);
  }
  std::uint64_t pages() const { return hv->frames.totals(1).pages; }
  P2mEntry touch(std::uint64_t gfn) { return physmap::get(*hv, d, gfn, physmap::kAllocate); }
  void write(std::uint64_t gfn, std::uint64_t value) {
    const P2mEntry e = touch(gfn);
    REQUIRE(is_ram(e.type));
    memory.write<std::uint64_t>(address_of(e.mfn) + 2048, value);
  }
  // Entries and cache add up: what is not populated is an entry, what is not in use is in the cache.
  void check_balance() const {
    std::uint64_t entries = 0, populated = 0;
    d.p2m->for_each([&](Gfn, Mfn, unsigned order, P2mType t) {
      (is_pod(t) ? entries : populated) += std::uint64_t{1} << order;
    });
    CHECK(entries == d.pod.entries);
    CHECK(populated + d.pod.count == pages());
    CHECK(d.pod.count == d.pod.super.size() * 512 + d.pod.single.size());
  }
};

TEST_CASE_METHOD(OnDemand, "An entry gets a zeroed frame from the cache when it is touched, 2 MiB at a time") {
  CHECK(pages() == 1024);
  CHECK(d.pod.count == 1024);
  CHECK(d.pod.entries == 4096);
  const P2mEntry e = touch(700);
  CHECK(e.type == P2mType::kRamRw);
  CHECK(e.order == 9);
  CHECK(hv->frames.gfn_of(e.mfn) == 700);
  CHECK(memory.read<std::uint64_t>(address_of(e.mfn)) == 0);
  CHECK(d.pod.count == 512);
  CHECK(d.pod.entries == 4096 - 512);
  CHECK(pages() == 1024);
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "Memory that is still zero is taken back, so that a reader never runs out") {
  for (std::uint64_t gfn = 0; gfn < 4096; ++gfn) REQUIRE(is_ram(touch(gfn).type));
  CHECK_FALSE(d.shutdown);
  CHECK(d.pod.zero_reclaimed > 0);
  CHECK(pages() == 1024);
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "Who writes to more than there is, is crashed, and the reason says so") {
  for (std::uint64_t gfn = 0; gfn < 1024; ++gfn) write(gfn, gfn + 1);
  CHECK(d.pod.count == 0);
  CHECK_FALSE(d.shutdown);
  CHECK(is_pod(touch(1024).type));
  REQUIRE(d.shutdown);
  CHECK(*d.shutdown == ShutdownReason::kCrash);
  CHECK(d.crash_message == "out of PoD memory (tot=1024 ents=3072)");
  CHECK(d.pod.sweeps == 1);
}

TEST_CASE_METHOD(
    OnDemand, "Entries of a suspended domain are populated for whoever saves it, those of a crashed one are not") {
  hv->shutdown_domain(d, ShutdownReason::kSuspend);
  CHECK(is_ram(touch(5).type));
  hv->shutdown_domain(d, ShutdownReason::kCrash);
  d.shutdown = ShutdownReason::kCrash;
  CHECK(is_pod(touch(1500).type));
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "The emergency sweep finds the zero pages among written ones") {
  for (std::uint64_t gfn = 0; gfn < 1024; ++gfn) write(gfn, gfn % 7 == 0 ? 0 : gfn);
  write(2000, 1);
  CHECK_FALSE(d.shutdown);
  for (std::uint64_t gfn = 1; gfn < 1024; ++gfn)
    if (gfn % 7 != 0) {
      const P2mEntry e = d.p2m->get(Gfn(gfn));
      REQUIRE(is_ram(e.type));
      REQUIRE(memory.read<std::uint64_t>(address_of(e.mfn) + 2048) == gfn);
    }
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "A page that somebody else holds is not taken back, zero or not") {
  const P2mEntry e = touch(3);
  REQUIRE(hv->frames.get_page(e.mfn, 1));
  for (std::uint64_t gfn = 0; gfn < 1024; ++gfn)
    if (gfn != 3) write(gfn, gfn + 1);
  CHECK(is_pod(touch(1500).type));
  CHECK(d.shutdown.has_value());
  CHECK(d.p2m->get(Gfn(3)).mfn == e.mfn);
  hv->frames.put_page(e.mfn);
}

TEST_CASE_METHOD(OnDemand, "A balloon that gives back entries lets the cache shrink only below what is owed") {
  CHECK(pod::decrease_reservation(*hv, d, 1024, 9) == 512);
  CHECK(is_empty(d.p2m->get(Gfn(1024)).type));
  CHECK(d.pod.entries == 3584);
  CHECK(d.pod.count == 1024);
  for (unsigned i = 3; i < 8; ++i) CHECK(pod::decrease_reservation(*hv, d, 512 * i, 9) == 512);
  // Two entries of 2 MiB are left, and as much memory.
  CHECK(d.pod.entries == 1024);
  CHECK(pages() == 1024);
  CHECK(pod::decrease_reservation(*hv, d, 0, 9) == 512);
  CHECK(d.pod.count == 512);
  CHECK(pages() == 512);
  check_balance();
}

TEST_CASE_METHOD(OnDemand,
                 "A populated page that is given back goes to the cache while more is owed than there is") {
  write(5, 77);
  const std::uint64_t count = d.pod.count;
  CHECK(pod::decrease_reservation(*hv, d, 5, 0) == 1);
  CHECK(d.pod.count == count + 1);
  CHECK(pages() == 1024);
  CHECK(is_empty(d.p2m->get(Gfn(5)).type));
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "A higher target fills the cache, a lower one waits for the balloon") {
  set_target(2048);
  CHECK(d.pod.count == 2048);
  set_target(512);
  CHECK(pages() == 2048);
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "Without a 2 MiB block an entry goes to single pages") {
  d.pod.single.clear();
  while (!d.pod.super.empty()) {
    for (std::uint64_t i = 0; i < 512; ++i) d.pod.single.push_back(Mfn(d.pod.super.front().value + i));
    d.pod.super.pop_front();
  }
  const P2mEntry e = touch(10);
  CHECK(e.type == P2mType::kRamRw);
  CHECK(e.order == 0);
  CHECK(d.pod.splintered == 1);
  CHECK(d.pod.count == 1023);
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "What is mapped over an entry takes its place in the account") {
  const auto m = allocate_pages(*hv, d, 0);
  REQUIRE(m);
  REQUIRE(physmap::add_page(*hv, d, 20, *m, 0) == 0);
  CHECK(d.pod.entries == 4095);
  check_balance();
}

TEST_CASE_METHOD(OnDemand, "A domain that dies leaves nothing of its cache") {
  write(1, 1);
  hv->destroy_domain(1);
  CHECK(hv->frames.totals(1) == FrameTable::Totals{});
  CHECK(hv->heap.free_pages() > before);
}

TEST_CASE("Frames in use cannot become populate-on-demand") {
  Bench b;
  Domain& d = b.guest(1);
  REQUIRE(b.hv->populate(d, Gfn(5), 0));
  CHECK(pod::mark(*b.hv, d, 0, 9) == -kEbusy);
  CHECK(d.pod.entries == 0);
  CHECK(pod::mark(*b.hv, d, P2m::kFrames - 1, 1) == -kEinval);
}

}  // namespace
}  // namespace xensim::xen
