// The parameters of the in-order model (/cpu/timing in a machine file). Defaults are Skylake-SP's where a number
// is known, with an issue width of two.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "models/cpu/timing/branch_predictor.h"
#include "models/cpu/timing/cost_table.h"
#include "models/cpu/timing/paging_structure_cache.h"
#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::cpu {

struct InorderConfig {
  unsigned issue_width = 2;
  unsigned store_buffer = 56;
  unsigned line_fill_buffers = 12;
  Cycles mispredict_penalty = 16;
  Cycles resteer_penalty = 8;
  Cycles l2_tlb_latency = 9;
  Cycles walk_overhead = 5;
  Cycles log_entry = 8;
  BranchPredictorConfig branch_predictor;
  PagingStructureCacheConfig paging_structure_caches;
  PagingStructureCacheConfig ept_walk_caches;
  CostParameters costs;

  static constexpr unsigned kMaxStoreBuffer = 128, kMaxLineFillBuffers = 32;

  // Sums that a measurement with dependent loads can be compared with. A load's address is known at t; its data is
  // there at t + what the caches say, plus these.
  Cycles expected_l2_tlb_hit() const { return l2_tlb_latency; }
  // A walk that reads this many entries, each of which takes entry_latency. Native 4-level paging reads 4, or 1
  // with a PDE cached; two-dimensional paging of 4 levels in each reads 24, or with all caches warm 1 guest and 1
  // EPT entry.
  Cycles expected_walk(unsigned entries, Cycles entry_latency) const {
    return l2_tlb_latency + walk_overhead + entries * entry_latency;
  }
};

inline void describe(InorderConfig& c, config::Visitor& v) {
  v(c.issue_width, {"issue_width", "count", "instructions issued per cycle", "design", config::between(1, 8)});
  v(c.store_buffer,
    {"store_buffer", "count", "stores that have retired and wait for the cache",
     "Intel optimization manual, Skylake: 56", config::between(1, InorderConfig::kMaxStoreBuffer)});
  v(c.line_fill_buffers,
    {"line_fill_buffers", "count", "misses of the L1 data cache that can be under way",
     "Intel optimization manual, Skylake: 12", config::between(1, InorderConfig::kMaxLineFillBuffers)});
  v(c.mispredict_penalty, {"mispredict_penalty", "cycles", "from a mispredicted branch's result to the next issue",
                           "Agner Fog, microarchitecture manual, Skylake: 16 to 17", config::between(0, 1000)});
  v(c.resteer_penalty, {"resteer_penalty", "cycles", "a taken direct branch that fetch did not foresee",
                        "uncalibrated", config::between(0, 1000)});
  v(c.l2_tlb_latency,
    {"l2_tlb_latency", "cycles", "a miss in the first-level TLB that hits in the second, added to the access",
     "7-cpu.com, Skylake: 9", config::between(0, 1000)});
  v(c.walk_overhead,
    {"walk_overhead", "cycles", "from the miss in the second-level TLB to a page walk's first read",
     "uncalibrated", config::between(0, 1000)});
  v(c.log_entry, {"log_entry", "cycles", "writing one entry of the page-modification log", "uncalibrated",
                  config::between(0, 1000)});
  v(c.branch_predictor, {"branch_predictor", "", "branch prediction", "design"});
  v(c.paging_structure_caches, {"paging_structure_caches", "", "of the guest's page tables", "design"});
  v(c.ept_walk_caches, {"ept_walk_caches", "", "of EPT", "design"});
  v(c.costs, {"costs", "", "what classes of instructions cost", "design"});
}

}  // namespace xensim::cpu
