// The scheduler core: runstates, wake and sleep, the call of the policy, and the switch. Modelled on the division
// of labour in Xen's common/sched/core.c: the policy decides, this file does.
#include <algorithm>

#include "models/xen/domain/xstate.h"
#include "models/xen/hypervisor.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {
constexpr trace::VcpuId idle_id(unsigned pcpu) { return {trace::kIdleDomid, static_cast<std::uint16_t>(pcpu)}; }
}  // namespace

void Hypervisor::runstate_change(Vcpu& v, Runstate to) {
  const Cycles t = now();
  expects(t >= v.runstate_entry);
  v.runstate_time[static_cast<unsigned>(v.runstate)] += t - v.runstate_entry;
  tracer.runstate_change(active_->pcpu->index, t, trace_id(v), v.runstate, to);
  if (to == Runstate::kRunnable) close_exit(v);
  if (to == Runstate::kRunning && !v.has_run) {
    v.has_run = true;
    v.runstate_time_before_first_run = v.runstate_time;
  }
  v.runstate = to;
  v.runstate_entry = t;
}

void Hypervisor::idle_runstate_change(PcpuState& c, Runstate to) {
  const Cycles t = now();
  c.idle_time[static_cast<unsigned>(c.idle_runstate)] += t - c.idle_runstate_entry;
  tracer.runstate_change(c.pcpu->index, t, idle_id(c.pcpu->index), c.idle_runstate, to);
  c.idle_runstate = to;
  c.idle_runstate_entry = t;
}

std::array<Cycles, 4> Hypervisor::runstate_times(const Vcpu& v, Cycles at) const {
  auto times = v.runstate_time;
  if (at > v.runstate_entry) times[static_cast<unsigned>(v.runstate)] += at - v.runstate_entry;
  return times;
}

std::array<Cycles, 4> Hypervisor::reported_times(const Vcpu& v) const {
  if (!v.has_run) return {};
  auto times = runstate_times(v, end_);
  for (unsigned i = 0; i < 4; ++i) times[i] -= v.runstate_time_before_first_run[i];
  return times;
}

void Hypervisor::close_exit(Vcpu& v) {
  if (v.open_exit >= 0) {
    ++v.stats.vm_exits;
    ++v.stats.exits_by_reason[static_cast<unsigned>(v.open_exit)];
  }
  if (v.open_hypercall >= 0) ++v.stats.hypercalls[static_cast<unsigned>(v.open_hypercall)];
  v.open_exit = v.open_hypercall = -1;
}

void Hypervisor::vcpu_wake(Vcpu& v) {
  if (!v.runnable() || !v.asleep) return;
  v.asleep = false;
  cpu::Pcpu& p = *active_->pcpu;
  sched_lock_.acquire(cost, p);
  cost.charge(p, Path::kWake);
  tracer.wake(p.index, now(), trace_id(v));
  ++v.stats.wakes;
  // One that has not been switched out yet just goes on (its pCPU will ask the policy).
  const bool running = v.runstate == Runstate::kRunning;
  if (!running && v.runstate != v.waiting_runstate()) runstate_change(v, v.waiting_runstate());
  v.preempted = false;
  const sched::PcpuId chosen = policy->wake(v.unit, ns(now()));
  if (!running) v.processor = chosen;
  sched_lock_.release(p);
}

void Hypervisor::vcpu_sleep(Vcpu& v) {
  if (v.runnable() || v.asleep) return;
  v.asleep = true;
  cpu::Pcpu& p = *active_->pcpu;
  sched_lock_.acquire(cost, p);
  tracer.sleep(p.index, now(), trace_id(v));
  policy->sleep(v.unit, ns(now()));
  const Runstate to =
      v.pause_flags & (kPauseBlocked | kPauseBlockedInPoll) ? Runstate::kBlocked : Runstate::kOffline;
  if (v.runstate == Runstate::kRunnable) {
    runstate_change(v, to);
  } else if (v.runstate == Runstate::kRunning) {
    PcpuState& c = pcpus[v.processor];
    if (&c == active_)
      raise_schedule(c);
    else
      tickle(v.processor);
  }
  sched_lock_.release(p);
}

void Hypervisor::vcpu_block(Vcpu& v) {
  cost.charge(*active_->pcpu, Path::kBlock);
  v.pause_flags |= kPauseBlocked;
  tracer.block(active_->pcpu->index, now(), trace_id(v));
  vcpu_sleep(v);
}

void Hypervisor::vcpu_unblock(Vcpu& v) {
  if (!(v.pause_flags & (kPauseBlocked | kPauseBlockedInPoll))) return;
  v.pause_flags &= ~(kPauseBlocked | kPauseBlockedInPoll);
  v.poll_port = 0;
  remove_timer(v.poll);
  vcpu_wake(v);
}

void Hypervisor::vcpu_kick(Vcpu& v) {
  vcpu_unblock(v);
  if (v.runstate == Runstate::kRunning && &pcpus[v.processor] != active_)
    send_host_ipi(v.processor, kEventCheckVector);
}

void Hypervisor::set_affinity(Vcpu& v, std::vector<sched::PcpuId> hard, std::vector<sched::PcpuId> soft) {
  cpu::Pcpu& p = *active_->pcpu;
  sched_lock_.acquire(cost, p);
  v.hard_affinity = hard;
  v.soft_affinity = soft;
  const sched::PcpuId chosen = policy->set_affinity(v.unit, std::move(hard), std::move(soft), ns(now()));
  if (v.runstate != Runstate::kRunning) v.processor = chosen;
  sched_lock_.release(p);
}

void Hypervisor::set_scheduling(Domain& d, const sched::DomainParameters& parameters) {
  cpu::Pcpu& p = *active_->pcpu;
  sched_lock_.acquire(cost, p);
  d.scheduling = parameters;
  policy->set_domain(d.domid, parameters, ns(now()));
  tracer.adjdom(p.index, now(), d.domid);
  sched_lock_.release(p);
}

void Hypervisor::tickle(sched::PcpuId pcpu) {
  PcpuState& c = pcpus[pcpu];
  cost.charge(*active_->pcpu, Path::kTickle);
  tracer.tickle(active_->pcpu->index, now(), pcpu);
  if (&c == active_) {
    raise_schedule(c);
  } else if (!c.tickled) {
    c.tickled = true;
    send_host_ipi(pcpu, kEventCheckVector);
  }
}

void Hypervisor::set_timer(std::uint64_t token, Nanoseconds when, sched::PcpuId pcpu) {
  stop_timer(token);
  policy_timers_[token] = add_timer(pcpu, cycles(when), TimerAction::kPolicy, token);
}

void Hypervisor::stop_timer(std::uint64_t token) {
  const auto it = policy_timers_.find(token);
  if (it == policy_timers_.end()) return;
  remove_timer(it->second);
  policy_timers_.erase(it);
}

sched::UnitId Hypervisor::current(sched::PcpuId pcpu) const {
  return pcpus[pcpu].current ? pcpus[pcpu].current->unit : sched::kIdle;
}

void Hypervisor::park(sched::UnitId unit, bool parked) {
  Vcpu& v = *vcpu_of(unit);
  v.parked = parked;
  const bool waits = v.runstate == Runstate::kRunnable || v.runstate == Runstate::kOffline;
  if (v.runnable() && waits && v.runstate != v.waiting_runstate()) runstate_change(v, v.waiting_runstate());
}

void Hypervisor::trace(sched::PcpuId, unsigned event, std::span<const std::uint32_t> words) {
  tracer.sched_class(active_->pcpu->index, now(), policy->trace_id(), event, words);
}

void Hypervisor::schedule(PcpuState& c) {
  cpu::Pcpu& p = *c.pcpu;
  const unsigned cpu = p.index;
  c.schedule_pending = false;
  ++c.schedules;
  sched_lock_.acquire(cost, p);
  cost.charge(p, Path::kSchedule);
  Vcpu* prev = c.current;
  const sched::Decision d = policy->schedule(cpu, prev ? prev->unit : sched::kIdle, ns(now()));
  Vcpu* next = d.next == sched::kIdle ? nullptr : vcpu_of(d.next);
  remove_timer(c.slice);
  const std::uint32_t slice =
      d.slice ? static_cast<std::uint32_t>(std::min<Nanoseconds>(*d.slice, 0xffffffff)) : ~std::uint32_t{0};
  if (d.slice && next)
    c.slice = add_timer(cpu, now() + std::max<Cycles>(cycles(*d.slice), 1), TimerAction::kSchedule, 0);

  const auto id_of = [&](const Vcpu* v) { return v ? trace_id(*v) : idle_id(cpu); };
  const Cycles prev_since = prev ? prev->runstate_entry : c.idle_runstate_entry;
  if (next == prev) {
    tracer.switch_infcont(cpu, now(), id_of(next), ns(now() - prev_since), slice);
    tracer.continue_running(cpu, now(), id_of(next));
    sched_lock_.release(p);
    return;
  }
  expects(!next || (next->runnable() && next->runstate == Runstate::kRunnable));
  const Cycles next_since = next ? next->runstate_entry : c.idle_runstate_entry;
  tracer.switch_infprev(cpu, now(), id_of(prev), ns(now() - prev_since));
  tracer.switch_infnext(cpu, now(), id_of(next), ns(now() - next_since), slice);
  if (prev) {
    const Runstate to = prev->runnable()                                            ? prev->waiting_runstate()
                        : prev->pause_flags & (kPauseBlocked | kPauseBlockedInPoll) ? Runstate::kBlocked
                                                                                    : Runstate::kOffline;
    prev->preempted = to == Runstate::kRunnable;
    runstate_change(*prev, to);
    prev->stats.cpi += p.core.cpi - c.cpi_mark;
    ++prev->stats.context_switches;
    remove_timer(prev->periodic);
    update_runstate_area(*prev);
  } else {
    idle_runstate_change(c, Runstate::kRunnable);
  }
  tracer.switch_to(cpu, now(), id_of(prev), id_of(next));
  c.cpi_mark = p.core.cpi;
  if (next) {
    if (next->processor != cpu) {
      tracer.migrate(cpu, now(), trace_id(*next), next->processor, cpu);
      ++next->stats.migrations;
      next->processor = cpu;
    }
    runstate_change(*next, Runstate::kRunning);
  } else {
    idle_runstate_change(c, Runstate::kRunning);
  }
  c.current = next;
  c.current_since = now();
  ++c.context_switches;
  sched_lock_.release(p);
  cost.charge(p, Path::kContextSwitch);
  xstate::charge_switch(*this, c, next);
  if (next) {
    periodic_timer_work(*next);
    update_runstate_area(*next);
    update_time_info(*next);
  }
  if (on_happening && (next || prev)) on_happening(Happening::kContextSwitch, next ? *next : *prev);
}

}  // namespace xensim::xen
