// An IOAPIC (Xen 4.17's vioapic.c; Intel's 82093AA data sheet) with 48 pins: registers 0xfec00000 to 0xfec000ff.
//
// A pin's level is kept by whoever drives it; the IOAPIC is told of rising edges and asks for levels. A
// level-triggered pin delivers, waits for the end of interrupt of its vector (remote IRR), and delivers again if
// it is still up.
#pragma once

#include <array>
#include <cstdint>

namespace xensim::xen::hvm {

struct IoApicMessage {
  unsigned pin = 0;
  std::uint8_t vector = 0, mode = 0, destination = 0;  // mode: 0 fixed, 1 lowest priority, 4 NMI
  bool logical = false, level = false;
};

class IoApicBus {
 public:
  virtual ~IoApicBus() = default;
  virtual void deliver(const IoApicMessage& message) = 0;
  virtual bool asserted(unsigned pin) const = 0;
};

class IoApic {
 public:
  static constexpr unsigned kPins = 48;
  static constexpr std::uint64_t kBase = 0xfec00000, kSize = 0x100;

  explicit IoApic(IoApicBus& bus) : bus_(bus) { redirection_.fill(kMask); }

  std::uint32_t read(std::uint64_t offset) const;
  void write(std::uint64_t offset, std::uint32_t value);
  void rise(unsigned pin);
  void end_of_interrupt(std::uint8_t vector);
  std::uint64_t entry(unsigned pin) const { return redirection_[pin]; }

 private:
  static constexpr std::uint64_t kMask = 1u << 16, kLevel = 1u << 15, kRemoteIrr = 1u << 14, kStatus = 1u << 12;
  void write_entry(unsigned pin, bool high, std::uint32_t value);
  void deliver(unsigned pin);

  IoApicBus& bus_;
  std::uint8_t select_ = 0, id_ = 0;
  std::array<std::uint64_t, kPins> redirection_{};
};

}  // namespace xensim::xen::hvm
