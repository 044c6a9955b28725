// A domain's guest-physical address space: how frames come into it, go out of it and are looked up, with what Xen
// keeps beside the p2m (where each frame is, references, populate-on-demand). Whoever changes a p2m goes through
// here.
//
// Follows Xen's p2m.c (p2m_add_page, p2m_remove_entry, p2m_get_page_from_gfn, p2m_add_foreign), guest_remove_page
// of common/memory.c and xenmem_add_to_physmap_one of arch/x86/mm.c. The long-valued ones return 0 or a negated
// error.
//
// Order rule: these change tables that processors have cached; each of them that takes a right away calls
// Hypervisor::flush_domain() before a frame can get another owner.
#pragma once

#include <cstdint>
#include <optional>

#include "models/xen/mm/p2m.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
}  // namespace xensim::xen

namespace xensim::xen::physmap {

// What a look-up may do to make the frame usable (P2M_ALLOC, P2M_UNSHARE).
struct Query {
  bool allocate = false;  // populate what is populated on demand
  bool unshare = false;   // break sharing: the caller will write
};
inline constexpr Query kLook{}, kAllocate{true, false}, kWrite{true, true};

// The entry, after what the query asks for. Of any number.
P2mEntry get(Hypervisor& hv, Domain& d, std::uint64_t gfn, Query q);
// A frame that a copy can go to, with a reference that the caller drops (get_page_from_gfn); nullopt: none.
struct Page {
  Mfn mfn;
  P2mType type;
};
std::optional<Page> get_page(Hypervisor& hv, Domain& d, std::uint64_t gfn, Query q);

// The domain has 2^order frames from m on, which appear at gfn (guest_physmap_add_page).
long add_page(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m, unsigned order, P2mType type = P2mType::kRamRw);
// 2^order frames from m on disappear from gfn, and stay the domain's (guest_physmap_remove_page). -EILSEQ: it is
// another frame that is there.
long remove_page(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m, unsigned order);
// What is at gfn disappears; the frame is given back (guest_remove_page).
long free_page(Hypervisor& hv, Domain& d, std::uint64_t gfn);
// One step of XENMEM_add_to_physmap. foreign: whose frame, for XENMAPSPACE_gmfn_foreign.
long add_to_physmap(Hypervisor& hv, Domain& d, unsigned space, std::uint64_t index, std::uint64_t gfn,
                    domid_t foreign = DOMID_INVALID);
// A frame of another domain appears at gfn, whatever was there (set_foreign_p2m_entry).
long set_foreign(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn m);

}  // namespace xensim::xen::physmap
