// The life cycle of event channels and the 2-level ABI, each from the guest's side of what it can see.
#include "models/xen/event/event_channel.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "models/xen/event/two_level.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

struct Fixture : Bench {
  Fixture() : a(guest(1, 2)), b(guest(2)) { a.guest_64bit = b.guest_64bit = true; }
  Domain &a, &b;

  std::uint32_t unbound(Domain& d, domid_t remote) {
    std::uint32_t port = 0;
    REQUIRE(hv->evtchn_alloc_unbound(d, remote, port) == 0);
    return port;
  }
  bool upcall(const Domain& d, unsigned vcpu = 0) {
    return memory.read<std::uint8_t>(d.vcpus[vcpu]->vcpu_info) != 0;
  }
  std::uint64_t selector(const Domain& d, unsigned vcpu = 0) {
    return memory.read<std::uint64_t>(d.vcpus[vcpu]->vcpu_info + 8);
  }
  void mask(Domain& d, std::uint32_t port) { d.shared->evtchn_mask[port / 64] |= std::uint64_t{1} << (port % 64); }
  bool pending(const Domain& d, std::uint32_t port) {
    return d.shared->evtchn_pending[port / 64] >> (port % 64) & 1;
  }
};

TEST_CASE_METHOD(Fixture, "Ports are given from 1 on, the lowest free one first, and port 0 never") {
  CHECK(unbound(a, 0) == 1);
  CHECK(unbound(a, 0) == 2);
  CHECK(unbound(a, 0) == 3);
  REQUIRE(hv->evtchn_close(a, 2) == 0);
  CHECK(unbound(a, 0) == 2);
  CHECK(hv->evtchn_close(a, 0) == -kEinval);
  CHECK(hv->evtchn_send(a, 0) == -kEinval);
}

TEST_CASE_METHOD(Fixture, "A domain has 1023 ports and no more") {
  for (unsigned i = 1; i < 1024; ++i) REQUIRE(unbound(a, 0) == i);
  std::uint32_t port = 0;
  CHECK(hv->evtchn_alloc_unbound(a, 0, port) == -kEnospc);
  CHECK(hv->evtchn_bind_virq(a, VIRQ_TIMER, 0, port) == -kEnospc);
  CHECK(a.events.active == 1023);
}

TEST_CASE_METHOD(Fixture, "Only the domain for which a port was made can bind to it, and only once") {
  const std::uint32_t offered = unbound(a, 2);
  std::uint32_t port = 0;
  CHECK(hv->evtchn_bind_interdomain(b, 77, offered, port) == -kEsrch);
  CHECK(hv->evtchn_bind_interdomain(b, 1, 0, port) == -kEinval);
  CHECK(hv->evtchn_bind_interdomain(b, 1, 500, port) == -kEinval);
  CHECK(hv->evtchn_bind_interdomain(b, 1, ~0u, port) == -kEinval);
  CHECK(hv->evtchn_bind_interdomain(a, 1, offered, port) == -kEinval);
  CHECK(b.events.active == 0);  // nothing is left of failed attempts
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, offered, port) == 0);
  CHECK(hv->evtchn_bind_interdomain(b, 1, offered, port) == -kEinval);
}

TEST_CASE_METHOD(Fixture, "A new interdomain port is pending at once, since notifications may have been lost") {
  std::uint32_t port = 0;
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, unbound(a, 2), port) == 0);
  CHECK(pending(b, port));
  CHECK(upcall(b));
}

TEST_CASE_METHOD(Fixture, "A send sets the peer's port pending, its selector bit and its upcall byte") {
  const std::uint32_t theirs = unbound(a, 2);
  std::uint32_t ours = 0;
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, theirs, ours) == 0);
  CHECK_FALSE(upcall(a));
  REQUIRE(hv->evtchn_send(b, ours) == 0);
  CHECK(pending(a, theirs));
  CHECK(selector(a) == 1);
  CHECK(upcall(a));
}

TEST_CASE_METHOD(Fixture, "A masked port becomes pending without an upcall") {
  const std::uint32_t theirs = unbound(a, 2);
  std::uint32_t ours = 0;
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, theirs, ours) == 0);
  mask(a, theirs);
  REQUIRE(hv->evtchn_send(b, ours) == 0);
  CHECK(pending(a, theirs));
  CHECK(selector(a) == 0);
  CHECK_FALSE(upcall(a));
}

TEST_CASE_METHOD(Fixture, "A port that is pending already does not raise the upcall again") {
  const std::uint32_t theirs = unbound(a, 2);
  std::uint32_t ours = 0;
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, theirs, ours) == 0);
  REQUIRE(hv->evtchn_send(b, ours) == 0);
  memory.write<std::uint8_t>(a.vcpus[0]->vcpu_info, 0);
  memory.write<std::uint64_t>(a.vcpus[0]->vcpu_info + 8, 0);
  REQUIRE(hv->evtchn_send(b, ours) == 0);
  CHECK_FALSE(upcall(a));
}

TEST_CASE_METHOD(Fixture, "Sends to an unbound port are dropped, to a closed one they are errors") {
  const std::uint32_t port = unbound(a, 2);
  CHECK(hv->evtchn_send(a, port) == 0);
  REQUIRE(hv->evtchn_close(a, port) == 0);
  CHECK(hv->evtchn_send(a, port) == -kEinval);
  CHECK(hv->evtchn_close(a, port) == -kEinval);
  CHECK(hv->evtchn_send(a, 4096) == -kEinval);
}

TEST_CASE_METHOD(Fixture, "Closing one end leaves the other unbound, open for the same peer, with its vCPU kept") {
  const std::uint32_t theirs = unbound(a, 2);
  std::uint32_t ours = 0;
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, theirs, ours) == 0);
  a.events.ports[theirs].notify_vcpu = 1;
  REQUIRE(hv->evtchn_close(b, ours) == 0);
  CHECK(a.events.ports[theirs].state == PortState::kUnbound);
  CHECK(a.events.ports[theirs].remote_domid == 2);
  CHECK(a.events.ports[theirs].notify_vcpu == 1);
  CHECK_FALSE(pending(b, ours));
  CHECK(hv->evtchn_send(a, theirs) == 0);
  REQUIRE(hv->evtchn_bind_interdomain(b, 1, theirs, ours) == 0);
}

TEST_CASE_METHOD(Fixture, "A domain may bind to a port of its own") {
  const std::uint32_t first = unbound(a, DOMID_SELF);
  std::uint32_t second = 0;
  REQUIRE(hv->evtchn_bind_interdomain(a, DOMID_SELF, first, second) == 0);
  CHECK(second != first);
  REQUIRE(hv->evtchn_send(a, second) == 0);
  CHECK(pending(a, first));
  REQUIRE(hv->evtchn_close(a, first) == 0);
  CHECK(a.events.ports[second].state == PortState::kUnbound);
}

TEST_CASE_METHOD(Fixture, "VIRQs: range, vCPU, and one port each") {
  std::uint32_t port = 0;
  CHECK(hv->evtchn_bind_virq(a, NR_VIRQS, 0, port) == -kEinval);
  CHECK(hv->evtchn_bind_virq(a, ~0u, 0, port) == -kEinval);
  CHECK(hv->evtchn_bind_virq(a, VIRQ_TIMER, 2, port) == -kEnoent);
  CHECK(hv->evtchn_bind_virq(a, VIRQ_CONSOLE, 1, port) == -kEinval);  // a global one is vCPU 0's
  REQUIRE(hv->evtchn_bind_virq(a, VIRQ_TIMER, 1, port) == 0);
  CHECK(hv->evtchn_bind_virq(a, VIRQ_TIMER, 1, port) == -kEexist);
  CHECK(hv->evtchn_send(a, port) == -kEinval);  // guests do not raise VIRQs
  hv->send_vcpu_virq(*a.vcpus[1], VIRQ_TIMER);
  CHECK(pending(a, port));
  CHECK(upcall(a, 1));
  CHECK_FALSE(upcall(a, 0));
  REQUIRE(hv->evtchn_close(a, port) == 0);
  CHECK(a.vcpus[1]->virq_port[VIRQ_TIMER] == 0);
  hv->send_vcpu_virq(*a.vcpus[1], VIRQ_TIMER);
  CHECK_FALSE(pending(a, port));
}

TEST_CASE_METHOD(Fixture, "A 32-bit domain has 32-bit words and room for 1024 ports") {
  const event::TwoLevel abi(*hv, a);
  const std::uint64_t base = address_of(a.shared_info).value;
  a.guest_64bit = false;
  CHECK(abi.place_of(40).selector == 1);
  CHECK(abi.place_of(40).pending.value == base + 2048);
  CHECK(abi.place_of(40).mask.value == base + 2048 + 128);
  CHECK(abi.max_ports() == 1024);
  a.guest_64bit = true;
  CHECK(abi.place_of(100).selector == 1);
  CHECK(abi.place_of(100).pending.value == base + offsetof(shared_info_t, evtchn_pending));
  CHECK(abi.place_of(100).mask.value == base + offsetof(shared_info_t, evtchn_mask));
  CHECK(abi.max_ports() == 4096);
}

TEST_CASE_METHOD(Fixture,
                 "The peer of a domain that is destroyed is left with an unbound port, and its frames are free") {
  const std::uint64_t before = hv->heap.free_pages();
  Domain& c = guest(3);
  std::uint32_t ours = 0;
  REQUIRE(hv->populate(c, Gfn(0), 9));
  REQUIRE(hv->evtchn_bind_interdomain(a, 3, unbound(c, 1), ours) == 0);
  hv->destroy_domain(3);
  CHECK(a.events.ports[ours].state == PortState::kUnbound);
  CHECK(hv->evtchn_send(a, ours) == 0);
  CHECK(hv->heap.free_pages() == before);
}

}  // namespace
}  // namespace xensim::xen
