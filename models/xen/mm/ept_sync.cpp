#include "models/xen/mm/ept_sync.h"

#include "models/xen/hypervisor.h"

namespace xensim::xen::ept_sync {

void sync_domain(Hypervisor& hv, Domain& d) {
  if (!d.p2m) return;
  unsigned interrupted = 0;
  d.stale_ept.assign(hv.pcpus.size(), true);
  for (PcpuState& c : hv.pcpus) {
    c.pcpu->core.mmu.invept(1, d.p2m->eptp());
    if (&c == &hv.here() || !c.loaded || &c.loaded->domain != &d) continue;
    hv.send_host_ipi(c.pcpu->index, kInvalidateEptVector);
    ++interrupted;
  }
  // The interrupts overlap; their acknowledgements come back through memory.
  if (interrupted > 0 && !hv.cost.free())
    hv.here().pcpu->core.advance(hv.config.path_cost.ipi_latency_cycles, cpu::CpiCategory::kHypervisor);
  hv.tracer.ept_sync(hv.here().pcpu->index, hv.now(), d.domid, interrupted);
  ++d.mm_stats.ept_syncs;
  d.mm_stats.ept_sync_ipis += interrupted;
}

void before_entry(Hypervisor& hv, PcpuState& c, Domain& d) {
  if (c.pcpu->index >= d.stale_ept.size() || !d.stale_ept[c.pcpu->index]) return;
  d.stale_ept[c.pcpu->index] = false;
  hv.cost.charge(*c.pcpu, Path::kInvept);
}

}  // namespace xensim::xen::ept_sync
