// The ACPI power-management timer and PM1a event registers (Xen 4.17's pmtimer.c; ACPI 6, 4.8.3): ports 0x1f40 to
// 0x1f43 and 0x1f48 to 0x1f4b, or at 0xb000 when HVM_PARAM_ACPI_IOPORTS_LOCATION is 1. The counter has 32 bits;
// each time that its highest one changes, TMR_STS is set, and if TMR_EN is, the SCI (ISA line 9) rises.
#pragma once

#include <cstdint>

#include "models/xen/hvm/device_host.h"

namespace xensim::xen::hvm {

class PmTimer {
 public:
  static constexpr std::uint64_t kHz = 3'579'545;

  explicit PmTimer(DeviceHost& host) : host_(host) {}

  // 0 or 1: where the ports are.
  void move(bool high) { base_ = high ? 0xb000 : 0x1f40; }
  // false: not its port.
  bool read(std::uint16_t port, unsigned size, std::uint32_t& value);
  bool write(std::uint16_t port, unsigned size, std::uint32_t value);
  void timer_fired() { update(); }

 private:
  std::uint64_t ticks() const;
  void update();

  DeviceHost& host_;
  std::uint16_t base_ = 0x1f40, status_ = 0, enable_ = 0;
  std::uint64_t halves_ = 0;  // times that bit 31 has changed
};

}  // namespace xensim::xen::hvm
