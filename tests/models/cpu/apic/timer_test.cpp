// The local APIC's timer. Input clock 100 MHz, TSC 2.4 GHz: 24 cycles a tick before the divider.
#include <catch2/catch.hpp>

#include "models/cpu/apic/local_apic.h"

using namespace xensim;
using namespace xensim::cpu;

namespace {

struct NoBus final : ApicBus {
  void send_ipi(std::uint32_t, const IpiMessage&) override {}
  void eoi_broadcast(std::uint8_t) override {}
};

struct Fixture {
  explicit Fixture(LocalApicConfig config = {}) : apic(config, bus) { write(0xf0, 0x1ff); }
  void write(std::uint32_t offset, std::uint32_t v, Cycles now = 0) {
    REQUIRE(apic.mmio_write(offset, 4, v, now));
  }
  std::uint32_t count(Cycles now) {
    std::uint32_t v = 0;
    REQUIRE(apic.mmio_read(0x390, 4, now, v));
    return v;
  }
  NoBus bus;
  LocalApic apic;
};

constexpr std::uint32_t kDivideBy1 = 0xb, kOneShot = 0x40, kPeriodic = 0x20040, kDeadline = 0x40040;

}  // namespace

TEST_CASE("One-shot: fires at the first cycle at which the count is 0, once") {
  Fixture f;
  f.write(0x3e0, kDivideBy1);
  f.write(0x320, kOneShot);
  f.write(0x380, 100, 1000);
  const Cycles due = 1000 + 2400;
  CHECK(f.apic.timer_deadline() == due);
  CHECK(f.count(due - 1) == 1);
  CHECK(f.count(due) == 0);
  CHECK_FALSE(f.apic.timer_expire(due - 1));
  CHECK_FALSE(f.apic.irr(0x40));
  CHECK(f.apic.timer_expire(due));
  CHECK(f.apic.irr(0x40));
  CHECK(f.apic.timer_deadline() == kNever);
  CHECK_FALSE(f.apic.timer_expire(due + 100000));
}

TEST_CASE("A masked timer counts and fires without an interrupt") {
  Fixture f;
  f.write(0x320, kOneShot | 0x10000);
  f.write(0x380, 10);
  CHECK(f.apic.timer_expire(480));
  CHECK_FALSE(f.apic.irr(0x40));
}

TEST_CASE("The divider takes each of its eight values") {
  const std::uint32_t code[] = {0, 1, 2, 3, 8, 9, 10, 11};
  const Cycles divider[] = {2, 4, 8, 16, 32, 64, 128, 1};
  for (unsigned i = 0; i < 8; ++i) {
    Fixture f;
    f.write(0x3e0, code[i]);
    f.write(0x320, kOneShot);
    f.write(0x380, 7);
    CHECK(f.apic.timer_deadline() == 7 * 24 * divider[i]);
  }
}

TEST_CASE("Periodic: every period has an interrupt, on both edges") {
  Fixture f;
  f.write(0x3e0, kDivideBy1);
  f.write(0x320, kPeriodic);
  f.write(0x380, 10, 7);
  for (Cycles n = 1; n <= 5; ++n) {
    const Cycles due = 7 + n * 240;
    CHECK(f.apic.timer_deadline() == due);
    CHECK_FALSE(f.apic.timer_expire(due - 1));
    CHECK(f.count(due - 1) == 1);
    CHECK(f.apic.timer_expire(due));
    CHECK(f.apic.acknowledge() == 0x40);
    f.write(0xb0, 0);
    CHECK(f.count(due) == 10);
  }
}

TEST_CASE("Periodic: periods that are no whole number of cycles do not drift") {
  Fixture f({.timer_hz = 7, .tsc_hz = 100});
  f.write(0x3e0, kDivideBy1);
  f.write(0x320, kPeriodic);
  f.write(0x380, 1);
  for (std::uint64_t n = 1; n <= 700; ++n) {
    const Cycles due = (n * 100 + 6) / 7;
    REQUIRE(f.apic.timer_deadline() == due);
    REQUIRE_FALSE(f.apic.timer_expire(due - 1));
    REQUIRE(f.apic.timer_expire(due));
  }
  CHECK(f.apic.timer_deadline() == (701 * 100 + 6) / 7);
}

TEST_CASE("Periodic: looked at late, it fires once and goes on in step") {
  Fixture f;
  f.write(0x3e0, kDivideBy1);
  f.write(0x320, kPeriodic);
  f.write(0x380, 10);
  CHECK(f.apic.timer_expire(1000));
  CHECK(f.apic.timer_deadline() == 1200);
}

TEST_CASE("A count of 0 stops the timer") {
  Fixture f;
  f.write(0x320, kPeriodic);
  f.write(0x380, 10);
  f.write(0x380, 0, 100);
  CHECK(f.apic.timer_deadline() == kNever);
  CHECK(f.count(200) == 0);
}

TEST_CASE("A new divider takes what is left of the count along") {
  Fixture f;
  f.write(0x3e0, kDivideBy1);
  f.write(0x320, kOneShot);
  f.write(0x380, 100);
  f.write(0x3e0, 0, 1200);
  CHECK(f.count(1200) == 50);
  CHECK(f.apic.timer_deadline() == 1200 + 50 * 48);
}

TEST_CASE("From periodic to one-shot the period in progress is the last") {
  Fixture f;
  f.write(0x3e0, kDivideBy1);
  f.write(0x320, kPeriodic);
  f.write(0x380, 10);
  CHECK(f.apic.timer_expire(240));
  CHECK(f.apic.timer_expire(480));
  f.write(0x320, kOneShot, 500);
  CHECK(f.count(719) == 1);
  CHECK(f.apic.timer_deadline() == 720);
  CHECK(f.apic.timer_expire(720));
  CHECK(f.apic.timer_deadline() == kNever);
  CHECK(f.count(721) == 0);
}

TEST_CASE("TSC-deadline: fires at the deadline and disarms") {
  Fixture f;
  std::uint64_t v = 0;
  f.write(0x320, kDeadline);
  CHECK(f.apic.msr_write(0x6e0, 5000, 100));
  CHECK(f.apic.timer_deadline() == 5000);
  CHECK(f.apic.msr_read(0x6e0, 4999, v));
  CHECK(v == 5000);
  CHECK_FALSE(f.apic.timer_expire(4999));
  CHECK(f.apic.timer_expire(5000));
  CHECK(f.apic.irr(0x40));
  CHECK(f.apic.msr_read(0x6e0, 5000, v));
  CHECK(v == 0);
  CHECK(f.apic.timer_deadline() == kNever);
}

TEST_CASE("TSC-deadline: one that has passed is due at once, 0 disarms") {
  Fixture f;
  f.write(0x320, kDeadline);
  CHECK(f.apic.msr_write(0x6e0, 50, 100));
  CHECK(f.apic.timer_deadline() == 100);
  CHECK(f.apic.msr_write(0x6e0, 0, 100));
  CHECK(f.apic.timer_deadline() == kNever);
}

TEST_CASE("The deadline MSR counts in its own mode only, the initial count in the others") {
  Fixture f;
  std::uint64_t v = 1;
  f.write(0x320, kOneShot);
  CHECK(f.apic.msr_write(0x6e0, 5000, 0));
  CHECK(f.apic.timer_deadline() == kNever);
  CHECK(f.apic.msr_read(0x6e0, 0, v));
  CHECK(v == 0);
  f.write(0x320, kDeadline);
  f.write(0x380, 10);
  CHECK(f.apic.timer_deadline() == kNever);
}

TEST_CASE("Entering or leaving TSC-deadline mode disarms the timer") {
  Fixture f;
  f.write(0x320, kOneShot);
  f.write(0x380, 1000);
  f.write(0x320, kDeadline, 10);
  CHECK(f.apic.timer_deadline() == kNever);
  CHECK(f.apic.msr_write(0x6e0, 5000, 10));
  f.write(0x320, kOneShot, 20);
  CHECK(f.apic.timer_deadline() == kNever);
}

TEST_CASE("A timer vector below 16 is a receive error") {
  Fixture f;
  f.write(0x320, 0x05);
  f.write(0x380, 1);
  CHECK(f.apic.timer_expire(1000));
  f.write(0x280, 0);
  std::uint32_t v = 0;
  CHECK(f.apic.mmio_read(0x280, 4, 0, v));
  CHECK(v == 0x40);
}
