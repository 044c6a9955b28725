#include <catch2/catch.hpp>

#include "models/xen/hvm/pit.h"
#include "models/xen/hvm/pm_timer.h"
#include "models/xen/hvm/rtc.h"
#include "tests/models/xen/hvm/device_bench.h"

namespace xensim::xen::hvm {
namespace {

constexpr Nanoseconds kSecond = 1'000'000'000;

TEST_CASE("Channel 0 of the PIT in mode 2 ticks with its count") {
  DeviceBench b;
  Pit p(b);
  p.write(0x43, 0x34);
  p.write(0x40, 0x9c);  // 11932: 100 Hz
  p.write(0x40, 0x2e);
  const Nanoseconds start = b.time;
  REQUIRE(b.fires(kPitTimer));
  CHECK(b.time == start + 10'000'151);  // 11932 / 1193182 s
  p.timer_fired();
  CHECK(b.isa_pulses[0] == 1);
  REQUIRE(b.fires(kPitTimer));
  CHECK(b.time == start + 20'000'302);
}

TEST_CASE("A count too short for interrupts ticks every 100 µs at most") {
  DeviceBench b;
  Pit p(b);
  p.write(0x43, 0x14);  // low byte only
  p.write(0x40, 2);
  REQUIRE(b.fires(kPitTimer));
  const Nanoseconds first = b.time;
  p.timer_fired();
  REQUIRE(b.fires(kPitTimer));
  CHECK(b.time - first >= 100'000);
}

TEST_CASE("A latched count stays while the counter goes on") {
  DeviceBench b;
  Pit p(b);
  p.write(0x43, 0xb0);  // channel 2, mode 0
  p.write(0x42, 0xff);
  p.write(0x42, 0xff);
  p.write(0x43, 0x80);
  b.time += kSecond / 100;
  CHECK(p.read(0x42) == 0xff);
  CHECK(p.read(0x42) == 0xff);
  const unsigned low = p.read(0x42), high = p.read(0x42);
  CHECK((high << 8 | low) == 0xffff - 11931);
}

TEST_CASE("The speaker's output rises when channel 2 has counted down") {
  DeviceBench b;
  Pit p(b);
  p.write(0x61, 1);
  p.write(0x43, 0xb0);
  p.write(0x42, 100);
  p.write(0x42, 0);
  CHECK((p.read(0x61) & 0x21) == 1);
  b.time += 100'000;
  CHECK((p.read(0x61) & 0x21) == 0x21);
}

TEST_CASE("The RTC shows the wall clock in BCD, and keeps what the guest sets") {
  DeviceBench b;
  Rtc r(b);
  const auto read = [&](std::uint8_t index) {
    r.write(0x70, index);
    return r.read(0x71);
  };
  b.time = 3'723 * kSecond;
  CHECK(read(0) == 0x03);
  CHECK(read(2) == 0x02);
  CHECK(read(4) == 0x01);
  CHECK(read(7) == 0x01);
  CHECK(read(8) == 0x01);
  CHECK(read(9) == 0x26);
  CHECK(read(6) == 5);  // Thursday
  r.write(0x70, 4);
  r.write(0x71, 0x13);
  b.time += kSecond;
  CHECK(read(4) == 0x13);
  CHECK(read(0) == 0x04);
}

TEST_CASE("The RTC's periodic interrupt stays up until register C is read") {
  DeviceBench b;
  Rtc r(b);
  r.write(0x70, 10);
  r.write(0x71, 0x26);
  r.write(0x70, 11);
  r.write(0x71, 0x42);
  const Nanoseconds start = b.time;
  REQUIRE(b.fires(kRtcPeriodic));
  CHECK(b.time == start + kSecond / 1024);
  r.periodic_fired();
  CHECK(b.isa[8]);
  r.write(0x70, 12);
  CHECK(r.read(0x71) == 0xc0);
  CHECK_FALSE(b.isa[8]);
  CHECK(r.read(0x71) == 0);
}

TEST_CASE("The RTC's alarm rings in the second that it names") {
  DeviceBench b;
  Rtc r(b);
  for (const auto& [index, value] : {std::pair{1, 0x03}, {3, 0xff}, {5, 0xff}, {11, 0x22}}) {
    r.write(0x70, static_cast<std::uint8_t>(index));
    r.write(0x71, static_cast<std::uint8_t>(value));
  }
  REQUIRE(b.fires(kRtcUpdate));
  r.second_over();
  CHECK_FALSE(b.isa[8]);
  REQUIRE(b.fires(kRtcUpdate));
  r.second_over();
  CHECK(b.isa[8]);
}

TEST_CASE("The PM timer counts at 3.579545 MHz, and its highest bit's change raises the SCI if asked") {
  DeviceBench b;
  PmTimer t(b);
  std::uint32_t value = 0;
  REQUIRE(t.read(0x1f48, 4, value));
  CHECK(value == 3'579'545);
  REQUIRE(t.read(0x1f48, 1, value));
  CHECK(value == ~0u);
  CHECK_FALSE(t.read(0xb008, 4, value));
  t.write(0x1f42, 2, 1);
  REQUIRE(b.fires(kPmTimer));
  t.timer_fired();
  CHECK(b.isa[9]);
  REQUIRE(t.read(0x1f48, 4, value));
  CHECK(value == 0x80000000);
  t.write(0x1f40, 2, 1);
  CHECK_FALSE(b.isa[9]);
  t.move(true);
  CHECK(t.read(0xb008, 4, value));
}

}  // namespace
}  // namespace xensim::xen::hvm
