#include "models/xen/hvm/ioapic.h"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

namespace xensim::xen::hvm {
namespace {

struct Bus final : IoApicBus {
  std::vector<IoApicMessage> messages;
  std::set<unsigned> up;
  void deliver(const IoApicMessage& m) override { messages.push_back(m); }
  bool asserted(unsigned pin) const override { return up.contains(pin); }
};

struct Bench {
  Bus bus;
  IoApic apic{bus};
  std::uint32_t read(std::uint32_t reg) {
    apic.write(0, reg);
    return apic.read(0x10);
  }
  void write(std::uint32_t reg, std::uint32_t value) {
    apic.write(0, reg);
    apic.write(0x10, value);
  }
};

TEST_CASE("It says that it has 48 pins, all masked") {
  Bench b;
  CHECK(b.read(1) == 0x2f0011);
  CHECK(b.read(0x10) == 0x10000);
  CHECK(b.read(0x10 + 2 * 47) == 0x10000);
  CHECK(b.read(0x10 + 2 * 48) == 0);
  CHECK(b.apic.read(0x40) == 0);
}

TEST_CASE("The selector has eight bits, whatever width a write has") {
  Bench b;
  b.apic.write(0, 0xabcd1234);
  CHECK(b.apic.read(0) == 0x34);
}

TEST_CASE("An edge on an open pin is delivered once") {
  Bench b;
  b.write(0x11 + 2 * 5, 3u << 24);
  b.write(0x10 + 2 * 5, 0x42);
  b.apic.rise(5);
  REQUIRE(b.bus.messages.size() == 1);
  CHECK(b.bus.messages[0].vector == 0x42);
  CHECK(b.bus.messages[0].destination == 3);
  CHECK_FALSE(b.bus.messages[0].level);
  b.write(0x10 + 2 * 5, 0x10042);
  b.apic.rise(5);
  CHECK(b.bus.messages.size() == 1);
}

TEST_CASE("A level that is still up is delivered again after its end of interrupt, not before") {
  Bench b;
  b.bus.up.insert(9);
  b.write(0x10 + 2 * 9, 0x8051);  // unmasked while it is up
  CHECK(b.bus.messages.size() == 1);
  b.apic.rise(9);
  CHECK(b.bus.messages.size() == 1);
  CHECK(b.read(0x10 + 2 * 9) == 0xc051);  // remote IRR
  b.apic.end_of_interrupt(0x51);
  CHECK(b.bus.messages.size() == 2);
  b.bus.up.clear();
  b.apic.end_of_interrupt(0x51);
  CHECK(b.bus.messages.size() == 2);
  CHECK(b.read(0x10 + 2 * 9) == 0x8051);
}

TEST_CASE("Pins that there are not raise nothing") {
  Bench b;
  b.apic.rise(48);
  CHECK(b.bus.messages.empty());
}

}  // namespace
}  // namespace xensim::xen::hvm
