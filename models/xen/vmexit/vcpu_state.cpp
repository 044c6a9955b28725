// A vCPU's whole register state, taken together from the VMCS (which covers what a VM exit saves) and from what
// Xen saves beside it; and the way back.
#include "models/cpu/vmx/segment_fields.h"
#include "models/xen/domain/xstate.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

using F = cpu::VmcsField;

// Writes a whole vCPU state into its VMCS and context: the entry of a PVH domain, or the state after a start-up
// IPI.
void Hypervisor::set_vcpu_state(Vcpu& v, const cpu::ArchState& st) {
  load_context(*active_, v);
  cpu::Core& core = active_->pcpu->core;
  cpu::Vmx& vmx = core.vmx;
  core.st = st;
  core.st.msr.xcr0 = xstate::loaded_xcr0(*this, v);
  for (unsigned i = 0; i < 6; ++i) write_segment(vmx, cpu::kSegmentFields[i], st.seg[i]);
  write_segment(vmx, cpu::kLdtrFields, st.ldtr);
  write_segment(vmx, cpu::kTrFields, st.tr);
  vmx.write(F::kGuestGdtrBase, st.gdtr.base);
  vmx.write(F::kGuestGdtrLimit, st.gdtr.limit);
  vmx.write(F::kGuestIdtrBase, st.idtr.base);
  vmx.write(F::kGuestIdtrLimit, st.idtr.limit);
  vmx.write(F::kCr0Shadow, st.cr0);
  vmx.write(F::kGuestCr0, (st.cr0 & ~(cpu::kCr0Cd | cpu::kCr0Nw)) | cpu::kCr0Ne | cpu::kCr0Et);
  vmx.write(F::kGuestCr3, st.cr3);
  vmx.write(F::kCr4Shadow, st.cr4);
  vmx.write(F::kGuestCr4, st.cr4 | cpu::kCr4Vmxe);
  vmx.write(F::kGuestEfer, st.efer);
  // "IA-32e mode guest" must agree with EFER.LMA, or VM entry fails.
  constexpr std::uint64_t kIa32eGuest = 1u << 9;
  const std::uint64_t entry = vmx.read(F::kEntryControls);
  vmx.write(F::kEntryControls, st.long_mode_active() ? entry | kIa32eGuest : entry & ~kIa32eGuest);
  vmx.write(F::kGuestDr7, st.dr[7]);
  vmx.write(F::kGuestDebugctl, 0);
  vmx.write(F::kGuestPat, st.msr.pat);
  vmx.write(F::kGuestRip, st.rip);
  vmx.write(F::kGuestRsp, st.gpr[cpu::kRsp]);
  vmx.write(F::kGuestRflags, st.rflags);
  vmx.write(F::kGuestInterruptibility, 0);
  vmx.write(F::kGuestActivity, 0);
  vmx.write(F::kGuestPendingDebug, 0);
  vmx.write(F::kEntryInterruptionInfo, 0);
  vmx.write(F::kGuestSysenterCs, st.msr.sysenter_cs);
  vmx.write(F::kGuestSysenterEsp, st.msr.sysenter_esp);
  vmx.write(F::kGuestSysenterEip, st.msr.sysenter_eip);
  if ((st.cr0 & cpu::kCr0Pg) && (st.cr4 & cpu::kCr4Pae) && !st.long_mode_active()) load_pdptes(*active_, v);
  v.reinject_info = 0;
  v.inject.reset();
  save_context(*active_);
}

// The guest's view: CR0 and CR4 as it reads them.
cpu::ArchState Hypervisor::vcpu_state(Vcpu& v) {
  load_context(*active_, v);
  const cpu::Core& core = active_->pcpu->core;
  const cpu::Vmx& vmx = core.vmx;
  cpu::ArchState st = core.st;
  for (unsigned i = 0; i < 6; ++i) st.seg[i] = read_segment(vmx, cpu::kSegmentFields[i]);
  st.ldtr = read_segment(vmx, cpu::kLdtrFields);
  st.tr = read_segment(vmx, cpu::kTrFields);
  st.gdtr = {vmx.read(F::kGuestGdtrBase), static_cast<std::uint16_t>(vmx.read(F::kGuestGdtrLimit))};
  st.idtr = {vmx.read(F::kGuestIdtrBase), static_cast<std::uint16_t>(vmx.read(F::kGuestIdtrLimit))};
  st.cr0 = vmx.read(F::kCr0Shadow);
  st.cr3 = vmx.read(F::kGuestCr3);
  const std::uint64_t shadowed = vmx.read(F::kCr4Mask);
  st.cr4 = (vmx.read(F::kGuestCr4) & ~shadowed) | (vmx.read(F::kCr4Shadow) & shadowed);
  st.efer = vmx.read(F::kGuestEfer);
  st.dr[7] = vmx.read(F::kGuestDr7);
  st.msr.pat = vmx.read(F::kGuestPat);
  st.rip = vmx.read(F::kGuestRip);
  st.gpr[cpu::kRsp] = vmx.read(F::kGuestRsp);
  st.rflags = vmx.read(F::kGuestRflags);
  st.msr.sysenter_cs = vmx.read(F::kGuestSysenterCs);
  st.msr.sysenter_esp = vmx.read(F::kGuestSysenterEsp);
  st.msr.sysenter_eip = vmx.read(F::kGuestSysenterEip);
  save_context(*active_);
  return st;
}

void Hypervisor::restore_context(Vcpu& current) { load_context(*active_, current); }

// The guest reads that from its TSC now.
void Hypervisor::set_guest_tsc(Vcpu& v, std::uint64_t tsc) {
  load_context(*active_, v);
  v.tsc_offset = tsc - now();
  active_->pcpu->core.vmx.write(F::kTscOffset, v.tsc_offset);
  save_context(*active_);
}

// After INIT and a start-up IPI (SDM 3, table 9-1): real mode at vector:0000.
void Hypervisor::reset_vcpu_to_sipi(Vcpu& v, std::uint8_t vector) {
  cpu::ArchState st;
  for (auto& s : st.seg) s = {0, 0xffff, 0x93, 0};
  st.seg[cpu::kCs] = {std::uint64_t{vector} << 12, 0xffff, 0x9b, static_cast<std::uint16_t>(vector << 8)};
  st.tr = {0, 0xffff, 0x8b, 0};
  st.ldtr = {0, 0, 0x82, 0};
  st.cr0 = cpu::kCr0Et;
  st.rip = 0;
  st.msr.mtrr_def_type = 0x806;
  set_vcpu_state(v, st);
}

}  // namespace xensim::xen
