#include "models/xen/xsm/xsm.h"

#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace xsm {

long check(Action action, const Domain& caller, const Domain* target) {
  const bool own = &caller == target;
  const bool device_model = target && caller.role.target == target->domid;
  const bool control = caller.role.control;
  bool allowed = false;
  switch (action) {
    case Action::kHook:
      allowed = true;
      break;
    case Action::kTarget:
      allowed = own || device_model || control;
      break;
    case Action::kXenstorePriv:
      allowed = caller.role.xenstore || device_model || control;
      break;
    case Action::kDmPriv:
      allowed = device_model || control;
      break;
    case Action::kPriv:
      allowed = control;
      break;
  }
  return allowed ? 0 : -kEperm;
}

}  // namespace xsm

DomainLookup lookup_domain_by_id(Hypervisor& hv, domid_t domid) {
  Domain* d = hv.find_domain(domid);
  return d ? DomainLookup{d, 0} : DomainLookup{nullptr, -kEsrch};
}

DomainLookup lookup_domain(Hypervisor& hv, Domain& caller, domid_t domid) {
  return domid == DOMID_SELF ? DomainLookup{&caller, 0} : lookup_domain_by_id(hv, domid);
}

DomainLookup lookup_remote_domain(Hypervisor& hv, Domain& caller, domid_t domid) {
  const DomainLookup found = lookup_domain_by_id(hv, domid);
  return found.domain == &caller ? DomainLookup{nullptr, -kEperm} : found;
}

DomainLookup lookup_permitted(Hypervisor& hv, Domain& caller, domid_t domid, xsm::Action action) {
  const DomainLookup found = lookup_domain(hv, caller, domid);
  if (!found) return found;
  if (const long refused = xsm::check(action, caller, found.domain)) return {nullptr, refused};
  return found;
}

}  // namespace xensim::xen
