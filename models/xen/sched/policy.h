// sched::Policy: who runs where. A policy sees pCPUs and vCPUs as indices with a few facts, and answers questions;
// the scheduler core (models/xen/scheduler.{h,cpp}) arms timers, switches contexts, keeps runstates and charges
// costs. So a policy can be tested without a machine: call it, move the time, call it again. null.cpp is the
// smallest example.
//
// Rules:
//  - Time is `now` in nanoseconds of simulated time, never decreasing per pCPU; pCPUs may be a quantum apart.
//  - A policy keeps its own per-vCPU and per-pCPU data, keyed by the ids it was given; ids are small and reused
//    only after remove_*.
//  - A vCPU is *runnable* between wake() and sleep(); the scheduler core tells the policy of every change. The
//    current vCPU of a pCPU stays in the policy's care: schedule() decides whether it goes on.
//  - A policy never switches anything itself: it asks for a pCPU's attention through Tickler, and the core calls
//    schedule() there (at once on the same pCPU, after an IPI's latency on another).
//  - Everything is deterministic: no hash order, no host time; randomness only from the Rng that create() gets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/types.h"

namespace xensim::xen::sched {

using PcpuId = unsigned;
// A schedulable unit: one vCPU of one domain. Dense index given by the scheduler core.
using UnitId = unsigned;
inline constexpr UnitId kIdle = ~0u;  // "no unit": the idle vCPU of the pCPU

// What a policy is told of a unit when it is added.
struct UnitInfo {
  UnitId id = 0;
  std::uint16_t domid = 0;
  std::uint16_t vcpu = 0;
  std::vector<PcpuId> hard_affinity;  // allowed pCPUs, ascending; never empty
  std::vector<PcpuId> soft_affinity;  // preferred pCPUs; empty: none preferred
  PcpuId initial_pcpu = 0;            // in hard_affinity
};

// Per-domain parameters (xl sched-credit2).
struct DomainParameters {
  unsigned weight = 256;  // 1 … 65535
  unsigned cap = 0;       // percent of one pCPU; 0: none
};

// What schedule() decides.
struct Decision {
  UnitId next = kIdle;
  // How long until schedule() must be called again on this pCPU, in ns; nullopt: no need (idle).
  std::optional<Nanoseconds> slice;
  // The unit came from another pCPU's queue (counted and traced as a migration).
  bool migrated = false;
};

// How a policy asks the scheduler core for things.
class Tickler {
 public:
  virtual ~Tickler() = default;
  // schedule() should be called on this pCPU soon (SCHEDULE_SOFTIRQ; by IPI, unless it is the one that runs).
  virtual void tickle(PcpuId pcpu) = 0;
  // Calls Policy::timer(token) at `when` (absolute ns), on the given pCPU. One pending timer per token; setting it
  // again replaces it.
  virtual void set_timer(std::uint64_t token, Nanoseconds when, PcpuId pcpu) = 0;
  virtual void stop_timer(std::uint64_t token) = 0;
  // What runs on a pCPU now (kIdle if idle).
  virtual UnitId current(PcpuId pcpu) const = 0;
  // The unit may not run although it is runnable (its domain's cap is used up), or may again. The core shows that
  // time as the runstate offline, as Xen does for _VPF_parked.
  virtual void park(UnitId unit, bool parked) = 0;
  // A scheduler-specific trace record: event n within the policy's range (xenalyze: 0x00022000 + id << 9 + n).
  virtual void trace(PcpuId pcpu, unsigned event, std::span<const std::uint32_t> words) = 0;
};

class Policy {
 public:
  virtual ~Policy() = default;

  virtual std::string_view name() const = 0;       // as on Xen's command line: "credit2"
  virtual std::string_view full_name() const = 0;  // as xl info prints it: "SMP Credit Scheduler rev2"
  virtual unsigned trace_id() const = 0;           // XEN_SCHEDULER_… number (public/domctl.h)

  virtual void add_pcpu(PcpuId pcpu, Nanoseconds now) = 0;
  virtual void remove_pcpu(PcpuId pcpu, Nanoseconds now) = 0;

  virtual void set_domain(std::uint16_t domid, const DomainParameters& parameters, Nanoseconds now) = 0;
  virtual void remove_domain(std::uint16_t domid) = 0;

  // What `xl sched-credit2 -s` shows and sets. A policy without a rate limit has 0 and ignores what is set.
  virtual Nanoseconds ratelimit() const { return 0; }
  virtual void set_ratelimit(Nanoseconds limit) { static_cast<void>(limit); }

  // A new unit starts asleep.
  virtual void add_unit(const UnitInfo& unit, Nanoseconds now) = 0;
  // The unit is asleep and not current anywhere.
  virtual void remove_unit(UnitId unit, Nanoseconds now) = 0;
  // Places the unit anew. Returns the pCPU that it is on, or queued on, afterwards. soft empty: none preferred.
  virtual PcpuId set_affinity(UnitId unit, std::vector<PcpuId> hard, std::vector<PcpuId> soft,
                              Nanoseconds now) = 0;

  // The unit became runnable. Chooses its pCPU, queues it, tickles. Returns the pCPU it was queued on. The unit
  // may still be current on a pCPU (it slept and woke before schedule() was called there): then it simply stays.
  virtual PcpuId wake(UnitId unit, Nanoseconds now) = 0;
  // The unit became not runnable (blocked, paused). It may be current somewhere: then the core has that pCPU call
  // schedule() next.
  virtual void sleep(UnitId unit, Nanoseconds now) = 0;
  // The current unit gives way (SCHEDOP_yield); schedule() follows.
  virtual void yield(UnitId unit, Nanoseconds now) = 0;

  // Picks what runs next on a pCPU. current: what ran until now (kIdle if idle); it is runnable unless sleep() was
  // called. The policy burns its credit up to now, and must return a unit that is runnable and not current
  // elsewhere.
  virtual Decision schedule(PcpuId pcpu, UnitId current, Nanoseconds now) = 0;
  // A timer set through Tickler fires.
  virtual void timer(std::uint64_t token, Nanoseconds now) { static_cast<void>(token), static_cast<void>(now); }

  // Lines for `xl debug-keys r` and for tests.
  virtual std::string dump(Nanoseconds now) const = 0;
};

}  // namespace xensim::xen::sched
