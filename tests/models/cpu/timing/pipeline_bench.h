// A pipeline on a bench: caches that answer as told, a TLB that hits unless told otherwise, walks that are made
// up.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <vector>

#include "models/cpu/timing/inorder_pipeline.h"

namespace xensim::cpu {

class BenchCaches final : public memory::Hierarchy {
 public:
  struct Asked {
    std::uint64_t physical;
    memory::AccessKind kind;
    Cycles now;
  };
  // By line; 4 cycles in L1 for those that are not here. `once`: the line is in L1 from then on.
  std::map<std::uint64_t, memory::AccessResult> line;
  bool once = true;
  std::vector<Asked> asked;

  void put(std::uint64_t physical, Cycles latency, memory::Level level) { line[physical >> 6] = {latency, level}; }
  memory::AccessResult access(unsigned, PhysAddr a, memory::AccessKind kind, Cycles now) override {
    asked.push_back({a.value, kind, now});
    const auto it = line.find(a.value >> 6);
    if (it == line.end()) return {4, memory::Level::kL1};
    const memory::AccessResult r = it->second;
    if (once) line.erase(it);
    return r;
  }
};

class BenchWalks final : public WalkSource {
 public:
  explicit BenchWalks(Tlb& tlb) : tlb_(tlb) {}
  // What every walk reads: (address, level, is an EPT entry).
  std::vector<WalkStep> steps;
  unsigned walks = 0;

  const WalkResult& refill(LinearAddr a, Access access) override {
    ++walks;
    result_ = {};
    result_.steps = static_cast<std::uint8_t>(steps.size());
    for (unsigned i = 0; i < steps.size(); ++i) result_.step[i] = steps[i];
    TlbEntry e;
    e.page_shift = e.guest_shift = 12;
    e.physical = a.value & ~kPageMask;
    e.writable = e.user = e.executable = e.dirty = true;
    tlb_.insert(a, access, e);
    return result_;
  }

 private:
  Tlb& tlb_;
  WalkResult result_;
};

class Bench {
 public:
  static constexpr std::uint64_t kCode = 0x1000;
  // Everything below this is in the TLBs from the start (one page of 1 GiB).
  static constexpr std::uint64_t kMapped = std::uint64_t{1} << 30;

  InorderConfig config;
  BenchCaches caches;
  Tlb tlb{TlbConfig{}};
  BenchWalks walks{tlb};
  CpiStack stack;
  Block block;
  Op op{};

  Bench() {
    TlbEntry e;
    e.page_shift = e.guest_shift = 30;
    e.writable = e.user = e.executable = e.dirty = true;
    tlb.insert(LinearAddr(0), Access::kExecute, e);
    tlb.insert(LinearAddr(0), Access::kRead, e);
    tlb.touch(LinearAddr(0), Access::kExecute);
    block.rip = kCode;
    block.address = PhysAddr(kCode);
    op.length = 1;
  }
  // Made when first asked for, so that a test can change the configuration before.
  InorderPipeline& pipeline() {
    if (!pipeline_) {
      pipeline_.emplace(config, 0, caches, tlb, walks, stack);
      pipeline_->begin_block(block, kCode);
    }
    return *pipeline_;
  }
  Cycles now() { return pipeline().now(); }
  Cycles in(CpiCategory c) const { return stack.cycles[static_cast<unsigned>(c)]; }

  static OpTiming timing(CostClass cost, std::initializer_list<std::uint8_t> src = {},
                         std::initializer_list<std::uint8_t> dst = {}, unsigned address_sources = 0,
                         unsigned flags = 0) {
    OpTiming t{cost, static_cast<std::uint8_t>(flags), static_cast<std::uint8_t>(address_sources), {}, {}};
    for (auto& s : t.src) s = kRegNone;
    for (auto& d : t.dst) d = kRegNone;
    unsigned i = 0;
    for (std::uint8_t s : src) t.src[i++] = s;
    i = 0;
    for (std::uint8_t d : dst) t.dst[i++] = d;
    return t;
  }
  // One instruction; returns now() after it.
  Cycles run(const OpTiming& t, std::vector<MemAccess> accesses = {}, bool taken = false,
             std::uint64_t target = 0) {
    pipeline().retire(block, op, t, accesses, taken, target);
    return now();
  }
  Cycles alu(std::initializer_list<std::uint8_t> src = {}, std::initializer_list<std::uint8_t> dst = {}) {
    return run(timing(CostClass::kAlu, src, dst));
  }
  Cycles load(std::uint64_t a, std::initializer_list<std::uint8_t> address = {}, std::uint8_t dst = kRegNone,
              unsigned size = 8) {
    return run(timing(CostClass::kMove, address, {dst}, static_cast<unsigned>(address.size()), kTimingLoad),
               {{a, a, static_cast<std::uint8_t>(size), false}});
  }
  Cycles store(std::uint64_t a, std::initializer_list<std::uint8_t> src = {}, unsigned size = 8) {
    return run(timing(CostClass::kMove, src, {}, 0, kTimingStore),
               {{a, a, static_cast<std::uint8_t>(size), true}});
  }
  Cycles lock(std::uint64_t a, std::uint8_t dst = kRegNone) {
    op.flags = kLock;
    const Cycles t = run(timing(CostClass::kAtomic, {}, {dst}, 0, kTimingLoad | kTimingStore),
                         {{a, a, 8, false}, {a, a, 8, true}});
    op.flags = 0;
    return t;
  }

 private:
  std::optional<InorderPipeline> pipeline_;
};

}  // namespace xensim::cpu
