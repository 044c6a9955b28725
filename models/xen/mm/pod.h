// Populate on demand: a domain that boots with less memory than its physmap promises (memory < maxmem). Its RAM is
// entries without a frame; the first access of each takes a frame from the domain's cache. When the cache is
// empty, frames that the guest has not written to since (they are zero) are taken back from where they are; when
// there are none, the domain has touched more than it has, and is crashed. The guest's balloon driver is to give
// back the rest.
//
// Follows Xen's p2m-pod.c. With P the populated pages, B what the balloon has left, and T the target:
// entries == B − P, and the domain's pages == P + count. The cache shrinks only when the guest frees entries.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "sim/base/types.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
}  // namespace xensim::xen

namespace xensim::xen::pod {

inline constexpr unsigned kSuperpageOrder = 9;
inline constexpr std::uint64_t kSuperpagePages = std::uint64_t{1} << kSuperpageOrder;

// Of one domain.
struct State {
  State() { recent.fill(~std::uint64_t{0}); }

  std::deque<Mfn> super, single;  // the cache: 2 MiB blocks, pages
  std::uint64_t count = 0;        // pages in it
  std::uint64_t entries = 0;      // pages of entries that are populated on demand
  std::uint64_t sweep_from = 0;   // where the next emergency sweep goes down from; 0: from highest
  std::uint64_t highest = 0;      // gfn that was demand-populated
  // The gfns that were populated last (bit 63: a superpage): one of them is checked at each fault.
  std::array<std::uint64_t, 32> recent;
  unsigned next_recent = 0;

  // What happened, for statistics.
  std::uint64_t populated = 0;       // pages, by demand faults
  std::uint64_t zero_reclaimed = 0;  // pages
  std::uint64_t splintered = 0;      // 2 MiB entries that went to pages for want of a block
  std::uint64_t sweeps = 0;          // emergency sweeps
};

// 2^order frames from gfn on become entries (guest_physmap_mark_populate_on_demand). 0, or -EBUSY: some are in
// use; -ENOMEM: no table page.
long mark(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order);
// An access to an entry of 2^order pages. true: look again; false: the domain is crashed, or has no table page.
bool demand_populate(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order);
// What XENMEM_decrease_reservation leaves to do: how many of the 2^order pages are dealt with.
std::uint64_t decrease_reservation(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order);
// XENMEM_set_pod_target, in pages of the domain. 0, -ENOMEM, or -ERESTART: call again.
long set_target(Hypervisor& hv, Domain& d, std::uint64_t target);
// Entries went because something else was mapped there.
void entries_replaced(Domain& d, std::uint64_t n);
// The domain dies: its cache is like its other pages.
void empty_cache(Domain& d);

}  // namespace xensim::xen::pod
