// The functional timing model: one instruction, one cycle. The smallest example of a timing model
// (timing_model.h); the run loop counts its instructions by the block, so all that is left here is the CPI stack's
// share.
#pragma once

#include "models/cpu/timing/timing_model.h"

namespace xensim::cpu {

class Core;

class FunctionalTiming {
 public:
  static constexpr bool kCollectsAccesses = false;
  explicit FunctionalTiming(Core& core) : core_(core) {}

  void begin_block(const Block&) {}
  // Delivering an event takes a cycle.
  void deliver_event(std::span<const MemAccess> accesses);
  // Charges what has passed since the last settlement as base cycles. The loop moves Core::now itself.
  void settle();
  Cycles now() const;
  void restart_at(Cycles t) { settled_at_ = t; }

 private:
  Core& core_;
  Cycles settled_at_ = 0;
};

}  // namespace xensim::cpu
