#include "models/xen/grant/lookup.h"

#include "models/xen/mm/log_dirty.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen::grant {

Domain* find_domain(Hypervisor& hv, domid_t domid) {
  if (const auto it = hv.domains.find(domid); it != hv.domains.end())
    return it->second->grants ? it->second.get() : nullptr;
  // The dead whose frames are still in use keep their tables.
  for (const auto& d : hv.graveyard)
    if (d->domid == domid && d->grants && !d->grants->retired()) return d.get();
  return nullptr;
}

void retire_if_unused(Hypervisor& hv, domid_t domid) {
  if (hv.domains.contains(domid)) return;
  Domain* d = find_domain(hv, domid);
  if (d && d->grants && d->grants->pinned() == 0) d->grants->retire();
}

std::int16_t get_frame(Hypervisor& hv, Domain& granter, std::uint64_t gfn, bool readonly, Mfn& frame) {
  if (granter.kind == DomainKind::kModel) {
    frame = Mfn(gfn);
    return hv.frames.get_page(frame, granter.domid) ? GNTST_okay : GNTST_bad_page;
  }
  const auto page = physmap::get_page(hv, granter, gfn, readonly ? physmap::kAllocate : physmap::kWrite);
  if (!page) {
    const P2mType t = granter.p2m ? granter.p2m->get(Gfn(gfn)).type : P2mType::kMmioDm;
    return is_paging(t) || (!readonly && is_shared(t)) ? GNTST_eagain : GNTST_bad_page;
  }
  frame = page->mfn;
  // A page that the granter has only mapped is not its to grant.
  if (is_paging(page->type) || is_foreign(page->type) || (!readonly && is_shared(page->type))) {
    hv.frames.put_page(frame);
    return is_foreign(page->type) ? GNTST_bad_page : GNTST_eagain;
  }
  return GNTST_okay;
}

void mark_dirty(Hypervisor&, Domain& d, Mfn frame) { log_dirty::mark_frame(d, frame); }

}  // namespace xensim::xen::grant
