// An MC146818 real-time clock (Xen 4.17's hvm/rtc.c; Motorola's data sheet): ports 0x70 and 0x71, the first 14
// bytes of CMOS memory. ISA line 8. The rest of CMOS memory is a device model's: its bytes read as zero and can be
// written.
#pragma once

#include <array>
#include <cstdint>

#include "models/xen/hvm/device_host.h"

namespace xensim::xen::hvm {

class Rtc {
 public:
  explicit Rtc(DeviceHost& host);

  static bool has_port(std::uint16_t port) { return (port & ~1) == 0x70; }
  std::uint8_t read(std::uint16_t port);
  void write(std::uint16_t port, std::uint8_t value);
  void periodic_fired();
  // A second is over, while somebody wants to know.
  void second_over();

 private:
  std::uint8_t& cmos(unsigned i) { return cmos_[i]; }
  bool set_mode() const { return cmos_[11] & 0x80; }
  // Seconds since 1970 as the clock shows them, from the registers or into them.
  std::uint64_t clock() const { return static_cast<std::uint64_t>(offset_) + host_.wallclock_seconds(); }
  void show_time();
  void take_time();
  std::uint8_t encode(unsigned value) const;
  unsigned decode(std::uint8_t value) const;
  unsigned hours_of(std::uint8_t value) const;
  bool alarm_matches();
  void write_data(std::uint8_t value);
  void update_periodic();
  void update_second();
  void update_line();

  DeviceHost& host_;
  std::uint8_t index_ = 0;
  std::array<std::uint8_t, 128> cmos_{};
  std::int64_t offset_ = 0;  // that the guest has put between its clock and Xen's
  Nanoseconds periodic_ = 0, next_periodic_ = 0;
};

}  // namespace xensim::xen::hvm
