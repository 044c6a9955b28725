#include "models/xen/hvm/pm_timer.h"

namespace xensim::xen::hvm {

namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr unsigned kSci = 9, kTimerOffset = 8;
// Timer, global lock, power button, sleep button.
constexpr std::uint16_t kTimer = 1, kEvents = 1 | 1 << 5 | 1 << 8 | 1 << 9;

}  // namespace

std::uint64_t PmTimer::ticks() const {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(host_.guest_time()) * kHz / kNsPerSecond);
}

void PmTimer::update() {
  const std::uint64_t halves = ticks() >> 31;
  if (halves != halves_) status_ |= kTimer;
  halves_ = halves;
  host_.set_isa(kSci, (status_ & enable_ & kEvents) != 0);
  if (!(enable_ & kTimer)) return host_.disarm(kPmTimer);
  const unsigned __int128 next = static_cast<unsigned __int128>(halves + 1) << 31;
  host_.arm(kPmTimer, static_cast<Nanoseconds>((next * kNsPerSecond + kHz - 1) / kHz));
}

bool PmTimer::read(std::uint16_t port, unsigned size, std::uint32_t& value) {
  const unsigned offset = static_cast<unsigned>(port - base_);
  if (offset >= kTimerOffset && offset < kTimerOffset + 4) {
    value = offset == kTimerOffset && size == 4 ? static_cast<std::uint32_t>(ticks()) : ~std::uint32_t{0};
    return true;
  }
  if (offset >= 4) return false;
  update();
  value = (status_ | std::uint32_t{enable_} << 16) >> (8 * offset);
  return true;
}

bool PmTimer::write(std::uint16_t port, unsigned size, std::uint32_t value) {
  const unsigned offset = static_cast<unsigned>(port - base_);
  if (offset >= kTimerOffset && offset < kTimerOffset + 4) return true;
  if (offset >= 4) return false;
  update();
  for (unsigned i = 0; i < size && offset + i < 4; ++i) {
    const auto byte = static_cast<std::uint8_t>(value >> (8 * i));
    const unsigned at = offset + i, shift = 8 * (at & 1);
    if (at < 2)  // a bit written as 1 is cleared
      status_ = static_cast<std::uint16_t>(status_ & ~(byte << shift));
    else
      enable_ = static_cast<std::uint16_t>((enable_ & ~(0xff << shift)) | byte << shift);
  }
  update();
  return true;
}

}  // namespace xensim::xen::hvm
