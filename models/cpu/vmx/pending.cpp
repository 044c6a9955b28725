// What happens between two instructions (SDM 3, 6.9, 25.2, 25.3, 26.7): the event that VM entry injects, debug
// exceptions, the preemption timer, NMIs and interrupts and their windows, in the order of their priority.
#include "models/cpu/core.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

Outcome Core::poll_events() { return vmx.non_root ? vmx.poll_non_root() : vmx.poll_root(); }

// Delivers an event that no instruction raised, and what follows if that fails.
Outcome Vmx::deliver_pending(const Event& event) {
  const Outcome o = core_.deliver(event);
  return o == Outcome::kFault ? core_.commit_fault() : o;
}

// Bits 12 (an enabled breakpoint) and 14 (single step) of the VMCS field say that there is something to deliver.
bool Vmx::debug_exception_pending() const {
  return (pending_debug_ & 0x5000) && !core_.st.mov_ss_shadow && core_.st.activity <= Activity::kHalted;
}

Outcome Vmx::deliver_debug_exception() {
  core_.raise(kDb);
  core_.fault.dr6 = pending_debug_ & 0x400f;
  pending_debug_ = 0;
  return core_.commit_fault();
}

Outcome Vmx::poll_root() {
  ArchState& st = core_.st;
  if (st.activity > Activity::kHalted) return Outcome::kNext;
  if (debug_exception_pending()) [[unlikely]]
    return deliver_debug_exception();
  if (core_.nmi_pending && !st.nmi_blocked && !st.mov_ss_shadow) {
    core_.nmi_pending = false;
    st.nmi_blocked = true;
    return deliver_pending({.vector = kNmi, .type = EventType::kNmi});
  }
  if ((st.rflags & kIf) && !st.sti_shadow && !st.mov_ss_shadow && core_.environment.interrupt_pending())
    return deliver_pending(
        {.vector = core_.environment.interrupt_acknowledge(), .type = EventType::kExternalInterrupt});
  return Outcome::kNext;
}

Outcome Vmx::exit_with_interruption(ExitReason reason, std::uint32_t info) {
  exit(reason, 0);
  core_.vm_exit.interruption_info = info;
  return Outcome::kVmExit;
}

Outcome Vmx::poll_non_root() {
  ArchState& st = core_.st;
  if (injected_) [[unlikely]] {
    Event event = *injected_;
    injected_.reset();
    event.cr2 = st.cr2;  // an injected #PF leaves CR2 as the hypervisor set it
    if (event.type == EventType::kNmi) st.nmi_blocked = true;  // even if its delivery fails
    return deliver_pending(event);
  }
  if (tpr_exit_pending_) [[unlikely]]
    return exit(ExitReason::kTprBelowThreshold, 0);
  const bool awake = st.activity <= Activity::kHalted;
  if (debug_exception_pending()) [[unlikely]]
    return deliver_debug_exception();
  if (core_.now >= preemption_deadline && st.activity != Activity::kWaitForSipi)
    return exit(ExitReason::kPreemptionTimer, 0);
  if (st.activity == Activity::kWaitForSipi) return Outcome::kNext;

  if (controls.nmi_window_exiting() && !st.nmi_blocked && !st.mov_ss_shadow)
    return exit(ExitReason::kNmiWindow, 0);
  if (core_.nmi_pending && !st.mov_ss_shadow) {
    if (controls.nmi_exiting()) {
      if (controls.virtual_nmis() || !st.nmi_blocked) {
        core_.nmi_pending = false;
        return exit_with_interruption(ExitReason::kExceptionOrNmi, 1u << 31 | 2u << 8 | kNmi);
      }
    } else if (!st.nmi_blocked) {
      core_.nmi_pending = false;
      st.nmi_blocked = true;
      return deliver_pending({.vector = kNmi, .type = EventType::kNmi});
    }
  }

  const bool shadow = st.sti_shadow || st.mov_ss_shadow;
  const bool window = (st.rflags & kIf) && !shadow;
  if (controls.interrupt_window_exiting() && window && awake) return exit(ExitReason::kInterruptWindow, 0);
  if (shadow || !core_.environment.interrupt_pending()) return Outcome::kNext;
  if (controls.external_interrupt_exiting()) {
    std::uint32_t info = 0;
    if (controls.acknowledge_interrupt_on_exit()) info = 1u << 31 | core_.environment.interrupt_acknowledge();
    return exit_with_interruption(ExitReason::kExternalInterrupt, info);
  }
  if (!window || !awake) return Outcome::kNext;
  return deliver_pending(
      {.vector = core_.environment.interrupt_acknowledge(), .type = EventType::kExternalInterrupt});
}

}  // namespace xensim::cpu
