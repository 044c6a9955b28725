// Halting a run for somebody to look at it: the prompt of `xensim shell`. The simulation waits inside the call of
// on_halt(), wherever it is at the moment, and goes on from there: a run that was halted gives the same bytes as
// one that was not.
//
// A time is seen at the first quantum of any pCPU that begins at it or later, so other pCPUs may be up to a
// quantum ahead. Instructions are exact. An exit, a switch, an event halts right when it happens.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "models/xen/hypervisor.h"
#include "sim/base/types.h"

namespace xensim::machine {

struct Watch {
  // When to halt. on_halt() sets them for the stretch that follows.
  Cycles time = kNever;
  std::uint64_t instructions = ~std::uint64_t{0};  // of all pCPUs together, from the start of the run
  bool vm_exit = false, context_switch = false, event = false;
  std::optional<domid_t> domid;  // only of this domain
  std::string now;               // not empty: at the next opportunity, and why

  // why: "time", "VM exit", …; v: whose, if anybody's. Leaves by an exception to end the run.
  std::function<void(const std::string& why, const xen::Vcpu* v)> on_halt;

  void clear() {
    time = kNever;
    instructions = ~std::uint64_t{0};
    vm_exit = context_switch = event = false;
    now.clear();
    domid.reset();
  }
  void halt(const std::string& why, const xen::Vcpu* v) {
    clear();
    if (on_halt) on_halt(why, v);
  }
  void happened(xen::Hypervisor::Happening what, const xen::Vcpu& v) {
    using Happening = xen::Hypervisor::Happening;
    if (domid && v.domain.domid != *domid) return;
    if (what == Happening::kVmExit && vm_exit) halt("VM exit", &v);
    if (what == Happening::kContextSwitch && context_switch) halt("context switch", &v);
    if (what == Happening::kEvent && event) halt("event", &v);
  }
};

}  // namespace xensim::machine
