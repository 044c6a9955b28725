// The VMCS of a new vCPU: controls as Xen 4.17 sets them for an HVM or PVH guest with EPT, VPID and unrestricted
// guest (construct_vmcs in Xen's vmx/vmcs.c), and the state of a vCPU that waits for its start-up IPI.
#include "models/xen/domain/xstate.h"
#include "models/xen/hypervisor.h"
#include "sim/base/expects.h"

namespace xensim::xen {

using F = cpu::VmcsField;

namespace {

// What software wants, within what the processor allows (SDM 3, appendix A.3).
std::uint32_t adjust(const cpu::Vmx& vmx, std::uint32_t wanted, std::uint32_t capability_index) {
  std::uint64_t msr = 0;
  expects(vmx.capability_msr(capability_index, msr));
  return (wanted | static_cast<std::uint32_t>(msr)) & static_cast<std::uint32_t>(msr >> 32);
}

// MSRs that the guest may use without an exit, as in Xen.
constexpr std::uint32_t kPassThrough[] = {0xc0000100, 0xc0000101, 0xc0000102, 0x174, 0x175, 0x176, 0x277};

void pass_through(memory::PhysicalMemory& memory, PhysAddr bitmap, std::uint32_t msr) {
  const std::uint32_t index = msr & 0x1fff;
  for (const unsigned half : {0u, 2048u}) {
    const PhysAddr a = bitmap + half + (msr >= 0xc0000000 ? 1024 : 0) + index / 8;
    memory.write<std::uint8_t>(a, static_cast<std::uint8_t>(memory.read<std::uint8_t>(a) & ~(1u << (index % 8))));
  }
}

}  // namespace

void Hypervisor::init_vmcs(Vcpu& v) {
  Domain& d = v.domain;
  save_context(*active_);  // its VMCS stops being the current one
  cpu::Vmx& vmx = active_->pcpu->core.vmx;
  std::uint64_t basic = 0;
  expects(vmx.capability_msr(0x480, basic));
  memory.write<std::uint32_t>(v.vmcs, static_cast<std::uint32_t>(basic & 0x7fffffff));
  expects(vmx.vmclear(v.vmcs).ok());
  expects(vmx.vmptrld(v.vmcs).ok());

  const std::uint32_t pin = 1u << 0 | 1u << 3 | 1u << 5;
  const std::uint32_t primary =
      1u << 3 | 1u << 7 | 1u << 10 | 1u << 11 | 1u << 23 | 1u << 25 | 1u << 28 | 1u << 29 | 1u << 31;
  const std::uint32_t secondary =
      1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | (config.ple ? 1u << 10 : 0) | 1u << 12 | 1u << 20;
  vmx.write(F::kPinControls, adjust(vmx, pin, 0x48d));
  vmx.write(F::kPrimaryControls, adjust(vmx, primary, 0x48e));
  vmx.write(F::kSecondaryControls, adjust(vmx, secondary, 0x48b));
  vmx.write(F::kExitControls, adjust(vmx, 1u << 2 | 1u << 9 | 1u << 15 | 3u << 18 | 3u << 20, 0x48f));
  vmx.write(F::kEntryControls, adjust(vmx, 1u << 2 | 1u << 14 | 1u << 15, 0x490));
  vmx.write(F::kExceptionBitmap, 1u << cpu::kMcVec);
  vmx.write(F::kIoBitmapA, io_bitmaps_.value);
  vmx.write(F::kIoBitmapB, io_bitmaps_.value + kPageSize);
  vmx.write(F::kMsrBitmap, address_of(d.msr_bitmap).value);
  for (const std::uint32_t msr : kPassThrough) pass_through(memory, address_of(d.msr_bitmap), msr);
  vmx.write(F::kEptPointer, d.p2m->eptp());
  vmx.write(F::kVpid, v.vpid);
  vmx.write(F::kXssExitingBitmap, 0);
  vmx.write(F::kPleGap, config.ple_gap);
  vmx.write(F::kPleWindow, config.ple_window);
  v.tsc_offset = 0 - d.created_at;
  vmx.write(F::kTscOffset, v.tsc_offset);
  vmx.write(F::kVmcsLinkPointer, ~std::uint64_t{0});
  // The guest reads what it wrote; the processor needs CR0.NE and CR4.VMXE besides.
  vmx.write(F::kCr0Mask, ~std::uint64_t{0});
  vmx.write(F::kCr4Mask, cr4_host_mask(d));
  vmx.write(F::kGuestPat, 0x0007040600070406);
  v.context.st = cpu::ArchState{};
  v.context.st.msr.tsc_aux = 0;
  v.context.st.msr.xcr0 = xstate::loaded_xcr0(*this, v);
  expects(vmx.vmclear(v.vmcs).ok());
  v.vmcs_launched = false;
  v.vmcs_pcpu = -1;
}

// domain_cpu_policy_changed: which bits of CR4 a guest may change without a VM exit.
void Hypervisor::cpu_policy_changed(Domain& d) {
  for (const auto& v : d.vcpus) {
    load_context(*active_, *v);
    active_->pcpu->core.vmx.write(F::kCr4Mask, cr4_host_mask(d));
  }
  save_context(*active_);
}

std::uint64_t Hypervisor::cr4_guest_bits(const Domain& d) const {
  using namespace cpu;
  std::uint64_t bits =
      kCr4Vme | kCr4Pvi | kCr4Tsd | kCr4De | kCr4Pse | kCr4Pae | kCr4Pge | kCr4Pce | kCr4Osfxsr | kCr4Osxmmexcpt;
  if (d.cpuid.has_1_edx(7)) bits |= kCr4Mce;
  if (d.cpuid.has_7_ebx(0)) bits |= kCr4Fsgsbase;
  if (d.cpuid.has_1_ecx(17)) bits |= kCr4Pcide;
  if (d.cpuid.has_7_ebx(7)) bits |= kCr4Smep;
  if (d.cpuid.has_7_ebx(20)) bits |= kCr4Smap;
  if (d.cpuid.has_7_ecx(2)) bits |= kCr4Umip;
  if (d.cpuid.has_1_ecx(26)) bits |= kCr4Osxsave;
  if (d.cpuid.has_1_ecx(5)) bits |= kCr4Vmxe;
  return bits;
}

std::uint64_t Hypervisor::cr4_host_mask(const Domain& d) const {
  return cpu::kCr4Vmxe | cpu::kCr4Mce | ~cr4_guest_bits(d);
}

}  // namespace xensim::xen
