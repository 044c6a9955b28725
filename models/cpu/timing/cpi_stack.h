// Where cycles go. Every advance of a core's local time names a category, so that the stack adds up to the total
// exactly. A value: the stack of an interval is end − begin.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sim/base/types.h"

namespace xensim::stats {
class Group;
}

namespace xensim::cpu {

enum class CpiCategory : std::uint8_t {
  kBase,      // issue and execution of instructions
  kFrontEnd,  // instruction cache and fetch
  kBranch,    // misprediction
  kL1,
  kL2,
  kL3,
  kRemoteCache,
  kDram,          // waiting for data, by where it came from
  kTlbWalk,       // guest page tables' part of page walks (and L2 TLB hits)
  kEptWalk,       // EPT's part
  kVmTransition,  // VM exit and VM entry
  kHypervisor,    // Xen's paths
  kLock,          // waiting for a lock of Xen's
  kModel,         // model programs (dom0)
  kIdle,          // halted
  kCount
};

inline constexpr unsigned kCpiCategories = static_cast<unsigned>(CpiCategory::kCount);

std::string_view name_of(CpiCategory c);

struct CpiStack {
  std::array<Cycles, kCpiCategories> cycles{};

  void add(CpiCategory c, Cycles n) { cycles[static_cast<unsigned>(c)] += n; }
  Cycles total() const;
  friend CpiStack operator-(const CpiStack& a, const CpiStack& b) {
    CpiStack r;
    for (unsigned i = 0; i < kCpiCategories; ++i) r.cycles[i] = a.cycles[i] - b.cycles[i];
    return r;
  }
  CpiStack& operator+=(const CpiStack& b) {
    for (unsigned i = 0; i < kCpiCategories; ++i) cycles[i] += b.cycles[i];
    return *this;
  }
};

// One statistic per category, in cycles, under its name.
void register_stats(stats::Group& g, const CpiStack& s);

}  // namespace xensim::cpu
