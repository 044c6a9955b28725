// __HYPERVISOR_event_channel_op: the guest's side of event/event_channel.h. All its structures are laid out alike
// for 32-bit and 64-bit callers. Each is copied once; a result that cannot be copied back is -EFAULT, and what was
// done stays done, as in Xen.
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

// EVTCHNOP_reset_cont, which the headers keep from guests.
constexpr int kResetContinued = 14;

// One hypercall: its caller, and where its structure is.
struct Call {
  Hypervisor& hv;
  Vcpu& v;
  std::uint64_t at;

  Domain& self() const { return v.domain; }
  DomainLookup domain(domid_t id) const { return lookup_domain(hv, v.domain, id); }
  long check(const Domain& target) const { return xsm::check(xsm::Action::kTarget, v.domain, &target); }

  template <class T, class Operation>
  long in(Operation operation) const {
    T value;
    if (!hv.copy_from_guest(v, at, &value, sizeof value)) return -kEfault;
    return operation(value);
  }
  template <class T, class Operation>
  long in_out(Operation operation) const {
    return in<T>([&](T& value) -> long {
      if (const long r = operation(value); r != 0) return r;
      return hv.copy_to_guest(v, at, &value, sizeof value) ? 0 : -kEfault;
    });
  }
};

long alloc_unbound(const Call& c, evtchn_alloc_unbound_t& op) {
  const DomainLookup d = c.domain(op.dom);
  if (!d) return d.error;
  const domid_t remote = op.remote_dom == DOMID_SELF ? c.self().domid : op.remote_dom;
  if (const long r = c.hv.evtchn_alloc_unbound(*d.domain, remote, op.port); r != 0) return r;
  const long refused = c.check(*d.domain);
  if (refused != 0) c.hv.evtchn_close(*d.domain, op.port);
  return refused;
}

long status(const Call& c, evtchn_status_t& op) {
  const DomainLookup d = c.domain(op.dom);
  if (!d) return d.error;
  evtchn_status_t result = op;
  if (const long r = event::status(*d.domain, op.port, result); r != 0) return r;
  if (const long r = c.check(*d.domain); r != 0) return r;
  op = result;
  return 0;
}

long reset(const Call& c, const evtchn_reset_t& op, bool resuming) {
  const DomainLookup d = c.domain(op.dom);
  if (!d) return d.error;
  if (const long r = c.check(*d.domain); r != 0) return r;
  return event::reset(c.hv, *d.domain, d.domain == &c.self(), resuming);
}

long init_control(const Call& c, evtchn_init_control_t& op) {
  c.hv.cost.charge(*c.hv.here().pcpu, Path::kEventInitControl);
  op.link_bits = EVTCHN_FIFO_LINK_BITS;
  return event::init_control(c.hv, c.self(), op);
}

}  // namespace

long Hypervisor::do_event_channel_op(Vcpu& v, const Arguments& args) {
  const auto cmd = static_cast<std::int32_t>(args.a[0]);
  const Call c{*this, v, args.a[1]};
  Domain& d = v.domain;
  cost.charge(*active_->pcpu, cmd == EVTCHNOP_send ? Path::kEventSend : Path::kEventChannelOp);
  switch (cmd) {
    case EVTCHNOP_alloc_unbound:
      return c.in_out<evtchn_alloc_unbound_t>([&](auto& op) { return alloc_unbound(c, op); });
    case EVTCHNOP_bind_interdomain:
      return c.in_out<evtchn_bind_interdomain_t>(
          [&](auto& op) { return evtchn_bind_interdomain(d, op.remote_dom, op.remote_port, op.local_port); });
    case EVTCHNOP_bind_virq:
      return c.in_out<evtchn_bind_virq_t>(
          [&](auto& op) { return evtchn_bind_virq(d, op.virq, op.vcpu, op.port); });
    case EVTCHNOP_bind_ipi:
      return c.in_out<evtchn_bind_ipi_t>([&](auto& op) { return event::bind_ipi(*this, d, op.vcpu, op.port); });
    case EVTCHNOP_bind_pirq:
      return c.in_out<evtchn_bind_pirq_t>([&](auto& op) { return event::bind_pirq(*this, d, op.pirq, op.port); });
    case EVTCHNOP_close:
      return c.in<evtchn_close_t>([&](auto& op) { return evtchn_close(d, op.port); });
    case EVTCHNOP_send:
      return c.in<evtchn_send_t>([&](auto& op) {
        ++v.stats.events_sent;
        return evtchn_send(d, op.port);
      });
    case EVTCHNOP_status:
      return c.in_out<evtchn_status_t>([&](auto& op) { return status(c, op); });
    case EVTCHNOP_bind_vcpu:
      return c.in<evtchn_bind_vcpu_t>([&](auto& op) { return event::bind_vcpu(d, op.port, op.vcpu); });
    case EVTCHNOP_unmask:
      return c.in<evtchn_unmask_t>([&](auto& op) { return event::unmask(d, op.port); });
    case EVTCHNOP_reset:
    case kResetContinued: {
      const long r = c.in<evtchn_reset_t>([&](auto& op) { return reset(c, op, cmd == kResetContinued); });
      if (r == -kErestart) continue_hypercall(args.wide, kResetContinued);
      return r;
    }
    case EVTCHNOP_init_control:
      return c.in_out<evtchn_init_control_t>([&](auto& op) { return init_control(c, op); });
    case EVTCHNOP_expand_array:
      return c.in<evtchn_expand_array_t>([&](auto& op) {
        cost.charge(*active_->pcpu, Path::kEventExpandArray);
        return event::expand_array(d, op.array_gfn);
      });
    case EVTCHNOP_set_priority:
      return c.in<evtchn_set_priority_t>([&](auto& op) { return event::set_priority(d, op.port, op.priority); });
    default:
      return -kEnosys;
  }
}

}  // namespace xensim::xen
