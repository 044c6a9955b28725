// credit2's own trace records: Xen's event numbers (TRC_CSCHED2_*) and word layouts, as xenalyze reads them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "models/xen/sched/policy.h"

namespace xensim::xen::sched {

enum class Credit2Event : unsigned {
  kRunqPos = 2,
  kCreditBurn = 3,
  kTickleCheck = 5,
  kTickle = 6,
  kCreditReset = 7,
  kUpdateLoad = 9,
  kRunqAssign = 10,
  kUpdateUnitLoad = 11,
  kUpdateRunqLoad = 12,
  kTickleNew = 13,
  kRunqMaxWeight = 14,
  kMigrate = 15,
  kLoadCheck = 16,
  kLoadBalance = 17,
  kPickedCpu = 19,
  kRunqCandidate = 20,
  kSchedule = 21,
  kRatelimit = 22,
  kRunqCandidateCheck = 23,
};

class Credit2Trace {
 public:
  explicit Credit2Trace(Tickler& out) : out_(out) {}

  template <class... Word>
  void operator()(PcpuId pcpu, Credit2Event event, Word... word) const {
    const std::array<std::uint32_t, sizeof...(Word)> words{word...};
    out_.trace(pcpu, static_cast<unsigned>(event), words);
  }

  static constexpr std::uint32_t pair(unsigned low, unsigned high) { return (low & 0xffff) | high << 16; }
  // A signed quantity in a 32-bit word, kept within its limits.
  static constexpr std::uint32_t word(std::int64_t v) {
    constexpr std::int64_t lowest = std::numeric_limits<std::int32_t>::min();
    constexpr std::int64_t highest = std::numeric_limits<std::int32_t>::max();
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(v < lowest ? lowest : v > highest ? highest : v));
  }
  static constexpr std::uint32_t low(std::int64_t v) { return static_cast<std::uint32_t>(v); }
  static constexpr std::uint32_t high(std::int64_t v) {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(v) >> 32);
  }

 private:
  Tickler& out_;
};

}  // namespace xensim::xen::sched
