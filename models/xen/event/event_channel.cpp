// Life cycle of event channels: allocate, bind, send, close. Errors are Xen 4.17's (common/event_channel.c).
#include "models/xen/event/event_channel.h"

#include "models/xen/hypervisor.h"

namespace xensim::xen {

std::uint32_t EventChannels::allocate() {
  for (std::uint32_t p = 1; p < ports.size(); ++p)
    if (ports[p].state == PortState::kFree) return p;
  if (ports.size() >= max_ports) return 0;
  ports.emplace_back();
  return static_cast<std::uint32_t>(ports.size() - 1);
}

unsigned EventChannels::in_use() const {
  unsigned n = 0;
  for (const Port& p : ports) n += p.state != PortState::kFree && p.state != PortState::kReserved;
  return n;
}

long Hypervisor::evtchn_alloc_unbound(Domain& d, domid_t remote, std::uint32_t& port) {
  port = d.events.allocate();
  if (port == 0) return -kEnospc;
  Port& p = d.events.ports[port];
  p = Port{};
  p.state = PortState::kUnbound;
  p.remote_domid = remote == DOMID_SELF ? d.domid : remote;
  return 0;
}

long Hypervisor::evtchn_bind_interdomain(Domain& d, domid_t remote, std::uint32_t remote_port,
                                         std::uint32_t& port) {
  Domain* rd = remote == DOMID_SELF ? &d : find_domain(remote);
  if (!rd) return -kEsrch;
  port = d.events.allocate();
  if (port == 0) return -kEnospc;
  if (!rd->events.valid(remote_port)) return -kEinval;
  Port& theirs = rd->events.ports[remote_port];
  if (theirs.state != PortState::kUnbound || theirs.remote_domid != d.domid) return -kEinval;
  Port& ours = d.events.ports[port];
  ours = Port{};
  ours.state = PortState::kInterdomain;
  ours.remote_domid = rd->domid;
  ours.remote_port = remote_port;
  theirs.state = PortState::kInterdomain;
  theirs.remote_domid = d.domid;
  theirs.remote_port = port;
  // Xen: "We may have lost notifications on the remote unbound port."
  event_set_pending(d, port);
  return 0;
}

long Hypervisor::evtchn_bind_virq(Domain& d, std::uint32_t virq, std::uint32_t vcpu, std::uint32_t& port) {
  if (virq >= NR_VIRQS) return -kEinval;
  const bool per_vcpu = virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
  if (!per_vcpu && vcpu != 0) return -kEinval;
  if (vcpu >= d.vcpus.size()) return -kEnoent;
  Vcpu& v = *d.vcpus[vcpu];
  if (v.virq_port[virq] != 0) return -kEexist;
  port = d.events.allocate();
  if (port == 0) return -kEnospc;
  Port& p = d.events.ports[port];
  p = Port{};
  p.state = PortState::kVirq;
  p.notify_vcpu = vcpu;
  p.virq = virq;
  v.virq_port[virq] = port;
  return 0;
}

long Hypervisor::evtchn_send(Domain& d, std::uint32_t port) {
  if (!d.events.valid(port)) return -kEinval;
  const Port& p = d.events.ports[port];
  switch (p.state) {
    case PortState::kInterdomain: {
      Domain* rd = find_domain(p.remote_domid);
      if (!rd) return 0;
      tracer.evtchn_send(active_->pcpu->index, now(), {d.domid, 0}, port, p.remote_domid, p.remote_port);
      event_set_pending(*rd, p.remote_port);
      return 0;
    }
    case PortState::kIpi:
      tracer.evtchn_send(active_->pcpu->index, now(), {d.domid, 0}, port, d.domid, port);
      event_set_pending(d, port);
      return 0;
    case PortState::kUnbound:
      return 0;  // silently dropped, as in Xen
    default:
      return -kEinval;
  }
}

long Hypervisor::evtchn_close(Domain& d, std::uint32_t port) {
  if (!d.events.valid(port)) return -kEinval;
  Port& p = d.events.ports[port];
  switch (p.state) {
    case PortState::kFree:
    case PortState::kReserved:
      return -kEinval;
    case PortState::kVirq:
      for (auto& v : d.vcpus)
        if (v->virq_port[p.virq] == port) v->virq_port[p.virq] = 0;
      break;
    case PortState::kInterdomain:
      if (Domain* rd = find_domain(p.remote_domid)) {
        Port& theirs = rd->events.ports[p.remote_port];
        theirs.state = PortState::kUnbound;  // it keeps the vCPU that it notifies
        theirs.remote_domid = d.domid;
        theirs.remote_port = 0;
      }
      break;
    default:
      break;
  }
  clear_pending(d, port);
  d.events.free(port);
  return 0;
}

void Hypervisor::send_global_virq(Domain& d, std::uint32_t virq) {
  if (!d.vcpus.empty() && d.vcpus[0]->virq_port[virq] != 0) event_set_pending(d, d.vcpus[0]->virq_port[virq]);
}

void Hypervisor::send_vcpu_virq(Vcpu& v, std::uint32_t virq) {
  if (v.virq_port[virq] != 0) event_set_pending(v.domain, v.virq_port[virq]);
}

}  // namespace xensim::xen
