#include "models/xen/mm/physmap.h"

#include <algorithm>

#include "models/xen/grant/operations.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/mem_paging.h"
#include "models/xen/mm/pod.h"
#include "models/xen/mm/sharing.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::physmap {

namespace {

bool mfn_valid(const Hypervisor& hv, Mfn m) { return m != kNoMfn && hv.memory.contains(address_of(m), kPageSize); }

void trace_entry(Hypervisor& hv, const Domain& d, std::uint64_t gfn, Mfn m, P2mType type, unsigned order) {
  hv.tracer.set_p2m_entry(hv.here().pcpu->index, gfn, m.value, static_cast<std::uint32_t>(type), d.domid, order);
}

// Calls f for each frame number of a range, and how far to go on from there.
bool in_range(std::uint64_t gfn, unsigned order) {
  const std::uint64_t n = std::uint64_t{1} << order;
  return gfn < P2m::kFrames && P2m::kFrames - gfn >= n;
}

// What only its own operation may unmap is in the way: the guest that does so is crashed, as by Xen.
long not_permitted(Hypervisor& hv, Domain& d, std::uint64_t gfn, const P2mEntry& old) {
  hv.crash_domain(d, "maps over guest frame " + std::to_string(gfn) + ", which is of type " +
                         std::to_string(static_cast<unsigned>(old.type)));
  return -kEperm;
}

// Entries that a new mapping covers lose their frames; how many were populate-on-demand.
long forget_covered(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order, std::uint64_t& pod) {
  const std::uint64_t n = std::uint64_t{1} << order;
  for (std::uint64_t i = 0; i < n;) {
    const P2mEntry e = d.p2m->get(Gfn(gfn + i));
    const std::uint64_t span =
        std::min(n - i, (std::uint64_t{1} << e.order) - ((gfn + i) & ((std::uint64_t{1} << e.order) - 1)));
    if (is_special(e.type)) return not_permitted(hv, d, gfn + i, e);
    if (is_pod(e.type)) pod += span;
    if (is_ram(e.type) && e.mfn != kNoMfn)
      for (std::uint64_t k = 0; k < span; ++k) hv.frames.set_gfn(Mfn(e.mfn.value + k), kNoGfn);
    i += span;
  }
  return 0;
}

// A frame appears at one place of its owner's only.
long move_away(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m) {
  const PageInfo& p = hv.frames.info(m);
  if (p.owner != d.domid || p.gfn == kNoGfn || p.gfn == gfn) return 0;
  const P2mEntry e = d.p2m->get(Gfn(p.gfn));
  if (!is_ram(e.type) || e.mfn != m) return 0;
  return remove_page(hv, d, p.gfn, m, 0);
}

long add_foreign(Hypervisor& hv, Domain& d, std::uint64_t index, std::uint64_t gfn, domid_t foreign) {
  if (!d.role.hardware) return -kEperm;
  const DomainLookup other = lookup_remote_domain(hv, d, foreign);
  if (!other) return other.error;
  if (const long r = xsm::check(xsm::Action::kTarget, d, other.domain)) return r;
  if (!other.domain->p2m) return -kEinval;
  const auto page = get_page(hv, *other.domain, index, kAllocate);
  if (!page) return -kEinval;
  long r = 0;
  if (!is_ram(page->type) || is_shared(page->type) || is_hole(page->type)) r = -kEinval;
  if (const P2mEntry old = d.p2m->get(Gfn(gfn)); r == 0 && mfn_valid(hv, old.mfn))
    r = hv.frames.is_xen_heap(old.mfn) ? remove_page(hv, d, gfn, old.mfn, 0) : free_page(hv, d, gfn);
  if (r == 0) r = set_foreign(hv, d, gfn, page->mfn);
  hv.frames.put_page(page->mfn);
  return r;
}

// The frame that a map space and an index name, with a reference if `reference`.
long frame_of(Hypervisor& hv, Domain& d, unsigned space, std::uint64_t index, Mfn& m, bool& reference) {
  switch (space) {
    case XENMAPSPACE_shared_info:
      if (index != 0) return -kEinval;
      m = d.shared_info;
      return 0;
    case XENMAPSPACE_grant_table:
      if (const long r = grant::frame_for_physmap(hv, d, index, m)) return r;
      // Until it is mapped, a change of version cannot take a status frame away.
      if (!hv.frames.get_page(m, d.domid)) return -kEbusy;
      reference = true;
      return 0;
    case XENMAPSPACE_gmfn: {
      const P2mEntry e = get(hv, d, index, kWrite);
      if (is_shared(e.type)) return -kEnomem;
      if (!mfn_valid(hv, e.mfn) || !hv.frames.get_page(e.mfn, d.domid)) return -kEinval;
      m = e.mfn;
      reference = true;
      return 0;
    }
    default:
      return -kEinval;
  }
}

}  // namespace

P2mEntry get(Hypervisor& hv, Domain& d, std::uint64_t gfn, Query q) {
  if (!d.p2m) return {};
  P2mEntry e = d.p2m->get(Gfn(gfn));
  // Each populates, or breaks a larger entry into smaller ones.
  while (q.allocate && is_pod(e.type) && pod::demand_populate(hv, d, gfn, e.order)) e = d.p2m->get(Gfn(gfn));
  if (q.unshare && is_shared(e.type) && hv.sharing->unshare_for_access(d, Gfn(gfn))) e = d.p2m->get(Gfn(gfn));
  return e;
}

std::optional<Page> get_page(Hypervisor& hv, Domain& d, std::uint64_t gfn, Query q) {
  const P2mEntry e = get(hv, d, gfn, q);
  if (!is_any_ram(e.type) || !mfn_valid(hv, e.mfn)) return std::nullopt;
  const domid_t owner = is_foreign(e.type) ? hv.frames.info(e.mfn).owner : is_shared(e.type) ? DOMID_COW : d.domid;
  if (!hv.frames.get_page(e.mfn, owner)) return std::nullopt;
  return Page{e.mfn, e.type};
}

long add_page(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m, unsigned order, P2mType type) {
  const std::uint64_t n = std::uint64_t{1} << order;
  if (!in_range(gfn, order)) return -kEinval;
  std::uint64_t pod = 0;
  if (const long r = forget_covered(hv, d, gfn, order, pod)) return r;
  for (std::uint64_t i = 0; i < n; ++i)
    if (const long r = move_away(hv, d, gfn + i, Mfn(m.value + i))) return r;
  const bool whole = d.p2m->set_range(Gfn(gfn), m, order, type);
  for (std::uint64_t i = 0; i < n; ++i) {
    // Without table pages some of it may be there and some not.
    const P2mEntry e = whole ? P2mEntry{type, Mfn(m.value + i), 0, P2mAccess::kRwx} : d.p2m->get(Gfn(gfn + i));
    if (is_pod(e.type))
      --pod;
    else if (is_ram(e.type) && !is_grant(type))
      hv.frames.set_gfn(e.mfn, gfn + i);
  }
  pod::entries_replaced(d, pod);
  if (d.log_dirty->on())
    for (std::uint64_t i = 0; i < n; ++i) d.log_dirty->mark(Gfn(gfn + i));
  trace_entry(hv, d, gfn, m, type, order);
  hv.flush_domain(d);
  return whole ? 0 : -kEnomem;
}

long remove_page(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m, unsigned order) {
  const std::uint64_t n = std::uint64_t{1} << order;
  if (!in_range(gfn, order)) return -kEinval;
  for (std::uint64_t i = 0; i < n; ++i) {
    const P2mEntry e = d.p2m->get(Gfn(gfn + i));
    const bool valid = is_ram(e.type) || e.type == P2mType::kMmioDm || e.type == P2mType::kMmioDirect;
    if (valid && (m == kNoMfn || e.type == P2mType::kMmioDirect || e.mfn != Mfn(m.value + i))) return -kEilseq;
  }
  if (!d.p2m->set_range(Gfn(gfn), kNoMfn, order, P2mType::kInvalid)) return -kEnomem;
  if (m != kNoMfn)
    for (std::uint64_t i = 0; i < n; ++i)
      if (hv.frames.gfn_of(Mfn(m.value + i)) == gfn + i) hv.frames.set_gfn(Mfn(m.value + i), kNoGfn);
  trace_entry(hv, d, gfn, kNoMfn, P2mType::kInvalid, order);
  hv.flush_domain(d);
  return 0;
}

long free_page(Hypervisor& hv, Domain& d, std::uint64_t gfn) {
  P2mEntry e = d.p2m->get(Gfn(gfn));
  if (is_empty(e.type)) return -kEnoent;
  if (e.type == P2mType::kMmioDirect) return -kEperm;
  if (is_paging(e.type) && e.type != P2mType::kRamPagingOut) return mem_paging::free_page(hv, d, Gfn(gfn));
  if (!mfn_valid(hv, e.mfn)) return -kEinval;
  if (is_shared(e.type)) {
    if (!hv.sharing->unshare_for_access(d, Gfn(gfn))) return -kEnomem;
    e = d.p2m->get(Gfn(gfn));
  }
  const Mfn m = e.mfn;
  // Also what is granted or foreign there: it is not this domain's to give.
  if (!hv.frames.get_page(m, d.domid)) return -kEnxio;
  const long r = remove_page(hv, d, gfn, m, 0);
  if (r == 0) hv.frames.put_allocation(m);
  hv.frames.put_page(m);
  return r == -kEnoent ? -kEinval : r;
}

long set_foreign(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m) {
  if (gfn >= P2m::kFrames) return -kEinval;
  const P2mEntry old = d.p2m->get(Gfn(gfn));
  if (is_special(old.type) && (old.mfn != m || !is_foreign(old.type))) return not_permitted(hv, d, gfn, old);
  if (is_foreign(old.type)) return 0;
  if (!d.p2m->set(Gfn(gfn), m, 0, P2mType::kMapForeign)) return -kEnomem;
  if (is_ram(old.type) && old.mfn != kNoMfn) hv.frames.set_gfn(old.mfn, kNoGfn);
  if (is_pod(old.type)) pod::entries_replaced(d, 1);
  trace_entry(hv, d, gfn, m, P2mType::kMapForeign, 0);
  hv.flush_domain(d);
  return 0;
}

long add_to_physmap(Hypervisor& hv, Domain& d, unsigned space, std::uint64_t index, std::uint64_t gfn,
                    domid_t foreign) {
  if (space == XENMAPSPACE_gmfn_foreign) return add_foreign(hv, d, index, gfn, foreign);
  Mfn m = kNoMfn;
  bool reference = false;
  if (const long r = frame_of(hv, d, space, index, m, reference)) return r;
  long r = 0;
  const P2mEntry old = get(hv, d, gfn, kAllocate);
  const std::uint64_t old_gfn = hv.frames.gfn_of(m);
  if (space == XENMAPSPACE_gmfn && old_gfn != index)
    r = -kExdev;
  else if (old.type == P2mType::kMmioDirect)
    r = -kEperm;
  else if (mfn_valid(hv, old.mfn)) {
    // Special pages are unhooked, a domain's own memory is freed.
    if (hv.frames.is_xen_heap(old.mfn))
      r = remove_page(hv, d, gfn, old.mfn, 0);
    else if (old.mfn != m)
      r = free_page(hv, d, gfn);
  }
  if (r == 0 && old_gfn != kNoGfn && old_gfn != gfn) r = remove_page(hv, d, old_gfn, m, 0);
  if (r == 0) r = add_page(hv, d, gfn, m, 0);
  if (reference) hv.frames.put_page(m);
  return r;
}

}  // namespace xensim::xen::physmap
