// What dom0 does when nobody asks it for anything: its kernel's timers and its daemons wake the vCPU now and then
// for a short while. Small as it is, schedulers see it: without it, vCPUs that never block fall into step with one
// another, as they do on no real host. The intervals are drawn from the machine's seed, so a run repeats exactly.
//
// The smallest model program, and the one to copy.
#pragma once

#include "models/xen/domain/model_program.h"
#include "sim/base/rng.h"
#include "sim/config/param.h"

namespace xensim::dom0 {

struct HousekeepingConfig {
  std::uint64_t interval = 4'000'000;  // ns, on average; 0: never
  std::uint32_t work_cycles = 24'000;
};
void describe(HousekeepingConfig& c, config::Visitor& v);

class Housekeeping final : public xen::ModelProgram {
 public:
  // hz: of the core clock.
  Housekeeping(const HousekeepingConfig& config, std::uint64_t hz, std::uint64_t seed)
      : config_(config), mean_(config.interval * (hz / 1000) / 1'000'000), rng_(seed, "dom0.housekeeping") {}

  std::string_view name() const override { return "housekeeping"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  HousekeepingConfig config_;
  Cycles mean_;
  Rng rng_;
  Cycles due_ = 0;
};

}  // namespace xensim::dom0
