// How a vCPU learns of its events: upcall vector, callback by vector, by GSI, by PCI INTx; Xen's own consumers;
// VIRQ handlers; SCHEDOP_poll.
#include "models/xen/event/upcall.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

struct Lines final : event::InterruptLines {
  unsigned gsis() const override { return 48; }
  void set_gsi(unsigned gsi, bool level) override { log.push_back({gsi, level}); }
  void set_pci_intx(unsigned device, unsigned pin, bool level) override {
    log.push_back({1000 + 4 * device + pin, level});
  }
  std::vector<std::pair<unsigned, bool>> log;
};

struct Fixture : Bench {
  Fixture() : d(guest(1, 2)) {
    REQUIRE(event::bind_ipi(*hv, d, 0, port) == 0);
    REQUIRE(event::bind_ipi(*hv, d, 1, other) == 0);
    for (auto& v : d.vcpus) v->pause_flags = 0;
  }
  Domain& d;
  std::uint32_t port = 0, other = 0;
  Lines lines;

  using Log = std::vector<std::pair<unsigned, bool>>;
  void send(std::uint32_t p) { REQUIRE(hv->evtchn_send(d, p) == 0); }
  // The guest has looked: upcall byte, selector and pending bits are clear.
  void answer(unsigned vcpu = 0) {
    memory.write<std::uint8_t>(d.vcpus[vcpu]->vcpu_info, 0);
    memory.write<std::uint64_t>(d.vcpus[vcpu]->vcpu_info + 8, 0);
    d.shared->evtchn_pending[0] = 0;
    event::lower_callback_line(*hv, d);
  }
  void enable_apic(Vcpu& v, bool enable) {
    std::uint64_t base = 0;
    REQUIRE(v.vlapic.msr_read(0x1b, 0, base));
    REQUIRE(v.vlapic.msr_write(0x1b, base | 0xc00, 0));
    REQUIRE(v.vlapic.msr_write(0x80f, enable ? 0x1ff : 0xff, 0));
  }
  static constexpr std::uint64_t gsi(unsigned n) { return n; }
  static constexpr std::uint64_t intx(unsigned device, unsigned pin) {
    return std::uint64_t{1} << 56 | device << 11 | pin;
  }
  static constexpr std::uint64_t vector(unsigned n) { return std::uint64_t{2} << 56 | n; }
};

TEST_CASE_METHOD(Fixture, "A callback by GSI holds the line while vCPU 0's upcall byte is set") {
  d.interrupt_lines = &lines;
  event::set_callback_via(*hv, d, gsi(28));
  send(port);
  CHECK(lines.log == Log{{28, true}});
  send(port);
  CHECK(lines.log.size() == 1);
  answer();
  CHECK(lines.log == Log{{28, true}, {28, false}});
  send(port);
  CHECK(lines.log.size() == 3);
}

TEST_CASE_METHOD(Fixture, "A callback by PCI INTx drives the pin that it names") {
  d.interrupt_lines = &lines;
  event::set_callback_via(*hv, d, intx(3, 1));
  send(port);
  answer();
  CHECK(lines.log == Log{{1013, true}, {1013, false}});
}

TEST_CASE_METHOD(Fixture, "Only vCPU 0's events drive the line") {
  d.interrupt_lines = &lines;
  event::set_callback_via(*hv, d, gsi(28));
  send(other);
  CHECK(lines.log.empty());
  CHECK(hv->upcall_pending(*d.vcpus[1]));
}

TEST_CASE_METHOD(Fixture, "A new callback takes the level with it, GSI 0 and one that is not there mean none") {
  d.interrupt_lines = &lines;
  event::set_callback_via(*hv, d, gsi(28));
  send(port);
  event::set_callback_via(*hv, d, intx(1, 0));
  CHECK(lines.log == Log{{28, true}, {28, false}, {1004, true}});
  event::set_callback_via(*hv, d, 0);
  CHECK(d.callback.type == event::CallbackVia::Type::kNone);
  CHECK(lines.log.size() == 4);
  event::set_callback_via(*hv, d, gsi(48));
  CHECK(d.callback.type == event::CallbackVia::Type::kNone);
  event::set_callback_via(*hv, d, std::uint64_t{3} << 56 | 28);
  CHECK(d.callback.type == event::CallbackVia::Type::kNone);
  answer();
  CHECK(lines.log.size() == 4);
}

TEST_CASE_METHOD(Fixture, "A domain without IOAPIC keeps its callback when it asks for a line, or for none") {
  event::set_callback_via(*hv, d, gsi(28));
  CHECK(d.callback.type == event::CallbackVia::Type::kNone);
  event::set_callback_via(*hv, d, vector(0xf3));
  for (const std::uint64_t via : {gsi(28), intx(1, 0), gsi(1), std::uint64_t{0}, std::uint64_t{9} << 56}) {
    event::set_callback_via(*hv, d, via);
    CHECK(d.callback.type == event::CallbackVia::Type::kVector);
    CHECK(d.callback.vector == 0xf3);
  }
}

TEST_CASE_METHOD(Fixture, "A vCPU that blocks is woken by a callback by vector, and by none at all it is not") {
  Vcpu& v = *d.vcpus[0];
  v.pause_flags = kPauseBlocked;
  send(port);
  CHECK(v.pause_flags == kPauseBlocked);
  answer();
  event::set_callback_via(*hv, d, vector(0xf3));
  v.pause_flags = kPauseBlocked;
  send(port);
  CHECK(v.pause_flags == 0);
}

TEST_CASE_METHOD(Fixture, "An upcall vector is an interrupt to the vCPU's own APIC, with the first event") {
  Vcpu& v = *d.vcpus[1];
  enable_apic(v, true);
  v.upcall_vector = 0xf3;
  send(other);
  CHECK(v.vlapic.irr(0xf3));
  CHECK_FALSE(d.vcpus[0]->vlapic.irr(0xf3));
}

TEST_CASE_METHOD(Fixture, "An upcall that comes while the APIC is disabled comes again when its SVR enables it") {
  Vcpu& v = *d.vcpus[0];
  enable_apic(v, false);
  v.upcall_vector = 0xf3;
  v.pause_flags = kPauseBlocked;
  send(port);
  CHECK_FALSE(v.vlapic.irr(0xf3));
  CHECK(v.pause_flags == kPauseBlocked);
  enable_apic(v, true);
  hv->vlapic_written(v, 0x8);  // the task priority: nothing to do with it
  CHECK_FALSE(v.vlapic.irr(0xf3));
  hv->vlapic_written(v, 0xf);
  CHECK(v.vlapic.irr(0xf3));
}

TEST_CASE_METHOD(Fixture, "The SVR brings no upcall to a vCPU that has none pending, or no vector") {
  Vcpu& v = *d.vcpus[0];
  enable_apic(v, true);
  v.upcall_vector = 0xf3;
  hv->vlapic_written(v, 0xf);
  CHECK_FALSE(v.vlapic.irr(0xf3));
  v.upcall_vector = 0;
  send(port);
  hv->vlapic_written(v, 0xf);
  CHECK_FALSE(v.vlapic.irr(0xf3));
}

unsigned consumed = 0;
void consume(Hypervisor&, Vcpu& v, std::uint32_t p) { consumed = 100 * v.id + p; }

TEST_CASE_METHOD(Fixture, "Xen takes the events of its own ports, guests can bind to them, not touch them") {
  Domain& peer = guest(2);
  const long ours = event::alloc_unbound_xen(*hv, d, 1, 2, consume);
  REQUIRE(ours > 0);
  const auto p = static_cast<std::uint32_t>(ours);
  evtchn_status_t status{};
  CHECK(event::status(d, p, status) == -kEacces);
  CHECK(hv->evtchn_close(d, p) == -kEinval);
  CHECK(hv->evtchn_send(d, p) == -kEinval);
  CHECK(event::bind_vcpu(d, p, 0) == -kEinval);
  CHECK(event::poll(d, p) == -kEinval);
  std::uint32_t theirs = 0;
  REQUIRE(hv->evtchn_bind_interdomain(peer, 1, p, theirs) == 0);
  consumed = 0;
  CHECK(hv->evtchn_send(peer, theirs) == 0);
  CHECK(consumed == 100 + p);
  CHECK_FALSE(hv->upcall_pending(*d.vcpus[1]));
  peer.shared->evtchn_pending[0] = 0;
  event::notify_via_xen(*hv, d, p);
  CHECK(hv->port_pending(peer, theirs));
  CHECK(event::reset(*hv, d, true, false) == 0);  // leaves Xen's port
  CHECK(d.events.active == 1);
  event::free_xen(*hv, d, p);
  CHECK(peer.events.ports[theirs].state == PortState::kUnbound);
  CHECK(d.events.active == 0);
}

TEST_CASE_METHOD(Fixture,
                 "A global VIRQ goes to dom0 until another domain handles it, and again when that is gone") {
  Domain& dom0 = *hv->find_domain(0);
  Domain& handler = guest(2);
  std::uint32_t at_dom0 = 0, at_handler = 0;
  REQUIRE(hv->evtchn_bind_virq(dom0, VIRQ_CON_RING, 0, at_dom0) == 0);
  REQUIRE(hv->evtchn_bind_virq(handler, VIRQ_CON_RING, 0, at_handler) == 0);
  hv->send_global_virq(VIRQ_CON_RING);
  CHECK(hv->model_take_event(dom0, at_dom0));
  CHECK_FALSE(hv->port_pending(handler, at_handler));
  CHECK(event::set_global_virq_handler(*hv, handler, VIRQ_TIMER) == -kEinval);
  CHECK(event::set_global_virq_handler(*hv, handler, NR_VIRQS) == -kEinval);
  CHECK(event::set_global_virq_handler(*hv, handler, VIRQ_CON_RING) == 0);
  hv->send_global_virq(VIRQ_CON_RING);
  CHECK_FALSE(hv->port_pending(dom0, at_dom0));
  CHECK(hv->port_pending(handler, at_handler));
  hv->destroy_domain(2);
  hv->send_global_virq(VIRQ_CON_RING);
  CHECK(hv->model_take_event(dom0, at_dom0));
}

TEST_CASE_METHOD(Fixture, "A vCPU that polls one port waits for that, one that polls several wakes for any") {
  Vcpu& v = *d.vcpus[1];
  v.pause_flags = kPauseBlocked | kPauseBlockedInPoll;
  v.poll_port = other;
  send(port);
  CHECK(v.pause_flags != 0);
  send(other);
  CHECK(v.pause_flags == 0);
  d.shared->evtchn_pending[0] = 0;
  v.pause_flags = kPauseBlocked | kPauseBlockedInPoll;
  v.poll_port = 0;
  send(port);
  CHECK(v.pause_flags == 0);
}

TEST_CASE_METHOD(Fixture, "A physical interrupt is bound once, its number is checked, its port sends nothing") {
  std::uint32_t irq = 0, again = 0;
  CHECK(event::bind_pirq(*hv, d, hv->config.domain_pirqs, irq) == -kEinval);
  REQUIRE(event::bind_pirq(*hv, d, 9, irq) == 0);
  CHECK(event::bind_pirq(*hv, d, 9, again) == -kEexist);
  CHECK(hv->evtchn_send(d, irq) == -kEinval);
  CHECK(event::bind_vcpu(d, irq, 1) == 0);
  event::send_guest_pirq(*hv, d, 9);
  CHECK(hv->port_pending(d, irq));
  CHECK(hv->upcall_pending(*d.vcpus[1]));
  REQUIRE(hv->evtchn_close(d, irq) == 0);
  event::send_guest_pirq(*hv, d, 9);
  CHECK_FALSE(hv->port_pending(d, irq));
  CHECK(event::bind_pirq(*hv, d, 9, irq) == 0);
}

}  // namespace
}  // namespace xensim::xen
