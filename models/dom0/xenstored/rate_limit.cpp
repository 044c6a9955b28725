#include "models/dom0/xenstored/rate_limit.h"

#include <algorithm>

namespace xensim::dom0 {

namespace {

constexpr std::int64_t kWrite = 1000;
constexpr std::int64_t kMost = 1'000'000'000;
constexpr std::int64_t kNewDomains = 5;  // how many new domains' bursts the reserve may be in debt for

// Moves as much as leaves `from` at its floor and `to` below its ceiling.
void move(std::int64_t& from, std::int64_t floor, std::int64_t& to, std::int64_t ceiling) {
  const std::int64_t n = std::min(from - floor, ceiling - to);
  if (n <= 0) return;
  from -= n;
  to += n;
}

}  // namespace

void WriteRate::add(WriteCredit& c, std::uint64_t now_ms) {
  c = {0, now_ms};
  ++domains_;
  const std::int64_t burst = config_.write_burst * kWrite;
  move(reserve_, -burst * kNewDomains, c.credit, burst);
}

void WriteRate::remove(WriteCredit& c) {
  --domains_;
  move(c.credit, 0, reserve_, config_.write_burst * kWrite);
}

void WriteRate::update(WriteCredit& c, std::uint64_t now_ms) {
  const std::uint64_t passed = std::min<std::uint64_t>(now_ms - c.updated_ms, 1'000'000'000);
  c.credit = std::min(c.credit + static_cast<std::int64_t>(passed) * config_.write_rate * kWrite /
                                     (std::max<std::int64_t>(domains_, 1) * 1000),
                      kMost);
  move(reserve_, 0, c.credit, 0);
  std::int64_t surplus = 0;
  move(c.credit, config_.write_burst * kWrite, surplus, kMost);
  move(surplus, 0, reserve_, config_.write_reserve * kWrite);
  c.updated_ms = now_ms;
}

void WriteRate::charge(WriteCredit& c, std::uint64_t now_ms) {
  update(c, now_ms);
  c.credit -= kWrite;
}

std::uint64_t WriteRate::wait_ms(const WriteCredit& c) const {
  if (c.credit >= 0) return 0;
  return static_cast<std::uint64_t>(-c.credit) * 1000 *
             static_cast<std::uint64_t>(std::max<std::int64_t>(domains_, 1)) / (config_.write_rate * kWrite) +
         1;
}

}  // namespace xensim::dom0
