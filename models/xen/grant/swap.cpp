// GNTTABOP_swap_grant_ref: two entries that nobody uses change places, status words included.
#include "models/xen/grant/lookup.h"

namespace xensim::xen::grant {

namespace {

std::int16_t swap_one(Hypervisor& hv, Domain& d, grant_ref_t a, grant_ref_t b) {
  GrantTable& table = *d.grants;
  if (a >= table.entries() || b >= table.entries()) return GNTST_bad_gntref;
  if (a == b) return GNTST_okay;
  if (table.active(a).pin || table.active(b).pin) return GNTST_eagain;
  const auto exchange = [&]<class T>(PhysAddr x, PhysAddr y) {
    const T saved = hv.memory.read<T>(x);
    hv.memory.write<T>(x, hv.memory.read<T>(y));
    hv.memory.write<T>(y, saved);
  };
  if (table.version() == 1) {
    exchange.operator()<grant_entry_v1_t>(table.entry(a), table.entry(b));
  } else {
    exchange.operator()<grant_entry_v2_t>(table.entry(a), table.entry(b));
    exchange.operator()<grant_status_t>(table.status(a), table.status(b));
  }
  return GNTST_okay;
}

}  // namespace

void swap(Hypervisor& hv, Vcpu& caller, gnttab_swap_grant_ref_t& op) {
  GrantTable& table = *caller.domain.grants;
  table.lock.acquire(hv.cost, *hv.here().pcpu);
  hv.cost.charge(*hv.here().pcpu, Path::kGrantSwap);
  op.status = counted(caller, swap_one(hv, caller.domain, op.ref_a, op.ref_b));
  table.lock.release(*hv.here().pcpu);
}

}  // namespace xensim::xen::grant
