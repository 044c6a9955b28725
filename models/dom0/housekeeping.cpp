#include "models/dom0/housekeeping.h"

namespace xensim::dom0 {

void describe(HousekeepingConfig& c, config::Visitor& v) {
  v(c.interval, {"interval", "ns", "mean time between dom0's own wakes, uniform from 0 to twice this; 0: none",
                 "uncalibrated: of the order of a Linux kernel's tick", config::between(0, 1'000'000'000'000)});
  v(c.work_cycles,
    {"work_cycles", "cycles", "what one such wake costs", "uncalibrated", config::between(0, 1'000'000'000)});
}

xen::ModelAction Housekeeping::next(xen::Vcpu&, Cycles now) {
  if (mean_ == 0) return xen::ModelAction::exit();
  if (now < due_) return xen::ModelAction::block(due_);
  const bool first = due_ == 0;
  due_ = now + 1 + rng_.below(2 * mean_);
  return first ? xen::ModelAction::block(due_) : xen::ModelAction::spend(config_.work_cycles);
}

}  // namespace xensim::dom0
