// __HYPERVISOR_domctl: what a control domain does to others (do_domctl and arch_do_domctl of Xen 4.17). The order
// of checks is Xen's, because callers without privilege can tell: the structure (-EFAULT), its version (-EACCES),
// the domain (-ESRCH), the privilege (-EPERM), and only then the command and its arguments. The structure is laid
// out alike for callers of both widths.
#include "models/xen/hypercall/control.h"
#include "models/xen/hypercall/handlers.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

using xsm::Action;

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

// xsm_domctl: most commands are a control domain's; device models have a few, and the xenstore domain one.
Action action_of(std::uint32_t command) {
  switch (command) {
    case XEN_DOMCTL_ioport_mapping:
    case XEN_DOMCTL_memory_mapping:
    case XEN_DOMCTL_bind_pt_irq:
    case XEN_DOMCTL_unbind_pt_irq:
      return Action::kDmPriv;
    case XEN_DOMCTL_getdomaininfo:
      return Action::kXenstorePriv;
    default:
      return Action::kPriv;
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

long domctl_operation(Hypervisor& hv, const Domain& caller, Domain* d, xen_domctl& op, bool& write_back) {
  switch (op.cmd) {
    case XEN_DOMCTL_set_target:
      return set_target(hv, caller, *d, static_cast<domid_t>(op.u.set_target.target));
    case XEN_DOMCTL_vm_event_op:
      if (op.u.vm_event_op.op != XEN_VM_EVENT_GET_VERSION) return -kEopnotsupp;
      op.u.vm_event_op.u.version = VM_EVENT_INTERFACE_VERSION;
      write_back = true;
      return 0;
    default:
      return -kEnosys;
  }
}

long do_domctl(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_domctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) return -kEacces;
  const DomainLookup found = find(hv, op);
  if (found.error != 0 && op.cmd != XEN_DOMCTL_getdomaininfo) return found.error;
  if (const long refused = xsm::check(action_of(op.cmd), v.domain, found.domain)) return refused;
  bool write_back = false;
  const long result = domctl_operation(hv, v.domain, found.domain, op, write_back);
  if (write_back && !hv.copy_to_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  return result;
}

}  // namespace xensim::xen
