// VM entry (SDM 3, chapter 26): basic checks, controls, host state, guest state, loading, MSR list, event
// injection.
//
// The event that an entry injects is not delivered here: it waits in injected_, and Core::poll_events() delivers
// it before the guest's first instruction, so that the run loop meets its faults and VM exits where it meets all
// others.
//
// Checks whose inputs nothing wrote since they last passed are not repeated for the native hypervisor. A guest
// hypervisor's binary could have written to the VMCS region behind the unit's back, so for it everything is
// checked.
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/dirty.h"
#include "models/cpu/vmx/entry_checks.h"
#include "models/cpu/vmx/segment_fields.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

using F = VmcsField;

VmxResult Vmx::enter(bool launch, bool& entered) { return enter(launch, Root::kNative, entered); }

VmxResult Vmx::enter(bool launch, Root root, bool& entered) {
  entered = false;
  // 26.1
  if (!vmcs_.valid()) return fail(VmxError::kNone);
  if (root == Root::kBinary) {
    if (core_.st.mov_ss_shadow) return fail(VmxError::kEntryBlockedByMovSs);
    dirty_ = kDirtyAll;
  }
  if (launch && vmcs_.launched()) return fail(VmxError::kVmlaunchNonClear);
  if (!launch && !vmcs_.launched()) return fail(VmxError::kVmresumeNonLaunched);
  // 26.2
  if (dirty_ & kDirtyControls) {
    parse_controls();
    if (const VmxError e = check_controls(); e != VmxError::kNone) return fail(e);
  }
  if (!entry_checks::injected_event(vmcs_.read32(F::kEntryInterruptionInfo), vmcs_.read32(F::kEntryExceptionError),
                                    vmcs_.read32(F::kEntryInstructionLength), vmcs_.read(F::kGuestCr0)))
    return fail(VmxError::kEntryInvalidControls);
  if (root == Root::kBinary)  // nothing ever loads the native hypervisor's host state
    if (const VmxError e = check_host_state(); e != VmxError::kNone) return fail(e);
  // 26.3
  std::uint64_t qualification = 0;
  if (!check_guest_state(qualification)) {
    fail_entry(ExitReason::kEntryFailureGuestState, qualification);
    return {};
  }
  load_guest_state(root);
  // 26.4
  if (const unsigned bad = load_msrs(F::kEntryMsrLoadCount, F::kEntryMsrLoadAddress); bad != 0) {
    fail_entry(ExitReason::kEntryFailureMsrLoad, bad);
    return {};
  }
  if (launch) vmcs_.set_launched(true);
  dirty_ = 0;
  non_root = true;
  load_translation_context();
  load_non_register_state();
  load_injected_event();
  start_preemption_timer();
  entered = true;
  return {};
}

// 26.8: the host-state area is loaded by the caller, if it has one.
void Vmx::fail_entry(ExitReason reason, std::uint64_t qualification) {
  core_.vm_exit = {};
  core_.vm_exit.reason = static_cast<std::uint32_t>(reason) | 0x80000000u;
  core_.vm_exit.qualification = qualification;
  vmcs_.write(F::kExitReason, core_.vm_exit.reason);
  vmcs_.write(F::kExitQualification, qualification);
}

// 26.3.2
void Vmx::load_guest_state(Root root) {
  ArchState& st = core_.st;
  // The cache-control bits of CR0 stay as a host left them; the native hypervisor has none of its own.
  const std::uint64_t kept = root == Root::kBinary ? kCr0Nw | kCr0Cd : 0;
  st.cr0 = (vmcs_.read(F::kGuestCr0) & ~kept) | (st.cr0 & kept) | kCr0Et;
  st.cr3 = vmcs_.read(F::kGuestCr3);
  st.cr4 = vmcs_.read(F::kGuestCr4);
  if (controls.load_debug_controls()) {
    st.dr[7] = (vmcs_.read(F::kGuestDr7) & 0xffff2fff) | 0x400;
    st.msr.debugctl = vmcs_.read(F::kGuestDebugctl);
  }
  st.msr.sysenter_cs = vmcs_.read(F::kGuestSysenterCs);
  st.msr.sysenter_esp = vmcs_.read(F::kGuestSysenterEsp);
  st.msr.sysenter_eip = vmcs_.read(F::kGuestSysenterEip);
  if (controls.load_efer()) {
    st.efer = vmcs_.read(F::kGuestEfer);
  } else {
    st.efer &= ~kEferLma;
    if (st.cr0 & kCr0Pg) st.efer &= ~kEferLme;
    if (controls.ia32e_mode_guest()) st.efer |= kEferLma | kEferLme;
  }
  if (controls.load_pat()) st.msr.pat = vmcs_.read(F::kGuestPat);

  for (unsigned i = 0; i < 6; ++i) st.seg[i] = read_segment(vmcs_, kSegmentFields[i]);
  st.ldtr = read_segment(vmcs_, kLdtrFields);
  st.tr = read_segment(vmcs_, kTrFields);
  st.gdtr = {vmcs_.read(F::kGuestGdtrBase), static_cast<std::uint16_t>(vmcs_.read(F::kGuestGdtrLimit))};
  st.idtr = {vmcs_.read(F::kGuestIdtrBase), static_cast<std::uint16_t>(vmcs_.read(F::kGuestIdtrLimit))};

  st.rip = vmcs_.read(F::kGuestRip);
  st.gpr[kRsp] = vmcs_.read(F::kGuestRsp);
  core_.set_rflags(vmcs_.read(F::kGuestRflags));
  if (st.paging() && (st.cr4 & kCr4Pae) && !controls.ia32e_mode_guest()) read_pdptes(st.pdpte);
  core_.update_mode();
}

// 26.3.2.5 and 28.3.3: without VPID an entry drops what the TLBs hold for VPID 0. The MMU was left in the guest's
// context when the native hypervisor took over; if it is the same one now, nothing else happens.
void Vmx::load_translation_context() {
  if (!controls.vpid()) core_.mmu.invvpid(1, 0, LinearAddr(0));
  core_.mmu.context_changed();
}

// 26.6: interruptibility, activity, pending debug exceptions.
void Vmx::load_non_register_state() {
  ArchState& st = core_.st;
  const std::uint32_t blocking = vmcs_.read32(F::kGuestInterruptibility);
  st.sti_shadow = bit(blocking, 0);
  st.mov_ss_shadow = bit(blocking, 1);
  st.nmi_blocked = bit(blocking, 3);
  st.activity = static_cast<Activity>(vmcs_.read32(F::kGuestActivity));
  core_.delivering.reset();
  pause_first_ = pause_last_ = kNever;
  tpr_exit_pending_ = controls.tpr_shadow() && tpr_below_threshold();  // 26.7.7

  // 26.7.3: when an entry that injects an event loses pending debug exceptions.
  pending_debug_ = vmcs_.read(F::kGuestPendingDebug);
  const std::uint32_t info = vmcs_.read32(F::kEntryInterruptionInfo);
  if (bit(info, 31)) {
    const auto type = static_cast<EventType>(bits(info, 10, 8));
    const bool software = type == EventType::kSoftwareInterrupt || type == EventType::kSoftwareException;
    if (!software || !st.mov_ss_shadow) pending_debug_ = 0;
  } else if (st.activity == Activity::kShutdown || st.activity == Activity::kWaitForSipi) {
    pending_debug_ = 0;
  }
}

// 26.6.1
void Vmx::load_injected_event() {
  injected_.reset();
  const std::uint32_t info = vmcs_.read32(F::kEntryInterruptionInfo);
  if (!bit(info, 31)) return;
  Event e;
  e.vector = static_cast<std::uint8_t>(bits(info, 7, 0));
  e.type = static_cast<EventType>(bits(info, 10, 8));
  e.has_error_code = bit(info, 11);
  if (e.has_error_code) e.error_code = vmcs_.read32(F::kEntryExceptionError);
  if (e.type >= EventType::kSoftwareInterrupt)
    e.instruction_length = static_cast<std::uint8_t>(vmcs_.read32(F::kEntryInstructionLength));
  injected_ = e;
}

// 26.7.4
void Vmx::start_preemption_timer() {
  using vmx_capability::kPreemptionTimerShift;
  preemption_deadline = kNever;
  if (controls.preemption_timer())
    preemption_deadline = ((core_.now >> kPreemptionTimerShift) + vmcs_.read32(F::kPreemptionTimer))
                          << kPreemptionTimerShift;
}

}  // namespace xensim::cpu
