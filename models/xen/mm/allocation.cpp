#include "models/xen/mm/allocation.h"

#include "models/xen/hypervisor.h"

namespace xensim::xen {

std::optional<Mfn> allocate_pages(Hypervisor& hv, Domain& d, unsigned order, const AllocationHints& hints) {
  const std::uint64_t pages = hv.frames.totals(d.domid).pages;
  if (d.dying) return std::nullopt;
  if (pages > d.max_pages || d.max_pages - pages < std::uint64_t{1} << order) {
    ++d.mm_stats.over_maximum;
    return std::nullopt;
  }
  Heap::Request r;
  r.order = order;
  r.nodes = d.node_affinity;
  r.node = hints.node;
  r.exact = hints.exact_node;
  r.last_node = d.last_node;
  if (hints.address_bits > kPageShift) r.highest_zone = std::min(r.highest_zone, hints.address_bits - kPageShift);
  const auto m = hv.frames.allocate(d.domid, r);
  // Clearing what was dirty is the price of memory that was freed a moment ago.
  hv.cost.charge_many(*hv.here().pcpu, Path::kScrubPage, hv.frames.take_scrubbed());
  if (m)
    d.last_node = hv.heap.node_of(*m);
  else
    ++d.mm_stats.out_of_memory;
  return m;
}

long claim_pages(Hypervisor& hv, Domain& d, std::uint64_t pages) {
  if (pages == 0) {
    hv.frames.set_claim(d.domid, 0);
    return 0;
  }
  const std::uint64_t has = hv.frames.totals(d.domid).pages;
  if (hv.frames.claim_of(d.domid) != 0 || pages <= has || pages > d.max_pages) return -kEinval;
  if (pages - has > hv.heap.free_pages() - hv.frames.claimed()) return -kEnomem;
  hv.frames.set_claim(d.domid, pages - has);
  return 0;
}

}  // namespace xensim::xen
