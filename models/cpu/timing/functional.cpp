#include "models/cpu/timing/functional.h"

#include "models/cpu/core.h"

namespace xensim::cpu {

void FunctionalTiming::settle() {
  core_.cpi.add(CpiCategory::kBase, core_.now - settled_at_);
  settled_at_ = core_.now;
}

void FunctionalTiming::deliver_event(std::span<const MemAccess>) { ++core_.now; }

Cycles FunctionalTiming::now() const { return core_.now; }

}  // namespace xensim::cpu
