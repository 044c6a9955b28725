// What the timing models count, as statistics.
#include <string>

#include "models/cpu/timing/cpi_stack.h"
#include "models/cpu/timing/inorder_pipeline.h"
#include "sim/stats/stats.h"

namespace xensim::cpu {

void register_stats(stats::Group& g, const CpiStack& s) {
  for (unsigned i = 0; i < kCpiCategories; ++i) {
    const std::string_view name = name_of(static_cast<CpiCategory>(i));
    g.add(name, "cycles", "charged to " + std::string(name), &s.cycles[i]);
  }
}

void register_stats(stats::Group& g, const InorderStats& s) {
  g.add("branches", "instructions", "branches", &s.branches);
  g.add("mispredicts", "instructions", "branches found to be mispredicted when they executed", &s.mispredicts);
  g.add("resteers", "instructions", "direct branches whose target fetch did not know", &s.resteers);
  g.add("l2_tlb_hits", "accesses", "missed the first-level TLB and hit the second", &s.l2_tlb_hits);
  g.add("itlb_walks", "walks", "page walks for instructions", &s.itlb_walks);
  g.add("dtlb_walks", "walks", "page walks for data", &s.dtlb_walks);
  g.add("guest_walk_reads", "accesses", "entries of guest tables that walks read", &s.guest_walk_reads);
  g.add("ept_walk_reads", "accesses", "entries of EPT that walks read", &s.ept_walk_reads);
  g.add("walk_reads_skipped", "accesses", "entries that paging-structure caches saved", &s.walk_reads_skipped);
  g.add("store_buffer_full", "instructions", "stores that waited for room in the store buffer",
        &s.store_buffer_full);
  g.add("line_fill_buffers_full", "accesses", "misses that waited for a line fill buffer",
        &s.line_fill_buffers_full);
}

}  // namespace xensim::cpu
