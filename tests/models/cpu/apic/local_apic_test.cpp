#include "models/cpu/apic/local_apic.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace xensim;
using namespace xensim::cpu;

namespace {

struct Bus final : ApicBus {
  std::vector<IpiMessage> sent;
  std::vector<int> eois;
  void send_ipi(std::uint32_t, const IpiMessage& m) override { sent.push_back(m); }
  void eoi_broadcast(std::uint8_t v) override { eois.push_back(v); }
};

struct Fixture {
  explicit Fixture(std::uint32_t id = 3) : apic({.apic_id = id}, bus) {}
  void write(std::uint32_t offset, std::uint32_t v, Cycles now = 0) {
    REQUIRE(apic.mmio_write(offset, 4, v, now));
  }
  std::uint32_t read(std::uint32_t offset, Cycles now = 0) {
    std::uint32_t v = 0;
    REQUIRE(apic.mmio_read(offset, 4, now, v));
    return v;
  }
  bool wrmsr(std::uint32_t i, std::uint64_t v, Cycles now = 0) { return apic.msr_write(i, v, now); }
  std::uint64_t rdmsr(std::uint32_t i, Cycles now = 0) {
    std::uint64_t v = 0;
    REQUIRE(apic.msr_read(i, now, v));
    return v;
  }
  void on() { write(0xf0, 0x1ff); }
  void x2apic() { REQUIRE(wrmsr(0x1b, 0xfee00c00)); }

  Bus bus;
  LocalApic apic;
};

}  // namespace

TEST_CASE("After reset the APIC is enabled, software-disabled, and every local vector is masked") {
  Fixture f;
  CHECK(f.rdmsr(0x1b) == 0xfee00800);
  CHECK(f.read(0x20) == 0x03000000);
  CHECK(f.read(0x30) == 0x00050014);
  CHECK(f.read(0xf0) == 0xff);
  CHECK(f.read(0xe0) == 0xffffffff);
  for (std::uint32_t lvt = 0x320; lvt <= 0x370; lvt += 0x10) CHECK(f.read(lvt) == 0x10000);
  CHECK_FALSE(f.apic.accept(0x40, false));
}

TEST_CASE("An interrupt is deliverable only if its class is above the processor priority") {
  Fixture f;
  f.on();
  CHECK(f.apic.accept(0x45, false));
  CHECK(f.apic.deliverable() == 0x45);
  f.write(0x80, 0x4f);
  CHECK(f.apic.deliverable() == -1);
  f.write(0x80, 0x3f);
  CHECK(f.apic.deliverable() == 0x45);
  CHECK(f.apic.acknowledge() == 0x45);
  CHECK(f.read(0xa0) == 0x40);
  CHECK(f.apic.accept(0x4f, false));
  CHECK(f.apic.deliverable() == -1);
  CHECK(f.apic.accept(0x51, false));
  CHECK(f.apic.deliverable() == 0x51);
}

TEST_CASE("A vector that is pending already is not accepted twice") {
  Fixture f;
  f.on();
  CHECK(f.apic.accept(0x45, false));
  CHECK_FALSE(f.apic.accept(0x45, false));
}

TEST_CASE("EOI ends the highest vector in service, and is broadcast if that was level-triggered") {
  Fixture f;
  f.on();
  f.apic.accept(0x41, true);
  f.apic.acknowledge();
  f.apic.accept(0x61, false);
  f.apic.acknowledge();
  CHECK(f.read(0x120) == 0x2);
  CHECK(f.read(0x130) == 0x2);
  f.write(0xb0, 0);
  CHECK_FALSE(f.apic.isr(0x61));
  CHECK(f.bus.eois.empty());
  f.write(0xb0, 0);
  CHECK(f.bus.eois == std::vector<int>{0x41});
  f.write(0xb0, 0);
  CHECK(f.bus.eois.size() == 1);
}

TEST_CASE("Acknowledging nothing gives the spurious vector and leaves the ISR alone") {
  Fixture f;
  f.on();
  CHECK(f.apic.acknowledge() == 0xff);
  CHECK_FALSE(f.apic.isr(0xff));
}

TEST_CASE("CR8 is bits 7:4 of the task priority") {
  Fixture f;
  f.write(0x80, 0x57);
  CHECK(f.apic.cr8() == 5);
  f.apic.set_cr8(9);
  CHECK(f.read(0x80) == 0x90);
}

TEST_CASE("Disabling by software masks every local vector, and keeps them masked") {
  Fixture f;
  f.on();
  f.write(0x320, 0x40);
  CHECK(f.read(0x320) == 0x40);
  f.write(0xf0, 0xff);
  CHECK(f.read(0x320) == 0x10040);
  f.write(0x320, 0x41);
  CHECK(f.read(0x320) == 0x10041);
}

TEST_CASE("An access to a reserved register is an error that the next write to the ESR shows") {
  Fixture f;
  f.on();
  f.write(0x370, 0xfe);
  CHECK(f.read(0x40) == 0);
  CHECK(f.apic.irr(0xfe));
  CHECK(f.read(0x280) == 0);
  f.write(0x280, 0);
  CHECK(f.read(0x280) == 0x80);
  f.write(0x280, 0);
  CHECK(f.read(0x280) == 0);
}

TEST_CASE("The error interrupt comes once until the ESR is written") {
  Fixture f;
  f.on();
  f.write(0x370, 0xfe);
  f.read(0x40);
  f.apic.acknowledge();
  f.read(0x40);
  CHECK_FALSE(f.apic.irr(0xfe));
  f.write(0x280, 0);
  f.read(0x40);
  CHECK(f.apic.irr(0xfe));
}

TEST_CASE("Vectors below 16 are errors where they are sent and where they are received") {
  Fixture f;
  f.on();
  f.write(0x300, 0x0f);
  CHECK(f.bus.sent.empty());
  CHECK_FALSE(f.apic.accept(0x0f, false));
  f.write(0x280, 0);
  CHECK(f.read(0x280) == 0x60);
}

TEST_CASE("Writing the low half of the ICR sends to the destination in the high half") {
  Fixture f;
  f.on();
  f.write(0x310, 0x07000000);
  f.write(0x300, 0x4841);
  REQUIRE(f.bus.sent.size() == 1);
  const IpiMessage& m = f.bus.sent[0];
  CHECK(m.vector == 0x41);
  CHECK(m.mode == IpiMessage::Mode::kFixed);
  CHECK(m.logical);
  CHECK(m.destination == 7);
  CHECK_FALSE(m.x2apic);
  CHECK(f.read(0x300) == 0x4841);
}

TEST_CASE("INIT is de-asserted by level 0 with level trigger only") {
  Fixture f;
  f.write(0x300, 0x8500);
  f.write(0x300, 0xc500);
  f.write(0x300, 0x0500);
  REQUIRE(f.bus.sent.size() == 3);
  CHECK_FALSE(f.bus.sent[0].level_assert);
  CHECK(f.bus.sent[1].level_assert);
  CHECK(f.bus.sent[2].level_assert);
}

TEST_CASE("Physical destinations match the ID or all ones") {
  Fixture f(3);
  IpiMessage m;
  m.destination = 3;
  CHECK(f.apic.matches(m));
  m.destination = 2;
  CHECK_FALSE(f.apic.matches(m));
  m.destination = 0xff;
  CHECK(f.apic.matches(m));
}

TEST_CASE("Flat logical destinations match any common bit") {
  Fixture f;
  f.write(0xd0, 0x04ffffff);
  CHECK(f.read(0xd0) == 0x04000000);
  IpiMessage m;
  m.logical = true;
  m.destination = 0x0c;
  CHECK(f.apic.matches(m));
  m.destination = 0x0b;
  CHECK_FALSE(f.apic.matches(m));
}

TEST_CASE("Cluster logical destinations match the cluster and a common bit") {
  Fixture f;
  f.write(0xe0, 0x0fffffff);
  f.write(0xd0, 0x24000000);
  IpiMessage m;
  m.logical = true;
  m.destination = 0x24;
  CHECK(f.apic.matches(m));
  m.destination = 0x34;
  CHECK_FALSE(f.apic.matches(m));
  m.destination = 0x2b;
  CHECK_FALSE(f.apic.matches(m));
  m.destination = 0xf4;
  CHECK(f.apic.matches(m));
}

TEST_CASE("In x2APIC mode the logical ID derives from the ID") {
  Fixture f(0x23);
  f.x2apic();
  CHECK(f.rdmsr(0x80d) == 0x20008);
  CHECK(f.rdmsr(0x802) == 0x23);
  IpiMessage m;
  m.x2apic = m.logical = true;
  m.destination = 0x2000c;
  CHECK(f.apic.matches(m));
  m.destination = 0x20004;
  CHECK_FALSE(f.apic.matches(m));
  m.destination = 0x30008;
  CHECK_FALSE(f.apic.matches(m));
  m.destination = 0xffffffff;
  CHECK(f.apic.matches(m));
}

TEST_CASE("The MMIO page is decoded in xAPIC mode only, the MSRs in x2APIC mode only") {
  Fixture f;
  std::uint64_t v;
  std::uint32_t w;
  CHECK_FALSE(f.apic.msr_read(0x802, 0, v));
  CHECK_FALSE(f.wrmsr(0x808, 0));
  f.x2apic();
  CHECK(f.apic.msr_read(0x802, 0, v));
  CHECK_FALSE(f.apic.mmio_read(0x20, 4, 0, w));
  CHECK_FALSE(f.apic.mmio_write(0x80, 4, 0, 0));
}

TEST_CASE("In x2APIC mode reserved bits, reserved registers and the wrong direction are refused") {
  Fixture f;
  f.x2apic();
  std::uint64_t v;
  CHECK_FALSE(f.wrmsr(0x808, 0x100));
  CHECK_FALSE(f.wrmsr(0x80b, 1));
  CHECK(f.wrmsr(0x80b, 0));
  CHECK_FALSE(f.wrmsr(0x828, 1));
  CHECK_FALSE(f.wrmsr(0x802, 0));
  CHECK_FALSE(f.wrmsr(0x83e, 4));
  CHECK_FALSE(f.wrmsr(0x830, 0x1000));
  CHECK_FALSE(f.wrmsr(0x838, 1ull << 32));
  CHECK_FALSE(f.wrmsr(0x83f, 0x100));
  CHECK_FALSE(f.wrmsr(0x82f, 0x10000));
  for (std::uint32_t i : {0x80e, 0x831, 0x80b, 0x83f, 0x804, 0x83a, 0x8ff}) CHECK_FALSE(f.apic.msr_read(i, 0, v));
}

TEST_CASE("In x2APIC mode the ICR is one register with a 32-bit destination") {
  Fixture f;
  f.x2apic();
  CHECK(f.wrmsr(0x830, 0x12345678'00000041));
  REQUIRE(f.bus.sent.size() == 1);
  CHECK(f.bus.sent[0].destination == 0x12345678);
  CHECK(f.bus.sent[0].x2apic);
  CHECK(f.rdmsr(0x830) == 0x12345678'00000041);
}

TEST_CASE("SELF IPI sends a fixed interrupt to itself and leaves the ICR alone") {
  Fixture f;
  f.x2apic();
  CHECK(f.wrmsr(0x83f, 0x77));
  REQUIRE(f.bus.sent.size() == 1);
  CHECK(f.bus.sent[0].vector == 0x77);
  CHECK(f.bus.sent[0].shorthand == 1);
  CHECK(f.rdmsr(0x830) == 0);
}

TEST_CASE("The base MSR refuses what the mode diagram does not have") {
  Fixture f;
  CHECK_FALSE(f.wrmsr(0x1b, 0xfee00400));
  CHECK_FALSE(f.wrmsr(0x1b, 0xfee00a00));
  CHECK_FALSE(f.wrmsr(0x1b, 1ull << 46 | 0xfee00800));
  f.x2apic();
  CHECK_FALSE(f.wrmsr(0x1b, 0xfee00800));
  CHECK(f.wrmsr(0x1b, 0xfee00000));
  CHECK_FALSE(f.wrmsr(0x1b, 0xfee00c00));
  CHECK(f.wrmsr(0x1b, 0xfee00800));
}

TEST_CASE("INIT clears everything but the ID and the mode") {
  Fixture f;
  f.x2apic();
  f.wrmsr(0x80f, 0x1ff);
  f.wrmsr(0x808, 0x20);
  f.apic.accept(0x40, false);
  f.apic.init();
  CHECK(f.apic.x2apic());
  CHECK(f.rdmsr(0x802) == 3);
  CHECK(f.rdmsr(0x80f) == 0xff);
  CHECK(f.rdmsr(0x808) == 0);
  CHECK_FALSE(f.apic.irr(0x40));
}

TEST_CASE("LINT0 as ExtINT and LINT1 as NMI are open when programmed so") {
  Fixture f;
  f.on();
  CHECK_FALSE(f.apic.accepts_extint());
  CHECK_FALSE(f.apic.accepts_nmi());
  f.write(0x350, 0x700);
  f.write(0x360, 0x400);
  CHECK(f.apic.accepts_extint());
  CHECK(f.apic.accepts_nmi());
}

TEST_CASE("State saved and restored behaves the same") {
  Fixture f, g;
  f.on();
  f.write(0x320, 0x20040);
  f.write(0x380, 1000, 5);
  f.apic.accept(0x61, true);
  g.apic.restore(f.apic.state());
  CHECK(g.apic.timer_deadline() == f.apic.timer_deadline());
  CHECK(g.apic.deliverable() == 0x61);
  CHECK(g.read(0x390, 500) == f.read(0x390, 500));
}
