#include "models/xen/hvm/platform.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "sim/base/rng.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen::hvm {
namespace {

struct HvmBench : Bench {
  Domain& d = hvm_guest();
  Platform& p = *d.platform;

  Domain& hvm_guest() {
    CreateParameters c;
    c.name = "hvm";
    c.max_pages = 4096;
    c.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
    return hv->create_domain(1, DomainKind::kGuest, c);
  }
  Vcpu& v() { return *d.vcpus[0]; }
  void apic(std::uint32_t offset, std::uint32_t value) { v().vlapic.mmio_write(offset, 4, value, 0); }
  void ioapic(std::uint32_t reg, std::uint32_t value) {
    p.mmio_write(IoApic::kBase, 4, reg);
    p.mmio_write(IoApic::kBase + 0x10, 4, value);
  }
};

TEST_CASE("A PVH guest has no devices but its local APICs") {
  Bench b;
  CHECK(b.guest(1).platform == nullptr);
  CHECK(b.guest(2).interrupt_lines == nullptr);
}

TEST_CASE("Addresses and ports of no device are nobody's") {
  HvmBench b;
  std::uint64_t value = 0;
  std::uint32_t port = 0;
  CHECK_FALSE(b.p.mmio_read(0xfec00100, 4, value));
  CHECK_FALSE(b.p.mmio_read(0xfed00400, 4, value));
  CHECK_FALSE(b.p.port_read(0xcf8, 4, port));
  CHECK_FALSE(b.p.port_write(0x20, 2, 0));
  CHECK(b.p.mmio_read(0xfed00000, 8, value));
  b.d.hvm_params[HVM_PARAM_HPET_ENABLED] = 0;
  CHECK_FALSE(b.p.mmio_read(0xfed00000, 8, value));
}

TEST_CASE("A line that rises reaches the local APIC through the IOAPIC") {
  HvmBench b;
  b.apic(0xf0, 0x1ff);
  b.ioapic(0x10 + 2 * 20, 0x61);
  b.p.set_gsi(20, true);
  CHECK(b.v().vlapic.irr(0x61));
}

TEST_CASE("A level-triggered line comes again after the end of interrupt while somebody holds it") {
  HvmBench b;
  b.apic(0xf0, 0x1ff);
  b.ioapic(0x10 + 2 * 20, 0x8061);
  b.p.set_gsi(20, true);
  b.p.set_gsi(20, true);  // two sources
  CHECK(b.v().vlapic.acknowledge() == 0x61);
  b.p.set_gsi(20, false);
  b.apic(0xb0, 0);
  CHECK(b.v().vlapic.irr(0x61));
  CHECK(b.v().vlapic.acknowledge() == 0x61);
  b.p.set_gsi(20, false);
  b.apic(0xb0, 0);
  CHECK_FALSE(b.v().vlapic.irr(0x61));
}

TEST_CASE("The PICs' output reaches vCPU 0 when its local APIC takes ExtINT") {
  HvmBench b;
  for (const auto& [port, value] : {std::pair{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}})
    b.p.port_write(static_cast<std::uint16_t>(port), 1, static_cast<std::uint32_t>(value));
  // Channel 0 of the PIT, one shot.
  for (const auto& [port, value] : {std::pair{0x43, 0x38}, {0x40, 0xff}, {0x40, 0}})
    b.p.port_write(static_cast<std::uint16_t>(port), 1, static_cast<std::uint32_t>(value));
  b.p.timer_fired(kPitTimer);
  b.apic(0xf0, 0x1ff);
  CHECK_FALSE(b.p.pic_interrupt(b.v()));
  b.apic(0x350, 0x700);
  CHECK(b.p.pic_interrupt(b.v()));
  CHECK(b.p.acknowledge_pic() == 0x20);
  CHECK_FALSE(b.p.pic_interrupt(b.v()));
}

TEST_CASE("The PIT's line is pin 2 of the IOAPIC") {
  HvmBench b;
  b.apic(0xf0, 0x1ff);
  b.ioapic(0x10 + 2 * 2, 0x30);
  for (const auto& [port, value] : {std::pair{0x43, 0x34}, {0x40, 0xff}, {0x40, 0xff}})
    b.p.port_write(static_cast<std::uint16_t>(port), 1, static_cast<std::uint32_t>(value));
  b.p.timer_fired(kPitTimer);
  CHECK(b.v().vlapic.irr(0x30));
}

TEST_CASE("Whatever a guest writes to the devices, they go on") {
  HvmBench b;
  Rng rng(7, "platform");
  const std::array<std::uint16_t, 12> ports{0x20, 0x21, 0x40, 0x42, 0x43,  0x61,
                                            0x70, 0x71, 0xa0, 0xa1, 0x4d0, 0x1f40};
  unsigned fired = 0;
  for (unsigned i = 0; i < 60'000; ++i) {
    const std::uint64_t r = rng.next();
    const auto port = static_cast<std::uint16_t>(ports[r % ports.size()] + (r >> 8 & 3));
    std::uint32_t value = 0;
    std::uint64_t wide = 0;
    const unsigned size = 1u << (r >> 10 & 3);
    switch (r >> 12 & 7) {
      case 0:
      case 1:
        b.p.port_read(port, std::min(size, 4u), value);
        break;
      case 2:
      case 3:
        b.p.port_write(port, size == 8 ? 1 : size, static_cast<std::uint32_t>(r >> 32));
        break;
      case 4:
        b.p.mmio_read((r & 0x8000 ? Hpet::kBase : IoApic::kBase) + (r >> 16 & 0x3ff), size, wide);
        break;
      case 5:
        b.p.mmio_write(Hpet::kBase + (r >> 16 & 0x1ff), size, rng.next() >> (r >> 56));
        break;
      case 6:
        b.ioapic(static_cast<std::uint32_t>(r >> 16 & 0x7f), static_cast<std::uint32_t>(r >> 24));
        break;
      default:
        b.p.timer_fired(static_cast<unsigned>(r >> 16) % (kHpetTimer + Hpet::kTimers));
        ++fired;
        break;
    }
    if (b.p.pic_interrupt(b.v())) b.p.acknowledge_pic();
  }
  CHECK(fired > 0);
}

}  // namespace
}  // namespace xensim::xen::hvm
