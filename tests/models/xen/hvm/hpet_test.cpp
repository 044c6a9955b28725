#include "models/xen/hvm/hpet.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/hvm/device_bench.h"

namespace xensim::xen::hvm {
namespace {

constexpr std::uint64_t kConfig = 0x10, kStatus = 0x20, kCounter = 0xf0, kTimer0 = 0x100, kCompare0 = 0x108;
constexpr std::uint64_t kEnable = 4, kPeriodic = 8, kSetValue = 0x40, kLevel = 2;
constexpr std::uint64_t route(std::uint64_t pin) { return pin << 9; }

TEST_CASE("The HPET has three timers and a tick of 16 ns") {
  DeviceBench b;
  Hpet h(b);
  CHECK(h.read(0, 8) == (std::uint64_t{16'000'000} << 32 | 0x8086a201));
  CHECK(h.read(4, 4) == 16'000'000);
  CHECK(h.read(kTimer0, 8) == 0x00f0000000000030);
  CHECK(h.read(1, 2) == ~std::uint64_t{0});
}

TEST_CASE("The counter goes on from where it was halted") {
  DeviceBench b;
  Hpet h(b);
  h.write(kCounter, 8, 5);
  b.time += 1'600;
  CHECK(h.read(kCounter, 8) == 5);
  h.write(kConfig, 8, 1);
  b.time += 1'600;
  CHECK(h.read(kCounter, 8) == 105);
  h.write(kConfig, 8, 0);
  b.time += 1'600;
  CHECK(h.read(kCounter, 8) == 105);
}

TEST_CASE("A one-shot timer pulses its pin when the counter reaches the comparator") {
  DeviceBench b;
  Hpet h(b);
  h.write(kTimer0, 4, kEnable | route(21));
  h.write(kCompare0, 8, 1'000);
  h.write(kCounter, 8, 0);
  h.write(kConfig, 8, 1);
  const Nanoseconds start = b.time;
  REQUIRE(b.fires(kHpetTimer));
  CHECK(b.time == start + 16'000);
  h.timer_fired(0);
  CHECK(b.gsi_pulses[21] == 1);
  CHECK(b.timers.empty());
}

TEST_CASE(
    "A pin that a timer cannot have becomes the first that it can, and a comparator in the past fires at once") {
  DeviceBench b;
  Hpet h(b);
  h.write(kConfig, 8, 1);
  b.time += 1'600;
  h.write(kCompare0, 8, 1);
  h.write(kTimer0, 4, kEnable | route(16));
  CHECK((h.read(kTimer0, 8) >> 9 & 31) == 20);
  CHECK(b.timers[kHpetTimer] == b.time);
}

TEST_CASE("A periodic timer ticks with its period, not more often than every 100 µs") {
  DeviceBench b;
  Hpet h(b);
  h.write(kTimer0, 4, kEnable | kPeriodic | kSetValue | route(20));
  h.write(kCompare0, 8, 10'000);
  h.write(kCompare0, 8, 1);  // the period: too short
  h.write(kConfig, 8, 1);
  REQUIRE(b.fires(kHpetTimer));
  const Nanoseconds first = b.time;
  h.timer_fired(0);
  REQUIRE(b.fires(kHpetTimer));
  CHECK(b.time - first == 100'000);
}

TEST_CASE("A level-triggered timer holds its pin until its status bit is cleared") {
  DeviceBench b;
  Hpet h(b);
  h.write(kTimer0, 4, kEnable | kLevel | route(22));
  h.write(kCompare0, 8, 100);
  h.write(kConfig, 8, 1);
  REQUIRE(b.fires(kHpetTimer));
  h.timer_fired(0);
  CHECK(b.gsi[22]);
  CHECK(h.read(kStatus, 8) == 1);
  h.write(kStatus, 8, 1);
  CHECK_FALSE(b.gsi[22]);
  CHECK(h.read(kStatus, 8) == 0);
}

}  // namespace
}  // namespace xensim::xen::hvm
