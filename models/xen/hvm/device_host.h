// What a device that Xen emulates sees of the domain it is in: guest time, timers, and interrupt lines.
#pragma once

#include <cstdint>

#include "sim/base/types.h"

namespace xensim::xen::hvm {

// Timers of the platform's devices, by number.
enum PlatformTimer : std::uint8_t { kPitTimer, kRtcPeriodic, kRtcUpdate, kPmTimer, kHpetTimer };

class DeviceHost {
 public:
  virtual ~DeviceHost() = default;
  // Nanoseconds since the domain was made.
  virtual Nanoseconds guest_time() const = 0;
  // Seconds since 1970, in the guest's time zone.
  virtual std::uint64_t wallclock_seconds() const = 0;
  // In place of what the timer was armed for. It fires at that guest time, or at once if that is over.
  virtual void arm(unsigned timer, Nanoseconds at) = 0;
  virtual void disarm(unsigned timer) = 0;
  // An ISA line: to the PICs, and to the IOAPIC's pin (2 for line 0).
  virtual void pulse_isa(unsigned irq) = 0;
  virtual void set_isa(unsigned irq, bool level) = 0;
  // A pin of the IOAPIC alone.
  virtual void pulse_gsi(unsigned gsi) = 0;
  virtual void drive_gsi(unsigned gsi, bool level) = 0;
};

}  // namespace xensim::xen::hvm
