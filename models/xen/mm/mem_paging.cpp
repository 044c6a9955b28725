#include "models/xen/mm/mem_paging.h"

#include "models/xen/public.h"

#include <xen/vm_event.h>

#include <array>

#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/ept_sync.h"
#include "models/xen/mm/log_dirty.h"
#include "models/xen/xsm/xsm.h"
#include "sim/base/expects.h"

namespace xensim::xen::mem_paging {

namespace {

P2mType back_type(const Domain& d) { return d.log_dirty->on() ? P2mType::kRamLogDirty : P2mType::kRamRw; }

bool set(Hypervisor& hv, Domain& d, Gfn gfn, Mfn m, P2mType type, P2mAccess access) {
  if (!d.p2m->set(gfn, m, 0, type, access)) return false;
  ept_sync::sync_domain(hv, d);
  return true;
}

}  // namespace

long nominate(Hypervisor& hv, Domain& d, Gfn gfn) {
  const P2mEntry e = d.p2m->get(gfn);
  if (!is_changeable(e.type)) return -kEbusy;
  const PageInfo& p = hv.frames.info(e.mfn);
  if (p.owner != d.domid || p.flags != PageInfo::kAllocated || p.references != 1) return -kEbusy;
  return set(hv, d, gfn, e.mfn, P2mType::kRamPagingOut, e.access) ? 0 : -kEnomem;
}

long evict(Hypervisor& hv, Domain& d, Gfn gfn) {
  const P2mEntry e = d.p2m->get(gfn);
  if (e.type != P2mType::kRamPagingOut) return -kEbusy;
  if (hv.frames.info(e.mfn).references != 1) return -kEbusy;
  expects(set(hv, d, gfn, kNoMfn, P2mType::kRamPaged, e.access));  // a 4 KiB entry is there
  hv.frames.put_allocation(e.mfn);
  ++d.paged_pages;
  return 0;
}

long prepare(Hypervisor& hv, Domain& d, Gfn gfn, std::span<const std::uint8_t> content) {
  const P2mEntry e = d.p2m->get(gfn);
  if (e.type != P2mType::kRamPagingIn && e.type != P2mType::kRamPaged) return -kEnoent;
  Mfn m = e.mfn;
  if (m == kNoMfn) {
    if (content.size() != kPageSize) return -kEinval;
    if (hv.frames.totals(d.domid).pages >= d.max_pages) return -kEnomem;
    const auto fresh = hv.frames.allocate(d.domid, 0);
    if (!fresh) return -kEnomem;
    m = *fresh;
    hv.memory.write_bytes(address_of(m), content);
    hv.cost.charge(*hv.here().pcpu, Path::kCopyPage);
    --d.paged_pages;
  }
  expects(set(hv, d, gfn, m, back_type(d), e.access));
  hv.frames.set_gfn(m, gfn.value);
  log_dirty::mark(d, gfn);
  return 0;
}

void populate(Hypervisor& hv, Domain& d, Gfn gfn) {
  VmEventRing* ring = d.vm_events.get(VmEventKind::kPaging);
  if (!ring) {
    hv.crash_domain(d, "a page is paged out, and there is no pager");
    return;
  }
  Vcpu* v = hv.here().current;
  const bool own = v && &v->domain == &d;
  if (ring->claim(!own) != 0) return;  // the access is made again, and finds the ring as it is then
  const P2mEntry e = d.p2m->get(gfn);
  vm_event_request_t request{};
  request.reason = VM_EVENT_REASON_MEM_PAGING;
  request.u.mem_paging.gfn = gfn.value;
  request.u.mem_paging.p2mt = static_cast<std::uint32_t>(e.type);
  const bool on_its_way_out = e.type == P2mType::kRamPagingOut || e.type == P2mType::kRamPaged;
  if (e.type == P2mType::kRamPagingOut) request.u.mem_paging.flags |= MEM_PAGING_EVICT_FAIL;
  if (on_its_way_out) expects(set(hv, d, gfn, e.mfn, P2mType::kRamPagingIn, e.access));
  if (is_paging(e.type) && own) {
    vm_event::pause(hv, *v);
    request.flags |= VM_EVENT_FLAG_VCPU_PAUSED;
  } else if (!on_its_way_out) {
    ring->cancel(!own);
    return;
  }
  request.vcpu_id = v ? v->id : 0;
  ring->put(hv, d, v, request);
}

namespace {

// The pager may forget the page.
void drop_page(Hypervisor& hv, Domain& d, Gfn gfn, bool evicted) {
  if (evicted) --d.paged_pages;
  VmEventRing* ring = d.vm_events.get(VmEventKind::kPaging);
  Vcpu* v = hv.here().current;
  if (!ring || ring->claim(!v || &v->domain != &d) != 0) return;
  vm_event_request_t request{};
  request.reason = VM_EVENT_REASON_MEM_PAGING;
  request.u.mem_paging.gfn = gfn.value;
  request.u.mem_paging.flags = MEM_PAGING_DROP_PAGE | (evicted ? 0u : std::uint32_t{MEM_PAGING_EVICT_FAIL});
  ring->put(hv, d, v, request);
}

}  // namespace

long free_page(Hypervisor& hv, Domain& d, Gfn gfn) {
  const P2mEntry e = d.p2m->get(gfn);
  if (!d.p2m->set(gfn, kNoMfn, 0, P2mType::kInvalid)) return -kEnomem;
  ept_sync::sync_domain(hv, d);
  if (e.mfn != kNoMfn) hv.frames.put_allocation(e.mfn);
  drop_page(hv, d, gfn, e.mfn == kNoMfn);
  return 0;
}

void resumed(Hypervisor& hv, Domain& d, const vm_event_st& response) {
  if (response.u.mem_paging.flags & MEM_PAGING_DROP_PAGE) return;
  const Gfn gfn(response.u.mem_paging.gfn);
  const P2mEntry e = d.p2m->get(gfn);
  // Prepared, or nominated but never evicted.
  if (e.type == P2mType::kRamPagingIn && e.mfn != kNoMfn) expects(set(hv, d, gfn, e.mfn, back_type(d), e.access));
}

long paging_op(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  if (!hv.config.mem_paging) return -kEnosys;
  xen_mem_paging_op op{};
  if (!hv.copy_from_guest(v, args.a[1], &op, sizeof op)) return -kEfault;
  const DomainLookup target = lookup_remote_domain(hv, v.domain, op.domain);
  if (!target) return target.error;
  Domain& d = *target.domain;
  if (const long r = xsm::check(xsm::Action::kDmPriv, v.domain, &d); r != 0) return r;
  if (!d.p2m || !d.vm_events.get(VmEventKind::kPaging)) return -kEnodev;
  switch (op.op) {
    case XENMEM_paging_op_nominate:
      return nominate(hv, d, Gfn(op.gfn));
    case XENMEM_paging_op_evict:
      return evict(hv, d, Gfn(op.gfn));
    case XENMEM_paging_op_prep: {
      std::array<std::uint8_t, kPageSize> content;
      const auto buffer = reinterpret_cast<std::uint64_t>(op.buffer.p);
      if (buffer == 0) return prepare(hv, d, Gfn(op.gfn), {});
      if (!hv.copy_from_guest(v, buffer, content.data(), content.size())) return -kEfault;
      return prepare(hv, d, Gfn(op.gfn), content);
    }
    default:
      return -kEnosys;
  }
}

}  // namespace xensim::xen::mem_paging
