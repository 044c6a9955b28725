// credit2's caps: a capped domain's units share a budget of running time, which is replenished once a period.
#include <algorithm>

#include "models/xen/sched/credit2.h"
#include "sim/base/expects.h"

namespace xensim::xen::sched {

// No budget can be had: the unit waits outside the queue. One that runs is taken off its load when it is switched
// out.
void Credit2Policy::park(Unit& u, Time now) {
  u.parked = true;
  tickler_.park(u.id, true);
  if (u.queued) {
    remove_from_queue(u);
    update_load(*u.queue, &u, -1, now);
  }
  u.domain->parked.insert(u.domain->parked.begin(), &u);
}

bool Credit2Policy::grab_budget(Unit& u, Time now) {
  if (u.budget > 0) return true;
  Domain& d = *u.domain;
  d.budget += u.budget;  // what it overran is the domain's debt
  if (d.budget > 0) {
    u.budget = std::min(d.budget, u.quota);
    d.budget -= u.budget;
    return true;
  }
  u.budget = 0;
  park(u, now);
  return false;
}

// Gives back what is left; returns who may try again, now that there is something.
std::vector<Credit2Policy::Unit*> Credit2Policy::return_budget(Unit& u) {
  Domain& d = *u.domain;
  d.budget += u.budget;
  u.budget = 0;
  std::vector<Unit*> parked;
  if (d.budget > 0) parked.swap(d.parked);
  return parked;
}

void Credit2Policy::unpark(const std::vector<Unit*>& units, Time now) {
  for (Unit* u : units) {
    u->parked = false;
    tickler_.park(u->id, false);
    if (u->scheduled)
      u->requeue = true;
    else if (can_run(*u) && u->queue)
      enqueue(*u, now);
  }
}

void Credit2Policy::replenish(Domain& d, Time now) {
  // A timer that comes late makes up for every period it missed, so that the cap holds on average.
  do {
    d.next_replenishment += static_cast<Time>(config_.cap_period);
    d.budget += d.total_budget;
  } while (d.next_replenishment <= now);
  // Still in debt: nobody can run before the next period.
  if (d.budget > 0) {
    d.budget = std::min(d.budget, d.total_budget);
    std::vector<Unit*> parked;
    parked.swap(d.parked);
    unpark(parked, now);
  }
  tickler_.set_timer(d.domid, static_cast<Nanoseconds>(d.next_replenishment), d.timer_pcpu);
}

}  // namespace xensim::xen::sched
