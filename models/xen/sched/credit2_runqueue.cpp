// credit2's run queues: which pCPUs share one, who waits in it, its load average, and who is asked to come.
#include <algorithm>

#include "models/xen/sched/credit2.h"
#include "sim/base/expects.h"

namespace xensim::xen::sched {

using Event = Credit2Event;

PcpuSet Credit2Policy::siblings_of(PcpuId pcpu) const {
  PcpuSet s;
  const PcpuId first = topology_.core_of(pcpu) * topology_.threads_per_core;
  for (PcpuId p = first; p < first + topology_.threads_per_core && p < kMaxPcpus; ++p)
    if (p < std::max(topology_.pcpus, pcpu + 1)) s.add(p);
  return s;
}

bool Credit2Policy::shares_queue(const RunQueue& q, PcpuId pcpu) const {
  const PcpuId peer = q.pick_bias;
  switch (config_.runqueue) {
    case RunQueueKind::kCpu:
      return false;
    case RunQueueKind::kCore:
      return topology_.core_of(peer) == topology_.core_of(pcpu);
    case RunQueueKind::kSocket:
      return topology_.socket_of(peer) == topology_.socket_of(pcpu);
    case RunQueueKind::kNode:
      return topology_.node_of(peer) == topology_.node_of(pcpu);
    case RunQueueKind::kAll:
      return true;
  }
  return false;
}

// The queue that a new pCPU joins: the emptiest of those that topology allows and that have room for its whole
// core; the siblings' one in any case. If there is none, a new queue.
Credit2Policy::RunQueue& Credit2Policy::queue_for(PcpuId pcpu) {
  const unsigned pcpus = std::max(topology_.pcpus, pcpus_.size() + 1);
  const unsigned fewest_queues = (pcpus - 1) / config_.max_pcpus_runqueue + 1;
  const unsigned room = pcpus / fewest_queues;
  const PcpuSet siblings = siblings_of(pcpu);
  RunQueue* best = nullptr;
  for (const auto& q : queues_) {
    if (!shares_queue(*q, pcpu)) continue;
    if (q->active.intersects(siblings)) return *q;
    PcpuSet with_siblings = siblings;
    for (auto p = q->active.first(); p; p = q->active.from(*p + 1))
      with_siblings = with_siblings | siblings_of(*p);
    if (q->active.size() < room && with_siblings.size() <= room &&
        (!best || q->active.size() < best->active.size()))
      best = q.get();
  }
  if (best) return *best;
  auto made = std::make_unique<RunQueue>();
  made->pick_bias = pcpu;
  auto place = queues_.begin();
  for (; place != queues_.end() && (*place)->id == made->id; ++place) ++made->id;
  return **queues_.insert(place, std::move(made));
}

void Credit2Policy::mark_core_idle(RunQueue& q, PcpuId pcpu) {
  const PcpuSet& siblings = per_pcpu_[pcpu].siblings;
  if (siblings.subset_of(q.idle - q.tickled)) q.smt_idle = q.smt_idle | siblings;
}

void Credit2Policy::mark_core_busy(RunQueue& q, PcpuId pcpu) {
  const PcpuSet& siblings = per_pcpu_[pcpu].siblings;
  if (siblings.subset_of(q.smt_idle)) q.smt_idle = q.smt_idle - siblings;
}

void Credit2Policy::update_max_weight(RunQueue& q, unsigned new_weight, unsigned old_weight) {
  if (new_weight > q.max_weight) {
    q.max_weight = new_weight;
  } else if (old_weight == q.max_weight) {
    q.max_weight = 1;
    for (const Unit* u : q.units) q.max_weight = std::max(q.max_weight, u->weight);
  }
  trace_(q.pick_bias, Event::kRunqMaxWeight, Credit2Trace::pair(q.id, q.max_weight));
}

void Credit2Policy::assign(Unit& u, RunQueue& q) {
  u.queue = &q;
  q.units.push_back(&u);
  update_max_weight(q, u.weight, 0);
  q.balanced_load += u.load;
  trace_(u.pcpu, Event::kRunqAssign, trace_name(u), Credit2Trace::pair(q.id, 0));
}

void Credit2Policy::deassign(Unit& u) {
  expects(!u.queued && !u.scheduled && u.queue);
  RunQueue& q = *u.queue;
  std::erase(q.units, &u);
  update_max_weight(q, 0, u.weight);
  q.balanced_load = std::max<Time>(q.balanced_load - u.load, 0);
  u.queue = nullptr;
}

// The average over a window of 2^load_window_shift ns, in fixed point, after `load` held since `updated`; times
// are in units of 2^load_granularity_shift ns.
Credit2Policy::Time Credit2Policy::average(Time old, Time load, Time updated, Time now) const {
  const unsigned window_shift = config_.load_window_shift - config_.load_granularity_shift;
  const Time scaled = load << config_.load_precision_shift;
  if (updated + (Time{1} << window_shift) < now) return scaled;
  const __int128 delta = now - updated;
  return old + static_cast<Time>(delta * scaled >> window_shift) - static_cast<Time>(delta * old >> window_shift);
}

void Credit2Policy::update_queue_load(RunQueue& q, int change, Time now) {
  const Time at = std::max(now >> config_.load_granularity_shift, q.load_updated);
  q.average_load = average(q.average_load, q.load, q.load_updated, at);
  q.balanced_load = average(q.balanced_load, q.load, q.load_updated, at);
  q.load += change;
  q.load_updated = at;
  expects(q.load >= 0 && q.average_load >= 0 && q.balanced_load >= 0);
  trace_(q.pick_bias, Event::kUpdateRunqLoad, Credit2Trace::low(q.average_load),
         Credit2Trace::high(q.average_load), Credit2Trace::low(q.balanced_load),
         Credit2Trace::high(q.balanced_load),
         (static_cast<std::uint32_t>(q.load) & 0xffff) | (q.id & 0xff) << 16 | config_.load_precision_shift << 24,
         std::uint32_t{0});
}

void Credit2Policy::update_unit_load(Unit& u, int change, Time now) {
  const Time load = change == -1 ? 1 : change == 1 ? 0 : can_run(u) ? 1 : 0;
  const Time at = std::max(now >> config_.load_granularity_shift, u.load_updated);
  u.load = average(u.load, load, u.load_updated, at);
  u.load_updated = at;
  expects(u.load >= 0);
  trace_(u.pcpu, Event::kUpdateUnitLoad, Credit2Trace::low(u.load), Credit2Trace::high(u.load), trace_name(u),
         std::uint32_t{config_.load_precision_shift});
}

void Credit2Policy::update_load(RunQueue& q, Unit* u, int change, Time now) {
  trace_(q.pick_bias, Event::kUpdateLoad);
  update_queue_load(q, change, now);
  if (u) update_unit_load(*u, change, now);
}

void Credit2Policy::insert(Unit& u) {
  expects(!u.queued && !u.scheduled && u.queue);
  auto& waiting = u.queue->waiting;
  const auto place =
      std::find_if(waiting.begin(), waiting.end(), [&](const Unit* w) { return u.credit > w->credit; });
  trace_(u.pcpu, Event::kRunqPos, trace_name(u), static_cast<std::uint32_t>(place - waiting.begin()));
  waiting.insert(place, &u);
  u.queued = true;
}

void Credit2Policy::remove_from_queue(Unit& u) {
  expects(u.queued);
  std::erase(u.queue->waiting, &u);
  u.queued = false;
}

// A unit that became able to run joins its queue.
void Credit2Policy::enqueue(Unit& u, Time now) {
  update_load(*u.queue, &u, 1, now);
  insert(u);
  tickle_for(u, now);
}

void Credit2Policy::mark_tickled(RunQueue& q, PcpuId pcpu) {
  q.tickled.add(pcpu);
  mark_core_busy(q, pcpu);
}

void Credit2Policy::tickle_pcpu(RunQueue& q, PcpuId pcpu) {
  mark_tickled(q, pcpu);
  tickler_.tickle(pcpu);
}

bool Credit2Policy::has_soft_affinity(const Unit& u) const {
  return !u.hard.subset_of(u.soft) && u.soft.intersects(u.hard) && !pcpus_.subset_of(u.soft);
}

std::optional<PcpuId> Credit2Policy::idle_pcpu_for(const Unit& u) const {
  const RunQueue& q = *u.queue;
  const PcpuSet untickled = q.idle - q.tickled;
  if (u.hard.size() == 1 && u.hard.contains(u.pcpu) && untickled.contains(u.pcpu)) return u.pcpu;
  for (const bool soft : {true, false}) {
    if (soft && !has_soft_affinity(u)) continue;
    const PcpuSet allowed = soft ? u.hard & u.soft : u.hard;
    // Unlike Xen, a core that saves power is not asked twice: the second unit would wait while other threads idle.
    const PcpuSet preferred = config_.smt_power_savings ? q.idle - q.smt_idle - q.tickled : q.smt_idle;
    if (const auto p = (preferred & allowed).self_or_cycle(u.pcpu)) return p;
    if (const auto p = (untickled & allowed).self_or_cycle(u.pcpu)) return p;
  }
  return std::nullopt;
}

// How much a newcomer gains by preempting what runs on a pCPU; not above 0: it may not. Within credits'
// difference, pCPUs that the newcomer prefers win, and those that the one which runs there does not prefer.
Credit2Policy::Time Credit2Policy::preemption_score(const Unit& newcomer, PcpuId pcpu, Time now) {
  RunQueue& q = *per_pcpu_[pcpu].queue;
  Unit* current = per_pcpu_[pcpu].current;
  if (!current) return -1;
  const auto ratelimit = static_cast<Time>(config_.ratelimit);
  const auto tolerance = static_cast<Time>(config_.ratelimit_tolerance);
  if (ratelimit > tolerance && now - current->running_since <= ratelimit - tolerance) return -1;

  burn_credits(q, *current, now);
  Time score = newcomer.credit - current->credit;
  if (newcomer.pcpu != pcpu) score -= static_cast<Time>(config_.migrate_resist);
  if (score > 0) {
    const auto bonus = static_cast<Time>(config_.credit_init);
    if (newcomer.soft.contains(pcpu)) score += bonus;
    if (!current->soft.contains(pcpu)) score += bonus;
  }
  trace_(pcpu, Event::kTickleCheck, trace_name(*current), Credit2Trace::word(current->credit),
         Credit2Trace::word(score));
  return score;
}

std::optional<PcpuId> Credit2Policy::busy_pcpu_for(const Unit& u, Time now) {
  const RunQueue& q = *u.queue;
  PcpuSet busy = (q.active - q.idle - q.tickled) & u.hard;
  std::optional<PcpuId> best;
  Time highest = 0;
  if (busy.contains(u.pcpu)) {
    busy.remove(u.pcpu);
    highest = std::max<Time>(preemption_score(u, u.pcpu, now), 0);
    if (highest > 0) {
      best = u.pcpu;
      if (u.soft.contains(u.pcpu)) return best;
    }
  }
  for (auto p = busy.first(); p; p = busy.from(*p + 1))
    if (const Time score = preemption_score(u, *p, now); score > highest) {
      highest = score;
      best = p;
    }
  return best;
}

void Credit2Policy::tickle_for(Unit& u, Time now) {
  trace_(u.pcpu, Event::kTickleNew, trace_name(u), std::uint32_t{u.pcpu}, Credit2Trace::word(u.credit));
  auto target = idle_pcpu_for(u);
  if (!target) target = busy_pcpu_for(u, now);
  if (!target) return;
  trace_(u.pcpu, Event::kTickle, Credit2Trace::pair(*target, 0));
  tickle_pcpu(*u.queue, *target);
  u.tickled_pcpu = static_cast<int>(*target);
}

}  // namespace xensim::xen::sched
