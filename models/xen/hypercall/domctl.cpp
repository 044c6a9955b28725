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

namespace {

// Commands that are nobody's: Xen has been built without them, or this model of it has.
long operate(ControlCall& c, Domain* d, xen_domctl& op) {
  if (const auto r = domctl_on_life(c, d, op)) return *r;
  if (const auto r = domctl_on_device(c, d, op)) return *r;
  if (!d) return -kEnosys;
  if (const auto r = domctl_on_vcpu(c, *d, op)) return *r;
  if (const auto r = domctl_on_memory(c, *d, op)) return *r;
  if (const auto r = domctl_on_policy(c, *d, op)) return *r;
  return -kEnosys;
}

}  // namespace

long do_domctl(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_domctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) return -kEacces;
  const DomainLookup found = find(hv, op);
  if (found.error != 0 && op.cmd != XEN_DOMCTL_getdomaininfo) return found.error;
  if (const long refused = xsm::check(action_of(op.cmd), v.domain, found.domain)) return refused;
  if (v.holds_still != DOMID_INVALID && v.holds_still != op.domain) ControlCall::let_go(hv, v);
  ControlCall c{hv, v};
  const long result = operate(c, found.domain, op);
  hv.restore_context(v);
  if (!c.again) c.let_go();
  if (c.write_back && !hv.copy_to_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  return result;
}

// The rest of a domctl that was interrupted: the same structure, the same checks. Nothing is ever interrupted
// here.
long do_paging_domctl_cont(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_domctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION || op.cmd != XEN_DOMCTL_shadow_op) return -kEopnotsupp;
  const DomainLookup found = lookup_domain_by_id(hv, op.domain);
  if (!found) return found.error;
  if (const long refused = xsm::check(xsm::Action::kPriv, v.domain, found.domain)) return refused;
  return found.domain == &v.domain ? -kEinval : -kEbusy;
}

}  // namespace xensim::xen
