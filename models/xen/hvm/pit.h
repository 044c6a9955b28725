// An 8254 timer, and bits of port 0x61 that go with it (Xen 4.17's emul-i8254.c; Intel's 8254 data sheet): ports
// 0x40 to 0x43 and 0x61. Channel 0 drives ISA line 0, channel 2 the speaker. Counts are kept as the guest time at
// which they were loaded; nothing runs between accesses. BCD counting is taken as binary.
#pragma once

#include <array>
#include <cstdint>

#include "models/xen/hvm/device_host.h"

namespace xensim::xen::hvm {

class Pit {
 public:
  static constexpr std::uint64_t kHz = 1'193'182;

  explicit Pit(DeviceHost& host);

  static bool has_port(std::uint16_t port) { return (port & ~3) == 0x40 || port == 0x61; }
  std::uint8_t read(std::uint16_t port);
  void write(std::uint16_t port, std::uint8_t value);
  void timer_fired();

 private:
  enum Access : std::uint8_t { kNone, kLow, kHigh, kLowFirst, kHighNext };
  struct Channel {
    std::uint32_t count = 0x10000;
    Nanoseconds loaded = 0;
    std::uint16_t latched = 0;
    std::uint8_t mode = 0xff;  // until it is programmed
    Access access = kNone, count_latched = kNone, read_next = kNone, write_next = kNone;
    std::uint8_t status = 0, low = 0;
    bool status_latched = false, bcd = false, gate = true;
  };
  std::uint64_t ticks(const Channel& c) const;
  std::uint16_t current(const Channel& c) const;
  bool output(const Channel& c) const;
  void load(unsigned n, std::uint32_t count);
  void latch_count(Channel& c) const;
  void latch_status(Channel& c) const;
  void write_control(std::uint8_t value);
  void set_gate(Channel& c, bool gate);

  DeviceHost& host_;
  std::array<Channel, 3> channels_{};
  std::uint64_t ticks_done_ = 0;  // of channel 0 since its count was loaded
  bool speaker_ = false;
};

}  // namespace xensim::xen::hvm
