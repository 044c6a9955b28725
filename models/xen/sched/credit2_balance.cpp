// credit2's placement: which run queue and pCPU a unit gets, moving it there, and evening out the queues' loads.
#include <algorithm>
#include <limits>
#include <utility>

#include "models/xen/sched/credit2.h"
#include "sim/base/expects.h"

namespace xensim::xen::sched {

using Event = Credit2Event;

struct Credit2Policy::Balance {
  const RunQueue& local;
  const RunQueue& other;
  Time difference;
  Unit* push = nullptr;
  Unit* pull = nullptr;
};

// A pCPU of the least loaded queue that the unit may use, preferring queues that reach into its soft affinity; or
// of the queue that balance() chose. nullopt: none of its pCPUs is there.
std::optional<PcpuId> Credit2Policy::pick_pcpu(Unit& u) {
  const PcpuSet allowed = u.hard & pcpus_;
  constexpr Time kMaxLoad = std::numeric_limits<Time>::max();
  RunQueue* least = nullptr;
  RunQueue* least_soft = nullptr;
  Time load = kMaxLoad, load_soft = kMaxLoad;
  std::optional<PcpuId> picked;

  if (RunQueue* to = std::exchange(u.migrate_to, nullptr); to && allowed.intersects(to->active)) {
    picked = (allowed & to->active).cycle(to->pick_bias);
    to->pick_bias = *picked;
  } else {
    const bool soft = has_soft_affinity(u);
    for (const auto& q : queues_) {
      if (!allowed.intersects(q->active)) continue;
      // Its own queue's load counts without the unit itself.
      const Time l = q.get() == u.queue ? std::max<Time>(q->balanced_load - u.load, 0) : q->balanced_load;
      if (soft && l < load_soft && (allowed & q->active).intersects(u.soft)) {
        load_soft = l;
        least_soft = q.get();
      }
      if (l < load) {
        load = l;
        least = q.get();
      }
    }
    if (!least) return std::nullopt;
    // As in Xen: the bias that is read and written is the least loaded queue's, also if a soft affinity leads
    // elsewhere.
    const PcpuSet from = least_soft ? allowed & u.soft & least_soft->active : allowed & least->active;
    picked = from.cycle(least->pick_bias);
    least->pick_bias = *picked;
  }
  trace_(u.pcpu, Event::kPickedCpu, Credit2Trace::low(load), Credit2Trace::high(load), trace_name(u),
         Credit2Trace::pair(least ? least->id : 0xffff, *picked));
  return picked;
}

// To another queue. A unit that runs is only marked: it moves when it has been switched out.
void Credit2Policy::migrate(Unit& u, RunQueue& to, Time now) {
  trace_(u.pcpu, Event::kMigrate, trace_name(u), Credit2Trace::pair(u.queue->id, to.id));
  if (u.scheduled) {
    u.migrate_to = &to;
    u.migrating = true;
    tickle_pcpu(*u.queue, u.pcpu);
    return;
  }
  const bool was_queued = u.queued;
  if (was_queued) {
    remove_from_queue(u);
    update_load(*u.queue, nullptr, -1, now);
  }
  deassign(u);
  const auto pcpu = (u.hard & to.active).cycle(to.pick_bias);
  expects(pcpu.has_value());
  u.pcpu = *pcpu;
  to.pick_bias = u.pcpu;
  u.tickled_pcpu = -1;
  assign(u, to);
  if (was_queued) {
    update_load(to, nullptr, 1, now);
    insert(u);
    tickle_for(u, now);
  }
}

// Finds a pCPU for a unit that is neither running nor queued, and moves it there.
void Credit2Policy::place(Unit& u, Time now) {
  const auto pcpu = pick_pcpu(u);
  if (!pcpu) {
    if (u.queue) deassign(u);
    return;
  }
  RunQueue& q = *per_pcpu_[*pcpu].queue;
  if (!u.queue) {
    u.pcpu = *pcpu;
    u.tickled_pcpu = -1;
    assign(u, q);
  } else if (u.queue != &q) {
    migrate(u, q, now);
  } else {
    u.pcpu = *pcpu;
  }
}

void Credit2Policy::finish_migration(Unit& u, Time now) {
  u.migrating = false;
  place(u, now);
  if (can_run(u) && u.queue) enqueue(u, now);
}

bool Credit2Policy::may_migrate_to(const Unit& u, const RunQueue& to) const {
  return !u.migrate_to && u.hard.intersects(to.active);
}

void Credit2Policy::consider(Balance& b, Unit* push, Unit* pull) {
  const Time moved = (push ? push->load : 0) - (pull ? pull->load : 0);
  const Time difference = std::abs((b.local.balanced_load - moved) - (b.other.balanced_load + moved));
  if (difference >= b.difference) return;
  b.difference = difference;
  b.push = push;
  b.pull = pull;
}

void Credit2Policy::balance(RunQueue& local, PcpuId pcpu, Time now) {
  update_queue_load(local, 0, now);
  RunQueue* other = nullptr;
  Time difference = 0;
  for (const auto& q : queues_) {
    if (q.get() == &local || q->active.empty()) continue;
    update_queue_load(*q, 0, now);
    if (const Time d = std::abs(local.balanced_load - q->balanced_load); d > difference) {
      difference = d;
      other = q.get();
    }
  }
  if (!other) return;
  trace_(pcpu, Event::kLoadCheck, Credit2Trace::pair(local.id, other->id), Credit2Trace::low(difference));

  // As in Xen: whether this is underload is judged by the last queue of the list, not by the one that differs
  // most.
  const RunQueue& last = *queues_.back();
  const Time highest = std::max(local.balanced_load, last.balanced_load);
  const Time capacity = static_cast<Time>(std::max(local.active.size(), last.active.size()))
                        << config_.load_precision_shift;
  const int tolerance = highest < capacity ? config_.balance_under : config_.balance_over;
  if (difference < Time{1} << (static_cast<int>(config_.load_precision_shift) + tolerance)) return;
  trace_(pcpu, Event::kLoadBalance, Credit2Trace::low(local.balanced_load),
         Credit2Trace::high(local.balanced_load), Credit2Trace::low(other->balanced_load),
         Credit2Trace::high(other->balanced_load), Credit2Trace::pair(local.id, other->id), std::uint32_t{0});

  // The push, pull or swap that leaves the least difference.
  Balance b{local, *other, difference};
  bool updated = false;
  for (Unit* push : local.units) {
    update_unit_load(*push, 0, now);
    if (!may_migrate_to(*push, *other)) continue;
    for (Unit* pull : other->units) {
      if (!updated) update_unit_load(*pull, 0, now);
      if (may_migrate_to(*pull, local)) consider(b, push, pull);
    }
    updated = true;
    consider(b, push, nullptr);
  }
  for (Unit* pull : other->units)
    if (may_migrate_to(*pull, local)) consider(b, nullptr, pull);
  if (b.push) migrate(*b.push, *other, now);
  if (b.pull) migrate(*b.pull, local, now);
}

}  // namespace xensim::xen::sched
