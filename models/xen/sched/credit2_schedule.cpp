// credit2's decision: credit burnt and reset, the candidate, its slice, and the switch.
#include <algorithm>
#include <utility>

#include "models/xen/sched/credit2.h"
#include "sim/base/expects.h"

namespace xensim::xen::sched {

using Event = Credit2Event;

namespace {
constexpr std::uint32_t kNoBudgetWord = 0x80000000;  // INT_MIN: xenalyze then prints no budget
constexpr unsigned kIdleDomid = 0x7fff;
}  // namespace

// Charges a running unit for its time up to now, at its weight's price.
void Credit2Policy::burn_credits(RunQueue& q, Unit& u, Time now) {
  const Time delta = now - u.burnt_until;
  if (delta > 0) {
    // Division's remainder is kept, so that many short stretches cost as much as a long one.
    const unsigned __int128 cost = static_cast<unsigned __int128>(delta) * q.max_weight + u.residual;
    u.residual = static_cast<std::uint64_t>(cost % u.weight);
    const __int128 left = u.credit - static_cast<__int128>(cost / u.weight);
    u.credit = left < credit_min() ? credit_min() : static_cast<Time>(left);
    if (capped(u)) u.budget -= delta;
    u.burnt_until = now;
  }
  trace_(u.pcpu, Event::kCreditBurn, trace_name(u), Credit2Trace::word(u.credit),
         capped(u) ? Credit2Trace::word(u.budget) : kNoBudgetWord, Credit2Trace::word(delta));
}

// The end of an epoch. Whoever is at the very bottom needs twice as much to be above zero again.
void Credit2Policy::reset_credits(RunQueue& q, const Unit& best, Time now) {
  const auto init = static_cast<Time>(config_.credit_init);
  const Time added = best.credit == credit_min() ? 2 * init : init;
  const Time highest = init + static_cast<Time>(config_.carryover_max);
  for (Unit* u : q.units) {
    const bool current = per_pcpu_[u->pcpu].current == u;
    if (current) {
      burn_credits(q, *u, now);
      if (u->budget <= 0) tickle_pcpu(q, u->pcpu);
    }
    const Time before = u->credit;
    u->credit = std::min(before + added, highest);
    u->burnt_until = current ? std::max(u->burnt_until, now) : now;
    trace_(u->pcpu, Event::kCreditReset, trace_name(*u), Credit2Trace::word(before),
           Credit2Trace::word(u->credit));
  }
  expects(best.credit > 0);
}

// Who shall run on a pCPU now: the current unit, one of the queue, or nobody (nullptr).
Credit2Policy::Unit* Credit2Policy::candidate(RunQueue& q, Unit* current, PcpuId pcpu, Time now) {
  Unit* next = nullptr;
  bool yields = false;
  if (current) {
    yields = std::exchange(current->yielding, false);
    const Time ran = now - current->running_since;
    if (!yields && config_.ratelimit && can_run(*current) && ran < static_cast<Time>(config_.ratelimit)) {
      trace_(pcpu, Event::kRatelimit, trace_name(*current), Credit2Trace::low(std::max<Time>(ran, 0)));
      return current;
    }
    // Outside its soft affinity, while a pCPU of it idles: better queue it, so that the idle one takes it.
    const bool better_elsewhere = has_soft_affinity(*current) && !(current->hard & current->soft).contains(pcpu) &&
                                  (current->hard & current->soft).intersects(q.idle - q.tickled);
    if (can_run(*current) && !better_elsewhere) next = current;
  }

  const auto credit = [&] { return next ? next->credit : idle_credit(); };
  const auto resist = static_cast<Time>(config_.migrate_resist);
  for (std::size_t i = 0; i < q.waiting.size();) {
    Unit& u = *q.waiting[i];
    trace_(pcpu, Event::kRunqCandidateCheck, trace_name(u));
    if (!yields && u.credit <= credit()) break;
    const bool left_to_another = u.tickled_pcpu != -1 && u.tickled_pcpu != static_cast<int>(pcpu) &&
                                 q.tickled.contains(static_cast<PcpuId>(u.tickled_pcpu));
    const bool not_worth_moving = u.pcpu != pcpu && credit() + resist > u.credit;
    if (!u.hard.contains(pcpu) || left_to_another || not_worth_moving) {
      ++i;
      continue;
    }
    // Last, because it takes budget, or parks the unit, which leaves the queue then.
    if (capped(u) && !grab_budget(u, now)) continue;
    next = &u;
    break;
  }
  trace_(pcpu, Event::kRunqCandidate, next ? trace_name(*next) : Credit2Trace::pair(pcpu, kIdleDomid),
         static_cast<std::uint32_t>(next ? next->tickled_pcpu : -1), Credit2Trace::word(credit()));
  return next;
}

Credit2Policy::Time Credit2Policy::slice_of(const RunQueue& q, const Unit& u, const Unit* previous,
                                            Time now) const {
  auto shortest = static_cast<Time>(config_.min_timer);
  if (config_.ratelimit) {
    Time left = static_cast<Time>(config_.ratelimit);
    if (&u == previous) left += u.running_since - now;
    shortest = std::max(shortest, left);
  }
  // Until as much credit is left as the next one has, or none. The one that is being switched out is about to be
  // next.
  Time waiting = 0;
  if (!q.waiting.empty()) waiting = std::max(waiting, q.waiting.front()->credit);
  if (previous && previous->requeue) waiting = std::max(waiting, previous->credit);
  const Time credit = u.credit - waiting;
  Time slice = credit > 0 ? static_cast<Time>(static_cast<__int128>(credit) * u.weight / q.max_weight) : 0;
  if (capped(u)) slice = std::min(slice, u.budget);
  if (slice < shortest) return shortest;
  return std::min(slice, static_cast<Time>(config_.max_timer));
}

// The unit has left its pCPU.
void Credit2Policy::switched_out(Unit& u, Time now) {
  u.scheduled = false;
  std::vector<Unit*> unparked;
  if (capped(u) && u.budget > 0) unparked = return_budget(u);
  if (std::exchange(u.requeue, false) && can_run(u)) {
    insert(u);
    tickle_for(u, now);
  } else {
    update_load(*u.queue, &u, -1, now);
  }
  unpark(unparked, now);
  if (u.migrating) finish_migration(u, now);
}

Decision Credit2Policy::schedule(PcpuId pcpu, UnitId current, Nanoseconds time) {
  const auto now = static_cast<Time>(time);
  Pcpu& here = per_pcpu_.at(pcpu);
  expects(here.queue);
  RunQueue& q = *here.queue;
  Unit* const previous = here.current;
  expects(previous ? previous->id == current : current == kIdle);

  const bool tickled = q.tickled.contains(pcpu);
  if (tickled) {
    q.tickled.remove(pcpu);
    mark_core_idle(q, pcpu);
  }
  trace_(pcpu, Event::kSchedule, Credit2Trace::pair(pcpu, q.id),
         std::uint32_t{!previous} << 8 | std::uint32_t{q.smt_idle.contains(pcpu)} << 16 |
             std::uint32_t{tickled} << 24);

  if (previous) {
    burn_credits(q, *previous, now);
    if (previous->budget <= 0) grab_budget(*previous, now);
  }
  Unit* const next = candidate(q, previous, pcpu, now);
  if (previous && next != previous && can_run(*previous)) previous->requeue = true;

  Decision decision;
  if (next) {
    if (next != previous) {
      remove_from_queue(*next);
      next->scheduled = true;
    } else {
      update_load(q, next, 0, now);
    }
    if (q.idle.contains(pcpu)) {
      q.idle.remove(pcpu);
      mark_core_busy(q, pcpu);
    }
    // An epoch is over when neither the candidate nor the head of the queue has credit: the candidate alone does
    // not tell, because the head may have been skipped for its affinity.
    const Time top = q.waiting.empty() ? next->credit : std::max(next->credit, q.waiting.front()->credit);
    const bool moved = next->pcpu != pcpu;
    if (moved) {
      decision.migrated = true;
      next->pcpu = pcpu;
    }
    next->burnt_until = now;
    next->tickled_pcpu = -1;
    if (top <= 0) {
      reset_credits(q, *next, now);
      balance(q, pcpu, now);
    }
    if (moved) next->credit += static_cast<Time>(config_.migrate_compensation);
    decision.next = next->id;
    decision.slice = static_cast<Nanoseconds>(slice_of(q, *next, previous, now));
  } else {
    if (!q.idle.contains(pcpu)) {
      q.idle.add(pcpu);
      mark_core_idle(q, pcpu);
    }
    update_load(q, nullptr, 0, now);
  }

  if (next != previous) {
    here.current = next;
    if (next) next->running_since = now;
    if (previous) switched_out(*previous, now);
  }
  return decision;
}

}  // namespace xensim::xen::sched
