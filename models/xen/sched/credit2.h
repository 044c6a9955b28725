// The credit2 scheduler: Xen's default. After common/sched/credit2.c of Xen 4.17; behaviour and constants are
// Xen's, and so are the names of the trace records.
//
// How it works.
//  - Fair share. A unit has credit, in nanoseconds. While it runs it burns credit: one per nanosecond if its
//    weight is the highest of its run queue, proportionally more if it is lower. The run queue is ordered by
//    credit, highest first. When the best candidate has none left, an epoch ends: every unit of the queue gets
//    credit_init more, and what was saved beyond that is clipped to carryover_max. So who slept comes back with
//    much credit, and runs soon.
//  - Slices. A unit runs until it has as much credit as the next in the queue, or none; not longer than max_timer
//    or its budget, not shorter than min_timer. For `ratelimit` after it started it is not preempted, unless it
//    yields.
//  - Run queues. Some pCPUs share one (topology and `runqueue` say which). A unit belongs to one queue and has a
//    pCPU in it, where it ran last; a pCPU of the same queue pulls it only if that pays for migrate_resist.
//  - Tickling. A unit that enters a queue looks for a pCPU to come and take it: an idle one (whole idle cores
//    first, soft affinity before hard), else the one where it gains most by preempting. That pCPU is marked
//    tickled until it schedules; meanwhile others leave the unit to it.
//  - Load. Queues and units have load averages over about a second. At the end of an epoch the pCPU compares its
//    queue with the one that differs most, and pushes, pulls or swaps units if that evens them out.
//  - Caps. A capped domain has a budget per cap_period. Its units take quotas of it to run and give back the rest;
//    who finds none is parked until somebody gives back or the period's timer replenishes.
//
// Where things are: credit2.cpp (pCPUs, domains, units, wake and sleep), credit2_schedule.cpp (candidate, slice,
// credit), credit2_runqueue.cpp (queues, loads, tickling), credit2_budget.cpp (caps), credit2_balance.cpp
// (placement, migration, balancing).
//
// Order rules. Xen has a lock per queue, one for the scheduler and one per domain's budget, and gives up on a
// queue whose lock is taken. Here one call runs at a time, under the scheduler core's lock, so nothing is ever
// skipped for contention. Xen finishes a switch in a second call (context_saved); here that is the tail of
// schedule(), after the new unit was made current: only then may the old one be queued, tickle, return budget or
// migrate. pCPUs' clocks may be a quantum apart: a time stamp never moves back, and a negative interval counts as
// none.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/xen/sched/credit2_config.h"
#include "models/xen/sched/credit2_trace.h"
#include "models/xen/sched/pcpu_set.h"
#include "models/xen/sched/policy.h"
#include "models/xen/sched/topology.h"

namespace xensim::xen::sched {

class Credit2Policy final : public Policy {
 public:
  Credit2Policy(const Credit2Config& config, const HostTopology& topology, Tickler& tickler);

  std::string_view name() const override { return "credit2"; }
  std::string_view full_name() const override { return "SMP Credit Scheduler rev2"; }
  unsigned trace_id() const override { return 1; }

  void add_pcpu(PcpuId pcpu, Nanoseconds now) override;
  void remove_pcpu(PcpuId pcpu, Nanoseconds now) override;
  void set_domain(std::uint16_t domid, const DomainParameters& parameters, Nanoseconds now) override;
  void remove_domain(std::uint16_t domid) override;
  void add_unit(const UnitInfo& unit, Nanoseconds now) override;
  void remove_unit(UnitId unit, Nanoseconds now) override;
  PcpuId set_affinity(UnitId unit, std::vector<PcpuId> hard, std::vector<PcpuId> soft, Nanoseconds now) override;
  Nanoseconds ratelimit() const override { return config_.ratelimit; }
  void set_ratelimit(Nanoseconds limit) override { config_.ratelimit = limit; }
  PcpuId wake(UnitId unit, Nanoseconds now) override;
  void sleep(UnitId unit, Nanoseconds now) override;
  void yield(UnitId unit, Nanoseconds now) override;
  Decision schedule(PcpuId pcpu, UnitId current, Nanoseconds now) override;
  void timer(std::uint64_t token, Nanoseconds now) override;
  std::string dump(Nanoseconds now) const override;

  // What tests and reports may know of a unit.
  struct UnitState {
    std::int64_t credit = 0;
    PcpuId pcpu = 0;
    int queue = -1;  // -1: none of its pCPUs is there
    bool queued = false, parked = false, migrating = false;
    std::int64_t load = 0;
  };
  UnitState state_of(UnitId unit) const;

 private:
  using Time = std::int64_t;  // ns, signed: intervals between pCPUs' clocks may be negative
  static constexpr Time kUncapped = std::numeric_limits<Time>::max();

  struct Unit;
  struct Domain {
    std::uint16_t domid = 0;
    unsigned weight = 256, cap = 0;
    Time total_budget = 0, budget = 0;  // per period; left in the pool
    Time next_replenishment = 0;
    PcpuId timer_pcpu = 0;
    std::vector<Unit*> units;
    std::vector<Unit*> parked;  // who parked last is first
  };
  struct RunQueue {
    unsigned id = 0;
    std::vector<Unit*> waiting;  // by credit, highest first; equals in order of arrival
    std::vector<Unit*> units;    // all that belong here
    PcpuSet active;              // its pCPUs
    PcpuSet idle, tickled;
    PcpuSet smt_idle;  // whose core is wholly idle and untickled
    int load = 0;      // runnable units
    Time load_updated = 0;
    Time average_load = 0;
    Time balanced_load = 0;  // the average, as expected after the migrations so far
    unsigned max_weight = 1;
    PcpuId pick_bias = 0;  // picked last
  };
  struct Unit {
    UnitId id = 0;
    std::uint16_t domid = 0, vcpu = 0;
    Domain* domain = nullptr;
    RunQueue* queue = nullptr;
    PcpuId pcpu = 0;
    PcpuSet hard, soft;  // soft: all if none was given
    Time credit = 0;
    unsigned weight = 256;
    std::uint64_t residual = 0;  // of the division by weight
    Time budget = kUncapped, quota = 0;
    Time burnt_until = 0;
    Time running_since = 0;
    Time load = 0, load_updated = 0;
    int tickled_pcpu = -1;  // who shall come for it
    RunQueue* migrate_to = nullptr;
    bool runnable = false;   // between wake() and sleep()
    bool parked = false;     // waits for its domain's budget
    bool migrating = false;  // must leave its pCPU and be placed anew
    bool scheduled = false;  // chosen, and not switched out yet
    bool requeue = false;    // goes back to the queue when switched out
    bool yielding = false;
    bool queued = false;
  };
  struct Pcpu {
    RunQueue* queue = nullptr;  // nullptr: not there
    Unit* current = nullptr;
    PcpuSet siblings;  // in the same queue, itself included
  };

  static bool can_run(const Unit& u) { return u.runnable && !u.parked && !u.migrating; }
  static bool capped(const Unit& u) { return u.budget != kUncapped; }
  bool has_soft_affinity(const Unit& u) const;
  Time idle_credit() const { return credit_min() - 1; }
  Time credit_min() const { return -static_cast<Time>(config_.credit_init); }
  Unit& unit(UnitId id) { return *units_.at(id); }
  PcpuSet siblings_of(PcpuId pcpu) const;
  std::uint32_t trace_name(const Unit& u) const { return Credit2Trace::pair(u.vcpu, u.domid); }

  // credit2.cpp
  void recompute_quotas(Domain& d);
  void start_replenishment(Domain& d, Time now);
  std::string describe_unit(const Unit& u) const;

  // credit2_runqueue.cpp
  RunQueue& queue_for(PcpuId pcpu);
  bool shares_queue(const RunQueue& q, PcpuId pcpu) const;
  void mark_core_idle(RunQueue& q, PcpuId pcpu);
  void mark_core_busy(RunQueue& q, PcpuId pcpu);
  void update_max_weight(RunQueue& q, unsigned new_weight, unsigned old_weight);
  void assign(Unit& u, RunQueue& q);
  void deassign(Unit& u);
  Time average(Time old, Time load, Time updated, Time now) const;
  void update_queue_load(RunQueue& q, int change, Time now);
  void update_unit_load(Unit& u, int change, Time now);
  void update_load(RunQueue& q, Unit* u, int change, Time now);
  void insert(Unit& u);
  void remove_from_queue(Unit& u);
  void mark_tickled(RunQueue& q, PcpuId pcpu);
  void tickle_pcpu(RunQueue& q, PcpuId pcpu);
  Time preemption_score(const Unit& newcomer, PcpuId pcpu, Time now);
  std::optional<PcpuId> idle_pcpu_for(const Unit& u) const;
  std::optional<PcpuId> busy_pcpu_for(const Unit& u, Time now);
  void tickle_for(Unit& u, Time now);
  void enqueue(Unit& u, Time now);

  // credit2_schedule.cpp
  void burn_credits(RunQueue& q, Unit& u, Time now);
  void reset_credits(RunQueue& q, const Unit& best, Time now);
  Unit* candidate(RunQueue& q, Unit* current, PcpuId pcpu, Time now);
  // previous: who leaves the pCPU, u itself if it goes on; nullptr: nobody.
  Time slice_of(const RunQueue& q, const Unit& u, const Unit* previous, Time now) const;
  void switched_out(Unit& u, Time now);

  // credit2_budget.cpp
  void park(Unit& u, Time now);
  bool grab_budget(Unit& u, Time now);
  std::vector<Unit*> return_budget(Unit& u);
  void unpark(const std::vector<Unit*>& units, Time now);
  void replenish(Domain& d, Time now);

  // credit2_balance.cpp
  struct Balance;
  std::optional<PcpuId> pick_pcpu(Unit& u);
  void migrate(Unit& u, RunQueue& to, Time now);
  void place(Unit& u, Time now);
  void finish_migration(Unit& u, Time now);
  bool may_migrate_to(const Unit& u, const RunQueue& to) const;
  static void consider(Balance& b, Unit* push, Unit* pull);
  void balance(RunQueue& local, PcpuId pcpu, Time now);

  Credit2Config config_;
  const HostTopology topology_;
  Tickler& tickler_;
  const Credit2Trace trace_;
  PcpuSet pcpus_;  // all that are there
  std::vector<Pcpu> per_pcpu_;
  std::vector<std::unique_ptr<RunQueue>> queues_;  // by id, which are the lowest free numbers
  std::map<std::uint16_t, Domain> domains_;
  std::vector<std::unique_ptr<Unit>> units_;  // by UnitId
};

}  // namespace xensim::xen::sched
