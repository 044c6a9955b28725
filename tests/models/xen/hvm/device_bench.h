// A host for devices without a domain: time that a test sets, timers that it can look at, lines that count their
// edges.
#pragma once

#include <array>
#include <map>

#include "models/xen/hvm/device_host.h"

namespace xensim::xen::hvm {

struct DeviceBench final : DeviceHost {
  Nanoseconds time = 1'000'000'000;
  std::uint64_t wallclock_at_zero = 1'767'225'600;  // 2026-01-01 00:00:00
  std::map<unsigned, Nanoseconds> timers;
  std::map<unsigned, unsigned> isa_pulses, gsi_pulses;
  std::map<unsigned, bool> isa, gsi;

  Nanoseconds guest_time() const override { return time; }
  std::uint64_t wallclock_seconds() const override { return wallclock_at_zero + time / 1'000'000'000; }
  void arm(unsigned timer, Nanoseconds at) override { timers[timer] = at; }
  void disarm(unsigned timer) override { timers.erase(timer); }
  void pulse_isa(unsigned irq) override { ++isa_pulses[irq]; }
  void set_isa(unsigned irq, bool level) override { isa[irq] = level; }
  void pulse_gsi(unsigned pin) override { ++gsi_pulses[pin]; }
  void drive_gsi(unsigned pin, bool level) override { gsi[pin] = level; }

  // The timer's time has come.
  bool fires(unsigned timer) {
    if (!timers.contains(timer)) return false;
    time = timers[timer];
    timers.erase(timer);
    return true;
  }
};

}  // namespace xensim::xen::hvm
