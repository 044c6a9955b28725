#include "models/xen/event/event_channel.h"

#include <algorithm>
#include <utility>

#include "models/xen/event/fifo.h"
#include "models/xen/event/two_level.h"
#include "models/xen/hypervisor.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

// get_free_port: tries one port after the other, which costs.
long allocate(Hypervisor& hv, Domain& d, std::uint32_t& port) {
  EventChannels& e = d.events;
  if (d.dying) return -kEinval;
  while (e.valid(e.lowest_free) && e.ports[e.lowest_free].state != PortState::kFree) ++e.lowest_free;
  const std::uint32_t limit = e.abi->max_ports();
  for (port = e.lowest_free; port < limit && port <= e.max_port; ++port)
    if (!e.valid(port) || (e.ports[port].state == PortState::kFree && !e.abi->busy(port))) break;
  hv.cost.charge_many(*hv.here().pcpu, Path::kEventPortScan, port);
  if (port >= limit || port > e.max_port) return -kEnospc;
  if (!e.valid(port)) e.ports.resize(e.ports.size() + EventChannels::kPortsPerBucket);
  ++e.active;
  return 0;
}

// Gives a port that allocate() chose its new life.
Port& bind(Hypervisor& hv, Domain& d, std::uint32_t port, PortState state) {
  hv.cost.charge(*hv.here().pcpu, Path::kEventBind);
  Port& p = d.events.ports[port];
  p.state = state;
  d.events.abi->bound(port);
  return p;
}

// evtchn_free. The peer, if there was one, is the caller's affair.
void release(Domain& d, std::uint32_t port) {
  EventChannels& e = d.events;
  Port& p = e.ports[port];
  if (p.usable()) e.abi->clear_pending(port);
  if (p.consumer) --e.xen;
  --e.active;
  p.state = PortState::kFree;
  p.notify_vcpu = 0;
  p.consumer = nullptr;
  e.lowest_free = std::min(e.lowest_free, port);
}

void set_pending(Domain& d, Vcpu& v, std::uint32_t port) {
  if (!d.events.ports[port].usable()) return;
  ++v.stats.events_received;
  d.events.abi->set_pending(v, port);
}

}  // namespace

bool Hypervisor::port_pending(const Domain& d, std::uint32_t port) const {
  return d.events.valid(port) && d.events.ports[port].usable() && d.events.abi->pending(port);
}

bool Hypervisor::port_masked(const Domain& d, std::uint32_t port) const {
  return !d.events.valid(port) || !d.events.ports[port].usable() || d.events.abi->masked(port);
}

void Hypervisor::event_set_pending(Domain& d, std::uint32_t port) {
  if (!d.events.valid(port)) return;
  Vcpu& v = *d.vcpus[d.events.ports[port].notify_vcpu];
  if (on_happening) events_seen_.push_back(&v);
  set_pending(d, v, port);
}

long Hypervisor::evtchn_alloc_unbound(Domain& d, domid_t remote, std::uint32_t& port) {
  if (const long r = allocate(*this, d, port); r != 0) return r;
  bind(*this, d, port, PortState::kUnbound).remote_domid = remote == DOMID_SELF ? d.domid : remote;
  return 0;
}

long Hypervisor::evtchn_bind_interdomain(Domain& d, domid_t remote, std::uint32_t remote_port,
                                         std::uint32_t& port) {
  Domain* rd = remote == DOMID_SELF ? &d : find_domain(remote);
  if (!rd) return -kEsrch;
  if (const long r = allocate(*this, d, port); r != 0) return r;
  if (!rd->events.valid(remote_port) || rd->events.ports[remote_port].state != PortState::kUnbound ||
      rd->events.ports[remote_port].remote_domid != d.domid) {
    --d.events.active;
    return -kEinval;
  }
  Port& ours = bind(*this, d, port, PortState::kInterdomain);
  ours.remote_domid = rd->domid;
  ours.remote_port = remote_port;
  Port& theirs = rd->events.ports[remote_port];
  theirs.state = PortState::kInterdomain;
  theirs.remote_domid = d.domid;
  theirs.remote_port = port;
  // What was sent to the unbound port was dropped; the new end looks for itself.
  event_set_pending(d, port);
  return 0;
}

long Hypervisor::evtchn_send(Domain& d, std::uint32_t port) {
  if (!d.events.valid(port)) return -kEinval;
  const Port p = d.events.ports[port];
  if (p.consumer) return -kEinval;
  const Vcpu* sender = active_->current && &active_->current->domain == &d ? active_->current : d.vcpus[0].get();
  switch (p.state) {
    case PortState::kInterdomain: {
      Domain* rd = find_domain(p.remote_domid);
      expects(rd != nullptr);
      tracer.evtchn_send(active_->pcpu->index, now(), trace_id(*sender), port, p.remote_domid, p.remote_port);
      const Port& theirs = rd->events.ports[p.remote_port];
      if (theirs.consumer)
        theirs.consumer(*this, *rd->vcpus[theirs.notify_vcpu], p.remote_port);
      else
        event_set_pending(*rd, p.remote_port);
      return 0;
    }
    case PortState::kIpi:
      tracer.evtchn_send(active_->pcpu->index, now(), trace_id(*sender), port, d.domid, port);
      event_set_pending(d, port);
      return 0;
    case PortState::kUnbound:
      return 0;  // nobody hears it
    default:
      return -kEinval;
  }
}

long Hypervisor::evtchn_close(Domain& d, std::uint32_t port, bool guest) {
  EventChannels& e = d.events;
  if (!e.valid(port)) return -kEinval;
  const Port p = e.ports[port];
  if (p.consumer && guest) return -kEinval;
  switch (p.state) {
    case PortState::kFree:
    case PortState::kReserved:
      return -kEinval;
    case PortState::kPirq:
      e.pirqs.erase(p.irq);
      break;
    case PortState::kVirq:
      d.vcpus[event::virq_is_global(p.irq) ? 0 : p.notify_vcpu]->virq_port[p.irq] = 0;
      break;
    default:
      break;
  }
  release(d, port);
  if (p.state == PortState::kInterdomain) {
    Domain* rd = p.remote_domid == d.domid ? &d : find_domain(p.remote_domid);
    expects(rd != nullptr);
    Port& theirs = rd->events.ports[p.remote_port];
    theirs.state = PortState::kUnbound;  // it keeps the vCPU that it notifies, and its consumer
    theirs.remote_domid = d.domid;
  }
  return 0;
}

namespace event {

long bind_port(Hypervisor& hv, Domain& d, PortState state, std::uint32_t& port) {
  if (const long r = allocate(hv, d, port); r != 0) return r;
  bind(hv, d, port, state);
  return 0;
}

long bind_ipi(Hypervisor& hv, Domain& d, std::uint32_t vcpu, std::uint32_t& port) {
  if (vcpu >= d.vcpus.size()) return -kEnoent;
  if (const long r = bind_port(hv, d, PortState::kIpi, port); r != 0) return r;
  d.events.ports[port].notify_vcpu = vcpu;
  return 0;
}

// Any number below the domain's limit will do for a guest with a local APIC: it stands for an interrupt that Xen
// may emulate, whether or not there is one.
long bind_pirq(Hypervisor& hv, Domain& d, std::uint32_t pirq, std::uint32_t& port) {
  if (pirq >= hv.config.domain_pirqs) return -kEinval;
  if (d.events.pirqs.contains(pirq)) return -kEexist;
  if (const long r = bind_port(hv, d, PortState::kPirq, port); r != 0) return r;
  d.events.ports[port].irq = pirq;
  d.events.pirqs[pirq] = port;
  return 0;
}

long bind_vcpu(Domain& d, std::uint32_t port, std::uint32_t vcpu) {
  if (vcpu >= d.vcpus.size()) return -kEnoent;
  if (!d.events.valid(port)) return -kEinval;
  Port& p = d.events.ports[port];
  if (!p.usable() || p.state == PortState::kIpi) return -kEinval;
  if (p.state == PortState::kVirq && !virq_is_global(p.irq)) return -kEinval;
  p.notify_vcpu = vcpu;
  return 0;
}

long unmask(Domain& d, std::uint32_t port) {
  if (!d.events.valid(port)) return -kEinval;
  if (d.events.ports[port].usable()) d.events.abi->unmask(port);
  return 0;
}

long status(const Domain& d, std::uint32_t port, evtchn_status_t& out) {
  if (!d.events.valid(port)) return -kEinval;
  const Port& p = d.events.ports[port];
  if (p.consumer) return -kEacces;
  switch (p.state) {
    case PortState::kFree:
    case PortState::kReserved:
      out.status = EVTCHNSTAT_closed;
      break;
    case PortState::kUnbound:
      out.status = EVTCHNSTAT_unbound;
      out.u.unbound.dom = p.remote_domid;
      break;
    case PortState::kInterdomain:
      out.status = EVTCHNSTAT_interdomain;
      out.u.interdomain.dom = p.remote_domid;
      out.u.interdomain.port = p.remote_port;
      break;
    case PortState::kPirq:
      out.status = EVTCHNSTAT_pirq;
      out.u.pirq = p.irq;
      break;
    case PortState::kVirq:
      out.status = EVTCHNSTAT_virq;
      out.u.virq = p.irq;
      break;
    case PortState::kIpi:
      out.status = EVTCHNSTAT_ipi;
      break;
  }
  out.vcpu = p.notify_vcpu;
  return 0;
}

long set_priority(Domain& d, std::uint32_t port, std::uint32_t priority) {
  if (!d.events.valid(port)) return -kEinval;
  if (!d.events.fifo) return -kEnosys;
  if (!d.events.ports[port].usable()) return -kEacces;
  return d.events.abi->set_priority(port, priority);
}

long init_control(Hypervisor& hv, Domain& d, const evtchn_init_control_t& op) {
  if (op.vcpu >= d.vcpus.size()) return -kEnoent;
  if (op.offset > kPageSize - sizeof(evtchn_fifo_control_block_t)) return -kEinval;
  if (op.offset % 8 != 0) return -kEinval;
  EventChannels& e = d.events;
  if (e.fifo) return e.fifo->map_control_block(op.vcpu, op.control_gfn, op.offset);
  auto fifo = std::make_unique<Fifo>(hv, d);
  if (const long r = fifo->map_control_block(op.vcpu, op.control_gfn, op.offset); r != 0) return r;
  const auto known = std::min<std::uint32_t>(e.abi->max_ports(), static_cast<std::uint32_t>(e.ports.size()));
  for (std::uint32_t port = 1; port < known; ++port) {
    if (e.abi->pending(port)) e.ports[port].pending = true;
    e.ports[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
  }
  e.fifo = fifo.get();
  e.abi = std::move(fifo);
  return 0;
}

long expand_array(Domain& d, std::uint64_t gfn) {
  return d.events.fifo ? d.events.fifo->add_page(gfn) : -kEopnotsupp;
}

long reset(Hypervisor& hv, Domain& d, bool by_itself, bool resuming) {
  EventChannels& e = d.events;
  if (!by_itself && d.pause_count == 0) return -kEinval;
  std::uint32_t port = resuming ? e.next_reset : e.next_reset == 0;
  e.next_reset = std::max(e.next_reset, port);
  if (port == 0) return -kEbusy;
  for (; e.valid(port) && e.active > e.xen; ++port) {
    hv.cost.charge(*hv.here().pcpu, Path::kEventClose);
    hv.evtchn_close(d, port);
    if (port % 64 == 0 && by_itself && hv.hypercall_preempted()) {
      e.next_reset = port + 1;
      return -kErestart;
    }
  }
  e.next_reset = 0;
  if (e.active > e.xen) return -kEagain;  // another vCPU bound some meanwhile
  if (std::exchange(e.fifo, nullptr)) e.abi = std::make_unique<TwoLevel>(hv, d);
  return 0;
}

long poll(const Domain& d, std::uint32_t port) {
  if (!d.events.valid(port) || !d.events.ports[port].usable()) return -kEinval;
  return d.events.abi->pending(port);
}

long alloc_unbound_xen(Hypervisor& hv, Domain& d, std::uint32_t vcpu, domid_t remote, XenConsumer consumer) {
  expects(vcpu < d.vcpus.size() && consumer);
  std::uint32_t port = 0;
  if (const long r = allocate(hv, d, port); r != 0) return r;
  Port& p = d.events.ports[port];
  p.state = PortState::kUnbound;
  p.consumer = consumer;
  p.notify_vcpu = vcpu;
  p.remote_domid = remote;
  ++d.events.xen;
  return port;
}

void free_xen(Hypervisor& hv, Domain& d, std::uint32_t port) { hv.evtchn_close(d, port, false); }

void notify_via_xen(Hypervisor& hv, Domain& d, std::uint32_t port) {
  if (!d.events.valid(port)) return;
  const Port p = d.events.ports[port];
  if (p.state != PortState::kInterdomain) return;
  if (Domain* rd = hv.find_domain(p.remote_domid)) hv.event_set_pending(*rd, p.remote_port);
}

void destroy(Hypervisor& hv, Domain& d) {
  for (std::uint32_t port = static_cast<std::uint32_t>(d.events.ports.size()); --port != 0;)
    hv.evtchn_close(d, port, false);
  expects(d.events.active == 0);
  std::erase_if(hv.global_virq_handlers, [&](const auto& h) { return h.second == d.domid; });
  d.events.fifo = nullptr;
  d.events.abi = std::make_unique<TwoLevel>(hv, d);
}

void send_guest_pirq(Hypervisor& hv, Domain& d, std::uint32_t pirq) {
  if (const auto it = d.events.pirqs.find(pirq); it != d.events.pirqs.end()) hv.event_set_pending(d, it->second);
}

}  // namespace event
}  // namespace xensim::xen
