// __HYPERVISOR_domctl: what a control domain does to others (do_domctl and arch_do_domctl of Xen 4.17). The order
// of checks is Xen's, because callers without privilege can tell: the structure (-EFAULT), its version (-EACCES),
// for some commands their arguments (-EINVAL), the domain (-ESRCH), the privilege (-EPERM), and only then the
// command. The structure is laid out alike for callers of both widths.
#include "models/xen/hypercall/control.h"
#include "models/xen/hypercall/handlers.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

using xsm::Action;

constexpr std::uint64_t kIoPorts = 65536;
constexpr unsigned kGuestPirqs = 24 + 32;  // the first I/O APIC's, and extra_guest_irqs

bool wraps(std::uint64_t first, std::uint64_t count) { return first + count - 1 < first; }

// The domain that a command is about: null for those that have none. error: why it cannot be found.
DomainLookup find(Hypervisor& hv, const xen_domctl& op) {
  switch (op.cmd) {
    case XEN_DOMCTL_createdomain:
      return {};
    case XEN_DOMCTL_assign_device:
    case XEN_DOMCTL_deassign_device:
      if (op.domain == DOMID_IO) return {};
      break;
    case XEN_DOMCTL_test_assign_device:
    case XEN_DOMCTL_vm_event_op:
      if (op.domain == DOMID_INVALID) return {};
      break;
    default:
      break;
  }
  return lookup_domain_by_id(hv, op.domain);
}

// The next domain at or above a number: how toolstacks list them.
Domain* domain_from(Hypervisor& hv, domid_t first) {
  const auto it = hv.domains.lower_bound(first);
  return it == hv.domains.end() ? nullptr : it->second.get();
}

long get_domain_info(Hypervisor& hv, const Domain& caller, Domain* d, xen_domctl& op, bool& write_back) {
  if (!d) {
    if (op.domain >= DOMID_FIRST_RESERVED) return -kEinval;
    d = domain_from(hv, op.domain);
    if (!d) return -kEsrch;
  }
  if (const long refused = xsm::check(Action::kXenstorePriv, caller, d)) return refused;
  return domctl_operation(hv, caller, d, op, write_back);
}

// Commands with a check of their own, which device models pass where the general one would stop them. nullopt: the
// command is another.
std::optional<long> with_own_check(Hypervisor& hv, const Domain& caller, Domain* d, xen_domctl& op,
                                   bool& write_back) {
  switch (op.cmd) {
    case XEN_DOMCTL_getdomaininfo:
      return get_domain_info(hv, caller, d, op, write_back);
    case XEN_DOMCTL_iomem_permission:
      if (wraps(op.u.iomem_permission.first_mfn, op.u.iomem_permission.nr_mfns)) return -kEinval;
      return xsm::check(Action::kPriv, caller, d);
    case XEN_DOMCTL_memory_mapping: {
      const auto& m = op.u.memory_mapping;
      const std::uint64_t frames = std::uint64_t{1} << (hv.pcpus[0].pcpu->core.config.physical_bits - kPageShift);
      if (wraps(m.first_mfn, m.nr_mfns) || wraps(m.first_gfn, m.nr_mfns) || m.first_mfn >= frames ||
          m.first_mfn + m.nr_mfns - 1 >= frames)
        return -kEinval;
      return xsm::check(Action::kDmPriv, caller, d);
    }
    case XEN_DOMCTL_irq_permission:
      if (op.u.irq_permission.pirq >= kGuestPirqs) return -kEinval;
      return caller.role.hardware ? xsm::check(Action::kPriv, caller, d) : -kEperm;
    case XEN_DOMCTL_ioport_permission: {
      const std::uint64_t first = op.u.ioport_permission.first_port, n = op.u.ioport_permission.nr_ports;
      if (n == 0 || first + n > kIoPorts) return -kEinval;
      return xsm::check(Action::kPriv, caller, d);
    }
    case XEN_DOMCTL_ioport_mapping: {
      const auto& m = op.u.ioport_mapping;
      if (d->kind != DomainKind::kPvh) return -kEopnotsupp;
      const std::uint64_t n = m.nr_ports;
      if (n == 0 || m.first_gport + n > kIoPorts || m.first_mport + n > kIoPorts) return -kEinval;
      return xsm::check(Action::kDmPriv, caller, d);
    }
    case XEN_DOMCTL_bind_pt_irq:
    case XEN_DOMCTL_unbind_pt_irq:
      if (d->kind != DomainKind::kPvh) return -kEinval;
      if (const long refused = xsm::check(Action::kDmPriv, caller, d)) return refused;
      return -kEperm;  // no interrupt of the machine is anybody's to pass on
    case XEN_DOMCTL_get_device_group:
      return -kEopnotsupp;  // no IOMMU
    case XEN_DOMCTL_set_target:
      return set_target(hv, caller, *d, static_cast<domid_t>(op.u.set_target.target));
    case XEN_DOMCTL_vm_event_op:
      if (op.u.vm_event_op.op == XEN_VM_EVENT_GET_VERSION) {
        op.u.vm_event_op.u.version = VM_EVENT_INTERFACE_VERSION;
        write_back = true;
        return 0;
      }
      if (!d) return -kEsrch;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

long set_target(Hypervisor& hv, const Domain& caller, Domain& d, domid_t target) {
  const DomainLookup e = lookup_domain_by_id(hv, target);
  if (!e) return e.error;
  if (e.domain == &d) return -kEinval;
  if (e.domain->kind != DomainKind::kPvh) return -kEopnotsupp;
  if (const long refused = xsm::check(Action::kPriv, caller, nullptr)) return refused;
  if (d.role.target != DOMID_INVALID) return -kEinval;
  d.role.target = target;
  return 0;
}

long domctl_operation(Hypervisor&, const Domain&, Domain*, xen_domctl&, bool&) { return -kEnosys; }

long do_domctl(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_domctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) return -kEacces;
  const DomainLookup found = find(hv, op);
  if (found.error != 0 && op.cmd != XEN_DOMCTL_getdomaininfo) return found.error;
  bool write_back = false;
  long result = 0;
  if (const auto own = with_own_check(hv, v.domain, found.domain, op, write_back)) {
    result = *own;
  } else {
    result = xsm::check(Action::kPriv, v.domain, found.domain);
    if (result == 0) result = domctl_operation(hv, v.domain, found.domain, op, write_back);
  }
  if (write_back && !hv.copy_to_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  return result;
}

}  // namespace xensim::xen
