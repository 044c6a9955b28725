// VM exit (SDM 3, chapter 27): information fields, saving of guest state, MSR lists, loading of host state.
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/segment_fields.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

using F = VmcsField;

namespace {

std::uint32_t interruption_info(const Event& e) {
  return e.vector | static_cast<std::uint32_t>(e.type) << 8 | (e.has_error_code ? 1u << 11 : 0) | 1u << 31;
}

// 27.2.4: a VM exit that a double fault or triple fault causes directly does not occur during event delivery.
bool ends_delivery(const VmExitInfo& x) {
  if ((x.reason & 0xffff) == static_cast<std::uint32_t>(ExitReason::kTripleFault)) return true;
  return (x.reason & 0xffff) == static_cast<std::uint32_t>(ExitReason::kExceptionOrNmi) &&
         bits(x.interruption_info, 7, 0) == kDfVec;
}

// 27.3.3: does the saved RFLAGS have RF set? Faults that would be delivered through the IDT, and EPT exits outside
// event delivery, restart their instruction with RF.
bool saves_resume_flag(const VmExitInfo& x) {
  switch (static_cast<ExitReason>(x.reason & 0xffff)) {
    case ExitReason::kExceptionOrNmi: {
      const auto type = static_cast<EventType>(bits(x.interruption_info, 10, 8));
      const auto vector = static_cast<unsigned>(bits(x.interruption_info, 7, 0));
      return type == EventType::kHardwareException && vector != kDb && vector != kDfVec && vector != kMcVec;
    }
    case ExitReason::kEptViolation:
    case ExitReason::kEptMisconfiguration:
    case ExitReason::kPmlFull:
      return !bit(x.idt_vectoring_info, 31);
    default:
      return false;
  }
}

constexpr std::uint32_t kAbortMsrStore = 1, kAbortHostMsrLoad = 4;

Segment flat_segment(std::uint16_t selector, std::uint32_t attr) { return {0, 0xffffffff, attr, selector}; }

}  // namespace

void Vmx::commit_exit(bool load_host_state_area) {
  if (!non_root) return;  // a failed VM entry has been recorded already
  save_exit_information();
  save_guest_state();

  non_root = false;
  preemption_deadline = kNever;
  injected_.reset();
  pending_debug_ = 0;
  tpr_exit_pending_ = false;
  core_.delivering.reset();
  ArchState& st = core_.st;
  st.activity = Activity::kActive;
  st.sti_shadow = st.mov_ss_shadow = st.nmi_blocked = false;
  const bool stored = store_msrs();
  if (load_host_state_area) load_host_state();
  if (!stored) abort(kAbortMsrStore);
}

// 27.2
void Vmx::save_exit_information() {
  VmExitInfo& x = core_.vm_exit;
  const std::optional<Event>& delivering = injected_ ? injected_ : core_.delivering;
  x.idt_vectoring_info = x.idt_vectoring_error = 0;
  if (delivering && !ends_delivery(x)) {
    x.idt_vectoring_info = interruption_info(*delivering);
    if (delivering->has_error_code) x.idt_vectoring_error = delivering->error_code;
    if (delivering->type >= EventType::kSoftwareInterrupt) x.instruction_length = delivering->instruction_length;
  }
  vmcs_.write(F::kExitReason, x.reason);
  vmcs_.write(F::kExitQualification, x.qualification);
  vmcs_.write(F::kGuestLinearAddress, x.guest_linear);
  vmcs_.write(F::kGuestPhysicalAddress, x.guest_physical);
  vmcs_.write(F::kExitInterruptionInfo, x.interruption_info);
  vmcs_.write(F::kExitInterruptionError, x.interruption_error);
  vmcs_.write(F::kIdtVectoringInfo, x.idt_vectoring_info);
  vmcs_.write(F::kIdtVectoringError, x.idt_vectoring_error);
  vmcs_.write(F::kExitInstructionLength, x.instruction_length);
  vmcs_.write(F::kExitInstructionInfo, x.instruction_info);
  vmcs_.write(F::kEntryInterruptionInfo, vmcs_.read(F::kEntryInterruptionInfo) & ~(std::uint64_t{1} << 31));
}

// 27.3
void Vmx::save_guest_state() {
  const ArchState& st = core_.st;
  vmcs_.write(F::kGuestCr0, st.cr0);
  vmcs_.write(F::kGuestCr3, st.cr3);
  vmcs_.write(F::kGuestCr4, st.cr4);
  vmcs_.write(F::kGuestSysenterCs, st.msr.sysenter_cs);
  vmcs_.write(F::kGuestSysenterEsp, st.msr.sysenter_esp);
  vmcs_.write(F::kGuestSysenterEip, st.msr.sysenter_eip);
  if (controls.save_debug_controls()) {
    vmcs_.write(F::kGuestDr7, st.dr[7]);
    vmcs_.write(F::kGuestDebugctl, st.msr.debugctl);
  }
  if (controls.save_pat()) vmcs_.write(F::kGuestPat, st.msr.pat);
  if (controls.save_efer()) vmcs_.write(F::kGuestEfer, st.efer);

  for (unsigned i = 0; i < 6; ++i) write_segment(vmcs_, kSegmentFields[i], st.seg[i]);
  write_segment(vmcs_, kLdtrFields, st.ldtr);
  write_segment(vmcs_, kTrFields, st.tr);
  vmcs_.write(F::kGuestGdtrBase, st.gdtr.base);
  vmcs_.write(F::kGuestGdtrLimit, st.gdtr.limit);
  vmcs_.write(F::kGuestIdtrBase, st.idtr.base);
  vmcs_.write(F::kGuestIdtrLimit, st.idtr.limit);

  vmcs_.write(F::kGuestRip, st.rip);
  vmcs_.write(F::kGuestRsp, st.gpr[kRsp]);
  vmcs_.write(F::kGuestRflags, core_.rflags() | (saves_resume_flag(core_.vm_exit) ? kRf : 0));

  vmcs_.write(F::kGuestActivity, static_cast<std::uint64_t>(st.activity));
  vmcs_.write(F::kGuestInterruptibility,
              (st.sti_shadow ? 1u : 0) | (st.mov_ss_shadow ? 2u : 0) | (st.nmi_blocked ? 8u : 0));
  vmcs_.write(F::kGuestPendingDebug, pending_debug_);
  save_preemption_timer();
  if (controls.ept() && st.paging() && (st.cr4 & kCr4Pae) && !st.long_mode_active()) {
    vmcs_.write(F::kGuestPdpte0, st.pdpte[0]);
    vmcs_.write(F::kGuestPdpte1, st.pdpte[1]);
    vmcs_.write(F::kGuestPdpte2, st.pdpte[2]);
    vmcs_.write(F::kGuestPdpte3, st.pdpte[3]);
  }
  // IA32_VMX_MISC bit 5: the guest's mode goes to the entry controls, for the next entry.
  controls.entry = (controls.entry & ~(1u << 9)) | (st.long_mode_active() ? 1u << 9 : 0);
  vmcs_.write(F::kEntryControls, controls.entry);
}

void Vmx::save_preemption_timer() {
  if (!controls.save_preemption_timer()) return;
  using vmx_capability::kPreemptionTimerShift;
  const Cycles end = preemption_deadline >> kPreemptionTimerShift, now = core_.now >> kPreemptionTimerShift;
  vmcs_.write(F::kPreemptionTimer, end > now ? end - now : 0);
}

// 27.5 and 27.6
void Vmx::load_host_state() {
  ArchState& st = core_.st;
  const bool wide = controls.host_address_space_64();
  constexpr std::uint64_t kept = kCr0Et | kCr0Nw | kCr0Cd;
  st.cr0 = (vmcs_.read(F::kHostCr0) & ~kept) | (st.cr0 & kept);
  st.cr3 = vmcs_.read(F::kHostCr3);
  st.cr4 = vmcs_.read(F::kHostCr4) | (wide ? kCr4Pae : 0);
  if (!wide) st.cr4 &= ~kCr4Pcide;
  st.dr[7] = 0x400;
  st.msr.debugctl = 0;
  st.msr.sysenter_cs = vmcs_.read(F::kHostSysenterCs);
  st.msr.sysenter_esp = vmcs_.read(F::kHostSysenterEsp);
  st.msr.sysenter_eip = vmcs_.read(F::kHostSysenterEip);
  if (controls.load_host_pat()) st.msr.pat = vmcs_.read(F::kHostPat);
  if (controls.load_host_efer()) st.efer = vmcs_.read(F::kHostEfer);
  st.efer = (st.efer & ~(kEferLma | kEferLme)) | (wide ? kEferLma | kEferLme : 0);

  constexpr std::uint32_t data = 0xc093, unusable = 1u << 16;
  const auto load_data = [&](SegReg s, F selector) {
    const std::uint16_t value = vmcs_.read16(selector);
    st.seg[s] = flat_segment(value, value == 0 ? unusable : data);
  };
  st.seg[kCs] = flat_segment(vmcs_.read16(F::kHostCsSelector), wide ? 0xa09b : 0xc09b);
  load_data(kSs, F::kHostSsSelector);
  load_data(kDs, F::kHostDsSelector);
  load_data(kEs, F::kHostEsSelector);
  load_data(kFs, F::kHostFsSelector);
  load_data(kGs, F::kHostGsSelector);
  st.seg[kFs].base = vmcs_.read(F::kHostFsBase);
  st.seg[kGs].base = vmcs_.read(F::kHostGsBase);
  st.tr = {vmcs_.read(F::kHostTrBase), 0x67, 0x8b, vmcs_.read16(F::kHostTrSelector)};
  st.ldtr = {};
  st.gdtr = {vmcs_.read(F::kHostGdtrBase), 0xffff};
  st.idtr = {vmcs_.read(F::kHostIdtrBase), 0xffff};

  st.rip = vmcs_.read(F::kHostRip);
  st.gpr[kRsp] = vmcs_.read(F::kHostRsp);
  core_.set_rflags(2);
  if (st.paging() && (st.cr4 & kCr4Pae) && !wide) {
    const PhysAddr table(st.cr3 & 0xffffffe0);
    if (memory_.contains(table, sizeof st.pdpte)) st.pdpte = memory_.read<std::array<std::uint64_t, 4>>(table);
  }
  // An NMI that caused the exit blocks further ones until IRET.
  st.nmi_blocked = static_cast<ExitReason>(core_.vm_exit.reason & 0xffff) == ExitReason::kExceptionOrNmi &&
                   bits(core_.vm_exit.interruption_info, 10, 8) == static_cast<std::uint64_t>(EventType::kNmi);
  core_.update_mode();
  if (!controls.vpid()) core_.mmu.invvpid(1, 0, LinearAddr(0));
  core_.mmu.context_changed();
  if (load_msrs(F::kExitMsrLoadCount, F::kExitMsrLoadAddress) != 0) abort(kAbortHostMsrLoad);
}

// 27.7: a VMX abort says why in the VMCS region and shuts the processor down.
void Vmx::abort(std::uint32_t indicator) {
  vmcs_.set_abort(indicator);
  core_.st.activity = Activity::kShutdown;
}

}  // namespace xensim::cpu
