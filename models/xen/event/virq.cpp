// Virtual interrupts. Per-vCPU ones (timer, debug, …) notify the vCPU that they were bound on, for good; global
// ones are bound on vCPU 0, may be moved, and go to the one domain that handles them.
#include "models/xen/hypervisor.h"

namespace xensim::xen {

long Hypervisor::evtchn_bind_virq(Domain& d, std::uint32_t virq, std::uint32_t vcpu, std::uint32_t& port) {
  if (virq >= NR_VIRQS) return -kEinval;
  if (event::virq_is_global(virq) && vcpu != 0) return -kEinval;
  if (vcpu >= d.vcpus.size()) return -kEnoent;
  if (d.vcpus[vcpu]->virq_port[virq] != 0) return -kEexist;
  if (const long r = event::bind_port(*this, d, PortState::kVirq, port); r != 0) return r;
  d.events.ports[port].notify_vcpu = vcpu;
  d.events.ports[port].irq = virq;
  d.vcpus[vcpu]->virq_port[virq] = port;
  return 0;
}

void Hypervisor::send_vcpu_virq(Vcpu& v, std::uint32_t virq) {
  if (const std::uint32_t port = v.virq_port[virq]; port != 0) event_set_pending(v.domain, port);
}

void Hypervisor::send_global_virq(std::uint32_t virq) {
  const auto it = global_virq_handlers.find(virq);
  if (Domain* d = find_domain(it == global_virq_handlers.end() ? domid_t{0} : it->second))
    event::send_guest_global_virq(*this, *d, virq);
}

namespace event {

void send_guest_global_virq(Hypervisor& hv, Domain& d, std::uint32_t virq) {
  if (!d.vcpus.empty() && d.vcpus[0]->virq_port[virq] != 0) hv.event_set_pending(d, d.vcpus[0]->virq_port[virq]);
}

long set_global_virq_handler(Hypervisor& hv, Domain& d, std::uint32_t virq) {
  if (virq >= NR_VIRQS || !virq_is_global(virq)) return -kEinval;
  hv.global_virq_handlers[virq] = d.domid;
  return 0;
}

}  // namespace event
}  // namespace xensim::xen
