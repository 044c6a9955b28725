// A pair of 8259A interrupt controllers, the second on line 2 of the first, with the ELCR of PC chipsets
// (Xen 4.17's vpic.c; Intel's 8259A data sheet): ports 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1.
//
// A line that rises sets its bit of IRR, one that falls clears it. The output of a controller is up while a
// request that is not masked has a higher priority than all in service.
#pragma once

#include <array>
#include <cstdint>

namespace xensim::xen::hvm {

class I8259Pair {
 public:
  static constexpr std::uint8_t kSpurious = 7;  // of a controller

  static bool has_port(std::uint16_t port);
  std::uint8_t read(std::uint16_t port);
  void write(std::uint16_t port, std::uint8_t value);

  // irq: below 16; 2 is the second controller's, and ignored.
  void set_line(unsigned irq, bool level);
  bool output() const { return chips_[0].output; }
  // The vector of the highest request; it is in service afterwards.
  std::uint8_t acknowledge();

 private:
  struct Chip {
    std::uint8_t irr = 0, imr = 0, isr = 0, elcr = 0, irq_base = 0;
    std::uint8_t highest = 0;     // the line with the highest priority
    std::uint8_t init_state = 0;  // ICW that is next, with bit 7 while ICW4 will come; 0: initialised
    bool wants_icw4 = false, auto_eoi = false, rotate_on_auto_eoi = false, special_mask = false,
         special_fully_nested = false, poll = false, read_isr = false, output = false;
  };
  int highest_request(const Chip& c) const;
  void update(unsigned chip);
  void in_service(unsigned chip, unsigned line);
  int acknowledge(unsigned chip);
  void write_command(unsigned chip, std::uint8_t value);
  void write_data(unsigned chip, std::uint8_t value);
  void write_ocw2(unsigned chip, std::uint8_t value);

  std::array<Chip, 2> chips_ = [] {
    std::array<Chip, 2> c;
    c[0].elcr = 1u << 2;
    return c;
  }();
};

}  // namespace xensim::xen::hvm
