// The frame table: what Xen knows of each machine frame (its page_info). A frame belongs to nobody (it is in the
// heap, or there is no RAM), to Xen (DOMID_XEN), or to a domain; while somebody uses it, it has references, and
// the last one to go gives it back. Follows Xen's xen/mm.h: get_page, put_page, PGC_allocated, PGC_xen_heap.
//
// The kinds of frame:
//  - A domain's own (allocate()): one reference is the allocation's (kAllocated); whoever else uses the frame (a
//    foreign mapping, a grant, a daemon) holds one more. Taking the frame from the domain drops the allocation's.
//  - Xen's own (allocate_xen()): p2m tables, VMCSs. Nobody takes references.
//  - Xen's, shared with a guest (share_with_guest()): shared_info, grant frames. The domain owns it as far as
//    references go, but it is not counted in its pages, and when the references are gone it is Xen's again until
//    free_xen().
//
// A domain that is destroyed drops its allocations (relinquish()); a frame that others still hold stays its own,
// and counted, until their last put_page().
//
// A claim (XENMEM_claim_pages) sets free memory aside for one domain: while claims cover all of it, only their
// owners get any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "models/memory/physical_memory.h"
#include "models/xen/mm/heap.h"
#include "models/xen/public.h"
#include "sim/base/types.h"

namespace xensim::xen {

inline constexpr std::uint64_t kNoGfn = ~std::uint64_t{0};  // INVALID_M2P_ENTRY

struct PageInfo {
  static constexpr std::uint8_t kAllocated = 1;  // one of the references is the allocation's
  static constexpr std::uint8_t kXenHeap = 2;    // a page of Xen's own
  static constexpr std::uint8_t kDoomed = 4;     // Xen's, and Xen is done with it: the last reference frees it

  domid_t owner = DOMID_INVALID;
  std::uint8_t flags = 0;
  std::uint32_t references = 0;
  std::uint64_t gfn = kNoGfn;  // where its owner has it; kNoGfn: nowhere (Xen's machine-to-physical table)
};

class FrameTable {
 public:
  // What an owner has.
  struct Totals {
    std::uint64_t pages = 0;       // of its own (Xen's tot_pages)
    std::uint64_t xen_pages = 0;   // Xen's, shared with it; of DOMID_XEN: Xen's own
    std::uint64_t references = 0;  // to any of those, the allocation's included
    bool operator==(const Totals&) const = default;
  };

  FrameTable(memory::PhysicalMemory& memory, Heap& heap);
  FrameTable(const FrameTable&) = delete;
  FrameTable& operator=(const FrameTable&) = delete;

  // Frames that were never the heap's: Xen's image.
  void reserve(Mfn first, std::uint64_t count);

  // 2^order frames for a domain, content undefined, but never what a dead domain left; nullopt: the heap has none,
  // or what it has is claimed by others.
  std::optional<Mfn> allocate(domid_t owner, unsigned order) {
    return allocate(owner, Heap::Request{.order = order});
  }
  std::optional<Mfn> allocate(domid_t owner, const Heap::Request& request);
  // A zeroed page of Xen's own, and its end. If a guest still has references, its end comes with the last of them.
  std::optional<Mfn> allocate_xen();
  void free_xen(Mfn m);
  // A page of Xen's becomes one that the domain may map and others may reference.
  void share_with_guest(Mfn m, domid_t owner);

  // Takes a reference; false if the frame is not the owner's (whatever the number: it may be a guest's).
  [[nodiscard]] bool get_page(Mfn m, domid_t owner);
  // Drops a reference that somebody took.
  void put_page(Mfn m);
  // Drops the allocation's reference, if it is still there (put_page_alloc_ref).
  void put_allocation(Mfn m);
  // Takes a frame away from its owner without freeing it; false unless the allocation's is the only reference. The
  // frame is nobody's until assign().
  [[nodiscard]] bool steal(Mfn m, domid_t owner);
  void assign(Mfn m, domid_t owner);
  // The domain dies: every allocation of its own is dropped, and its claim.
  void relinquish(domid_t owner);

  // What a domain has set aside and not yet got; and all of them together.
  void set_claim(domid_t owner, std::uint64_t pages);
  std::uint64_t claim_of(domid_t owner) const;
  std::uint64_t claimed() const { return claimed_; }
  const std::map<domid_t, std::uint64_t>& claims() const { return claims_; }

  // Whether a living domain's pages are cleared, too, when it gives them back (scrub-domheap).
  bool scrub_domheap = true;
  // Makes frames zero.
  void clear(Mfn first, std::uint64_t count);
  // Clears a few dirty pages of a node; how many.
  unsigned scrub(unsigned node);
  // Pages that allocations had to clear since the last call: their asker pays.
  std::uint64_t take_scrubbed() { return std::exchange(scrubbed_, 0); }

  // Of any number: what is no RAM is nobody's.
  const PageInfo& info(Mfn m) const { return m.value < pages_.size() ? pages_[m.value] : kNobody; }
  std::uint64_t gfn_of(Mfn m) const { return info(m).gfn; }
  void set_gfn(Mfn m, std::uint64_t gfn) {
    if (m.value < pages_.size()) pages_[m.value].gfn = gfn;
  }
  bool is_xen_heap(Mfn m) const { return info(m).flags & PageInfo::kXenHeap; }
  // Of one owner; zeros if it has nothing. All owners that have something, ascending.
  Totals totals(domid_t owner) const;
  const std::map<domid_t, Totals>& census() const { return totals_; }
  // Calls f for each frame of the owner, ascending.
  void for_each_of(domid_t owner, const std::function<void(Mfn, const PageInfo&)>& f) const;

  // Called before a domain's frame is given back to the heap.
  std::function<void(domid_t owner, Mfn m)> on_release;

 private:
  static constexpr PageInfo kNobody{};
  void drop_reference(Mfn m);
  void release(Mfn m);
  bool available(domid_t owner, std::uint64_t pages) const;
  void clear_dirty(Mfn m, std::uint64_t n);
  void count(domid_t owner, std::int64_t pages, std::int64_t xen_pages, std::int64_t references);

  memory::PhysicalMemory& memory_;
  Heap& heap_;
  std::vector<PageInfo> pages_;  // by frame number
  std::map<domid_t, Totals> totals_;
  std::map<domid_t, std::uint64_t> claims_;
  std::uint64_t claimed_ = 0, scrubbed_ = 0;
  std::set<domid_t> dying_;  // whose last pages are still held by others
};

}  // namespace xensim::xen
