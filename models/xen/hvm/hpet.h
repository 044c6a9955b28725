// An HPET with three timers (Xen 4.17's hpet.c; the IA-PC HPET specification): registers 0xfed00000 to 0xfed003ff.
// Its counter goes with guest time, a tick in 16 ns. Pins 20 to 23 of the IOAPIC, or in legacy mode lines 0 and 8.
#pragma once

#include <array>
#include <cstdint>

#include "models/xen/hvm/device_host.h"

namespace xensim::xen::hvm {

class Hpet {
 public:
  static constexpr std::uint64_t kBase = 0xfed00000, kSize = 0x400;
  static constexpr unsigned kTimers = 3;
  static constexpr Nanoseconds kTick = 16;

  explicit Hpet(DeviceHost& host);

  std::uint64_t read(std::uint64_t offset, unsigned size);
  void write(std::uint64_t offset, unsigned size, std::uint64_t value);
  void timer_fired(unsigned timer);
  // Timer 0 has taken the PIT's place.
  bool legacy() const { return config_ & 2; }

 private:
  struct Timer {
    std::uint64_t config = 0, compare = ~std::uint64_t{0};
    std::uint64_t comparator = ~std::uint64_t{0};  // 64 bits wide, also in 32-bit mode
    std::uint64_t period = 0, fsb = 0;
    bool enabled() const { return config & 4; }
    bool periodic() const { return config & 8; }
    bool level() const { return config & 2; }
    bool narrow() const { return config & 0x100; }
    unsigned route() const { return config >> 9 & 31; }
  };
  bool running() const { return config_ & 1; }
  std::uint64_t now() const { return host_.guest_time() / kTick; }
  std::uint64_t counter() const { return running() ? now() + offset_ : halted_; }
  std::uint64_t comparator(Timer& t) const;
  std::uint64_t read_register(std::uint64_t offset);
  void write_config(std::uint64_t value);
  void clear_status(std::uint64_t bits);
  void write_timer_config(unsigned n, std::uint64_t value);
  void write_comparator(unsigned n, std::uint64_t value);
  void start(unsigned n);
  void stop(unsigned n);

  DeviceHost& host_;
  std::uint64_t config_ = 0, status_ = 0, halted_ = 0, offset_ = 0;
  std::array<Timer, kTimers> timers_{};
};

}  // namespace xensim::xen::hvm
