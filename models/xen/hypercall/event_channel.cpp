// __HYPERVISOR_event_channel_op: the guest's side of event/event_channel.cpp.
#include "models/xen/event/two_level.h"
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {
// EVTCHNOP structures that both widths lay out alike.
template <class T>
struct InOut {
  Hypervisor& hv;
  Vcpu& v;
  std::uint64_t at;
  T value{};
  bool in() { return hv.copy_from_guest(v, at, &value, sizeof value); }
  bool out() { return hv.copy_to_guest(v, at, &value, sizeof value); }
};
}  // namespace

long Hypervisor::do_event_channel_op(Vcpu& v, const Arguments& args) {
  Domain& d = v.domain;
  const std::uint64_t cmd = args.a[0], arg = args.a[1];
  cost.charge(*active_->pcpu, cmd == EVTCHNOP_send ? Path::kEventSend : Path::kEventChannelOp);
  switch (cmd) {
    case EVTCHNOP_alloc_unbound: {
      InOut<evtchn_alloc_unbound_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      if (x.value.dom != DOMID_SELF && x.value.dom != d.domid) return find_domain(x.value.dom) ? -kEperm : -kEsrch;
      std::uint32_t port = 0;
      if (const long r = evtchn_alloc_unbound(d, x.value.remote_dom, port); r != 0) return r;
      x.value.port = port;
      return x.out() ? 0 : -kEfault;
    }
    case EVTCHNOP_bind_interdomain: {
      InOut<evtchn_bind_interdomain_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      std::uint32_t port = 0;
      if (const long r = evtchn_bind_interdomain(d, x.value.remote_dom, x.value.remote_port, port); r != 0)
        return r;
      x.value.local_port = port;
      return x.out() ? 0 : -kEfault;
    }
    case EVTCHNOP_bind_virq: {
      InOut<evtchn_bind_virq_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      std::uint32_t port = 0;
      if (const long r = evtchn_bind_virq(d, x.value.virq, x.value.vcpu, port); r != 0) return r;
      x.value.port = port;
      return x.out() ? 0 : -kEfault;
    }
    case EVTCHNOP_bind_ipi: {
      InOut<evtchn_bind_ipi_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      if (x.value.vcpu >= d.vcpus.size()) return -kEnoent;
      const std::uint32_t port = d.events.allocate();
      if (port == 0) return -kEnospc;
      Port& p = d.events.ports[port];
      p = Port{};
      p.state = PortState::kIpi;
      p.notify_vcpu = x.value.vcpu;
      x.value.port = port;
      return x.out() ? 0 : -kEfault;
    }
    case EVTCHNOP_bind_pirq:
      return -kEinval;  // a PVH guest has no physical interrupts
    case EVTCHNOP_close: {
      InOut<evtchn_close_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      return evtchn_close(d, x.value.port);
    }
    case EVTCHNOP_send: {
      InOut<evtchn_send_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      ++v.stats.events_sent;
      return evtchn_send(d, x.value.port);
    }
    case EVTCHNOP_status: {
      InOut<evtchn_status_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      if (x.value.dom != DOMID_SELF && x.value.dom != d.domid) return find_domain(x.value.dom) ? -kEperm : -kEsrch;
      const std::uint32_t port = x.value.port;
      if (port >= d.events.ports.size()) return -kEinval;
      const Port& p = d.events.ports[port];
      x.value.vcpu = p.notify_vcpu;
      switch (p.state) {
        case PortState::kFree:
        case PortState::kReserved:
          x.value.status = EVTCHNSTAT_closed;
          break;
        case PortState::kUnbound:
          x.value.status = EVTCHNSTAT_unbound;
          x.value.u.unbound.dom = p.remote_domid;
          break;
        case PortState::kInterdomain:
          x.value.status = EVTCHNSTAT_interdomain;
          x.value.u.interdomain.dom = p.remote_domid;
          x.value.u.interdomain.port = p.remote_port;
          break;
        case PortState::kPirq:
          x.value.status = EVTCHNSTAT_pirq;
          break;
        case PortState::kVirq:
          x.value.status = EVTCHNSTAT_virq;
          x.value.u.virq = p.virq;
          break;
        case PortState::kIpi:
          x.value.status = EVTCHNSTAT_ipi;
          break;
      }
      return x.out() ? 0 : -kEfault;
    }
    case EVTCHNOP_bind_vcpu: {
      InOut<evtchn_bind_vcpu_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      return bind_port_to_vcpu(d, x.value.port, x.value.vcpu);
    }
    case EVTCHNOP_unmask: {
      InOut<evtchn_unmask_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      return unmask_port(d, x.value.port);
    }
    case EVTCHNOP_reset: {
      InOut<evtchn_reset_t> x{*this, v, arg};
      if (!x.in()) return -kEfault;
      if (x.value.dom != DOMID_SELF && x.value.dom != d.domid) return find_domain(x.value.dom) ? -kEperm : -kEsrch;
      for (std::uint32_t p = 1; p < d.events.ports.size(); ++p)
        if (d.events.ports[p].state != PortState::kFree) evtchn_close(d, p);
      return 0;
    }
    default:
      return -kEnosys;
  }
}

long Hypervisor::bind_port_to_vcpu(Domain& d, std::uint32_t port, std::uint32_t vcpu) {
  if (vcpu >= d.vcpus.size()) return -kEnoent;
  if (!d.events.valid(port)) return -kEinval;
  Port& p = d.events.ports[port];
  switch (p.state) {
    case PortState::kUnbound:
    case PortState::kInterdomain:
    case PortState::kPirq:
      break;
    case PortState::kVirq:
      // Only global VIRQs move.
      if (p.virq == VIRQ_TIMER || p.virq == VIRQ_DEBUG || p.virq == VIRQ_XENOPROF || p.virq == VIRQ_XENPMU)
        return -kEinval;
      break;
    default:
      return -kEinval;
  }
  p.notify_vcpu = vcpu;
  return 0;
}

long Hypervisor::unmask_port(Domain& d, std::uint32_t port) {
  if (!d.events.valid(port) || port >= two_level::max_ports(d)) return -kEinval;
  const auto b = two_level::bits_of(d, port);
  const auto bit = static_cast<std::uint8_t>(1u << b.bit);
  const auto mask = memory.read<std::uint8_t>(b.mask);
  if (!(mask & bit)) return 0;
  memory.write<std::uint8_t>(b.mask, static_cast<std::uint8_t>(mask & ~bit));
  if (!(memory.read<std::uint8_t>(b.pending) & bit)) return 0;
  Vcpu& v = *d.vcpus[d.events.ports[port].notify_vcpu];
  const PhysAddr selector = v.vcpu_info + two_level::selector_offset(d) + b.selector / 8;
  const auto old = memory.read<std::uint8_t>(selector);
  const auto sel = static_cast<std::uint8_t>(1u << (b.selector % 8));
  if (old & sel) return 0;
  memory.write<std::uint8_t>(selector, static_cast<std::uint8_t>(old | sel));
  assert_upcall(v);
  return 0;
}

}  // namespace xensim::xen
