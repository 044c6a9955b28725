#include "models/xen/hvm/hpet.h"

#include <algorithm>
#include <limits>

namespace xensim::xen::hvm {

namespace {

constexpr std::uint64_t kCapability = 0, kConfig = 0x10, kStatus = 0x20, kCounter = 0xf0, kTimerBase = 0x100,
                        kTimerStride = 0x20;
constexpr std::uint64_t kRoutes = 0x00f00000;                       // pins that a timer can have
constexpr std::uint64_t kTimerCapabilities = kRoutes << 32 | 0x30;  // periodic, 64 bits wide
constexpr std::uint64_t kTimerWritable = 0x2 | 0x4 | 0x8 | 0x40 | 0x100 | 0x3e00;
constexpr std::uint64_t kRouteMask = 0x3e00, kSetValue = 0x40;
constexpr std::uint64_t kLeastPeriod = 100'000 / Hpet::kTick;  // 100 µs, in ticks
constexpr std::uint64_t kTinySpan = 1'000'000'000 / 1024 / Hpet::kTick;

}  // namespace

Hpet::Hpet(DeviceHost& host) : host_(host) {
  for (Timer& t : timers_) t.config = kTimerCapabilities;
}

std::uint64_t Hpet::comparator(Timer& t) const {
  if (running() && t.periodic() && t.period != 0) {
    // The periods that have passed.
    const std::uint64_t passed = counter() - t.comparator;
    if (static_cast<std::int64_t>(passed) >= 0) t.comparator += (passed + t.period) / t.period * t.period;
  }
  t.compare = t.narrow() ? static_cast<std::uint32_t>(t.comparator) : t.comparator;
  return t.compare;
}

std::uint64_t Hpet::read_register(std::uint64_t offset) {
  switch (offset) {
    case kCapability: {
      constexpr std::uint64_t kPeriod = kTick * 1'000'000;  // in femtoseconds
      return kPeriod << 32 | 0x8086a001 | (kTimers - 1) << 8;
    }
    case kConfig:
      return config_;
    case kStatus:
      return status_;
    case kCounter:
      return counter();
    default:
      break;
  }
  if (offset < kTimerBase || offset >= kTimerBase + kTimers * kTimerStride) return 0;
  Timer& t = timers_[(offset - kTimerBase) / kTimerStride];
  switch (offset % kTimerStride) {
    case 0:
      return t.config;
    case 8:
      return comparator(t);
    case 0x10:
      return t.fsb;
    default:
      return 0;
  }
}

std::uint64_t Hpet::read(std::uint64_t offset, unsigned size) {
  if (size > 8 || offset & (size - 1)) return ~std::uint64_t{0};
  const std::uint64_t value = read_register(offset & ~std::uint64_t{7});
  if (size == 8) return value;
  return value >> (8 * (offset & 7)) & ((std::uint64_t{1} << (8 * size)) - 1);
}

void Hpet::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (size > 8 || offset & (size - 1)) return;
  const std::uint64_t at = offset & ~std::uint64_t{7};
  if (size != 8) {
    const unsigned shift = static_cast<unsigned>(8 * (offset & 7));
    const std::uint64_t mask = ((std::uint64_t{1} << (8 * size)) - 1) << shift;
    value = (read_register(at) & ~mask) | (value << shift & mask);
  }
  if (at == kConfig) {
    write_config(value);
  } else if (at == kStatus) {
    clear_status(value);
  } else if (at == kCounter) {
    halted_ = value;
    for (unsigned n = 0; running() && n < kTimers; ++n)
      if (timers_[n].enabled()) stop(n), start(n);
  } else if (at >= kTimerBase && at < kTimerBase + kTimers * kTimerStride) {
    const auto n = static_cast<unsigned>((at - kTimerBase) / kTimerStride);
    if (at % kTimerStride == 0)
      write_timer_config(n, value);
    else if (at % kTimerStride == 8)
      write_comparator(n, value);
    else if (at % kTimerStride == 0x10)
      timers_[n].fsb = value;
  }
}

void Hpet::write_config(std::uint64_t value) {
  const bool ran = running();
  if (ran && !(value & 1)) halted_ = counter();
  config_ = value & 3;
  if (!ran && running()) {
    offset_ = halted_ - now();
    for (unsigned n = 0; n < kTimers; ++n) {
      Timer& t = timers_[n];
      t.comparator = t.narrow() ? static_cast<std::uint32_t>(t.compare) : t.compare;
      if (t.enabled()) start(n);
    }
  } else if (ran && !running()) {
    for (unsigned n = 0; n < kTimers; ++n)
      if (timers_[n].enabled()) stop(n);
  }
}

void Hpet::clear_status(std::uint64_t bits) {
  for (unsigned n = 0; n < kTimers; ++n) {
    const std::uint64_t bit = std::uint64_t{1} << n;
    if (!(bits & status_ & bit)) continue;
    status_ &= ~bit;
    const Timer& t = timers_[n];
    host_.drive_gsi(t.route(), false);
    if (running() && t.enabled() && t.level() && t.periodic()) start(n);
  }
}

void Hpet::write_timer_config(unsigned n, std::uint64_t value) {
  Timer& t = timers_[n];
  const std::uint64_t old = t.config;
  t.config = (value & kTimerWritable) | (old & ~kTimerWritable);
  // A pin that it cannot have: none, or the first one while the timer is on.
  if (!(std::uint64_t{1} << t.route() & kRoutes)) {
    t.config &= ~kRouteMask;
    if (t.enabled()) t.config |= std::uint64_t{20} << 9;
  }
  if (t.narrow()) {
    t.compare = static_cast<std::uint32_t>(t.compare);
    t.period = static_cast<std::uint32_t>(t.period);
  }
  if (!running()) return;
  const bool was_enabled = old & 4;
  if (!t.enabled()) {
    if (was_enabled) stop(n);
  } else if (((t.config ^ old) & 8) || (t.narrow() && !(old & 0x100))) {
    stop(n);
    start(n);
  } else if (!was_enabled) {
    start(n);
  }
}

void Hpet::write_comparator(unsigned n, std::uint64_t value) {
  Timer& t = timers_[n];
  if (t.periodic() && !(t.config & kSetValue)) {
    const std::uint64_t most = (t.narrow() ? std::uint64_t{~std::uint32_t{0}} : ~std::uint64_t{0}) >> 1;
    t.period = std::clamp(value, kLeastPeriod, most);
  } else {
    t.config &= ~kSetValue;
    t.comparator = value;
    t.compare = t.narrow() ? static_cast<std::uint32_t>(value) : value;
  }
  if (running() && t.enabled()) {
    stop(n);
    start(n);
  }
}

void Hpet::stop(unsigned n) {
  host_.disarm(kHpetTimer + n);
  comparator(timers_[n]);
}

void Hpet::start(unsigned n) {
  Timer& t = timers_[n];
  if (n == 0 && legacy()) host_.disarm(kPitTimer);
  if (!t.enabled() || (t.level() && status_ >> n & 1)) return;
  std::uint64_t at = comparator(t), from = counter();
  if (t.narrow()) at = static_cast<std::uint32_t>(at), from = static_cast<std::uint32_t>(from);
  std::uint64_t span = at - from;
  // In the past, unless a 32-bit counter may have wrapped.
  if (static_cast<std::int64_t>(span) < 0)
    span = t.narrow() && 0 - span > kTinySpan ? static_cast<std::uint32_t>(span) : 0;
  const Nanoseconds time = host_.guest_time();
  const std::uint64_t room = (std::numeric_limits<Nanoseconds>::max() - time) / kTick;
  if (span < room) host_.arm(kHpetTimer + n, time + static_cast<Nanoseconds>(span) * kTick);
}

void Hpet::timer_fired(unsigned n) {
  Timer& t = timers_[n];
  const bool isa = n <= 1 && legacy();
  const unsigned line = isa ? (n == 0 ? 0 : 8) : t.route();
  if (t.level()) {
    status_ |= std::uint64_t{1} << n;
    if (!isa) host_.drive_gsi(line, true);
    return;
  }
  if (isa)
    host_.pulse_isa(line);
  else
    host_.pulse_gsi(line);
  if (t.periodic() && t.period != 0) start(n);
}

}  // namespace xensim::xen::hvm
