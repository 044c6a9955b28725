// The in-order timing model: scoreboarded dependencies, a latency per cost class, instruction and data caches,
// TLBs and two-dimensional page walks through the caches, paging-structure caches, a branch predictor. The rules
// are in inorder_pipeline.h; this binds a pipeline to its core.
#pragma once

#include <span>

#include "models/cpu/timing/inorder_config.h"
#include "models/cpu/timing/inorder_pipeline.h"
#include "models/cpu/timing/timing_model.h"
#include "models/memory/hierarchy.h"

namespace xensim::cpu {

class Core;

class InorderTiming final : private WalkSource {
 public:
  static constexpr bool kCollectsAccesses = true;
  InorderTiming(Core& core, const InorderConfig& config);

  void begin_block(const Block& block);
  void retire(const Block& block, const Op& op, const OpTiming& t, std::span<const MemAccess> accesses, bool taken,
              std::uint64_t target) {
    pipeline.retire(block, op, t, accesses, taken, target);
  }
  // An interrupt or exception was delivered with these accesses (IDT, stack, TSS).
  void deliver_event(std::span<const MemAccess> accesses) { pipeline.deliver_event(accesses); }
  Cycles now() const { return pipeline.now(); }
  void restart_at(Cycles t) { pipeline.restart_at(t); }
  // The MMU dropped translations: the paging-structure caches forget with it (SDM 3, 4.10.4).
  void flush_walk_caches() { pipeline.flush_walk_caches(); }

 private:
  const WalkResult& refill(LinearAddr a, Access access) override;

  Core& core_;

 public:
  InorderPipeline pipeline;
};

}  // namespace xensim::cpu
