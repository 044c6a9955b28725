#include "models/xen/hvm/i8259.h"

#include <bit>

namespace xensim::xen::hvm {

namespace {

constexpr unsigned kCascade = 2;
constexpr unsigned kNoPriority = 8;
// Lines that may be level-triggered.
constexpr std::array<std::uint8_t, 2> kElcrMask{0xf8, 0xde};

// Of the highest of these lines; 0 is the highest priority.
unsigned priority_of(std::uint8_t lines, std::uint8_t highest) {
  return lines == 0 ? kNoPriority : static_cast<unsigned>(std::countr_zero(std::rotr(lines, highest)));
}

}  // namespace

bool I8259Pair::has_port(std::uint16_t port) {
  return (port & ~1) == 0x20 || (port & ~1) == 0xa0 || (port & ~1) == 0x4d0;
}

int I8259Pair::highest_request(const Chip& c) const {
  const unsigned wanted = priority_of(c.irr & static_cast<std::uint8_t>(~c.imr), c.highest);
  if (wanted == kNoPriority) return -1;
  const unsigned line = (wanted + c.highest) & 7;
  std::uint8_t blocking = c.isr;
  if (c.special_fully_nested && &c == &chips_[0] && line == kCascade)
    blocking &= static_cast<std::uint8_t>(~(1u << kCascade));
  if (c.special_mask) blocking &= static_cast<std::uint8_t>(~c.imr);
  return wanted < priority_of(blocking, c.highest) ? static_cast<int>(line) : -1;
}

void I8259Pair::update(unsigned chip) {
  Chip& c = chips_[chip];
  const bool up = c.init_state == 0 && highest_request(c) >= 0;
  if (up == c.output) return;
  c.output = up;
  if (chip == 0) return;
  Chip& first = chips_[0];
  first.irr = static_cast<std::uint8_t>(up ? first.irr | 1u << kCascade : first.irr & ~(1u << kCascade));
  update(0);
}

void I8259Pair::set_line(unsigned irq, bool level) {
  if (irq == kCascade || irq > 15) return;
  const unsigned chip = irq >> 3;
  Chip& c = chips_[chip];
  const std::uint8_t bit = static_cast<std::uint8_t>(1u << (irq & 7));
  c.irr = static_cast<std::uint8_t>(level ? c.irr | bit : c.irr & ~bit);
  if (!(c.imr & bit)) update(chip);
}

void I8259Pair::in_service(unsigned chip, unsigned line) {
  Chip& c = chips_[chip];
  const std::uint8_t bit = static_cast<std::uint8_t>(1u << line);
  if (!(c.elcr & bit)) c.irr &= static_cast<std::uint8_t>(~bit);
  if (!c.auto_eoi)
    c.isr |= bit;
  else if (c.rotate_on_auto_eoi)
    c.highest = static_cast<std::uint8_t>((line + 1) & 7);
  update(chip);
}

int I8259Pair::acknowledge(unsigned chip) {
  const int line = highest_request(chips_[chip]);
  if (line < 0) return -1;
  in_service(chip, static_cast<unsigned>(line));
  if (chip == 0 && line == kCascade) {
    const int second = acknowledge(1);
    return second < 0 ? 8 + kSpurious : 8 + second;
  }
  return line;
}

std::uint8_t I8259Pair::acknowledge() {
  const int line = acknowledge(0);
  const unsigned n = line < 0 ? kSpurious : static_cast<unsigned>(line);
  return static_cast<std::uint8_t>(chips_[n >> 3].irq_base + (n & 7));
}

std::uint8_t I8259Pair::read(std::uint16_t port) {
  if ((port & ~1) == 0x4d0) return chips_[port & 1].elcr & kElcrMask[port & 1];
  const unsigned chip = port >> 7 & 1;
  Chip& c = chips_[chip];
  if (c.poll) {
    c.poll = false;
    const int line = acknowledge(chip);
    return static_cast<std::uint8_t>(line < 0 ? 0 : 0x80 | (line & 7));
  }
  if (port & 1) return c.imr;
  return c.read_isr ? c.isr : c.irr;
}

void I8259Pair::write(std::uint16_t port, std::uint8_t value) {
  if ((port & ~1) == 0x4d0) {
    const unsigned chip = port & 1;
    chips_[chip].elcr = static_cast<std::uint8_t>((value & kElcrMask[chip]) | (chip == 0 ? 1u << kCascade : 0));
    return;
  }
  const unsigned chip = port >> 7 & 1;
  if (port & 1)
    write_data(chip, value);
  else
    write_command(chip, value);
}

void I8259Pair::write_command(unsigned chip, std::uint8_t value) {
  Chip& c = chips_[chip];
  if (value & 0x10) {  // ICW1
    const std::uint8_t elcr = c.elcr;
    c = Chip{};
    c.elcr = elcr;
    c.wants_icw4 = value & 1;
    c.init_state = 2;
    c.output = chips_[chip].output;
    update(chip);
    if (chip == 1) {
      chips_[0].irr &= static_cast<std::uint8_t>(~(1u << kCascade));
      update(0);
    }
  } else if (value & 8) {  // OCW3
    if (value & 4) c.poll = true;
    if (value & 2) c.read_isr = value & 1;
    if (value & 0x40) c.special_mask = value & 0x20;
    update(chip);
  } else {
    write_ocw2(chip, value);
  }
}

void I8259Pair::write_ocw2(unsigned chip, std::uint8_t value) {
  Chip& c = chips_[chip];
  const std::uint8_t line = value & 7;
  switch (value >> 5) {
    case 0:  // clear and set rotation on automatic EOI
    case 4:
      c.rotate_on_auto_eoi = value >> 7;
      break;
    case 1:  // EOI of what has the highest priority, and with rotation
    case 5: {
      const unsigned p = priority_of(c.isr, c.highest);
      if (p == kNoPriority) break;
      const unsigned n = (p + c.highest) & 7;
      c.isr &= static_cast<std::uint8_t>(~(1u << n));
      if (value & 0x80) c.highest = static_cast<std::uint8_t>((n + 1) & 7);
      break;
    }
    case 3:  // of the line that it names, and with rotation
    case 7:
      c.isr &= static_cast<std::uint8_t>(~(1u << line));
      if (value & 0x80) c.highest = static_cast<std::uint8_t>((line + 1) & 7);
      break;
    case 6:  // set the lowest priority
      c.highest = static_cast<std::uint8_t>((line + 1) & 7);
      break;
    default:
      break;
  }
  update(chip);
}

void I8259Pair::write_data(unsigned chip, std::uint8_t value) {
  Chip& c = chips_[chip];
  switch (c.init_state) {
    case 2:
      c.irq_base = value & 0xf8;
      c.init_state = 3;
      break;
    case 3:
      c.init_state = c.wants_icw4 ? 4 : 0;
      break;
    case 4:
      c.special_fully_nested = value & 0x10;
      c.auto_eoi = value & 2;
      c.init_state = 0;
      break;
    default:
      c.imr = value;
      break;
  }
  update(chip);
}

}  // namespace xensim::xen::hvm
