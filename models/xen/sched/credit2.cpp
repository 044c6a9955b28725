// credit2's pCPUs, domains and units: how they come, go, wake, sleep and change.
#include "models/xen/sched/credit2.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::xen::sched {

Credit2Policy::Credit2Policy(const Credit2Config& config, const HostTopology& topology, Tickler& tickler)
    : config_(config), topology_(topology), tickler_(tickler), trace_(tickler) {
  if (topology.pcpus > kMaxPcpus)
    throw UserError("/xen/schedulers", "credit2 knows at most " + std::to_string(kMaxPcpus) + " pCPUs");
  if (config.cap_period < config.min_timer)
    throw UserError("/xen/schedulers/credit2/cap_period", "shorter than min_timer", "give it at least min_timer");
}

// --- pCPUs.

void Credit2Policy::add_pcpu(PcpuId pcpu, Nanoseconds time) {
  const auto now = static_cast<Time>(time);
  if (pcpu >= per_pcpu_.size()) per_pcpu_.resize(pcpu + 1);
  Pcpu& p = per_pcpu_[pcpu];
  expects(!p.queue);
  RunQueue& q = queue_for(pcpu);
  p.queue = &q;
  if (q.active.empty()) q.pick_bias = pcpu;
  q.active.add(pcpu);
  q.idle.add(pcpu);
  pcpus_.add(pcpu);
  p.siblings = siblings_of(pcpu) & q.active;
  for (auto s = p.siblings.first(); s; s = p.siblings.from(*s + 1)) per_pcpu_[*s].siblings.add(pcpu);
  q.smt_idle = q.smt_idle - p.siblings;
  mark_core_idle(q, pcpu);

  // Work that was waiting for a pCPU like this one.
  bool wanted = std::any_of(q.waiting.begin(), q.waiting.end(), [&](Unit* u) { return u->hard.contains(pcpu); });
  for (const auto& u : units_)
    if (u && !u->queue && u->hard.contains(pcpu)) finish_migration(*u, now);
  if (wanted) tickle_pcpu(q, pcpu);
}

void Credit2Policy::remove_pcpu(PcpuId pcpu, Nanoseconds time) {
  const auto now = static_cast<Time>(time);
  Pcpu& p = per_pcpu_.at(pcpu);
  expects(p.queue);
  RunQueue& q = *p.queue;
  for (PcpuSet* set : {&q.active, &q.idle, &q.tickled, &q.smt_idle}) set->remove(pcpu);
  pcpus_.remove(pcpu);
  for (auto s = p.siblings.first(); s; s = p.siblings.from(*s + 1)) per_pcpu_[*s].siblings.remove(pcpu);
  if (q.pick_bias == pcpu) q.pick_bias = q.active.first().value_or(pcpu);

  // Its units go elsewhere, above all the one that runs there.
  if (Unit* u = std::exchange(p.current, nullptr)) {
    burn_credits(q, *u, now);
    u->migrating = true;
    switched_out(*u, now);
  }
  const std::vector<Unit*> units = q.units;
  for (Unit* u : units) {
    if (u->pcpu != pcpu || u->scheduled) continue;
    if (u->queued) {
      remove_from_queue(*u);
      update_load(q, u, -1, now);
    }
    finish_migration(*u, now);
  }
  for (auto& [domid, d] : domains_)
    if (d.timer_pcpu == pcpu && d.cap) start_replenishment(d, now);
  p = {};
  if (!q.active.empty()) return;
  for (const auto& u : units_)
    if (u && u->migrate_to == &q) u->migrate_to = nullptr;
  std::erase_if(queues_, [&](const auto& other) { return other.get() == &q; });
}

// --- Domains.

// Each unit may take an even part of the domain's budget at a time, but not so little that slices get too short.
void Credit2Policy::recompute_quotas(Domain& d) {
  for (Unit* u : d.units)
    u->quota = std::max(d.total_budget / static_cast<Time>(d.units.size()), static_cast<Time>(config_.min_timer));
}

void Credit2Policy::start_replenishment(Domain& d, Time now) {
  d.timer_pcpu = pcpus_.first().value_or(0);
  if (d.next_replenishment <= now) d.next_replenishment = now + static_cast<Time>(config_.cap_period);
  tickler_.set_timer(d.domid, static_cast<Nanoseconds>(d.next_replenishment), d.timer_pcpu);
}

void Credit2Policy::set_domain(std::uint16_t domid, const DomainParameters& parameters, Nanoseconds time) {
  const auto now = static_cast<Time>(time);
  Domain& d = domains_[domid];
  d.domid = domid;
  const unsigned old_weight = d.weight;
  d.weight = std::max(parameters.weight, 1u);
  for (Unit* u : d.units) {
    u->weight = d.weight;
    if (u->queue) update_max_weight(*u->queue, u->weight, old_weight);
  }
  const unsigned old_cap = std::exchange(d.cap, parameters.cap);
  if (d.cap) {
    d.total_budget = static_cast<Time>(config_.cap_period) * d.cap / 100;
    recompute_quotas(d);
    if (old_cap) return;
    d.budget = d.total_budget;
    start_replenishment(d, now);
    // Who runs is charged up to here without a budget, then must look for one.
    for (Unit* u : d.units) {
      if (u->scheduled) {
        burn_credits(*u->queue, *u, now);
        tickle_pcpu(*u->queue, u->pcpu);
      }
      u->budget = 0;
    }
  } else if (old_cap) {
    tickler_.stop_timer(domid);
    for (Unit* u : d.units) {
      u->budget = kUncapped;
      u->quota = 0;
    }
    d.next_replenishment = 0;
    unpark(std::exchange(d.parked, {}), now);
  }
}

void Credit2Policy::remove_domain(std::uint16_t domid) {
  const auto it = domains_.find(domid);
  if (it == domains_.end()) return;
  expects(it->second.units.empty());
  if (it->second.cap) tickler_.stop_timer(domid);
  domains_.erase(it);
}

void Credit2Policy::timer(std::uint64_t token, Nanoseconds now) {
  const auto it = domains_.find(static_cast<std::uint16_t>(token));
  if (it != domains_.end() && it->second.cap) replenish(it->second, static_cast<Time>(now));
}

// --- Units.

void Credit2Policy::add_unit(const UnitInfo& info, Nanoseconds now) {
  if (info.id >= units_.size()) units_.resize(info.id + 1);
  expects(!units_[info.id]);
  units_[info.id] = std::make_unique<Unit>();
  Unit& u = *units_[info.id];
  Domain& d = domains_[info.domid];
  d.domid = info.domid;
  u.id = info.id;
  u.domid = info.domid;
  u.vcpu = info.vcpu;
  u.domain = &d;
  u.pcpu = info.initial_pcpu;
  u.hard = PcpuSet(info.hard_affinity);
  if (info.soft_affinity.empty())
    for (PcpuId p = 0; p < kMaxPcpus; ++p) u.soft.add(p);
  else
    u.soft = PcpuSet(info.soft_affinity);
  u.credit = static_cast<Time>(config_.credit_init);
  u.weight = d.weight;
  u.load = Time{1} << (config_.load_precision_shift - 1);  // half, until it is known better
  u.load_updated = static_cast<Time>(now) >> config_.load_granularity_shift;
  d.units.push_back(&u);
  if (d.cap) {
    u.budget = 0;
    recompute_quotas(d);
  }
  place(u, static_cast<Time>(now));
}

void Credit2Policy::remove_unit(UnitId id, Nanoseconds now) {
  Unit& u = unit(id);
  expects(!u.scheduled);
  if (u.queued) {
    remove_from_queue(u);
    update_load(*u.queue, &u, -1, static_cast<Time>(now));
  }
  if (u.queue) deassign(u);
  Domain& d = *u.domain;
  std::erase(d.parked, &u);
  std::erase(d.units, &u);
  if (d.cap) {
    if (!d.units.empty()) recompute_quotas(d);
    d.budget += u.budget;
  }
  units_[id].reset();
}

// As Xen does for every change of affinity: the unit stops, is placed anew, and goes on.
PcpuId Credit2Policy::set_affinity(UnitId id, std::vector<PcpuId> hard, std::vector<PcpuId> soft,
                                   Nanoseconds time) {
  const auto now = static_cast<Time>(time);
  Unit& u = unit(id);
  u.hard = PcpuSet(hard);
  u.soft = {};
  if (soft.empty())
    for (PcpuId p = 0; p < kMaxPcpus; ++p) u.soft.add(p);
  else
    u.soft = PcpuSet(soft);
  u.migrate_to = nullptr;
  u.migrating = true;
  if (u.scheduled) {
    tickle_pcpu(*u.queue, u.pcpu);
    return u.pcpu;
  }
  if (u.queued) {
    remove_from_queue(u);
    update_load(*u.queue, &u, -1, now);
  }
  finish_migration(u, now);
  return u.pcpu;
}

PcpuId Credit2Policy::wake(UnitId id, Nanoseconds now) {
  Unit& u = unit(id);
  u.runnable = true;
  // One that is still on its pCPU goes on when that schedules; one that is parked waits for its domain's budget.
  if (u.queue && !u.scheduled && !u.queued && can_run(u)) enqueue(u, static_cast<Time>(now));
  return u.pcpu;
}

void Credit2Policy::sleep(UnitId id, Nanoseconds now) {
  Unit& u = unit(id);
  u.runnable = false;
  u.requeue = false;
  if (u.scheduled) {
    mark_tickled(*u.queue, u.pcpu);  // the core has the pCPU schedule
  } else if (u.queued) {
    update_load(*u.queue, &u, -1, static_cast<Time>(now));
    remove_from_queue(u);
  }
}

void Credit2Policy::yield(UnitId id, Nanoseconds) { unit(id).yielding = true; }

Credit2Policy::UnitState Credit2Policy::state_of(UnitId id) const {
  const Unit& u = *units_.at(id);
  return {u.credit, u.pcpu, u.queue ? static_cast<int>(u.queue->id) : -1, u.queued, u.parked, u.migrating, u.load};
}

// --- Xen's debug key r.

std::string Credit2Policy::describe_unit(const Unit& u) const {
  const auto percent = u.load * 100 >> config_.load_precision_shift;
  std::string out = "[" + std::to_string(u.domid) + "." + std::to_string(u.vcpu) +
                    "] cpu=" + std::to_string(u.pcpu) + " credit=" + std::to_string(u.credit) +
                    " [w=" + std::to_string(u.weight) + "]";
  if (capped(u)) out += " budget=" + std::to_string(u.budget) + "(" + std::to_string(u.quota) + ")";
  return out + " load=" + std::to_string(u.load) + " (~" + std::to_string(percent) + "%)" +
         (u.parked      ? " parked"
          : u.migrating ? " migrating"
          : u.runnable  ? ""
                        : " asleep") +
         "\n";
}

std::string Credit2Policy::dump(Nanoseconds) const {
  std::string out = "Active queues: " + std::to_string(queues_.size()) + "\n";
  for (const auto& q : queues_) {
    out += "Runqueue " + std::to_string(q->id) + ":\n";
    out += "\tncpus              = " + std::to_string(q->active.size()) + "\n";
    out += "\tcpus               = " + q->active.text() + "\n";
    out += "\tmax_weight         = " + std::to_string(q->max_weight) + "\n";
    out += "\tpick_bias          = " + std::to_string(q->pick_bias) + "\n";
    out += "\tinstload           = " + std::to_string(q->load) + "\n";
    out += "\taveload            = " + std::to_string(q->average_load) + " (~" +
           std::to_string(q->average_load * 100 >> config_.load_precision_shift) + "%)\n";
    out += "\tidlers: " + q->idle.text() + "\n\ttickled: " + q->tickled.text() +
           "\n\tfully idle cores: " + q->smt_idle.text() + "\n";
  }
  out += "Domain info:\n";
  for (const auto& [domid, d] : domains_) {
    out += "\tDomain: " + std::to_string(domid) + " w " + std::to_string(d.weight) + " c " +
           std::to_string(d.cap) + " v " + std::to_string(d.units.size()) + "\n";
    for (const Unit* u : d.units) out += "\t\t" + describe_unit(*u);
  }
  for (const auto& q : queues_) {
    out += "Runqueue " + std::to_string(q->id) + ":\n";
    for (auto p = q->active.first(); p; p = q->active.from(*p + 1)) {
      out += "CPU[" + std::to_string(*p) + "] runq=" + std::to_string(q->id) + "\n";
      if (const Unit* u = per_pcpu_[*p].current) out += "\trun: " + describe_unit(*u);
    }
    out += "RUNQ:\n";
    for (const Unit* u : q->waiting) out += "\t" + describe_unit(*u);
  }
  return out;
}

}  // namespace xensim::xen::sched
