// Domctls on what a domain may reach of the machine's devices, and the rest of those that only a device model, a
// monitor or a machine with more hardware has use for (Xen 4.17). No domain that makes hypercalls owns an
// interrupt, a port or device memory here, and nobody can give away what he has not got: -EPERM, after Xen's
// checks of the ranges.
#include "models/xen/hypercall/control.h"
#include "models/xen/mm/vm_event.h"

namespace xensim::xen {

namespace {

constexpr std::uint32_t kPorts = 0x10000;

// Whether `count` numbers from first on are none, or go beyond the last there is.
constexpr bool wraps(std::uint64_t first, std::uint64_t count) { return first + count - 1 < first; }

long port_permission(const xen_domctl_ioport_permission& p) {
  const std::uint32_t end = p.first_port + p.nr_ports;
  return end <= p.first_port || end > kPorts ? -kEinval : -kEperm;
}

long memory_mapping(const ControlCall& c, const xen_domctl_memory_mapping& m) {
  const unsigned frame_bits = c.hv.pcpus.front().pcpu->core.config.physical_bits - kPageShift;
  const std::uint64_t last = m.first_mfn + m.nr_mfns - 1;
  if (wraps(m.first_mfn, m.nr_mfns) || (m.first_mfn | last) >> frame_bits || wraps(m.first_gfn, m.nr_mfns))
    return -kEinval;
  return -kEperm;
}

long port_mapping(const Domain& d, const xen_domctl_ioport_mapping& m) {
  if (d.kind != DomainKind::kGuest) return -kEopnotsupp;
  if ((m.first_gport | m.first_mport | (m.nr_ports - 1)) >= kPorts || m.first_gport + m.nr_ports > kPorts ||
      m.first_mport + m.nr_ports > kPorts)
    return -kEinval;
  return -kEperm;
}

// Xen's capabilities are the processor's; here a monitor has mem_access, which needs none of these events.
long monitor_op(ControlCall& c, const Domain& d, xen_domctl_monitor_op& m) {
  if (&d == &c.caller()) return -kEperm;
  switch (m.op) {
    case XEN_DOMCTL_MONITOR_OP_ENABLE:
    case XEN_DOMCTL_MONITOR_OP_DISABLE:
      return m.event > 31 ? -kEinval : -kEopnotsupp;
    case XEN_DOMCTL_MONITOR_OP_GET_CAPABILITIES:
      m.event = 0;
      c.write_back = true;
      return 0;
    default:
      return -kEopnotsupp;
  }
}

}  // namespace

std::optional<long> domctl_on_device(ControlCall& c, Domain* d, xen_domctl& op) {
  switch (op.cmd) {
    case XEN_DOMCTL_irq_permission:
      return op.u.irq_permission.pirq >= c.hv.config.domain_pirqs ? -kEinval : -kEperm;
    case XEN_DOMCTL_iomem_permission:
      return wraps(op.u.iomem_permission.first_mfn, op.u.iomem_permission.nr_mfns) ? -kEinval : -kEperm;
    case XEN_DOMCTL_ioport_permission:
      return port_permission(op.u.ioport_permission);
    case XEN_DOMCTL_memory_mapping:
      return memory_mapping(c, op.u.memory_mapping);
    case XEN_DOMCTL_ioport_mapping:
      return port_mapping(*d, op.u.ioport_mapping);
    case XEN_DOMCTL_bind_pt_irq:
    case XEN_DOMCTL_unbind_pt_irq:
      return d->kind == DomainKind::kGuest ? -kEperm : -kEinval;
    case XEN_DOMCTL_assign_device:
    case XEN_DOMCTL_deassign_device:
    case XEN_DOMCTL_test_assign_device:
    case XEN_DOMCTL_get_device_group:
      return -kEopnotsupp;  // there is no IOMMU
    case XEN_DOMCTL_psr_cmt_op:
    case XEN_DOMCTL_psr_alloc:
      return -kEnodev;
    case XEN_DOMCTL_vm_event_op: {
      long r = 0;
      if (d)
        r = vm_event::vm_event_op(c.hv, c.caller(), *d, op.u.vm_event_op);
      else if (op.u.vm_event_op.op == XEN_VM_EVENT_GET_VERSION)
        op.u.vm_event_op.u.version = VM_EVENT_INTERFACE_VERSION;
      else
        r = -kEsrch;
      c.write_back = r == 0;
      return r;
    }
    case XEN_DOMCTL_monitor_op:
      return monitor_op(c, *d, op.u.monitor_op);
    default:
      return std::nullopt;
  }
}

}  // namespace xensim::xen
