// The loop that runs blocks, once per timing model.
//
// Order of things: budget, then pending events, then a block and the blocks it links to, until something wants a
// look around (an outcome other than kNext, the end of the budget, a successor that is not linked). A model that
// counts instructions only (FunctionalTiming) is accounted by the block; one that collects accesses, by the
// instruction.
//
// Exactness: a budget or an instruction limit that ends inside a block ends the run at that instruction. With one
// instruction per cycle that is exact; with latencies, the last instruction may reach past the budget. What an
// instruction that did not complete (fault, VM exit) has done is nothing, and it is not counted as retired;
// delivering its event takes time of its own, so that a guest that does nothing but fault gets to the end of its
// budget.
//
// Instructions in the shadow of STI or MOV SS, under TF, under RF, or while a breakpoint is enabled run one at a
// time (SDM 3, 6.8.3, 17.3.1.1, 17.3.1.4).
#pragma once

#include <algorithm>
#include <span>

#include "models/cpu/core.h"
#include "models/cpu/isa/breakpoints.h"

namespace xensim::cpu {

template <class Timing>
class RunLoop {
 public:
  RunLoop(Core& core, Timing& timing, Cycles until) : core_(core), timing_(timing), until_(until) {}

  StopReason run() {
    core_.collect_accesses = Timing::kCollectsAccesses;
    bool poll = true;
    while (!budget_ended()) {
      if (poll) {
        from_ = nullptr;
        poll = false;
        core_.access_count = 0;
        if (const Outcome o = core_.poll_events(); o != Outcome::kNext) {
          if (o == Outcome::kEndBlock)
            event_delivered();
          else if (!resolve(o))
            return reason_;
          poll = true;
          continue;
        }
        if (core_.st.activity != Activity::kActive)
          return core_.st.activity == Activity::kShutdown ? StopReason::kShutdown : StopReason::kHalted;
      }
      Outcome o;
      Block* const b = core_.blocks.find(o, from_);
      if (b) [[likely]] {
        if (alone()) [[unlikely]] {
          o = step(*b);
          poll = true;
        } else if constexpr (Timing::kCollectsAccesses) {
          o = run_timed(b);
        } else {
          o = run_counted(b);
        }
      } else {
        from_ = nullptr;
      }
      if (o != Outcome::kNext) {
        if (!resolve(o)) return reason_;
        poll = true;
      }
    }
    return StopReason::kBudget;
  }

 private:
  bool budget_ended() const { return core_.now >= until_ || core_.instructions >= core_.instruction_limit; }
  bool alone() const {
    const ArchState& st = core_.st;
    return st.sti_shadow || st.mov_ss_shadow || (st.rflags & (kTf | kRf)) != 0 || isa::breakpoints_enabled(st);
  }

  static std::uint64_t rip_at(const Block& b, std::uint64_t rip, std::uint64_t offset) {
    const std::uint64_t r = rip + offset;
    return b.mode & kMode64 ? r : static_cast<std::uint32_t>(r);
  }
  static std::uint64_t rip_behind(const Block& b, std::uint64_t rip, std::size_t n) {
    return n == b.ops.size() ? b.next_rip : rip_at(b, rip, b.ops[n].offset);
  }

  // Puts RIP where the outcome of record n of a block leaves it. rip: of the block (which may be invalid by now).
  void place_rip(const Block& b, std::uint64_t rip, std::size_t n, Outcome o) {
    if (o == Outcome::kFault && b.ops[n].seg == kSs) core_.stack_outcome(o);
    if (failed(o) || o == Outcome::kRepeat)
      core_.st.rip = rip_at(b, rip, b.ops[n].offset);
    else if (n + 1 != b.ops.size())
      core_.st.rip = rip_at(b, rip, b.ops[n + 1].offset);
  }

  // Executes blocks for a model that takes one cycle for each instruction.
  Outcome run_counted(Block* b) {
    Core& core = core_;
    for (;;) {
      const std::uint64_t rip = b->rip;
      std::size_t n = b->ops.size();
      const std::uint64_t room = std::min(until_ - core.now, core.instruction_limit - core.instructions);
      const Op* op = b->ops.data();
      const bool whole = n <= room;
      if (whole) [[likely]] {
        core.st.rip = b->next_rip;
      } else {
        n = static_cast<std::size_t>(room);
        core.st.rip = rip_at(*b, rip, op[n].offset);
      }
      const Op* const end = op + n;
      Outcome o;
      do {
        o = op->fn(core, *op);
        if (o != Outcome::kNext) [[unlikely]] {
          const auto done = static_cast<std::size_t>(op - b->ops.data());
          place_rip(*b, rip, done, o);
          const bool completed = !failed(o) && o != Outcome::kRepeat;
          core.instructions += done + completed;
          core.now += done + !failed(o);
          return o;
        }
      } while (++op != end);
      core.now += n;
      core.instructions += n;
      from_ = nullptr;
      if (!whole || budget_ended()) return Outcome::kNext;
      Block* const next = core.blocks.follow(*b, core.st.rip);
      if (!next) {
        from_ = b;
        return Outcome::kNext;
      }
      b = next;
    }
  }

  // Executes record n and reports it to the model. rip: of the block.
  Outcome execute(const Block& b, std::uint64_t rip, std::size_t n) {
    Core& core = core_;
    const Op& op = b.ops[n];
    core.access_count = 0;
    const Outcome o = op.fn(core, op);
    if (!failed(o)) [[likely]] {
      if constexpr (Timing::kCollectsAccesses) {
        const bool taken = n + 1 == b.ops.size() && o != Outcome::kRepeat && core.st.rip != b.next_rip;
        timing_.retire(b, op, b.timing[n], std::span<const MemAccess>(core.accesses, core.access_count), taken,
                       taken ? core.st.rip : b.next_rip);
        core.now = timing_.now();
      } else {
        ++core.now;
      }
      core.instructions += o != Outcome::kRepeat;
    }
    if (o != Outcome::kNext) [[unlikely]]
      place_rip(b, rip, n, o);
    return o;
  }

  Outcome run_timed(Block* b) {
    Core& core = core_;
    for (;;) {
      const std::uint64_t rip = b->rip;
      const std::size_t n = b->ops.size();
      timing_.begin_block(*b);
      core.now = timing_.now();
      from_ = nullptr;
      for (std::size_t i = 0; i != n; ++i) {
        if (i + 1 == n) core.st.rip = b->next_rip;
        const Outcome o = execute(*b, rip, i);
        if (o != Outcome::kNext) [[unlikely]]
          return o;
        if (budget_ended()) [[unlikely]] {
          if (i + 1 != n) core.st.rip = rip_behind(*b, rip, i + 1);
          return Outcome::kNext;
        }
      }
      Block* const next = core.blocks.follow(*b, core.st.rip);
      if (!next) {
        from_ = b;
        return Outcome::kNext;
      }
      b = next;
    }
  }

  std::uint64_t code_address(std::uint64_t rip) const {
    const ArchState& st = core_.st;
    return core_.mode & kMode64 ? rip : static_cast<std::uint32_t>(st.seg[kCs].base + rip);
  }
  Outcome debug_exception(std::uint64_t dr6) {
    core_.fault = Event{.vector = kDb, .dr6 = dr6};
    return Outcome::kFault;
  }

  // Executes the first record of a block, and what surrounds an instruction that runs alone: breakpoints, the end
  // of the shadow that it ran in, the single-step trap, the end of RF. A trap that MOV SS causes waits for the
  // instruction after it.
  Outcome step(const Block& b) {
    ArchState& st = core_.st;
    const std::uint64_t rip = b.rip, before = st.rflags;
    const bool sti = st.sti_shadow, mov_ss = st.mov_ss_shadow;
    const CostClass cost = b.timing[0].cost;
    const bool watched = isa::breakpoints_enabled(st);
    if (watched && !(before & kRf) && !mov_ss)
      if (const std::uint64_t hits = isa::instruction_breakpoints(st, code_address(rip))) {
        from_ = nullptr;
        return debug_exception(hits);
      }
    st.sti_shadow = st.mov_ss_shadow = false;
    timing_.begin_block(b);
    core_.now = timing_.now();
    from_ = nullptr;
    st.rip = rip_behind(b, rip, 1);
    core_.port_hits = 0;
    if (watched) core_.collect_accesses = true;
    const Outcome o = execute(b, rip, 0);
    core_.collect_accesses = Timing::kCollectsAccesses;
    if (failed(o)) {
      st.sti_shadow = sti;
      st.mov_ss_shadow = mov_ss;
      return o;
    }
    if ((before & kRf) && o != Outcome::kRepeat && cost != CostClass::kIret) st.rflags &= ~kRf;
    std::uint64_t dr6 = 0;
    if (watched)
      dr6 = core_.port_hits |
            isa::data_breakpoints(st, std::span<const MemAccess>(core_.accesses, core_.access_count));
    if (st.mov_ss_shadow) {
      if (dr6) core_.vmx.hold_breakpoints(dr6);
      return o;
    }
    // Entering a handler or the kernel clears TF before the trap would be taken.
    const bool enters = (cost == CostClass::kInterrupt || cost == CostClass::kSyscall) && !(st.rflags & kTf);
    constexpr std::uint64_t kBs = 1 << 14;
    if ((before & kTf) && !enters) dr6 |= kBs;
    return dr6 ? debug_exception(dr6) : o;
  }

  // An event was delivered: the accesses that it took are in the log.
  void event_delivered() {
    core_.st.sti_shadow = core_.st.mov_ss_shadow = false;
    timing_.deliver_event(std::span<const MemAccess>(core_.accesses, core_.access_count));
    core_.now = timing_.now();
  }

  // Commits an outcome other than kNext. false: the run ends for reason_.
  bool resolve(Outcome o) {
    if (o == Outcome::kFault) {
      core_.access_count = 0;
      o = core_.commit_fault();
      if (o == Outcome::kEndBlock) event_delivered();
    }
    switch (o) {
      case Outcome::kHalt:
        core_.st.activity = Activity::kHalted;
        return true;
      case Outcome::kVmExit:
        core_.now = std::max(core_.now, timing_.now());
        core_.vmx.commit_exit(!core_.native_root);
        reason_ = StopReason::kVmExit;
        return !core_.native_root;
      case Outcome::kWait:
        reason_ = StopReason::kWait;
        return false;
      case Outcome::kShutdown:
        core_.st.activity = Activity::kShutdown;
        reason_ = StopReason::kShutdown;
        return false;
      default:
        return true;
    }
  }

  Core& core_;
  Timing& timing_;
  const Cycles until_;
  Block* from_ = nullptr;  // ran to its end just now, and wants a link to what comes next
  StopReason reason_ = StopReason::kBudget;
};

template <class Timing>
StopReason run_loop(Core& core, Timing& timing, Cycles until) {
  return RunLoop<Timing>(core, timing, until).run();
}

}  // namespace xensim::cpu
