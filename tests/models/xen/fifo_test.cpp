// The FIFO ABI from the guest's side, and against guests that write nonsense into its words.
#include "models/xen/event/fifo.h"

#include <catch2/catch.hpp>

#include "sim/base/rng.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

constexpr std::uint32_t kPending = 1u << 31, kMasked = 1u << 30, kLinked = 1u << 29, kBusy = 1u << 28,
                        kLink = 0x1ffff;

struct Fixture : Bench {
  static constexpr std::uint64_t kControl0 = 16, kControl1 = 17, kArray = 32;

  Fixture() : d(guest(1, 2)) {
    d.events.max_port = 1u << 20;
    REQUIRE(hv->populate(d, Gfn(0), 9));
  }
  Domain& d;

  PhysAddr at(std::uint64_t gfn) { return address_of(*hv->ram_frame(d, gfn)); }
  long init(std::uint32_t vcpu, std::uint64_t gfn, std::uint32_t offset = 0) {
    evtchn_init_control_t op{};
    op.control_gfn = gfn;
    op.offset = offset;
    op.vcpu = vcpu;
    return event::init_control(*hv, d, op);
  }
  // The next page of words, each with this content.
  long expand(std::uint32_t content = kMasked) {
    const std::uint64_t gfn = kArray + expanded;
    for (unsigned i = 0; i < 1024; ++i) memory.write<std::uint32_t>(at(gfn) + 4 * i, content);
    const long r = event::expand_array(d, gfn);
    if (r == 0) ++expanded;
    return r;
  }
  void use_fifo() {
    REQUIRE(init(0, kControl0) == 0);
    REQUIRE(init(1, kControl1) == 0);
    REQUIRE(expand(0) == 0);
  }
  PhysAddr word_at(std::uint32_t port) { return at(kArray + port / 1024) + port % 1024 * 4; }
  std::uint32_t word(std::uint32_t port) { return memory.read<std::uint32_t>(word_at(port)); }
  void set_word(std::uint32_t port, std::uint32_t value) { memory.write<std::uint32_t>(word_at(port), value); }
  std::uint32_t head(unsigned vcpu, unsigned queue) {
    return memory.read<std::uint32_t>(at(vcpu == 0 ? kControl0 : kControl1) + 8 + 4 * queue);
  }
  std::uint32_t ready(unsigned vcpu = 0) {
    return memory.read<std::uint32_t>(at(vcpu == 0 ? kControl0 : kControl1));
  }
  bool upcall(unsigned vcpu = 0) { return hv->upcall_pending(*d.vcpus[vcpu]); }
  std::uint32_t ipi(unsigned vcpu = 0) {
    std::uint32_t port = 0;
    REQUIRE(event::bind_ipi(*hv, d, vcpu, port) == 0);
    return port;
  }
  // What a well-behaved guest does with the queue: takes ports until LINK is 0. At most `limit` of them.
  std::vector<std::uint32_t> take(unsigned queue, unsigned vcpu = 0, unsigned limit = 5000) {
    std::vector<std::uint32_t> out;
    const PhysAddr control = at(vcpu == 0 ? kControl0 : kControl1);
    memory.write<std::uint32_t>(control, ready(vcpu) & ~(1u << queue));
    std::uint32_t port = head(vcpu, queue);
    while (port != 0 && port < 1024u * expanded && out.size() < limit) {
      const std::uint32_t w = word(port);
      set_word(port, w & ~(kLinked | kLink | kPending));
      out.push_back(port);
      port = w & kLink;
    }
    return out;
  }
  // EVTCHNOP_reset, with its continuations.
  long reset() {
    long r = event::reset(*hv, d, true, false);
    while (r == -kErestart) r = event::reset(*hv, d, true, true);
    return r;
  }
  unsigned expanded = 0;
};

TEST_CASE_METHOD(Fixture, "Before init_control a domain has the 2-level ABI: no words, no priorities") {
  const std::uint32_t port = ipi();
  CHECK(event::set_priority(d, port, 1) == -kEnosys);
  CHECK(event::set_priority(d, 64, 1) == -kEinval);
  CHECK(event::expand_array(d, kArray) == -kEopnotsupp);
}

TEST_CASE_METHOD(Fixture,
                 "init_control checks vCPU, offset and page in this order, and a failure changes nothing") {
  CHECK(init(2, ~0ull, 1) == -kEnoent);
  CHECK(init(0, ~0ull, 4096 - 71) == -kEinval);
  CHECK(init(0, kControl0, ~0u) == -kEinval);
  CHECK(init(0, kControl0, 4) == -kEinval);
  CHECK(init(0, 513) == -kEinval);
  CHECK(init(0, ~0ull) == -kEinval);
  CHECK(d.events.fifo == nullptr);
  CHECK(init(0, kControl0, 4096 - 72) == 0);
  CHECK(d.events.fifo != nullptr);
  CHECK(init(0, kControl1) == -kEinval);
}

TEST_CASE_METHOD(Fixture, "A port that is pending under the 2-level ABI is pending when its word appears") {
  const std::uint32_t port = ipi(), quiet = ipi();
  d.shared->evtchn_mask[0] = ~0ul;
  REQUIRE(hv->evtchn_send(d, port) == 0);
  REQUIRE(init(0, kControl0) == 0);
  CHECK_FALSE(hv->port_pending(d, port));
  CHECK(hv->port_masked(d, port));
  REQUIRE(expand() == 0);
  CHECK(word(port) == (kPending | kMasked));
  CHECK(word(quiet) == kMasked);
  CHECK_FALSE(upcall());
  CHECK(event::unmask(d, port) == 0);
  CHECK(word(port) == (kPending | kLinked));
  CHECK(head(0, 7) == port);
  CHECK(upcall());
}

TEST_CASE_METHOD(Fixture, "An event for a port without word is kept until its page comes, for every such port") {
  REQUIRE(init(0, kControl0) == 0);
  std::vector<std::uint32_t> ports;
  while (ports.empty() || ports.back() < 1100) ports.push_back(ipi());
  for (const std::uint32_t p : ports) REQUIRE(hv->evtchn_send(d, p) == 0);
  CHECK_FALSE(upcall());
  REQUIRE(expand(0) == 0);
  CHECK(upcall());
  CHECK(take(7).size() == 1023);
  REQUIRE(expand(0) == 0);
  CHECK(take(7).size() == 1100 - 1023);
}

TEST_CASE_METHOD(Fixture,
                 "A queue is in the order of the events, its head and the ready bit are set with the first") {
  use_fifo();
  std::vector<std::uint32_t> ports;
  for (unsigned i = 0; i < 20; ++i) ports.push_back(ipi());
  for (const std::uint32_t p : ports) REQUIRE(hv->evtchn_send(d, p) == 0);
  CHECK(ready() == 1u << 7);
  CHECK(head(0, 7) == ports[0]);
  CHECK(take(7) == ports);
  // Empty: the next event is a head again.
  REQUIRE(hv->evtchn_send(d, ports[9]) == 0);
  CHECK(head(0, 7) == ports[9]);
  CHECK(ready() == 1u << 7);
}

TEST_CASE_METHOD(Fixture,
                 "Only the first event of a queue raises the upcall, until the guest has cleared the ready bit") {
  use_fifo();
  const std::uint32_t a = ipi(), b = ipi();
  REQUIRE(hv->evtchn_send(d, a) == 0);
  memory.write<std::uint8_t>(d.vcpus[0]->vcpu_info, 0);
  REQUIRE(hv->evtchn_send(d, b) == 0);
  CHECK_FALSE(upcall());
  CHECK(take(7) == std::vector<std::uint32_t>{a, b});
  REQUIRE(hv->evtchn_send(d, a) == 0);
  CHECK(upcall());
}

TEST_CASE_METHOD(Fixture, "Each priority has a queue of its own, on each vCPU") {
  use_fifo();
  for (unsigned vcpu = 0; vcpu < 2; ++vcpu)
    for (unsigned q = 0; q < 16; ++q) {
      const std::uint32_t port = ipi(vcpu);
      REQUIRE(event::set_priority(d, port, q) == 0);
      REQUIRE(hv->evtchn_send(d, port) == 0);
      CHECK(head(vcpu, q) == port);
    }
  CHECK(ready(0) == 0xffff);
  CHECK(ready(1) == 0xffff);
}

TEST_CASE_METHOD(Fixture,
                 "Priorities go to 15, those of closed ports cannot be set, a new binding starts with 7") {
  use_fifo();
  const std::uint32_t port = ipi();
  CHECK(event::set_priority(d, port, 15) == 0);
  CHECK(event::set_priority(d, port, 16) == -kEinval);
  CHECK(event::set_priority(d, port, ~0u) == -kEinval);
  CHECK(event::set_priority(d, 0, 1) == -kEacces);
  CHECK(event::set_priority(d, 64, 1) == -kEinval);
  REQUIRE(hv->evtchn_close(d, port) == 0);
  CHECK(event::set_priority(d, port, 1) == -kEacces);
  REQUIRE(ipi() == port);
  CHECK(d.events.ports[port].priority == 7);
}

TEST_CASE_METHOD(Fixture,
                 "A port that changes queue while it is linked stays there until the guest has taken it") {
  use_fifo();
  const std::uint32_t port = ipi(), other = ipi();
  REQUIRE(hv->evtchn_send(d, port) == 0);
  REQUIRE(event::set_priority(d, port, 2) == 0);
  REQUIRE(hv->evtchn_send(d, port) == 0);
  CHECK(head(0, 2) == 0);
  CHECK(take(7) == std::vector<std::uint32_t>{port});
  REQUIRE(hv->evtchn_send(d, port) == 0);
  CHECK(head(0, 2) == port);
  // It was the old queue's tail: that one is empty, and the next event there does not hang itself onto it.
  REQUIRE(hv->evtchn_send(d, other) == 0);
  CHECK(head(0, 7) == other);
  CHECK((word(port) & kLink) == 0);
}

TEST_CASE_METHOD(Fixture, "A masked port becomes pending and is linked by unmask, once") {
  use_fifo();
  const std::uint32_t port = ipi();
  set_word(port, kMasked);
  REQUIRE(hv->evtchn_send(d, port) == 0);
  CHECK(word(port) == (kPending | kMasked));
  CHECK(head(0, 7) == 0);
  REQUIRE(event::unmask(d, port) == 0);
  REQUIRE(event::unmask(d, port) == 0);
  CHECK(take(7) == std::vector<std::uint32_t>{port});
}

TEST_CASE_METHOD(Fixture, "A port that was closed while it is linked is not given out until it is off its queue") {
  use_fifo();
  const std::uint32_t port = ipi();
  REQUIRE(hv->evtchn_send(d, port) == 0);
  REQUIRE(hv->evtchn_close(d, port) == 0);
  CHECK(word(port) == kLinked);
  CHECK(ipi() == port + 1);
  take(7);
  CHECK(ipi() == port);
}

TEST_CASE_METHOD(Fixture, "An event for a vCPU without control block is lost, and Xen says so once") {
  REQUIRE(init(0, kControl0) == 0);
  REQUIRE(expand(0) == 0);
  const std::uint32_t port = ipi(1);
  const std::size_t lines = hv->log.size();
  REQUIRE(hv->evtchn_send(d, port) == 0);
  REQUIRE(hv->evtchn_send(d, port) == 0);
  CHECK(word(port) == 0);
  CHECK(hv->log.size() == lines + 1);
  REQUIRE(init(1, kControl1) == 0);
  REQUIRE(hv->evtchn_send(d, port) == 0);
  CHECK(head(1, 7) == port);
}

TEST_CASE_METHOD(Fixture, "The array has 128 pages: 131072 ports, and every one of them works") {
  REQUIRE(hv->populate(d, Gfn(512), 9));
  REQUIRE(init(0, kControl0) == 0);
  for (unsigned i = 0; i < 128; ++i) REQUIRE(expand(0) == 0);
  CHECK(event::expand_array(d, kArray) == -kEnospc);
  std::uint32_t port = 0;
  for (std::uint32_t i = 1; i < 131072; ++i) {
    if (event::bind_ipi(*hv, d, 0, port) != 0 || port != i || hv->evtchn_send(d, port) != 0) FAIL("port " << i);
  }
  CHECK(event::bind_ipi(*hv, d, 0, port) == -kEnospc);
  CHECK(take(7, 0, 200'000).size() == 131071);
}

TEST_CASE_METHOD(Fixture, "The limit of the domain holds under the FIFO ABI too") {
  d.events.max_port = 1500;
  use_fifo();
  while (d.events.active < 1500) ipi();
  std::uint32_t port = 0;
  CHECK(event::bind_ipi(*hv, d, 0, port) == -kEnospc);
}

TEST_CASE_METHOD(Fixture,
                 "Pages that the guest gave stay what they are when it removes them, and go with the ABI") {
  const std::uint64_t before = hv->frames.totals(1).references;
  use_fifo();
  CHECK(hv->frames.totals(1).references == before + 3);
  CHECK(event::reset(*hv, d, true, false) == 0);
  CHECK(d.events.fifo == nullptr);
  CHECK(hv->frames.totals(1).references == before);
}

TEST_CASE_METHOD(Fixture, "reset closes all ports and returns to the 2-level ABI, in stretches if it must") {
  use_fifo();
  for (unsigned i = 0; i < 100; ++i) ipi();
  CHECK(event::reset(*hv, d, true, true) == -kEbusy);
  // Something waits for this pCPU: the reset is cut short, another cannot begin, it goes on where it was.
  hv->raise_schedule(hv->here());
  CHECK(event::reset(*hv, d, true, false) == -kErestart);
  CHECK(d.events.active == 36);
  CHECK(event::reset(*hv, d, true, false) == -kEbusy);
  CHECK(event::reset(*hv, d, true, true) == 0);
  CHECK(d.events.active == 0);
  CHECK(event::set_priority(d, 1, 1) == -kEnosys);
  CHECK(ipi() == 1);
}

// --- Hostile words.

TEST_CASE_METHOD(Fixture, "A LINK that points beyond the array, to itself or in a circle is never followed") {
  use_fifo();
  const std::uint32_t a = ipi(), b = ipi(), c = ipi();
  for (const std::uint32_t link : {kLink, a, b, 0u, 1024u}) {
    REQUIRE(hv->evtchn_send(d, a) == 0);
    set_word(a, kLinked | kPending | link);
    set_word(b, kPending | kLinked | a);
    REQUIRE(hv->evtchn_send(d, b) == 0);
    REQUIRE(hv->evtchn_send(d, c) == 0);
    // c is at the tail, wherever the guest's words point.
    CHECK((word(a) & kLink) == c);
    take(7, 0, 10);
    set_word(a, 0), set_word(b, 0), set_word(c, 0);
  }
}

TEST_CASE_METHOD(Fixture, "A port whose LINKED the guest leaves set gets no event, and takes none from others") {
  use_fifo();
  const std::uint32_t a = ipi(), b = ipi();
  set_word(a, kLinked);
  REQUIRE(hv->evtchn_send(d, a) == 0);
  CHECK(head(0, 7) == 0);
  CHECK_FALSE(upcall());
  REQUIRE(hv->evtchn_send(d, b) == 0);
  CHECK(take(7) == std::vector<std::uint32_t>{b});
}

TEST_CASE_METHOD(Fixture, "A tail whose LINKED the guest has cleared ends the queue: the next event is a head") {
  use_fifo();
  const std::uint32_t a = ipi(), b = ipi();
  REQUIRE(hv->evtchn_send(d, a) == 0);
  set_word(a, kPending | kBusy);
  REQUIRE(hv->evtchn_send(d, b) == 0);
  CHECK(head(0, 7) == b);
  CHECK(word(a) == (kPending | kBusy));
}

TEST_CASE_METHOD(Fixture, "BUSY that the guest sets in the tail is taken away when the next port is linked") {
  use_fifo();
  const std::uint32_t a = ipi(), b = ipi();
  REQUIRE(hv->evtchn_send(d, a) == 0);
  set_word(a, word(a) | kBusy);
  REQUIRE(hv->evtchn_send(d, b) == 0);
  CHECK(word(a) == (kPending | kLinked | b));
}

TEST_CASE_METHOD(Fixture,
                 "Control block and words may share a page, with each other and with the rest of the guest") {
  REQUIRE(init(0, kArray, 4000) == 0);
  REQUIRE(init(1, kArray, 4000) == 0);
  REQUIRE(expand(0) == 0);
  REQUIRE(event::expand_array(d, kArray) == 0);
  const std::uint32_t a = ipi(), b = ipi(1);
  for (unsigned i = 0; i < 3; ++i) {
    CHECK(hv->evtchn_send(d, a) == 0);
    CHECK(hv->evtchn_send(d, b) == 0);
  }
}

TEST_CASE_METHOD(Fixture, "Random words under random operations change nothing outside the pages that hold them") {
  use_fifo();
  REQUIRE(expand(0) == 0);
  Domain& neighbour = guest(2);
  REQUIRE(hv->populate(neighbour, Gfn(0), 9));
  const PhysAddr theirs = address_of(*hv->ram_frame(neighbour, 0));
  memory.fill(theirs, 0x5a, 512 * kPageSize);
  const std::uint64_t gfns[] = {kControl0, kControl1, kArray, kArray + 1};
  Rng rng(1, "hostile words");
  for (unsigned i = 0; i < 60'000; ++i) {
    const auto port = static_cast<std::uint32_t>(rng.below(200));
    std::uint32_t made = 0;
    switch (rng.below(10)) {
      case 0:
        event::bind_ipi(*hv, d, static_cast<std::uint32_t>(rng.below(2)), made);
        break;
      case 1:
        hv->evtchn_close(d, port);
        break;
      case 2:
        event::unmask(d, port);
        break;
      case 3:
        event::set_priority(d, port, static_cast<std::uint32_t>(rng.below(17)));
        break;
      case 4:
      case 5:
        memory.write<std::uint32_t>(at(gfns[rng.below(4)]) + 4 * rng.below(220),
                                    static_cast<std::uint32_t>(rng.next()));
        break;
      case 6:
        memory.write<std::uint8_t>(d.vcpus[rng.below(2)]->vcpu_info, 0);
        break;
      default:
        hv->evtchn_send(d, port);
    }
  }
  CHECK(reset() == 0);
  CHECK(d.events.active == 0);
  bool intact = true;
  for (std::uint64_t i = 0; i < 512 * kPageSize; i += 8)
    intact &= memory.read<std::uint64_t>(theirs + i) == 0x5a5a5a5a5a5a5a5a;
  CHECK(intact);
}

}  // namespace
}  // namespace xensim::xen
