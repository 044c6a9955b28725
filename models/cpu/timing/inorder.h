// The in-order timing model: scoreboarded dependencies, a latency per cost class, instruction and data caches, TLBs and
// two-dimensional page walks through the caches, paging-structure caches, a branch predictor.
#pragma once

#include <span>

#include "models/cpu/timing/timing_model.h"
#include "models/memory/hierarchy.h"

namespace xensim::cpu {

class Core;

struct InorderConfig {};

class InorderTiming {
 public:
  static constexpr bool kCollectsAccesses = true;
  InorderTiming(Core& core, const InorderConfig& config);

  void begin_block(const Block& block);
  void retire(const Block& block, const Op& op, const OpTiming& t, std::span<const MemAccess> accesses, bool taken,
              std::uint64_t target);
  Cycles now() const;
  void restart_at(Cycles t);

 private:
  Core& core_;
};

}  // namespace xensim::cpu
