// Core::run: the run loop, instantiated for each timing model.
#include "models/cpu/run_loop.h"

namespace xensim::cpu {

StopReason Core::run(Cycles until) {
  if (timing == TimingKind::kInorder) return run_loop(*this, inorder, until);
  const StopReason reason = run_loop(*this, functional, until);
  functional.settle();
  return reason;
}

}  // namespace xensim::cpu
