// Parameters of the credit2 scheduler; each default is Xen 4.17's (common/sched/credit2.c).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::xen::sched {

// Which pCPUs share a run queue (credit2_runqueue=).
enum class RunQueueKind : std::uint8_t { kCpu, kCore, kSocket, kNode, kAll };
std::span<const std::string_view> names_of(RunQueueKind);

struct Credit2Config {
  Nanoseconds credit_init = 10'000'000;
  Nanoseconds carryover_max = 500'000;
  Nanoseconds min_timer = 500'000;
  Nanoseconds max_timer = 10'000'000;
  Nanoseconds ratelimit = 1'000'000;
  Nanoseconds ratelimit_tolerance = 50'000;
  Nanoseconds migrate_resist = 500'000;
  Nanoseconds migrate_compensation = 50'000;
  Nanoseconds cap_period = 10'000'000;
  unsigned load_precision_shift = 18;
  unsigned load_window_shift = 30;
  unsigned load_granularity_shift = 10;
  int balance_under = 0;
  int balance_over = -3;
  RunQueueKind runqueue = RunQueueKind::kSocket;
  unsigned max_pcpus_runqueue = 16;
  bool smt_power_savings = false;
};
void describe(Credit2Config& c, config::Visitor& v);

}  // namespace xensim::xen::sched
