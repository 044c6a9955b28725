// The in-order pipeline: what InorderTiming is made of, without the core around it.
//
// Issue. Instructions issue in program order, at most issue_width per cycle, each as soon as its unit is free and
// the registers are ready that it needs at issue (address registers of one that reads memory, all sources of
// others). What comes after a load goes on issuing until something needs its data. A correctly predicted taken
// branch ends its group.
//
// Memory. An access goes through the data TLB (a hit in L1 is part of the cache's latency, one in L2 adds to it, a
// miss stops issue for the page walk, whose reads go through the caches one after the other, except for what the
// paging- structure caches skip), then through memory::Hierarchy. Misses occupy a line fill buffer; a later access
// to a line that is on its way waits for it. Stores retire into the store buffer and commit in order; issue stops
// while it is full. Locked instructions wait until it is empty, and what accesses memory after them waits for
// them. The accesses of a REP instruction or of one with several operands start one per cycle and kind.
//
// Fetch. The line of a block's first byte, and each further line, is looked up in the instruction TLB and cache. A
// hit in L1 is hidden by fetching ahead; a miss stops issue for its whole latency.
//
// Time. horizon_ is when everything that has issued is complete except for stores in the buffer: now(), the
// drained time. It only moves forward, and each move is charged where it happens, so that the CPI stack adds up to
// now() after every call. A move is charged to what made the instruction late: its data's level, a walk, fetch,
// and so on; up to as many cycles as issue groups have passed unseen behind the horizon go to kBase instead, so
// that a stream of hits that overlap perfectly counts as execution and not as waiting.
//
// restart_at(t): t == now() changes nothing, so that where a quantum ends has no influence; a later t is a drain
// (the time between was charged by whoever spent it).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "models/cpu/block.h"
#include "models/cpu/mmu/tlb.h"
#include "models/cpu/mmu/walker.h"
#include "models/cpu/timing/branch_predictor.h"
#include "models/cpu/timing/cpi_stack.h"
#include "models/cpu/timing/inorder_config.h"
#include "models/cpu/timing/paging_structure_cache.h"
#include "models/cpu/timing/timing_model.h"
#include "models/memory/hierarchy.h"

namespace xensim::stats {
class Group;
}

namespace xensim::cpu {

// Where page walks come from: Mmu::refill, or a test.
class WalkSource {
 public:
  virtual ~WalkSource() = default;
  // Walks the tables for an access that missed the TLB and fills the TLB. The result is valid until the next call.
  virtual const WalkResult& refill(LinearAddr a, Access access) = 0;
};

struct InorderStats {
  std::uint64_t branches = 0, mispredicts = 0, resteers = 0;
  std::uint64_t itlb_walks = 0, dtlb_walks = 0, l2_tlb_hits = 0;
  std::uint64_t guest_walk_reads = 0, ept_walk_reads = 0, walk_reads_skipped = 0;
  std::uint64_t store_buffer_full = 0, line_fill_buffers_full = 0;
};
void register_stats(stats::Group& g, const InorderStats& s);

class InorderPipeline {
 public:
  InorderPipeline(const InorderConfig& config, unsigned cpu, memory::Hierarchy& caches, Tlb& tlb,
                  WalkSource& walks, CpiStack& stack);

  // linear: of the block's first byte (RIP plus the base of CS).
  void begin_block(const Block& block, std::uint64_t linear) {
    fetch_limit_ = 64 - static_cast<unsigned>(block.address.value & 63);
    block_linear_ = linear;
    if (block.address.value >> 6 != fetch_line_) fetch(block.address, linear);
  }
  void retire(const Block& block, const Op& op, const OpTiming& t, std::span<const MemAccess> accesses, bool taken,
              std::uint64_t target);
  // An interrupt or exception is delivered: drains, and costs CostClass::kInterrupt with these accesses.
  void deliver_event(std::span<const MemAccess> accesses);
  Cycles now() const { return horizon_; }
  void restart_at(Cycles t);
  // The paging-structure caches forget everything (invalidations of the TLB, changes of CR3).
  void flush_walk_caches() { structure_caches_.flush(); }

  InorderStats stats;

 private:
  struct Cost {
    std::uint16_t latency, after_load, occupancy;
    Unit unit;
    bool drains;
  };

  void charge(Cycles t, CpiCategory c);
  Cycles issue(Cycles earliest);
  Cycles sources_ready(const OpTiming& t) const;
  void finish(const OpTiming& t, Cycles start, Cycles done);
  void stop_issue_until(Cycles t, CpiCategory c);
  void retire_with_memory(const Op& op, const OpTiming& t, std::span<const MemAccess> accesses, Cost c);
  void retire_with_lock(const OpTiming& t, std::span<const MemAccess> accesses, Cost c);
  void retire_drained(const OpTiming& t, std::span<const MemAccess> accesses, Cost c);
  void resolve_branch(const Block& block, const Op& op, const OpTiming& t, bool taken, std::uint64_t target);
  void fetch(PhysAddr a, std::uint64_t linear);
  void fetch_up_to(const Block& block, unsigned end);

  Cycles translate(std::uint64_t linear, Access access, Cycles start);
  Cycles walk(std::uint64_t linear, Access access, Cycles start);
  Cycles load(const MemAccess& a, Cycles start, memory::AccessKind kind);
  Cycles load_line(std::uint64_t physical, unsigned size, Cycles start, memory::AccessKind kind);
  void store(const MemAccess& a, Cycles start, Cycles data);
  void store_line(std::uint64_t physical, unsigned size, Cycles start, Cycles data);
  Cycles wait_for_line_in_flight(std::uint64_t physical, unsigned size, Cycles ready);
  unsigned free_line_fill_buffer(Cycles& start);
  void drain_stores(Cycles& start);

  static CpiCategory category(memory::Level l) {
    return static_cast<CpiCategory>(static_cast<unsigned>(CpiCategory::kL1) + static_cast<unsigned>(l));
  }

  CpiStack& stack_;
  Tlb& tlb_;
  memory::Hierarchy& caches_;
  const unsigned cpu_;
  const unsigned width_;

  // Issue.
  Cycles horizon_ = 0;
  Cycles issue_ = 0;        // the cycle of the group that is being filled
  unsigned slots_ = 0;      // instructions in that group
  Cycles credit_ = 1;       // groups issued since the horizon last moved
  Cycles done_ = 0;         // when the instruction that retired last had its result
  Cycles memory_from_ = 0;  // no access to memory starts before this (locked instructions, fences)
  CpiCategory data_from_ = CpiCategory::kL1;  // where the latest load's data came from
  std::array<Cycles, kRegCount> ready_{};
  std::array<Cycles, static_cast<unsigned>(Unit::kCount)> unit_free_{};
  std::array<Cost, kCostClasses> costs_;

  // Fetch.
  std::uint64_t fetch_line_ = ~std::uint64_t{0};
  std::uint64_t block_linear_ = 0;
  unsigned fetch_limit_ = 0;  // bytes of the block up to the end of the line fetched last

  // Stores: a ring of commit times.
  Cycles last_commit_ = 0;
  unsigned store_next_ = 0, store_entries_;
  CpiCategory last_store_ = CpiCategory::kL1;
  std::array<Cycles, InorderConfig::kMaxStoreBuffer> store_commit_{};
  std::array<CpiCategory, InorderConfig::kMaxStoreBuffer> store_category_{};

  // Line fill buffers. written: bytes that stores wait to merge, which loads get from the store buffer.
  struct LineFill {
    std::uint64_t line = ~std::uint64_t{0};
    Cycles ready = 0;
    std::uint64_t written = 0;
    CpiCategory category = CpiCategory::kL1;
  };
  Cycles fills_until_ = 0;  // no fill is under way after this
  unsigned fill_entries_;
  std::array<LineFill, InorderConfig::kMaxLineFillBuffers> fills_;

  WalkSource& walks_;
  PagingStructureCaches structure_caches_;
  std::unique_ptr<BranchPredictor> predictor_;
  const Cycles mispredict_, resteer_, l2_tlb_, walk_overhead_, log_entry_;
};

}  // namespace xensim::cpu
