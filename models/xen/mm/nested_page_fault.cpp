#include "models/xen/mm/nested_page_fault.h"

#include "models/xen/hypervisor.h"
#include "models/xen/mm/ept_sync.h"
#include "models/xen/mm/log_dirty.h"
#include "models/xen/mm/mem_access.h"
#include "models/xen/mm/mem_paging.h"

namespace xensim::xen {

namespace {

// The guest wrote to a shared page, and there was no memory for a copy: without a helper, that is its end.
void write_to_shared(Hypervisor& hv, Domain& d) {
  if (!d.vm_events.get(VmEventKind::kSharing)) hv.crash_domain(d, "no memory to unshare a page, and no helper");
}

}  // namespace

bool handle_memory_fault(Hypervisor& hv, Vcpu& v, const cpu::VmExitInfo& x) {
  Domain& d = v.domain;
  const Gfn gfn(x.guest_physical >> kPageShift);
  const bool write = x.qualification & 2;
  const P2mEntry e = d.p2m->get(gfn);
  if (!is_any_ram(e.type)) return false;
  if (mem_access::violates(e.access, x.qualification) && mem_access::check(hv, v, gfn, e, x)) return true;
  if (d.shutdown) return true;
  if (write && is_discard_write(e.type)) return false;
  if (is_paging(e.type)) {
    mem_paging::populate(hv, d, gfn);
    return true;
  }
  if (write && e.type == P2mType::kRamShared) {
    write_to_shared(hv, d);
    return true;
  }
  // A page that is logged, or one whose rights another vCPU has restored: the access is made again.
  if (write && e.type == P2mType::kRamLogDirty) {
    d.log_dirty->write_fault(gfn);
    return true;
  }
  if (write) d.log_dirty->mark(gfn);
  hv.here().pcpu->core.mmu.invept(1, d.p2m->eptp());
  return true;
}

bool handle_misconfiguration(Hypervisor& hv, Vcpu& v, Gfn gfn) {
  Domain& d = v.domain;
  const P2m::Resolved r = d.p2m->resolve(gfn);
  hv.cost.charge(*hv.here().pcpu, Path::kEptMisconfiguration);
  hv.cost.charge_many(*hv.here().pcpu, Path::kP2mRecalculateTable, r.tables);
  d.mm_stats.recalculated_tables += r.tables;
  return r.any();
}

}  // namespace xensim::xen
