// What the operations share: domains by number, and a granter's frame by gfn.
#pragma once

#include "models/xen/grant/operations.h"
#include "models/xen/hypervisor.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::grant {

// rcu_lock_domain_by_any_id: DOMID_SELF means the caller.
inline Domain* find_any_domain(Hypervisor& hv, Vcpu& caller, domid_t domid) {
  return domid == DOMID_SELF ? &caller.domain : find_domain(hv, domid);
}

// A reference to the frame that the granter has at gfn (for a model of dom0: the machine frame of that number).
// GNTST_okay, GNTST_bad_page, or GNTST_eagain. get_paged_frame of Xen's common/grant_table.c.
std::int16_t get_frame(Hypervisor& hv, Domain& granter, std::uint64_t gfn, bool readonly, Mfn& frame);

// Somebody wrote to the frame behind the domain's back.
void mark_dirty(Hypervisor& hv, Domain& d, Mfn frame);

// Counts an operation that failed.
inline std::int16_t counted(Vcpu& caller, std::int16_t status) {
  if (status != GNTST_okay) ++caller.domain.grants->stats.failures;
  return status;
}

}  // namespace xensim::xen::grant
