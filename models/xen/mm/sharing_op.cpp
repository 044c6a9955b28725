// XENMEM_sharing_op of a guest (mem_sharing_memop in Xen): copy in, look up, check, execute, copy out.
#include <algorithm>

#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/sharing.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

long Sharing::sharing_op(Vcpu& v, const Arguments& args) {
  if (!hypervisor_.config.mem_sharing) return -kEnosys;
  xen_mem_sharing_op op{};
  if (!hypervisor_.copy_from_guest(v, args.a[1], &op, sizeof op)) return -kEfault;
  if (op.op == XENMEM_sharing_op_audit) return audit();
  const DomainLookup target = lookup_remote_domain(hypervisor_, v.domain, op.domain);
  if (!target) return target.error;
  Domain& d = *target.domain;
  if (const long r = xsm::check(xsm::Action::kDmPriv, v.domain, &d); r != 0) return r;
  if (!d.mem_sharing_enabled)
    if (const long r = control(d, true); r != 0) return r;
  const long r = execute(v.domain, d, op);
  if (r != 0 && r != 1) return r;
  if (!hypervisor_.copy_to_guest(v, args.a[1], &op, sizeof op)) return -kEfault;
  if (r == 1) hypervisor_.repeat_hypercall();
  return 0;
}

long Sharing::execute(Domain& caller, Domain& d, xen_mem_sharing_op& op) {
  switch (op.op) {
    case XENMEM_sharing_op_nominate_gfn: {
      std::uint64_t handle = 0;
      const long r = nominate(d, Gfn(op.u.nominate.u.gfn), handle);
      op.u.nominate.handle = handle;
      return r;
    }
    case XENMEM_sharing_op_share:
    case XENMEM_sharing_op_add_physmap:
      return execute_pair(caller, d, op);
    case XENMEM_sharing_op_range_share:
      return execute_range(caller, d, op);
    case XENMEM_sharing_op_debug_gfn:
      return references(d, Gfn(op.u.debug.u.gfn));
    default:  // by grant reference, forks: not modelled
      return -kEnosys;
  }
}

Domain* Sharing::client_of(Domain& caller, domid_t domid, long& error) {
  const DomainLookup client = lookup_remote_domain(hypervisor_, caller, domid);
  error = client.error;
  if (!client) return nullptr;
  if ((error = xsm::check(xsm::Action::kDmPriv, caller, client.domain)) != 0) return nullptr;
  if (!client.domain->mem_sharing_enabled) error = -kEinval;
  return error == 0 ? client.domain : nullptr;
}

long Sharing::execute_pair(Domain& caller, Domain& d, xen_mem_sharing_op& op) {
  const auto& s = op.u.share;
  long error = 0;
  Domain* client = client_of(caller, s.client_domain, error);
  if (!client) return error;
  // Pages by grant reference are not modelled.
  if (XENMEM_SHARING_OP_FIELD_IS_GREF(s.source_gfn) || XENMEM_SHARING_OP_FIELD_IS_GREF(s.client_gfn))
    return -kEinval;
  if (op.op == XENMEM_sharing_op_add_physmap)
    return add_to_physmap(d, Gfn(s.source_gfn), s.source_handle, *client, Gfn(s.client_gfn));
  return share(d, Gfn(s.source_gfn), s.source_handle, *client, Gfn(s.client_gfn), s.client_handle);
}

long Sharing::execute_range(Domain& caller, Domain& d, xen_mem_sharing_op& op) {
  auto& range = op.u.range;
  if (range._pad[0] || range._pad[1] || range._pad[2]) return -kEinval;
  if (range.opaque && (range.opaque < range.first_gfn || range.opaque > range.last_gfn)) return -kEinval;
  long error = 0;
  Domain* client = client_of(caller, range.client_domain, error);
  if (!client) return error;
  if (d.pause_count == 0 || client->pause_count == 0) return -kEinval;
  const std::uint64_t most = std::min(d.p2m->max_mapped_gfn(), client->p2m->max_mapped_gfn());
  if (range.first_gfn > most || range.last_gfn > most) return -kEinval;
  std::uint64_t next = range.opaque ? range.opaque : range.first_gfn;
  const long r = range_share(d, *client, next, range.last_gfn);
  range.opaque = r == 1 ? next : 0;
  return r;
}

}  // namespace xensim::xen
