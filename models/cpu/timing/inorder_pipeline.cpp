#include "models/cpu/timing/inorder_pipeline.h"

#include <algorithm>

#include "sim/base/expects.h"

namespace xensim::cpu {

using memory::AccessKind;
using memory::AccessResult;
using memory::Level;

namespace {

// Bit n: byte n of the line. offset + size ≤ 64.
constexpr std::uint64_t byte_mask(std::uint64_t physical, unsigned size) {
  return (~std::uint64_t{0} >> (64 - size)) << (physical & 63);
}

}  // namespace

InorderPipeline::InorderPipeline(const InorderConfig& config, unsigned cpu, memory::Hierarchy& caches, Tlb& tlb,
                                 WalkSource& walks, CpiStack& stack)
    : stack_(stack),
      tlb_(tlb),
      caches_(caches),
      cpu_(cpu),
      width_(config.issue_width),
      store_entries_(config.store_buffer),
      fill_entries_(config.line_fill_buffers),
      walks_(walks),
      structure_caches_(config.paging_structure_caches, config.ept_walk_caches),
      predictor_(make_branch_predictor(config.branch_predictor)),
      mispredict_(config.mispredict_penalty),
      resteer_(config.resteer_penalty),
      l2_tlb_(config.l2_tlb_latency),
      walk_overhead_(config.walk_overhead),
      log_entry_(config.log_entry) {
  expects(width_ > 0 && store_entries_ > 0 && store_entries_ <= store_commit_.size() && fill_entries_ > 0 &&
          fill_entries_ <= fills_.size());
  const CostTable& rows = default_cost_table();
  for (unsigned i = 0; i < kCostClasses; ++i) {
    const CostNumbers& n = config.costs.row[i];
    costs_[i] = {n.latency, n.after_load, n.occupancy, rows[i].unit, rows[i].drains};
  }
}

// --- Time.

// Everything so far is complete at t, and c is why not earlier.
inline void InorderPipeline::charge(Cycles t, CpiCategory c) {
  if (t <= horizon_) return;
  const Cycles moved = t - horizon_;
  const Cycles base = std::min(moved, credit_);
  stack_.add(CpiCategory::kBase, base);
  stack_.add(c, moved - base);
  credit_ = 0;
  horizon_ = t;
}

// Takes a slot of the first group that is not earlier than `earliest`.
inline Cycles InorderPipeline::issue(Cycles earliest) {
  if (earliest > issue_) {
    issue_ = earliest;
    slots_ = 1;
    ++credit_;
  } else if (slots_ < width_) {
    ++slots_;
  } else {
    ++issue_;
    slots_ = 1;
    ++credit_;
  }
  return issue_;
}

// Nothing issues before t.
void InorderPipeline::stop_issue_until(Cycles t, CpiCategory c) {
  charge(t, c);
  if (t > issue_) {
    issue_ = t;
    slots_ = 0;
  }
}

void InorderPipeline::restart_at(Cycles t) {
  if (t <= horizon_) return;
  horizon_ = issue_ = t;
  slots_ = 0;
  credit_ = 1;
  fetch_line_ = ~std::uint64_t{0};
}

// --- Registers.

inline Cycles InorderPipeline::sources_ready(const OpTiming& t) const {
  const Cycles a = std::max(ready_[t.src[0]], ready_[t.src[1]]);
  const Cycles b = std::max(ready_[t.src[2]], ready_[t.src[3]]);
  return std::max(std::max(a, b), ready_[t.src[4]]);
}

inline void InorderPipeline::finish(const OpTiming& t, Cycles start, Cycles done) {
  done_ = done;
  ready_[t.dst[0]] = done;
  ready_[t.dst[1]] = done;
  ready_[t.dst[2]] = done;
  ready_[kRegNone] = 0;
  // The stack pointer is counted ahead of the access that goes with it.
  if (t.cost == CostClass::kPush || t.cost == CostClass::kPop || t.cost == CostClass::kCall ||
      t.cost == CostClass::kReturn)
    ready_[kRsp] = start + 1;
}

// --- Instructions.

void InorderPipeline::retire(const Block& block, const Op& op, const OpTiming& t,
                             std::span<const MemAccess> accesses, bool taken, std::uint64_t target) {
  const unsigned end = unsigned{op.offset} + op.length;
  if (end > fetch_limit_) [[unlikely]]
    fetch_up_to(block, end);
  const Cost c = costs_[static_cast<unsigned>(t.cost)];
  if (c.drains || (t.flags & kTimingSerialising)) [[unlikely]] {
    retire_drained(t, accesses, c);
  } else if (accesses.empty()) {
    Cycles& unit = unit_free_[static_cast<unsigned>(c.unit)];
    const Cycles start = issue(std::max(sources_ready(t), unit));
    unit = start + c.occupancy;
    const Cycles done = start + c.latency;
    finish(t, start, done);
    charge(done, CpiCategory::kBase);
  } else {
    retire_with_memory(op, t, accesses, c);
  }
  if (t.flags & kTimingBranch) resolve_branch(block, op, t, taken, target);
}

void InorderPipeline::retire_with_memory(const Op& op, const OpTiming& t, std::span<const MemAccess> accesses,
                                         Cost c) {
  if ((op.flags & kLock) || t.cost == CostClass::kXchg) {
    retire_with_lock(t, accesses, c);
    return;
  }
  Cycles address = 0;
  const unsigned address_sources = std::min<unsigned>(t.address_sources, 5);
  for (unsigned i = 0; i < address_sources; ++i) address = std::max(address, ready_[t.src[i]]);
  const Cycles sources = sources_ready(t);
  Cycles& unit = unit_free_[static_cast<unsigned>(c.unit)];
  const Cycles start = issue(std::max({address, unit, memory_from_}));
  unit = start + c.occupancy;

  Cycles data = 0;
  unsigned loads = 0, stores = 0;
  for (const MemAccess& a : accesses) {
    if (a.store) {
      ++stores;
      continue;
    }
    const Cycles ready = load(a, std::max(start + loads, issue_), AccessKind::kLoad);
    charge(ready, data_from_);
    data = std::max(data, ready);
    ++loads;
  }
  Cycles done = loads ? std::max(data, sources) + c.after_load : start + c.latency;
  if (stores) {
    unsigned n = 0;
    const Cycles value = loads ? done : std::max(sources, start);
    for (const MemAccess& a : accesses)
      if (a.store) store(a, std::max(start + n++, issue_), value);
  }
  finish(t, start, done);
  charge(done, CpiCategory::kBase);
  const unsigned groups = std::max(loads, stores);
  if (groups > 1) [[unlikely]]
    stop_issue_until(start + groups - 1, CpiCategory::kBase);
}

// A locked read-modify-write: the store buffer is empty when it starts, and it owns the line until it is done.
void InorderPipeline::retire_with_lock(const OpTiming& t, std::span<const MemAccess> accesses, Cost c) {
  Cycles start = issue(std::max(sources_ready(t), memory_from_));
  drain_stores(start);
  Cycles data = start;
  for (const MemAccess& a : accesses) {
    if (a.store && accesses.size() > 1) continue;  // the load before it has taken the line already
    const Cycles ready = load(a, start, AccessKind::kStore);
    charge(ready, data_from_);
    data = std::max(data, ready);
  }
  const Cycles done = data + c.after_load;
  finish(t, start, done);
  charge(done, CpiCategory::kBase);
  memory_from_ = done;
  last_commit_ = std::max(last_commit_, done);
}

// Waits for everything before, holds back everything after.
void InorderPipeline::retire_drained(const OpTiming& t, std::span<const MemAccess> accesses, Cost c) {
  Cycles start = issue(std::max(horizon_, unit_free_[static_cast<unsigned>(c.unit)]));
  drain_stores(start);
  Cycles data = start;
  unsigned n = 0;
  for (const MemAccess& a : accesses) {
    if (a.store) continue;
    const Cycles ready = load(a, std::max(start + n++, issue_), AccessKind::kLoad);
    charge(ready, data_from_);
    data = std::max(data, ready);
  }
  const Cycles done = n ? data + c.after_load : start + c.latency;
  n = 0;
  for (const MemAccess& a : accesses)
    if (a.store) store(a, std::max(start + n++, issue_), done);
  finish(t, start, done);
  stop_issue_until(std::max(done, start + n), CpiCategory::kBase);
}

void InorderPipeline::deliver_event(std::span<const MemAccess> accesses) {
  OpTiming t{CostClass::kInterrupt, 0, 0, {}, {}};
  std::fill(std::begin(t.src), std::end(t.src), kRegNone);
  std::fill(std::begin(t.dst), std::end(t.dst), kRegNone);
  retire_drained(t, accesses, costs_[static_cast<unsigned>(CostClass::kInterrupt)]);
}

void InorderPipeline::resolve_branch(const Block& block, const Op& op, const OpTiming& t, bool taken,
                                     std::uint64_t target) {
  const std::uint64_t rip = block.rip + op.offset;
  const Prediction p = predictor_->resolve({.address = rip,
                                            .fall_through = rip + op.length,
                                            .target = target,
                                            .taken = taken,
                                            .conditional = (t.flags & kTimingConditional) != 0,
                                            .indirect = (t.flags & kTimingIndirect) != 0,
                                            .call = (t.flags & kTimingCall) != 0,
                                            .is_return = (t.flags & kTimingReturn) != 0});
  ++stats.branches;
  switch (p) {
    case Prediction::kRight:
      if (taken) slots_ = width_;
      break;
    case Prediction::kResteer:
      ++stats.resteers;
      stop_issue_until(issue_ + 1 + resteer_, CpiCategory::kBranch);
      break;
    case Prediction::kWrong:
      ++stats.mispredicts;
      stop_issue_until(done_ + mispredict_, CpiCategory::kBranch);
      break;
  }
}

// --- Fetch.

void InorderPipeline::fetch(PhysAddr a, std::uint64_t linear) {
  fetch_line_ = a.value >> 6;
  Cycles t = translate(linear, Access::kExecute, issue_);
  const AccessResult r = caches_.access(cpu_, a, AccessKind::kInstruction, t);
  if (r.level != Level::kL1) t += r.latency;
  if (t > issue_) stop_issue_until(t, CpiCategory::kFrontEnd);
}

// The lines of the block up to byte `end`, whose predecessors have been fetched.
void InorderPipeline::fetch_up_to(const Block& block, unsigned end) {
  while (end > fetch_limit_) {
    const unsigned to_page_end = static_cast<unsigned>(kPageSize - (block.address.value & kPageMask));
    const PhysAddr a = fetch_limit_ < to_page_end ? block.address + fetch_limit_
                                                  : block.second_page + (fetch_limit_ - to_page_end);
    fetch(a, block_linear_ + fetch_limit_);
    fetch_limit_ += 64;
  }
}

// --- Translation.

// When the cache access of an access that starts at `start` can begin.
inline Cycles InorderPipeline::translate(std::uint64_t linear, Access access, Cycles start) {
  const TlbLevel level = tlb_.touch(LinearAddr(linear), access);
  if (level == TlbLevel::kL1) [[likely]]
    return start;
  if (level == TlbLevel::kL2) {
    ++stats.l2_tlb_hits;
    charge(start, CpiCategory::kBase);
    charge(start + l2_tlb_, CpiCategory::kTlbWalk);
    return start + l2_tlb_;
  }
  return walk(linear, access, start);
}

Cycles InorderPipeline::walk(std::uint64_t linear, Access access, Cycles start) {
  charge(start, CpiCategory::kBase);
  Cycles t = start + l2_tlb_ + walk_overhead_;
  charge(t, CpiCategory::kTlbWalk);
  ++(access == Access::kExecute ? stats.itlb_walks : stats.dtlb_walks);
  const WalkResult& w = walks_.refill(LinearAddr(linear), access);
  const std::uint32_t read = structure_caches_.steps_to_read(tlb_.context(), LinearAddr(linear), w);
  for (unsigned i = 0; i < w.steps; ++i) {
    if (!(read >> i & 1)) {
      ++stats.walk_reads_skipped;
      continue;
    }
    const WalkStep& s = w.step[i];
    ++(s.ept ? stats.ept_walk_reads : stats.guest_walk_reads);
    t += caches_.access(cpu_, s.entry, AccessKind::kLoad, t).latency;
    charge(t, s.ept ? CpiCategory::kEptWalk : CpiCategory::kTlbWalk);
  }
  t += w.log_entries * log_entry_;
  charge(t, CpiCategory::kEptWalk);
  stop_issue_until(t, CpiCategory::kTlbWalk);
  return t;
}

// --- Loads.

// When the data is there; data_from_ says where it came from.
inline Cycles InorderPipeline::load(const MemAccess& a, Cycles start, AccessKind kind) {
  const Cycles t = translate(a.linear, kind == AccessKind::kStore ? Access::kWrite : Access::kRead, start);
  const unsigned in_line = 64 - static_cast<unsigned>(a.physical & 63);
  if (a.size <= in_line) [[likely]]
    return load_line(a.physical, a.size, t, kind);
  // Two lines; bytes past the page's end are an access of their own.
  const Cycles first = load_line(a.physical, in_line, t, kind);
  const CpiCategory from = data_from_;
  if (((a.physical + in_line) & kPageMask) == 0) return first;
  const Cycles second = load_line(a.physical + in_line, std::min(a.size - in_line, 64u), t + 1, kind);
  if (first >= second) data_from_ = from;
  return std::max(first, second);
}

inline Cycles InorderPipeline::load_line(std::uint64_t physical, unsigned size, Cycles start, AccessKind kind) {
  const AccessResult r = caches_.access(cpu_, PhysAddr(physical), kind, start);
  data_from_ = category(r.level);
  if (r.level == Level::kL1) [[likely]] {
    const Cycles ready = start + r.latency;
    return start < fills_until_ ? wait_for_line_in_flight(physical, size, ready) : ready;
  }
  const unsigned i = free_line_fill_buffer(start);
  const Cycles ready = start + r.latency;
  fills_[i] = {physical >> 6, ready, 0, data_from_};
  fills_until_ = std::max(fills_until_, ready);
  return ready;
}

// The cache holds the line, or will: a fill may be under way.
Cycles InorderPipeline::wait_for_line_in_flight(std::uint64_t physical, unsigned size, Cycles ready) {
  for (unsigned i = 0; i < fill_entries_; ++i) {
    const LineFill& f = fills_[i];
    if (f.line != physical >> 6 || f.ready <= ready) continue;
    const std::uint64_t bytes = byte_mask(physical, std::max(size, 1u));
    if ((f.written & bytes) == bytes) return ready;
    data_from_ = f.category;
    return f.ready;
  }
  return ready;
}

// A buffer that is free at `start`, which moves if there is none before.
unsigned InorderPipeline::free_line_fill_buffer(Cycles& start) {
  unsigned best = 0;
  for (unsigned i = 1; i < fill_entries_; ++i)
    if (fills_[i].ready < fills_[best].ready) best = i;
  if (fills_[best].ready > start) {
    ++stats.line_fill_buffers_full;
    start = fills_[best].ready;
  }
  return best;
}

// --- Stores.

void InorderPipeline::store(const MemAccess& a, Cycles start, Cycles data) {
  const Cycles t = translate(a.linear, Access::kWrite, start);
  const unsigned in_line = 64 - static_cast<unsigned>(a.physical & 63);
  if (a.size <= in_line) [[likely]] {
    store_line(a.physical, a.size, t, data);
    return;
  }
  store_line(a.physical, in_line, t, data);
  if (((a.physical + in_line) & kPageMask) != 0)
    store_line(a.physical + in_line, std::min(a.size - in_line, 64u), t, data);
}

void InorderPipeline::store_line(std::uint64_t physical, unsigned size, Cycles start, Cycles data) {
  const unsigned slot = store_next_;
  if (store_commit_[slot] > start) [[unlikely]] {
    ++stats.store_buffer_full;
    start = store_commit_[slot];
    stop_issue_until(start, store_category_[slot]);
  }
  const AccessResult r = caches_.access(cpu_, PhysAddr(physical), AccessKind::kStore, start);
  const CpiCategory from = category(r.level);
  Cycles commit = std::max(last_commit_, std::max(start, data)) + 1;
  CpiCategory why = commit == last_commit_ + 1 ? last_store_ : CpiCategory::kL1;
  const std::uint64_t bytes = byte_mask(physical, std::max(size, 1u));
  if (r.level != Level::kL1) {
    Cycles t = start;
    const unsigned i = free_line_fill_buffer(t);
    const Cycles ready = t + r.latency;
    fills_[i] = {physical >> 6, ready, bytes, from};
    fills_until_ = std::max(fills_until_, ready);
    if (ready > commit) commit = ready, why = from;
  } else if (start < fills_until_) {
    for (unsigned i = 0; i < fill_entries_; ++i) {
      LineFill& f = fills_[i];
      if (f.line != physical >> 6 || f.ready <= start) continue;
      f.written |= bytes;
      if (f.ready > commit) commit = f.ready, why = f.category;
    }
  }
  store_commit_[slot] = last_commit_ = commit;
  store_category_[slot] = last_store_ = why;
  store_next_ = slot + 1 == store_entries_ ? 0 : slot + 1;
}

// Issue waits until the last store has committed.
void InorderPipeline::drain_stores(Cycles& start) {
  if (last_commit_ <= start) return;
  start = last_commit_;
  stop_issue_until(start, last_store_);
}

}  // namespace xensim::cpu
