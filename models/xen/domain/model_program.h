// ModelProgram: software of a domain as a state machine instead of a binary. The vCPU that runs it is scheduled
// like any other; the program says, one action at a time, what it spends the vCPU's time on. Its state is plain
// data in its members: nothing lives on a stack between two calls. models/dom0/spinner.h is the smallest example.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/base/types.h"

namespace xensim::xen {

struct Vcpu;

struct ModelAction {
  enum class Kind : std::uint8_t {
    kSpend,      // compute for `cycles` (interruptible: the hypervisor may preempt in the middle)
    kHypercall,  // spend the cost of a hypercall; what it does, the program has done in next()
    kBlock,      // SCHEDOP_block until an event arrives or `deadline` (kNever: no time-out) is reached
    kYield,      // SCHEDOP_yield
    kExit,       // the program ends; a vCPU whose programs have all ended blocks for ever
  };
  Kind kind = Kind::kBlock;
  Cycles cycles = 0;
  Cycles deadline = kNever;
  std::vector<PhysAddr> touches;  // cache lines read on the way

  static ModelAction spend(Cycles n) { return {Kind::kSpend, n, kNever, {}}; }
  static ModelAction hypercall() { return {Kind::kHypercall, 0, kNever, {}}; }
  static ModelAction block(Cycles until = kNever) { return {Kind::kBlock, 0, until, {}}; }
  static ModelAction yield() { return {Kind::kYield, 0, kNever, {}}; }
  static ModelAction exit() { return {Kind::kExit, 0, kNever, {}}; }
};

class ModelProgram {
 public:
  virtual ~ModelProgram() = default;
  virtual std::string_view name() const = 0;
  // Called when the previous action is complete. now: the pCPU's local time. Events: the program looks at its own
  // ports (Hypervisor::model_take_event); a spurious wake is legal. May change the simulated machine through the
  // hypervisor, at this point in time.
  virtual ModelAction next(Vcpu& vcpu, Cycles now) = 0;
};

}  // namespace xensim::xen
