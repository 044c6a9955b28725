// cpu::TimingModel: what turns a stream of executed instructions into cycles. Semantics never know it: the core's
// run loop (models/cpu/run_loop.h) is a template over the model and reports to it after each instruction.
// `functional` is the smallest example.
//
// A model is a class with:
//
//   // The core is about to execute a block: charge the fetch of its first line. Called once per block execution.
//   void begin_block(const Block& block);
//   // One instruction has retired. op, t: the record and its timing side. accesses: the memory it touched, in
//   order.
//   // taken: a branch that went elsewhere than to the next instruction; target: where. May be called for a REP
//   // instruction once per part.
//   void retire(const Block& block, const Op& op, const OpTiming& t, std::span<const MemAccess> accesses, bool
//   taken,
//               std::uint64_t target);
//   // Local time if the pipeline were drained now: what RDTSC, VM exits, interrupts and the end of a quantum see.
//   Cycles now() const;
//   // Something outside moved local time forward (VM transition, hypervisor path, idle): the pipeline restarts at
//   t. void restart_at(Cycles t);
//   // false: the loop need not collect accesses (and never calls retire per instruction, but see kPerBlock).
//   static constexpr bool kCollectsAccesses;
//
// Mutation rules: a model charges every cycle by which it moves its time to the core's CPI stack; it may touch the
// caches (memory::Hierarchy) and the modelled TLBs (Tlb::touch), never architectural state.
#pragma once

#include <cstdint>
#include <span>

#include "models/cpu/block.h"
#include "models/cpu/timing/cpi_stack.h"

namespace xensim::cpu {

// One memory access of an instruction. size in bytes, ≤ 64 (REP parts: one entry per line touched).
struct MemAccess {
  std::uint64_t physical;
  std::uint64_t linear;
  std::uint8_t size;
  bool store;
};

// Which model a core runs; can change at a block boundary.
enum class TimingKind : std::uint8_t { kFunctional, kInorder };

}  // namespace xensim::cpu
