#include "models/xen/hvm/rtc.h"

#include <algorithm>
#include <chrono>

namespace xensim::xen::hvm {

namespace {

enum : std::uint8_t {
  kSeconds,
  kSecondsAlarm,
  kMinutes,
  kMinutesAlarm,
  kHours,
  kHoursAlarm,
  kWeekday,
  kDay,
  kMonth,
  kYear,
  kA,
  kB,
  kC,
  kD
};
constexpr unsigned kIrq = 8;
// Of register B, and the same bits of C.
constexpr std::uint8_t kUpdate = 0x10, kAlarm = 0x20, kPeriodic = 0x40, kIrqFlag = 0x80, kBinary = 4, kHours24 = 2;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr Nanoseconds kLeastPeriod = 100'000;  // of interrupts, of all timers that Xen emulates

}  // namespace

Rtc::Rtc(DeviceHost& host) : host_(host) {
  cmos(kA) = 0x26;
  cmos(kB) = kHours24;
  cmos(kD) = 0x80;
}

std::uint8_t Rtc::encode(unsigned v) const {
  return static_cast<std::uint8_t>(cmos_[kB] & kBinary ? v : v / 10 << 4 | v % 10);
}

unsigned Rtc::decode(std::uint8_t v) const { return cmos_[kB] & kBinary ? v : (v >> 4) * 10u + (v & 15); }

unsigned Rtc::hours_of(std::uint8_t v) const {
  if (cmos_[kB] & kHours24) return decode(v);
  return decode(v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

void Rtc::show_time() {
  using namespace std::chrono;
  const sys_seconds now{seconds(static_cast<std::int64_t>(clock()))};
  const sys_days day = floor<days>(now);
  const year_month_day date(day);
  const hh_mm_ss time(now - day);
  cmos(kSeconds) = encode(static_cast<unsigned>(time.seconds().count()));
  cmos(kMinutes) = encode(static_cast<unsigned>(time.minutes().count()));
  const auto hour = static_cast<unsigned>(time.hours().count());
  cmos(kHours) =
      cmos(kB) & kHours24
          ? encode(hour)
          : static_cast<std::uint8_t>(encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0));
  cmos(kWeekday) = encode(weekday(day).c_encoding() + 1);
  cmos(kDay) = encode(static_cast<unsigned>(date.day()));
  cmos(kMonth) = encode(static_cast<unsigned>(date.month()));
  cmos(kYear) = encode(static_cast<unsigned>(static_cast<int>(date.year()) % 100));
}

void Rtc::take_time() {
  using namespace std::chrono;
  const unsigned y = decode(cmos(kYear));
  const year_month_day date(year(static_cast<int>(y + (y < 70 ? 2000 : 1900))),
                            month(std::clamp(decode(cmos(kMonth)), 1u, 12u)),
                            day(std::clamp(decode(cmos(kDay)), 1u, 31u)));
  const std::int64_t seconds_of_day =
      hours_of(cmos(kHours)) * 3600 + decode(cmos(kMinutes)) * 60 + decode(cmos(kSeconds));
  const std::int64_t wanted = sys_days(date).time_since_epoch().count() * 86400 + seconds_of_day;
  offset_ = wanted - static_cast<std::int64_t>(host_.wallclock_seconds());
}

std::uint8_t Rtc::read(std::uint16_t port) {
  if (!(port & 1)) return 0xff;
  if (index_ <= kYear && !(index_ & 1 && index_ < kWeekday) && !set_mode()) show_time();
  const std::uint8_t value = cmos(index_);
  if (index_ == kC) {
    cmos(kC) = 0;
    host_.set_isa(kIrq, false);
  }
  return value;
}

void Rtc::write(std::uint16_t port, std::uint8_t value) {
  if (port & 1)
    write_data(value);
  else
    index_ = value & 0x7f;
}

void Rtc::write_data(std::uint8_t value) {
  switch (index_) {
    case kSecondsAlarm:
    case kMinutesAlarm:
    case kHoursAlarm:
      cmos(index_) = value;
      return;
    case kSeconds:
    case kMinutes:
    case kHours:
    case kWeekday:
    case kDay:
    case kMonth:
    case kYear:
      if (!set_mode()) show_time();
      cmos(index_) = value;
      if (!set_mode()) take_time();
      return;
    case kA:
      cmos(kA) = value & 0x7f;
      return update_periodic();
    case kB: {
      const bool was_set = set_mode();
      if ((value & 0x80) && !was_set) show_time();
      if (!(value & 0x80) && was_set) take_time();
      cmos(kB) = value;
      update_line();
      update_periodic();
      return update_second();
    }
    case kC:
    case kD:
      return;
    default:
      cmos(index_) = value;
      return;
  }
}

void Rtc::update_periodic() {
  const unsigned rate = cmos(kA) & 15;
  // 32768 Hz, and a divider that is not held in reset; rates 1 and 2 are those of 8 and 9.
  const bool runs = rate != 0 && (cmos(kA) & 0x70) == 0x20 && cmos(kB) & kPeriodic;
  const unsigned shift = rate <= 2 ? rate + 7 : rate;
  const Nanoseconds period = runs ? std::max(kLeastPeriod, (kNsPerSecond << (shift - 1)) / 32768) : 0;
  if (period == periodic_) return;
  periodic_ = period;
  if (period == 0) return host_.disarm(kRtcPeriodic);
  next_periodic_ = host_.guest_time() + period;
  host_.arm(kRtcPeriodic, next_periodic_);
}

void Rtc::periodic_fired() {
  if (periodic_ == 0) return;
  cmos(kC) |= kPeriodic;
  update_line();
  next_periodic_ += periodic_;
  host_.arm(kRtcPeriodic, next_periodic_);
}

// Once a second while an update or alarm interrupt is wanted.
void Rtc::update_second() {
  if (cmos(kB) & (kUpdate | kAlarm) && !set_mode())
    host_.arm(kRtcUpdate, (host_.guest_time() / kNsPerSecond + 1) * kNsPerSecond);
  else
    host_.disarm(kRtcUpdate);
}

bool Rtc::alarm_matches() {
  const auto matches = [&](std::uint8_t alarm, std::uint8_t time) {
    return (alarm & 0xc0) == 0xc0 || alarm == time;
  };
  return matches(cmos(kSecondsAlarm), cmos(kSeconds)) && matches(cmos(kMinutesAlarm), cmos(kMinutes)) &&
         matches(cmos(kHoursAlarm), cmos(kHours));
}

void Rtc::second_over() {
  show_time();
  cmos(kC) |= kUpdate;
  if (alarm_matches()) cmos(kC) |= kAlarm;
  update_line();
  update_second();
}

// The line rises with the first flag whose interrupt is enabled, and falls when C is read.
void Rtc::update_line() {
  if (cmos(kC) & kIrqFlag || !(cmos(kC) & cmos(kB) & (kUpdate | kAlarm | kPeriodic))) return;
  cmos(kC) |= kIrqFlag;
  host_.set_isa(kIrq, false);
  host_.set_isa(kIrq, true);
}

}  // namespace xensim::xen::hvm
