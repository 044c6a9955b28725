#include "models/xen/sched/credit2_config.h"

#include <array>

#include "models/xen/sched/topology.h"

namespace xensim::xen::sched {

std::span<const std::string_view> names_of(RunQueueKind) {
  static constexpr std::array<std::string_view, 5> kNames{"cpu", "core", "socket", "node", "all"};
  return kNames;
}

void describe(HostTopology& t, config::Visitor& v) {
  v(t.threads_per_core, {"threads_per_core", "count", "pCPUs per core", "design", config::between(1, 8)});
  v(t.pcpus_per_socket,
    {"pcpus_per_socket", "count", "pCPUs per socket; 0: all are in one", "design", config::between(0, 256)});
  v(t.pcpus_per_node,
    {"pcpus_per_node", "count", "pCPUs per NUMA node; 0: all are in one", "design", config::between(0, 256)});
}

void describe(Credit2Config& c, config::Visitor& v) {
  constexpr Nanoseconds kSecond = 1'000'000'000;
  const auto duration = config::between(1000, kSecond);
  const auto maybe = config::between(0, kSecond);
  v(c.credit_init, {"credit_init", "ns", "credit of a new vCPU, and what a reset adds",
                    "Xen 4.17: CSCHED2_CREDIT_INIT", duration});
  v(c.carryover_max, {"carryover_max", "ns", "most credit above credit_init after a reset",
                      "Xen 4.17: CSCHED2_CARRYOVER_MAX", maybe});
  v(c.min_timer, {"min_timer", "ns", "shortest time slice", "Xen 4.17: CSCHED2_MIN_TIMER", duration});
  v(c.max_timer, {"max_timer", "ns", "longest time slice", "Xen 4.17: CSCHED2_MAX_TIMER", duration});
  v(c.ratelimit, {"ratelimit", "ns", "time for which a vCPU is not preempted; 0: none",
                  "Xen 4.17: sched_ratelimit_us=1000", maybe});
  v(c.ratelimit_tolerance, {"ratelimit_tolerance", "ns", "how much earlier a waking vCPU may ask to preempt",
                            "Xen 4.17: CSCHED2_RATELIMIT_TICKLE_TOLERANCE", maybe});
  v(c.migrate_resist, {"migrate_resist", "ns", "extra credit a vCPU needs to be pulled to another pCPU",
                       "Xen 4.17: sched_credit2_migrate_resist=500", maybe});
  v(c.migrate_compensation, {"migrate_compensation", "ns", "credit that a migrated vCPU gets for its cold caches",
                             "Xen 4.17: CSCHED2_MIGRATE_COMPENSATION", maybe});
  v(c.cap_period, {"cap_period", "ns", "period in which a capped domain gets its budget anew",
                   "Xen 4.17: credit2_cap_period_ms=10", duration});
  v(c.load_precision_shift, {"load_precision_shift", "count", "fraction bits of loads",
                             "Xen 4.17: credit2_load_precision_shift=18", config::between(4, 24)});
  v(c.load_window_shift, {"load_window_shift", "count", "log2 of the window of load averages, in ns",
                          "Xen 4.17: credit2_load_window_shift=30", config::between(11, 40)});
  v(c.load_granularity_shift, {"load_granularity_shift", "count", "log2 of the time unit of load averages, in ns",
                               "Xen 4.17: LOADAVG_GRANULARITY_SHIFT", config::between(0, 10)});
  v(c.balance_under, {"balance_under", "count", "log2 of the load difference that is balanced below full load",
                      "Xen 4.17: credit2_balance_under=0", config::between(-4, 8)});
  v(c.balance_over, {"balance_over", "count", "log2 of the load difference that is balanced above full load",
                     "Xen 4.17: credit2_balance_over=-3", config::between(-4, 8)});
  v(c.runqueue, {"runqueue", "", "which pCPUs share a run queue: cpu, core, socket, node, all",
                 "Xen 4.17: credit2_runqueue=socket"});
  v(c.max_pcpus_runqueue, {"max_pcpus_runqueue", "count", "most pCPUs that share a run queue",
                           "Xen 4.17: sched_credit2_max_cpus_runqueue=16", config::between(1, 256)});
  v(c.smt_power_savings, {"smt_power_savings", "", "use busy cores' idle threads before idle cores",
                          "Xen 4.17: sched_smt_power_savings=0"});
}

}  // namespace xensim::xen::sched
