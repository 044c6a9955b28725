// Domctls on memory: log-dirty mode, the paging pool, frames' types, NUMA affinity, sharing and mem_access
// (arch/x86/mm/paging.c and arch/x86/domctl.c of Xen 4.17).
#include <algorithm>
#include <new>

#include "models/xen/control/domain_control.h"
#include "models/xen/hypercall/control.h"
#include "models/xen/mm/log_dirty.h"
#include "models/xen/mm/physmap.h"
#include "models/xen/mm/sharing.h"
#include "models/xen/mm/vm_event.h"

namespace xensim::xen {

namespace {

constexpr std::uint64_t kPoolPagesPerStretch = 512;
constexpr unsigned kFramesPerStretch = 256;

long shadow_op(ControlCall& c, Domain& d, xen_domctl_shadow_op& op) {
  const std::uint64_t bitmap = address_in(op.dirty_bitmap);
  const long r =
      log_dirty::shadow_op(c.hv, c.caller(), d, op, [&](std::uint64_t at, std::span<const std::uint8_t> bytes) {
        return c.write(bitmap + at, bytes.data(), bytes.size());
      });
  c.write_back = true;
  return r;
}

// XEN_DOMCTL_get_paging_mempool_size and its like; a part of the way each time, as Xen does.
long pool_size(ControlCall& c, Domain& d, xen_domctl_paging_mempool& op, bool set) {
  if (d.kind != DomainKind::kGuest) return -kEopnotsupp;
  if (!set) {
    op.size = d.p2m->table_limit << kPageShift;
    c.write_back = true;
    return 0;
  }
  const std::uint64_t pages = op.size >> kPageShift;
  if ((op.size & kPageMask) || pages >> 32) return -kEinval;
  const std::uint64_t now = d.p2m->table_limit, change = pages > now ? pages - now : now - pages;
  c.hv.cost.charge_many(*c.hv.here().pcpu, Path::kPopulateFrame, std::min(change, kPoolPagesPerStretch));
  const long r = d.p2m->resize_pool(pages, kPoolPagesPerStretch);
  return r == -kErestart ? c.repeat() : r;
}

// XEN_DOMCTL_getpageframeinfo3: each frame number in the list is replaced by the frame's type, of which an HVM
// domain has two: memory, and nothing.
long frame_types(ControlCall& c, Domain& d, xen_domctl_getpageframeinfo3& op) {
  constexpr unsigned kMost = 1024;
  const unsigned width = c.caller().guest_64bit ? 8 : 4;
  if (op.num > kMost) return -kE2big;
  for (std::uint64_t i = 0; i < op.num; ++i) {
    if (i == kFramesPerStretch || (i > 0 && c.hv.hypercall_preempted())) {
      op.num -= i;
      op.array.p = reinterpret_cast<decltype(op.array.p)>(address_in(op.array) + i * width);
      c.write_back = true;
      return c.repeat();
    }
    c.hv.cost.charge(*c.hv.here().pcpu, Path::kP2mLookup);
    const std::uint64_t at = address_in(op.array) + i * width;
    std::uint64_t gfn = 0, type = XEN_DOMCTL_PFINFO_XTAB;
    if (!c.read(at, &gfn, width)) return -kEfault;
    if (d.p2m) {
      if (const auto page = physmap::get_page(c.hv, d, gfn, physmap::kAllocate)) {
        if (!c.hv.frames.is_xen_heap(page->mfn)) type = XEN_DOMCTL_PFINFO_NOTAB;
        c.hv.frames.put_page(page->mfn);
      }
    }
    if (!c.write(at, &type, width)) return -kEfault;
  }
  return 0;
}

long node_affinity(ControlCall& c, Domain& d, xen_domctl_nodeaffinity& op, bool set) {
  Bits nodes(Heap::kMaxNodes);
  if (!set) {
    for (unsigned n = 0; n < nodes.size(); ++n) nodes[n] = d.node_affinity >> n & 1;
    return write_bitmap(c, op.nodemap, nodes);
  }
  if (const long r = read_bitmap(c, op.nodemap, nodes)) return r;
  std::uint64_t wanted = 0;
  for (unsigned n = 0; n < nodes.size(); ++n) wanted |= std::uint64_t{nodes[n]} << n;
  const std::uint64_t online =
      c.hv.heap.nodes() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << c.hv.heap.nodes()) - 1;
  if ((wanted & online) == 0) return -kEinval;
  // All nodes: as the vCPUs' affinity says.
  d.auto_node_affinity = wanted == ~std::uint64_t{0};
  if (!d.auto_node_affinity) {
    d.node_affinity = wanted;
    return 0;
  }
  d.node_affinity = 0;
  for (const auto& v : d.vcpus)
    for (const sched::PcpuId p : v->hard_affinity) d.node_affinity |= std::uint64_t{1} << c.hv.node_of(p);
  return 0;
}

// XEN_DOMCTL_hypercall_init: the stubs, in a frame of the domain.
long hypercall_page(const ControlCall& c, Domain& d, std::uint64_t gfn) {
  if (!d.p2m) return -kEinval;
  const auto page = physmap::get_page(c.hv, d, gfn, physmap::kWrite);
  if (!page) return -kEinval;
  const bool own = !c.hv.frames.is_xen_heap(page->mfn) && is_changeable(page->type);
  if (own) {
    c.hv.fill_hypercall_page(address_of(page->mfn));
    log_dirty::mark(d, Gfn(gfn));
  }
  c.hv.frames.put_page(page->mfn);
  return own ? 0 : -kEperm;
}

long sharing_op(const ControlCall& c, Domain& d, const xen_domctl_mem_sharing_op& op) {
  if (!c.hv.config.mem_sharing) return -kEnosys;
  if (!d.p2m) return -kEnodev;
  return op.op == XEN_DOMCTL_MEM_SHARING_CONTROL ? c.hv.sharing->control(d, op.u.enable) : -kEnosys;
}

}  // namespace

std::optional<long> domctl_on_memory(ControlCall& c, Domain& d, xen_domctl& op) {
  switch (op.cmd) {
    case XEN_DOMCTL_max_mem:
      return control::max_mem(d, op.u.max_mem.max_memkb);
    case XEN_DOMCTL_shadow_op:
      if (&d != &c.caller() && !d.vcpus_made) return -kEinval;
      return shadow_op(c, d, op.u.shadow_op);
    case XEN_DOMCTL_get_paging_mempool_size:
    case XEN_DOMCTL_set_paging_mempool_size:
      return pool_size(c, d, op.u.paging_mempool, op.cmd == XEN_DOMCTL_set_paging_mempool_size);
    case XEN_DOMCTL_getpageframeinfo3:
      return frame_types(c, d, op.u.getpageframeinfo3);
    case XEN_DOMCTL_setnodeaffinity:
    case XEN_DOMCTL_getnodeaffinity:
      return node_affinity(c, d, op.u.nodeaffinity, op.cmd == XEN_DOMCTL_setnodeaffinity);
    case XEN_DOMCTL_hypercall_init:
      return hypercall_page(c, d, op.u.hypercall_init.gmfn);
    case XEN_DOMCTL_mem_sharing_op:
      return sharing_op(c, d, op.u.mem_sharing_op);
    case XEN_DOMCTL_set_access_required:
      if (&d == &c.caller()) return -kEperm;
      d.access_required = op.u.access_required.access_required != 0;
      return 0;
    case XEN_DOMCTL_set_broken_page_p2m: {
      const bool ram = d.p2m && is_any_ram(d.p2m->get(Gfn(op.u.set_broken_page_p2m.pfn)).type);
      return ram ? -kEopnotsupp : -kEinval;
    }
    case XEN_DOMCTL_setvnumainfo:  // no domain has NUMA nodes of its own here
      return op.u.vnuma.nr_vcpus != d.vcpus.size() || op.u.vnuma.pad != 0 || op.u.vnuma.nr_vnodes == 0
                 ? -kEinval
                 : -kEopnotsupp;
    default:
      return std::nullopt;
  }
}

}  // namespace xensim::xen
