// Frames for a domain: where they come from (its node affinity), whether it may have more (its maximum, others'
// claims), and what getting them costs. Follows alloc_domheap_pages and assign_pages of Xen's page_alloc.c.
#pragma once

#include <optional>

#include "models/xen/mm/heap.h"
#include "models/xen/public.h"

namespace xensim::xen {

class Hypervisor;
struct Domain;

// What a request asks for beyond the number of frames (XENMEMF_*).
struct AllocationHints {
  unsigned node = Heap::kAnyNode;
  bool exact_node = false;
  unsigned address_bits = 0;  // 0: any
};

// 2^order frames that the domain owns and that appear nowhere yet; nullopt: it has its maximum, it is dying, or
// there are none that nobody has claimed.
std::optional<Mfn> allocate_pages(Hypervisor& hv, Domain& d, unsigned order, const AllocationHints& hints = {});
// XENMEM_claim_pages: sets memory aside for a domain that is to have `pages`; 0 gives it up.
long claim_pages(Hypervisor& hv, Domain& d, std::uint64_t pages);

}  // namespace xensim::xen
