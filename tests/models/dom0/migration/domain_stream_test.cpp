// A domain that is sent and received is the same domain; a stream that was tampered with leaves nothing behind.
#include <catch2/catch.hpp>
#include <cstring>

#include "models/dom0/migration/domain_receiver.h"
#include "models/dom0/migration/domain_sender.h"
#include "models/xen/census.h"
#include "sim/base/rng.h"
#include "tests/models/xen/fixture.h"

namespace xensim::dom0 {

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::uint64_t kConsole = 40, kStore = 41, kHole = 7, kFrames = 48;

struct Hosts : xen::Bench {
  // A domain with memory, of which each page is different, and two vCPUs that have suspended.
  xen::Domain& source() {
    xen::Domain& d = guest(1, 2);
    for (std::uint64_t gfn = 0; gfn < kFrames; ++gfn) {
      if (gfn == kHole) continue;
      REQUIRE(hv->populate(d, Gfn(gfn), 0));
      for (std::uint64_t at = 0; at < kPageSize; at += 8)
        memory.write<std::uint64_t>(frame(d, gfn) + at, gfn * 0x9e3779b97f4a7c15 + at);
    }
    d.hvm_params[HVM_PARAM_CONSOLE_PFN] = kConsole;
    d.hvm_params[HVM_PARAM_STORE_PFN] = kStore;
    d.hvm_params[HVM_PARAM_IDENT_PT] = 0x5000;
    for (auto& v : d.vcpus) {
      cpu::ArchState st;
      st.rip = 0x1000 * (v->id + 1);
      st.rflags = 2;
      st.cr0 = cpu::kCr0Pe | cpu::kCr0Et;
      hv->set_vcpu_state(*v, st);
      v->pause_flags &= ~xen::kPauseDown;
    }
    hv->shutdown_domain(d, xen::ShutdownReason::kSuspend);
    return d;
  }

  PhysAddr frame(xen::Domain& d, std::uint64_t gfn) {
    const auto m = hv->ram_frame(d, gfn);
    REQUIRE(m.has_value());
    return address_of(*m);
  }

  Bytes send(xen::Domain& d) {
    Bytes out;
    DomainSender sender(*hv, d.domid, {},
                        [&](std::span<const std::uint8_t> b) { out.insert(out.end(), b.begin(), b.end()); });
    sender.begin();
    sender.send_all();
    while (!sender.round_over()) sender.send_batch();
    sender.finish();
    return out;
  }

  // piece: so many bytes at a time; 0: all at once.
  DomainReceiver::State receive(xen::Domain& d, const Bytes& bytes, std::size_t piece = 0) {
    StreamReader in("saved");
    DomainReceiver receiver(*hv, d.domid, 4, in, out);
    std::size_t at = 0;
    if (piece == 0) piece = bytes.size() + 1;
    for (;;) {
      Cycles cycles = 0;
      const auto state = receiver.next(cycles);
      if (state == DomainReceiver::State::kDone || state == DomainReceiver::State::kFailed) return state;
      if (state != DomainReceiver::State::kWaits) continue;
      const std::size_t n = std::min(piece, bytes.size() - at);
      if (n == 0) in.end();
      in.put(std::span(bytes).subspan(at, n));
      at += n;
    }
  }

  xl::Output out;
};

}  // namespace

TEST_CASE("a domain that is received has the memory and the registers of the one that was sent") {
  Hosts h;
  xen::Domain& from = h.source();
  const Bytes stream = h.send(from);
  for (const std::size_t piece : {std::size_t{0}, std::size_t{1000}, std::size_t{4096}}) {
    xen::Domain& to = h.guest(2, 2);
    REQUIRE(h.receive(to, stream, piece) == DomainReceiver::State::kDone);
    for (std::uint64_t gfn = 0; gfn < kFrames; ++gfn) {
      if (gfn == kHole) {
        CHECK_FALSE(h.hv->ram_frame(to, gfn).has_value());
        continue;
      }
      const bool cleared = gfn == kConsole || gfn == kStore;
      for (std::uint64_t at = 0; at < kPageSize; at += 8)
        if (h.memory.read<std::uint64_t>(h.frame(to, gfn) + at) !=
            (cleared ? 0 : h.memory.read<std::uint64_t>(h.frame(from, gfn) + at)))
          FAIL(gfn);
    }
    CHECK(to.hvm_params[HVM_PARAM_IDENT_PT] == 0x5000);
    CHECK(h.hv->vcpu_state(*to.vcpus[1]).rip == 0x2000);
    CHECK(to.vcpus[1]->initialised);
    CHECK(h.hv->frames.totals(2).pages == h.hv->frames.totals(1).pages);
    h.hv->destroy_domain(2);
  }
}

TEST_CASE("later rounds send what was written since, and what was sent last counts") {
  Hosts h;
  xen::Domain& from = h.source();
  Bytes stream;
  DomainSender sender(*h.hv, 1, {},
                      [&](std::span<const std::uint8_t> b) { stream.insert(stream.end(), b.begin(), b.end()); });
  sender.begin();
  REQUIRE(sender.enable_log_dirty() == 0);
  sender.send_all();
  while (!sender.round_over()) sender.send_batch();
  const std::uint64_t first = sender.pages_sent();
  for (const std::uint64_t gfn : {3u, 30u}) {
    h.memory.write<std::uint64_t>(h.frame(from, gfn) + 8, 0xabcdef);
    from.log_dirty->mark(Gfn(gfn));
  }
  REQUIRE(sender.send_dirty() == 0);
  CHECK(sender.entries() == 2);
  while (!sender.round_over()) sender.send_batch();
  CHECK(sender.pages_sent() == first + 2);
  REQUIRE(sender.send_dirty() == 0);
  CHECK(sender.round_over());
  sender.finish();
  CHECK_FALSE(from.log_dirty->on());
  xen::Domain& to = h.guest(2, 2);
  REQUIRE(h.receive(to, stream) == DomainReceiver::State::kDone);
  for (const std::uint64_t gfn : {3u, 30u}) CHECK(h.memory.read<std::uint64_t>(h.frame(to, gfn) + 8) == 0xabcdef);
}

TEST_CASE("a domain with fewer vCPUs or less memory than the saved one is refused") {
  Hosts h;
  const Bytes stream = h.send(h.source());
  SECTION("vCPUs") {
    CHECK(h.receive(h.guest(2, 1), stream) == DomainReceiver::State::kFailed);
    CHECK(h.out.text().find("xc: error: Unable to restore HVM context (22 = Invalid argument): Internal error\n"
                            "xc: error: Restore failed (22 = Invalid argument): Internal error\n") !=
          std::string::npos);
  }
  SECTION("memory") {
    CHECK(h.receive(h.guest(2, 2, 20), stream) == DomainReceiver::State::kFailed);
    CHECK(h.out.text().find(
              "xc: error: Failed to populate physmap (16 = Device or resource busy): Internal error\n"
              "xc: error: Failed to populate pfns for batch of 48 pages: Internal error\n") != std::string::npos);
  }
}

TEST_CASE("a stream that ends early is refused wherever it ends, with one cause") {
  Hosts h;
  const Bytes stream = h.send(h.source());
  const auto before = xen::take_census(*h.hv);
  for (std::size_t n = 0; n < stream.size(); n += n < 1000 || n + 6000 > stream.size() ? 13 : 4001) {
    h.out = {};
    const Bytes cut(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(n));
    INFO(n);
    REQUIRE(h.receive(h.guest(2, 2), cut) == DomainReceiver::State::kFailed);
    REQUIRE_FALSE(h.out.text(true).empty());
    h.hv->destroy_domain(2);
  }
  const auto after = xen::take_census(*h.hv);
  CHECK(after.free_pages == before.free_pages);
  CHECK(after.xen_pages == before.xen_pages);
  CHECK(after.page_references == before.page_references);
}

TEST_CASE("whatever bytes of a stream are changed, it is refused or restored, and nothing leaks") {
  Hosts h;
  const Bytes stream = h.send(h.source());
  const auto before = xen::take_census(*h.hv);
  Rng random(1, "test.flips");
  unsigned restored = 0, refused = 0;
  for (unsigned i = 0; i < 1500; ++i) {
    Bytes bad = stream;
    // Mostly where the structure is: in the first kilobyte and the last six.
    const std::uint64_t where = random.next() % 4;
    for (unsigned k = 0; k < 1 + i % 3; ++k) {
      const std::size_t at = where == 0   ? random.next() % bad.size()
                             : where == 1 ? random.next() % 1200
                                          : bad.size() - 1 - random.next() % 6000;
      bad[at] = static_cast<std::uint8_t>(random.next());
    }
    h.out = {};
    const auto state = h.receive(h.guest(2, 2), bad, 5000);
    state == DomainReceiver::State::kDone ? ++restored : ++refused;
    if (state == DomainReceiver::State::kFailed && h.out.text(true).empty()) FAIL("no message");
    h.hv->destroy_domain(2);
  }
  CHECK(restored > 0);
  CHECK(refused > 100);
  const auto after = xen::take_census(*h.hv);
  CHECK(after.domains == before.domains);
  CHECK(after.free_pages == before.free_pages);
  CHECK(after.xen_pages == before.xen_pages);
  CHECK(after.page_references == before.page_references);
}

}  // namespace xensim::dom0
