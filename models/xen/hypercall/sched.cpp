// __HYPERVISOR_sched_op (do_sched_op of Xen's common/sched/core.c).
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {
constexpr std::uint32_t kMaxPollPorts = 128;

ShutdownReason shutdown_reason(std::uint32_t reason) {
  return reason <= SHUTDOWN_MAX ? static_cast<ShutdownReason>(reason) : ShutdownReason::kCrash;
}
}  // namespace

void Hypervisor::yield(Vcpu& v) {
  cpu::Pcpu& p = *active_->pcpu;
  ++v.stats.yields;
  tracer.yield(p.index, now(), trace_id(v));
  sched_lock_.acquire(cost, p);
  policy->yield(v.unit, ns(now()));
  sched_lock_.release(p);
  raise_schedule(*active_);
}

long Hypervisor::do_sched_op(Vcpu& v, const Arguments& args) {
  switch (args.a[0]) {
    case SCHEDOP_yield:
      yield(v);
      return 0;
    case SCHEDOP_block:
      memory.write<std::uint8_t>(v.vcpu_info + 1, 0);  // evtchn_upcall_mask
      log_dirty::mark_frame(v.domain, mfn_of(v.vcpu_info));
      if (!local_events_need_delivery(v)) vcpu_block(v);
      return 0;
    case SCHEDOP_shutdown:
    case SCHEDOP_shutdown_code: {
      std::uint32_t reason;
      if (!copy_from_guest(v, args.a[1], &reason, sizeof reason)) return -kEfault;
      reason &= 0xff;
      if (args.a[0] == SCHEDOP_shutdown_code) {
        tracer.shutdown_code(active_->pcpu->index, now(), trace_id(v), reason);
        if (v.domain.shutdown_code == ~0u) v.domain.shutdown_code = reason;
        return 0;
      }
      // What was said first counts.
      if (v.domain.shutdown_code != ~0u) reason = v.domain.shutdown_code;
      shutdown_domain(v.domain, shutdown_reason(reason));
      return 0;
    }
    case SCHEDOP_poll:
      return do_poll(v, args);
    case SCHEDOP_remote_shutdown: {
      sched_remote_shutdown_t r;
      if (!copy_from_guest(v, args.a[1], &r, sizeof r)) return -kEfault;
      const DomainLookup found = lookup_domain_by_id(*this, r.domain_id);
      if (!found) return found.error;
      if (const long refused = xsm::check(xsm::Action::kDmPriv, v.domain, found.domain)) return refused;
      shutdown_domain(*found.domain, shutdown_reason(r.reason & 0xff));
      return 0;
    }
    case SCHEDOP_watchdog: {
      sched_watchdog_t w;
      if (!copy_from_guest(v, args.a[1], &w, sizeof w)) return -kEfault;
      return set_watchdog(v.domain, w.id, w.timeout);
    }
    case SCHEDOP_pin_override:
      return v.domain.role.hardware ? -kEinval : -kEperm;  // no hardware domain runs a binary
    default:
      return -kEnosys;
  }
}

// Blocks until one of the ports is pending (masked or not), an interrupt can be taken, or the time-out, an
// absolute system time, passes. With one port, an event on that port ends the wait; otherwise an event on any port
// does.
long Hypervisor::do_poll(Vcpu& v, const Arguments& args) {
  cost.charge(*active_->pcpu, Path::kPoll);
  std::uint8_t bytes[24];
  if (!copy_from_guest(v, args.a[1], bytes, args.wide ? 24 : 16)) return -kEfault;
  Fields f(bytes, args.wide);
  const std::uint64_t handle = f.word();
  const std::uint32_t n = f.u32();
  const std::uint64_t timeout = f.u64();
  if (n > kMaxPollPorts) return -kEinval;
  if (local_events_need_delivery(v)) return 0;
  std::uint32_t port = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    if (!copy_from_guest(v, handle + i * sizeof port, &port, sizeof port)) return -kEfault;
    if (const long r = event::poll(v.domain, port); r != 0) return r < 0 ? r : 0;
  }
  if (timeout != 0 && cycles(timeout) <= now()) return 0;
  v.poll_port = n == 1 ? port : 0;
  v.pause_flags |= kPauseBlockedInPoll;
  if (timeout != 0) v.poll = add_timer(v.processor, cycles(timeout), TimerAction::kPoll, v.unit);
  vcpu_block(v);
  return 0;
}

// Two watchdogs a domain; id 0 asks for a new one. A time-out in seconds; 0 stops it.
long Hypervisor::set_watchdog(Domain& d, std::uint32_t id, std::uint32_t timeout) {
  if (id > d.watchdogs.size()) return -kEinval;
  const auto arm = [&](std::size_t i) {
    d.watchdogs[i] = add_timer(active_->pcpu->index, from_now(cycles(std::uint64_t{timeout} * 1'000'000'000)),
                               TimerAction::kWatchdog, std::uint64_t{d.domid} << 8 | i);
  };
  if (id == 0) {
    for (std::size_t i = 0; i < d.watchdogs.size(); ++i)
      if (!d.watchdogs[i].pending()) {
        arm(i);
        return static_cast<long>(i + 1);
      }
    return static_cast<long>(static_cast<std::uint32_t>(-kEnospc));  // as Xen has it: an unsigned id or an error
  }
  TimerId& w = d.watchdogs[id - 1];
  if (!w.pending()) return -kEinval;
  remove_timer(w);
  if (timeout != 0) arm(id - 1);
  return 0;
}

}  // namespace xensim::xen
