// Who may do what to whom: the default policy of Xen's security hooks ("dummy" XSM), and the ways in which
// hypercalls look a domain up by its number.
//
// How it works. A domain has a role (role.h): control domain, hardware domain, xenstore domain, and at most one
// target, the domain whose device model it is. Each operation is of one of five kinds, Action; check() answers 0
// or -EPERM for a kind, a caller and a target. A handler asks in the place and order in which Xen asks: whether an
// unknown domain or a missing privilege is reported first is visible to guests.
//
// Follows include/xsm/dummy.h and common/domain.c of Xen 4.17; which operation is of which kind is in
// docs/privilege.md.
#pragma once

#include <cstdint>

#include "models/xen/public.h"

namespace xensim::xen {

class Hypervisor;
struct Domain;

namespace xsm {

// From the most to the least that is granted:
enum class Action : std::uint8_t {
  kHook,          // anybody (a place where another policy could refuse)
  kTarget,        // the domain itself, its device model, a control domain
  kXenstorePriv,  // the xenstore domain, the target's device model, a control domain
  kDmPriv,        // the target's device model, a control domain
  kPriv,          // a control domain
};

// 0, or -EPERM. The target is null where the operation has none.
long check(Action action, const Domain& caller, const Domain* target);

}  // namespace xsm

// What a look-up gave: a domain, or why not (-ESRCH, -EPERM, -EINVAL).
struct DomainLookup {
  Domain* domain = nullptr;
  long error = 0;
  explicit operator bool() const { return domain != nullptr; }
};

// The domain of that number, the caller's own included; DOMID_SELF and the other reserved numbers name nobody
// (rcu_lock_domain_by_id).
DomainLookup lookup_domain_by_id(Hypervisor& hv, domid_t domid);
// As before, and DOMID_SELF is the caller (rcu_lock_domain_by_any_id).
DomainLookup lookup_domain(Hypervisor& hv, Domain& caller, domid_t domid);
// Any domain but the caller, which gives -EPERM by its own number (rcu_lock_remote_domain_by_id).
DomainLookup lookup_remote_domain(Hypervisor& hv, Domain& caller, domid_t domid);
// lookup_domain() and check() after each other, as most memory and parameter operations do.
DomainLookup lookup_permitted(Hypervisor& hv, Domain& caller, domid_t domid, xsm::Action action);

}  // namespace xensim::xen
