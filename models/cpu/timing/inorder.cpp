#include "models/cpu/timing/inorder.h"

#include "models/cpu/core.h"

namespace xensim::cpu {

InorderTiming::InorderTiming(Core& core, const InorderConfig& config)
    : core_(core), pipeline(config, core.index, core.caches, core.mmu.tlb, *this, core.cpi) {}

void InorderTiming::begin_block(const Block& block) {
  pipeline.begin_block(block, block.rip + core_.st.seg[kCs].base);
}

const WalkResult& InorderTiming::refill(LinearAddr a, Access access) { return core_.mmu.refill(a, access); }

}  // namespace xensim::cpu
