// RDMSR and WRMSR exits (guest_rdmsr and guest_wrmsr in Xen's arch/x86/msr.c, hvm_msr_*_intercept).
#include "models/cpu/isa/msr.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

using F = cpu::VmcsField;

namespace {

constexpr std::uint32_t kXenHypercallPage = 0x40000000, kXenHypercallPageBehindViridian = 0x40000200;
constexpr std::uint32_t kXsaves = 1 << 3;  // CPUID leaf 0xd, subleaf 1, EAX

// #GP unless bits 63:48 repeat bit 47.
bool canonical(std::uint64_t a) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(a << 16) >> 16) == a;
}

bool apic_msr(std::uint32_t msr) { return msr == 0x1b || msr == 0x6e0 || (msr >= 0x800 && msr <= 0x83f); }

bool valid_memory_type(std::uint64_t t) { return t == 0 || t == 1 || (t >= 4 && t <= 7); }

// Fixed-range MTRRs by number, in the order of Msrs::mtrr_fixed.
int fixed_mtrr(std::uint32_t msr) {
  if (msr == 0x250) return 0;
  if (msr == 0x258 || msr == 0x259) return static_cast<int>(msr - 0x258 + 1);
  if (msr >= 0x268 && msr <= 0x26f) return static_cast<int>(msr - 0x268 + 3);
  return -1;
}

}  // namespace

bool Hypervisor::guest_rdmsr(Vcpu& v, std::uint32_t msr, std::uint64_t& value) {
  const cpu::Core& core = active_->pcpu->core;
  const cpu::Msrs& m = core.st.msr;
  if (apic_msr(msr)) return v.vlapic.msr_read(msr, guest_tsc(v, now()), value);
  if (const auto known = v.vmce.read(msr, value)) return *known;
  if (const int i = fixed_mtrr(msr); i >= 0) {
    value = m.mtrr_fixed[static_cast<unsigned>(i)];
    return true;
  }
  if (msr >= 0x200 && msr <= 0x20f) {
    value = m.mtrr_variable[msr - 0x200];
    return true;
  }
  if (msr >= 0x480 && msr <= 0x491) return hvm::read_vmx_msr(*this, v, msr, value);
  if (hvm::viridian_msr(msr) && hvm::viridian_enabled(v.domain))
    return hvm::read_viridian_msr(*this, v, msr, value);
  switch (msr) {
    case 0x10:
      value = guest_tsc(v, now());
      return true;
    case 0x17:
      value = 0;
      return true;  // PLATFORM_ID
    case 0x3a:
      value = v.domain.nested_virt ? 5 : 1;
      return true;  // FEATURE_CONTROL, locked; VMX outside SMX
    case 0x3b:
      value = v.tsc_adjust;
      return v.domain.cpuid.has_7_ebx(1);
    case 0x8b:   // BIOS_SIGN_ID
    case 0xce:   // PLATFORM_INFO: no CPUID faulting
    case 0x140:  // MISC_FEATURES_ENABLES
      value = 0;
      return true;
    case 0x10a:
      value = cpu::isa::kArchCapabilities;
      return v.domain.cpuid.has_7_edx(29);
    case 0xfe:
      value = kMtrrCap;
      return true;  // MTRRcap: 8 variable, fixed, WC
    case 0x1a0:
      value = m.misc_enable;
      return true;
    case 0x1d9:
      value = core.vmx.read(F::kGuestDebugctl);
      return true;
    case 0x277:
      value = core.vmx.read(F::kGuestPat);
      return true;
    case 0x2ff:
      value = m.mtrr_def_type;
      return true;
    case 0xda0:
      value = m.xss;
      return v.domain.cpuid.query(0xd, 1).eax & kXsaves;
    case 0xc0000080:
      value = core.vmx.read(F::kGuestEfer);
      return true;
    case 0xc0000081:
      value = m.star;
      return true;
    case 0xc0000082:
      value = m.lstar;
      return true;
    case 0xc0000083:
      value = m.cstar;
      return true;
    case 0xc0000084:
      value = m.fmask;
      return true;
    case 0xc0000100:
      value = core.vmx.read(F::kGuestFsBase);
      return true;
    case 0xc0000101:
      value = core.vmx.read(F::kGuestGsBase);
      return true;
    case 0xc0000102:
      value = m.kernel_gs_base;
      return true;
    case 0xc0000103:
      value = m.tsc_aux;
      return v.domain.cpuid.has_80000001_edx(27);
    case 0x174:
      value = core.vmx.read(F::kGuestSysenterCs);
      return true;
    case 0x175:
      value = core.vmx.read(F::kGuestSysenterEsp);
      return true;
    case 0x176:
      value = core.vmx.read(F::kGuestSysenterEip);
      return true;
    case kXenHypercallPage:
    case kXenHypercallPageBehindViridian:
      value = 0;
      return true;
    default:
      return false;
  }
}

bool Hypervisor::guest_wrmsr(Vcpu& v, std::uint32_t msr, std::uint64_t value) {
  cpu::Core& core = active_->pcpu->core;
  cpu::Msrs& m = core.st.msr;
  if (apic_msr(msr)) {
    if (!v.vlapic.msr_write(msr, value, guest_tsc(v, now()))) return false;
    vlapic_written(v, msr - 0x800);
    return true;
  }
  if (const auto known = v.vmce.write(msr, value)) return *known;
  if (hvm::viridian_msr(msr) && hvm::viridian_enabled(v.domain))
    return hvm::write_viridian_msr(*this, v, msr, value);
  if (const int i = fixed_mtrr(msr); i >= 0) {
    for (unsigned b = 0; b < 8; ++b)
      if (!valid_memory_type(value >> (8 * b) & 0xff) || (value >> (8 * b) & 0xff) == 7) return false;
    m.mtrr_fixed[static_cast<unsigned>(i)] = value;
    return true;
  }
  if (msr >= 0x200 && msr <= 0x20f) {
    if (value >> core.config.physical_bits) return false;
    m.mtrr_variable[msr - 0x200] = value;
    return true;
  }
  switch (msr) {
    case 0x10: {
      const std::uint64_t delta = value - guest_tsc(v, now());
      v.tsc_offset += delta;
      v.tsc_adjust += delta;
      core.vmx.write(F::kTscOffset, v.tsc_offset);
      arm_vlapic_timer(v);
      return true;
    }
    case 0x3b:
      if (!v.domain.cpuid.has_7_ebx(1)) return false;
      v.tsc_offset += value - v.tsc_adjust;
      v.tsc_adjust = value;
      core.vmx.write(F::kTscOffset, v.tsc_offset);
      arm_vlapic_timer(v);
      return true;
    case 0x8b:
      return true;
    case 0x140:
      return value == 0;
    case 0x1a0:
      return true;  // Xen drops writes to MISC_ENABLE
    case 0x1d9:
      if (value & ~std::uint64_t{3}) return false;
      core.vmx.write(F::kGuestDebugctl, value);
      return true;
    case 0x277:
      for (unsigned b = 0; b < 8; ++b)
        if (!valid_memory_type(value >> (8 * b) & 0xff)) return false;
      core.vmx.write(F::kGuestPat, value);
      return true;
    case 0x2ff:
      if (value & ~std::uint64_t{0xcff}) return false;
      m.mtrr_def_type = value;
      return true;
    case 0xda0:  // no guest may have supervisor state
      return (v.domain.cpuid.query(0xd, 1).eax & kXsaves) && value == 0;
    case 0xc0000080: {
      const std::uint64_t old = core.vmx.read(F::kGuestEfer);
      const std::uint64_t allowed = cpu::kEferSce | cpu::kEferLme | cpu::kEferLma | cpu::kEferNxe;
      if (value & ~allowed) return false;
      if (((value ^ old) & cpu::kEferLme) && (core.vmx.read(F::kGuestCr0) & cpu::kCr0Pg)) return false;
      const std::uint64_t next = (value & ~cpu::kEferLma) | (old & cpu::kEferLma);
      core.vmx.write(F::kGuestEfer, next);
      core.st.efer = next;
      return true;
    }
    case 0xc0000081:
      m.star = value;
      return true;
    case 0xc0000082:
      return canonical(value) && (m.lstar = value, true);
    case 0xc0000083:
      return canonical(value) && (m.cstar = value, true);
    case 0xc0000084:
      return (value >> 32) == 0 && (m.fmask = value, true);
    case 0xc0000100:
      return canonical(value) && (core.vmx.write(F::kGuestFsBase, value), true);
    case 0xc0000101:
      return canonical(value) && (core.vmx.write(F::kGuestGsBase, value), true);
    case 0xc0000102:
      return canonical(value) && (m.kernel_gs_base = value, true);
    case 0xc0000103:
      if (!v.domain.cpuid.has_80000001_edx(27) || value >> 32) return false;
      m.tsc_aux = value;
      return true;
    case kXenHypercallPage:
    case kXenHypercallPageBehindViridian:
      return write_hypercall_page(v, value);
    default:
      return false;
  }
}

// The timer may have changed. And an upcall that came before the APIC was enabled comes now; again with every
// write to the SVR that leaves it enabled.
void Hypervisor::vlapic_written(Vcpu& v, std::uint32_t reg) {
  constexpr std::uint32_t kSpuriousVector = 0xf;
  arm_vlapic_timer(v);
  if (reg == kSpuriousVector && v.upcall_vector != 0 && upcall_pending(v)) vlapic_accept(v, v.upcall_vector);
}

// Bits 63:12 of the value name the frame, bits 11:0 the page's index (one page: 0). Slot n of the page calls
// hypercall n.
void Hypervisor::fill_hypercall_page(PhysAddr to) {
  std::array<std::uint8_t, kPageSize> page;
  page.fill(0xcc);
  for (std::uint32_t n = 0; n < kPageSize / 32; ++n) {
    std::uint8_t* slot = &page[32 * n];
    if (n == __HYPERVISOR_iret) {
      slot[0] = 0x0f, slot[1] = 0x0b;  // ud2
      continue;
    }
    slot[0] = 0xb8;  // mov $n, %eax
    for (unsigned b = 0; b < 4; ++b) slot[1 + b] = static_cast<std::uint8_t>(n >> (8 * b));
    slot[5] = 0x0f, slot[6] = 0x01, slot[7] = 0xc1;  // vmcall
    slot[8] = 0xc3;                                  // ret
  }
  memory.write_bytes(to, page);
}

bool Hypervisor::write_hypercall_page(Vcpu& v, std::uint64_t value) {
  if ((value & kPageMask) != 0) return false;
  const auto frame = ram_frame(v.domain, value >> kPageShift);
  if (!frame) return false;
  fill_hypercall_page(address_of(*frame));
  latch_guest_width(v);
  return true;
}

void Hypervisor::exit_rdmsr(PcpuState& c, Vcpu& v) {
  cpu::Core& core = c.pcpu->core;
  const auto msr = static_cast<std::uint32_t>(core.st.gpr[cpu::kRcx]);
  std::uint64_t value = 0;
  cost.charge(*c.pcpu, Path::kMsrRead);
  const bool ok = guest_rdmsr(v, msr, value);
  tracer.msr_read(c.pcpu->index, msr, value);
  if (!ok) {
    inject_exception(v, cpu::kGp, 0);
    return;
  }
  core.st.gpr[cpu::kRax] = static_cast<std::uint32_t>(value);
  core.st.gpr[cpu::kRdx] = value >> 32;
  advance_rip(c);
}

void Hypervisor::exit_wrmsr(PcpuState& c, Vcpu& v) {
  cpu::Core& core = c.pcpu->core;
  const auto msr = static_cast<std::uint32_t>(core.st.gpr[cpu::kRcx]);
  const std::uint64_t value = core.st.gpr[cpu::kRdx] << 32 | static_cast<std::uint32_t>(core.st.gpr[cpu::kRax]);
  cost.charge(*c.pcpu, Path::kMsrWrite);
  tracer.msr_write(c.pcpu->index, msr, value);
  if (!guest_wrmsr(v, msr, value)) {
    inject_exception(v, cpu::kGp, 0);
    return;
  }
  advance_rip(c);
}

}  // namespace xensim::xen
