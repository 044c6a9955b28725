#include "models/xen/hvm/pit.h"

#include <algorithm>

namespace xensim::xen::hvm {

namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
// The shortest period of interrupts, of all timers that Xen emulates (create_periodic_time).
constexpr Nanoseconds kLeastPeriod = 100'000;

Nanoseconds ns_of(std::uint64_t ticks) {
  return static_cast<Nanoseconds>((static_cast<unsigned __int128>(ticks) * kNsPerSecond + Pit::kHz / 2) /
                                  Pit::kHz);
}

std::uint64_t ticks_of(Nanoseconds span) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(span) * Pit::kHz / kNsPerSecond);
}

}  // namespace

Pit::Pit(DeviceHost& host) : host_(host) { channels_[2].gate = false; }

std::uint64_t Pit::ticks(const Channel& c) const { return ticks_of(host_.guest_time() - c.loaded); }

std::uint16_t Pit::current(const Channel& c) const {
  const std::uint64_t d = ticks(c);
  switch (c.mode) {
    case 0:
    case 1:
    case 4:
    case 5:
      return static_cast<std::uint16_t>(c.count - d);
    case 3:
      return static_cast<std::uint16_t>(c.count - 2 * d % c.count);
    default:
      return static_cast<std::uint16_t>(c.count - d % c.count);
  }
}

bool Pit::output(const Channel& c) const {
  const std::uint64_t d = ticks(c);
  switch (c.mode) {
    case 1:
      return d < c.count;
    case 2:
      return d % c.count == 0 && d != 0;
    case 3:
      return d % c.count < (c.count + 1) / 2;
    case 4:
    case 5:
      return d == c.count;
    default:
      return d >= c.count;
  }
}

// Modes 2 and 3 tick again and again, modes 1 and 4 once; others do not interrupt.
void Pit::load(unsigned n, std::uint32_t count) {
  Channel& c = channels_[n];
  c.count = count == 0 ? 0x10000 : count;
  c.loaded = host_.guest_time();
  if (n != 0) return;
  ticks_done_ = 0;
  if (c.mode >= 1 && c.mode <= 4)
    host_.arm(kPitTimer, c.loaded + ns_of(c.count));
  else
    host_.disarm(kPitTimer);
}

void Pit::timer_fired() {
  const Channel& c = channels_[0];
  host_.pulse_isa(0);
  if (c.mode != 2 && c.mode != 3) return;
  // By count from the load, so that rounding does not add up.
  ++ticks_done_;
  if (ns_of(c.count) < kLeastPeriod)
    ticks_done_ = std::max(ticks_done_, ticks_of(host_.guest_time() + kLeastPeriod - c.loaded) / c.count);
  host_.arm(kPitTimer, c.loaded + ns_of((ticks_done_ + 1) * c.count));
}

void Pit::latch_count(Channel& c) const {
  if (c.count_latched != kNone) return;
  c.latched = current(c);
  c.count_latched = c.access;
}

void Pit::latch_status(Channel& c) const {
  if (c.status_latched) return;
  c.status =
      static_cast<std::uint8_t>((output(c) ? 0x80 : 0) | c.access << 4 | (c.mode & 7) << 1 | (c.bcd ? 1 : 0));
  c.status_latched = true;
}

void Pit::write_control(std::uint8_t value) {
  const unsigned n = value >> 6;
  if (n == 3) {  // read-back
    for (unsigned i = 0; i < 3; ++i) {
      if (!(value >> (i + 1) & 1)) continue;
      if (!(value & 0x20)) latch_count(channels_[i]);
      if (!(value & 0x10)) latch_status(channels_[i]);
    }
    return;
  }
  Channel& c = channels_[n];
  const auto access = static_cast<Access>(value >> 4 & 3);
  if (access == kNone) return latch_count(c);
  c.access = c.read_next = c.write_next = access;
  c.mode = value >> 1 & 7;
  if (c.mode > 5) c.mode = static_cast<std::uint8_t>(c.mode - 4);
  c.bcd = value & 1;
}

void Pit::set_gate(Channel& c, bool gate) {
  const bool restarts = c.mode == 1 || c.mode == 2 || c.mode == 3 || c.mode == 5;
  if (restarts && gate && !c.gate) c.loaded = host_.guest_time();
  c.gate = gate;
}

std::uint8_t Pit::read(std::uint16_t port) {
  if (port == 0x61) {
    // Bit 4 is the refresh request, which toggles.
    const bool refresh = host_.guest_time() >> 14 & 1;  // about 15 µs, as in Xen
    return static_cast<std::uint8_t>((output(channels_[2]) ? 0x20 : 0) | (refresh ? 0x10 : 0) |
                                     (speaker_ ? 2 : 0) | (channels_[2].gate ? 1 : 0));
  }
  if (port == 0x43) return 0;
  Channel& c = channels_[port & 3];
  if (c.status_latched) {
    c.status_latched = false;
    return c.status;
  }
  if (c.count_latched != kNone) {
    const bool high = c.count_latched == kHigh;
    c.count_latched = c.count_latched == kLowFirst ? kHigh : kNone;
    return static_cast<std::uint8_t>(high ? c.latched >> 8 : c.latched);
  }
  const std::uint16_t value = current(c);
  const bool high = c.read_next == kHigh || c.read_next == kHighNext;
  if (c.read_next == kLowFirst)
    c.read_next = kHighNext;
  else if (c.read_next == kHighNext)
    c.read_next = kLowFirst;
  return static_cast<std::uint8_t>(high ? value >> 8 : value);
}

void Pit::write(std::uint16_t port, std::uint8_t value) {
  if (port == 0x61) {
    speaker_ = value & 2;
    return set_gate(channels_[2], value & 1);
  }
  if (port == 0x43) return write_control(value);
  const unsigned n = port & 3;
  Channel& c = channels_[n];
  switch (c.write_next) {
    case kHigh:
      return load(n, std::uint32_t{value} << 8);
    case kLowFirst:
      c.low = value;
      c.write_next = kHighNext;
      return;
    case kHighNext:
      c.write_next = kLowFirst;
      return load(n, c.low | std::uint32_t{value} << 8);
    default:
      return load(n, value);
  }
}

}  // namespace xensim::xen::hvm
