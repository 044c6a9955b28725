// __HYPERVISOR_sysctl and __HYPERVISOR_platform_op: what a control domain asks of the whole machine. For callers
// without privilege the order of checks is what can be seen: the structure (-EFAULT), its version (-EACCES), the
// privilege (-EPERM); commands come after that.
#include "models/xen/hypercall/control.h"
#include "models/xen/hypercall/handlers.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

long do_sysctl(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_sysctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) return -kEacces;
  if (const long refused = xsm::check(xsm::Action::kPriv, v.domain, nullptr)) return refused;
  return -kEnosys;
}

long do_platform_op(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_platform_op_t op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XENPF_INTERFACE_VERSION) return -kEacces;
  if (const long refused = xsm::check(xsm::Action::kPriv, v.domain, nullptr)) return refused;
  return -kEnosys;
}

// The rest of a domctl that was interrupted: the same structure, the same checks.
long do_paging_domctl_cont(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_domctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION || op.cmd != XEN_DOMCTL_shadow_op) return -kEopnotsupp;
  const DomainLookup found = lookup_domain_by_id(hv, op.domain);
  if (!found) return found.error;
  if (const long refused = xsm::check(xsm::Action::kPriv, v.domain, found.domain)) return refused;
  return -kEinval;  // nothing was interrupted
}

}  // namespace xensim::xen
