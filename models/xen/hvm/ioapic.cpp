#include "models/xen/hvm/ioapic.h"

namespace xensim::xen::hvm {

namespace {
constexpr std::uint64_t kSelect = 0, kWindow = 0x10;
constexpr std::uint8_t kId = 0, kVersion = 1, kArbitration = 2, kFirstEntry = 0x10;
constexpr std::uint32_t kVersionNumber = 0x11;  // no EOI register
}  // namespace

std::uint32_t IoApic::read(std::uint64_t offset) const {
  if (offset == kSelect) return select_;
  if (offset != kWindow) return 0;
  if (select_ == kVersion) return kVersionNumber | (kPins - 1) << 16;
  if (select_ == kId || select_ == kArbitration) return std::uint32_t{id_} << 24;
  const unsigned pin = static_cast<unsigned>(select_ - kFirstEntry) / 2;
  if (select_ < kFirstEntry || pin >= kPins) return 0;
  return static_cast<std::uint32_t>(select_ & 1 ? redirection_[pin] >> 32 : redirection_[pin]);
}

void IoApic::write(std::uint64_t offset, std::uint32_t value) {
  if (offset == kSelect) {
    select_ = static_cast<std::uint8_t>(value);
  } else if (offset == kWindow) {
    const unsigned pin = static_cast<unsigned>(select_ - kFirstEntry) / 2;
    if (select_ == kId)
      id_ = value >> 24 & 0xf;
    else if (select_ >= kFirstEntry && pin < kPins)
      write_entry(pin, select_ & 1, value);
  }
}

void IoApic::write_entry(unsigned pin, bool high, std::uint32_t value) {
  std::uint64_t& e = redirection_[pin];
  if (high) {
    e = (e & 0xffffffff) | std::uint64_t{value} << 32;
  } else {
    // Remote IRR and delivery status are read-only.
    e = (e & ~std::uint64_t{0xffffffff}) | (value & ~(kRemoteIrr | kStatus)) | (e & kRemoteIrr);
  }
  if (pin == 0) return;  // the PICs'
  if (!(e & kLevel)) {
    e &= ~kRemoteIrr;
  } else if (!(e & (kMask | kRemoteIrr)) && bus_.asserted(pin)) {
    e |= kRemoteIrr;
    deliver(pin);
  }
}

void IoApic::rise(unsigned pin) {
  if (pin >= kPins) return;
  std::uint64_t& e = redirection_[pin];
  if (e & kMask) return;
  if (e & kLevel) {
    if (e & kRemoteIrr) return;
    e |= kRemoteIrr;
  }
  deliver(pin);
}

void IoApic::end_of_interrupt(std::uint8_t vector) {
  for (unsigned pin = 0; pin < kPins; ++pin) {
    std::uint64_t& e = redirection_[pin];
    if (static_cast<std::uint8_t>(e) != vector) continue;
    e &= ~kRemoteIrr;
    if ((e & kLevel) && !(e & kMask) && bus_.asserted(pin)) {
      e |= kRemoteIrr;
      deliver(pin);
    }
  }
}

void IoApic::deliver(unsigned pin) {
  const std::uint64_t e = redirection_[pin];
  IoApicMessage m;
  m.pin = pin;
  m.vector = static_cast<std::uint8_t>(e);
  m.mode = e >> 8 & 7;
  m.logical = e >> 11 & 1;
  m.level = (e & kLevel) != 0;
  m.destination = static_cast<std::uint8_t>(e >> 56);
  bus_.deliver(m);
}

}  // namespace xensim::xen::hvm
