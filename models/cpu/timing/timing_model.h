// cpu::TimingModel: what turns a stream of executed instructions into cycles. Semantics never know it: the core's
// run loop (models/cpu/run_loop.h) is a template over the model and reports to it after each instruction.
// `functional` is the smallest example. The concept TimingModel (timing_concept.h) has the signatures; they mean:
//
//   begin_block(block)      The core is about to execute a block: charge the fetch of its first line. Called once
//                           per execution of a block.
//
//   retire(block, op, t, accesses, taken, target)
//                           One instruction has retired. op, t: the record and its timing side. accesses: the
//                           memory it touched, in order. taken: a branch that went elsewhere than to the next
//                           instruction; target: where. Called for each part of a REP instruction. Only of models
//                           that collect accesses; for the others the loop moves Core::now by the block.
//
//   deliver_event(accesses) An interrupt or exception was delivered with these accesses (IDT, stack, TSS).
//
//   now()                   Local time if the pipeline were drained now: what RDTSC, VM exits, interrupts and the
//                           end of a quantum see.
//   restart_at(t)           Something outside moved local time forward (VM transition, hypervisor path, idle): the
//                           pipeline restarts at t.
//   kCollectsAccesses       false: the loop need not collect accesses, and never calls retire(). Such a model has
//                           settle(), which charges what the loop has added to Core::now since the last call.
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
