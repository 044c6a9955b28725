// What Xen does on each VM exit. Exit by exit the behaviour of vmx_vmexit_handler (Xen 4.17): instructions are
// emulated against the guest's state, which the core still holds where the VMCS does not cover it.
#include "models/cpu/xstate.h"
#include "models/xen/domain/xstate.h"
#include "models/xen/hvm/platform.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/nested_page_fault.h"
#include "models/xen/vmexit/task_switch.h"

namespace xensim::xen {

using F = cpu::VmcsField;
using R = cpu::ExitReason;

// CPUID leaves above this one Xen 4.17 does not know, and hides from guests (CPUID_GUEST_NR_BASIC).
constexpr std::uint32_t kLastGuestLeaf = 0xd;

void Hypervisor::advance_rip(PcpuState& c) {
  cpu::Vmx& vmx = c.pcpu->core.vmx;
  vmx.write(F::kGuestRip, vmx.read(F::kGuestRip) + c.pcpu->core.vm_exit.instruction_length);
  const std::uint64_t shadow = vmx.read(F::kGuestInterruptibility);
  if (shadow & 3) vmx.write(F::kGuestInterruptibility, shadow & ~std::uint64_t{3});
  const std::uint64_t rflags = vmx.read(F::kGuestRflags);
  if (rflags & cpu::kRf) vmx.write(F::kGuestRflags, rflags & ~cpu::kRf);
  if (rflags & cpu::kTf) inject_exception(*c.current, cpu::kDb);
}

void Hypervisor::handle_exit(PcpuState& c, Vcpu& v) {
  cpu::Pcpu& p = *c.pcpu;
  const cpu::VmExitInfo x = p.core.vm_exit;
  const auto reason = static_cast<R>(x.reason & 0xffff);
  cost.charge_vm_exit(p);
  tracer.vmexit(p.index, now(), x.reason & 0xffff, p.core.vmx.read(F::kGuestRip));
  v.open_exit = static_cast<int>(std::min<std::uint32_t>(x.reason & 0xffff, 64));
  cost.charge(p, Path::kVmExitCommon);
  event::lower_callback_line(*this, v.domain);
  // An event whose delivery this exit interrupted goes in again, unless a handler puts something in its place.
  if (x.idt_vectoring_info >> 31) {
    v.reinject_info = x.idt_vectoring_info;
    v.reinject_error = x.idt_vectoring_error;
    v.reinject_length = x.instruction_length;
  }
  switch (reason) {
    case R::kExternalInterrupt: {
      const auto vector = static_cast<std::uint8_t>(x.interruption_info);
      tracer.intr(p.index, vector);
      cost.charge(p, Path::kExternalInterrupt);
      handle_host_vector(c, vector);
      break;
    }
    case R::kExceptionOrNmi: {
      cost.charge(p, Path::kException);
      const auto vector = static_cast<std::uint8_t>(x.interruption_info);
      if ((x.interruption_info >> 8 & 7) == 2) {
        tracer.nmi(p.index);
        break;
      }
      tracer.trap(p.index, vector);
      inject_exception(v, vector,
                       x.interruption_info >> 11 & 1 ? std::optional(x.interruption_error) : std::nullopt,
                       x.qualification);
      break;
    }
    case R::kTripleFault:
      triple_fault(v);
      break;
    case R::kInterruptWindow:
      cost.charge(p, Path::kInterruptWindow);
      p.core.vmx.write(F::kPrimaryControls, p.core.vmx.read(F::kPrimaryControls) & ~(std::uint64_t{1} << 2));
      break;
    case R::kNmiWindow:
      cost.charge(p, Path::kInterruptWindow);
      p.core.vmx.write(F::kPrimaryControls, p.core.vmx.read(F::kPrimaryControls) & ~(std::uint64_t{1} << 22));
      break;
    case R::kCpuid:
      exit_cpuid(c, v);
      break;
    case R::kHlt:
      exit_hlt(c, v);
      break;
    case R::kPause:
      // Xen yields on a PAUSE-loop exit.
      cost.charge(p, Path::kPause);
      advance_rip(c);
      yield(v);
      break;
    case R::kInvd:
    case R::kWbinvd:
      cost.charge(p, Path::kXsetbv);
      advance_rip(c);
      break;
    case R::kVmcall:
      advance_rip(c);
      hypercall(v);
      break;
    case R::kCrAccess:
      exit_cr_access(c, v);
      break;
    case R::kMovDr:
      // First use: the guest gets the debug registers, and further accesses do not exit.
      cost.charge(p, Path::kDrAccess);
      if (x.qualification >> 4 & 1)
        tracer.dr_read(p.index);
      else
        tracer.dr_write(p.index);
      p.core.vmx.write(F::kPrimaryControls, p.core.vmx.read(F::kPrimaryControls) & ~(std::uint64_t{1} << 23));
      break;
    case R::kIo:
      exit_io(c, v);
      break;
    case R::kRdmsr:
      exit_rdmsr(c, v);
      break;
    case R::kWrmsr:
      exit_wrmsr(c, v);
      break;
    case R::kEptViolation:
      exit_ept_violation(c, v);
      break;
    case R::kRdpmc:
      inject_exception(v, cpu::kGp, 0);
      break;
    case R::kVmclear:
    case R::kVmlaunch:
    case R::kVmptrld:
    case R::kVmptrst:
    case R::kVmread:
    case R::kVmresume:
    case R::kVmwrite:
    case R::kVmxoff:
    case R::kVmxon:
    case R::kInvept:
    case R::kInvvpid:
      hvm::handle_vmx_instruction(*this, v, reason);
      break;
    case R::kMonitor:
    case R::kMwait:
    case R::kVmfunc:
      inject_exception(v, cpu::kUd);
      break;
    case R::kXsetbv:
      exit_xsetbv(c, v);
      break;
    case R::kPmlFull:
      cost.charge(p, Path::kPmlFull);
      v.domain.log_dirty->drain(v);
      break;
    case R::kEptMisconfiguration:
      if (handle_misconfiguration(*this, v, Gfn(x.guest_physical >> kPageShift))) break;
      crash_domain(v.domain, "EPT misconfiguration at guest-physical address " + std::to_string(x.guest_physical));
      break;
    case R::kTaskSwitch:
      exit_task_switch(*this, v);
      break;
    default:
      crash_domain(v.domain, "unexpected VM exit reason " + std::to_string(x.reason & 0xffff));
      break;
  }
}

void Hypervisor::exit_cpuid(PcpuState& c, Vcpu& v) {
  cpu::Core& core = c.pcpu->core;
  cost.charge(*c.pcpu, Path::kCpuid);
  const auto leaf = static_cast<std::uint32_t>(core.st.gpr[cpu::kRax]);
  const auto subleaf = static_cast<std::uint32_t>(core.st.gpr[cpu::kRcx]);
  cpu::CpuidRegisters r;
  // Xen's leaves are above viridian's, where that is offered.
  const bool viridian = hvm::viridian_enabled(v.domain);
  const std::uint32_t xen_base = viridian ? 0x40000100 : 0x40000000;
  if (leaf >= xen_base && leaf < xen_base + 0x100) {
    r = xen_cpuid_leaf(v, leaf - xen_base, subleaf);
    if (leaf == xen_base) r.eax += xen_base - 0x40000000;
  } else if (viridian && leaf >= 0x40000000 && leaf < 0x40000100) {
    r = hvm::viridian_leaf(v.domain, leaf);
  } else {
    r = v.domain.cpuid.query(leaf, subleaf);
    if (leaf == 1) {
      r.ebx = (r.ebx & 0x00ffffff) | (2 * v.id) << 24;
      r.ecx = (r.ecx & ~(1u << 27)) | (core.st.cr4 & cpu::kCr4Osxsave ? 1u << 27 : 0);
      if (!v.vlapic.enabled()) r.edx &= ~(1u << 9);
    } else if (leaf == 0xb) {
      r = {0, 0, subleaf & 0xff, 2 * v.id};
    } else if (leaf == 0xd) {
      cpu::xstate::update_cpuid(r, subleaf, core.st.msr);
    }
  }
  tracer.cpuid(c.pcpu->index, leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  core.st.gpr[cpu::kRax] = r.eax;
  core.st.gpr[cpu::kRbx] = r.ebx;
  core.st.gpr[cpu::kRcx] = r.ecx;
  core.st.gpr[cpu::kRdx] = r.edx;
  advance_rip(c);
}

void Hypervisor::exit_xsetbv(PcpuState& c, Vcpu& v) {
  const cpu::ArchState& st = c.pcpu->core.st;
  cost.charge(*c.pcpu, Path::kXsetbv);
  const std::uint64_t value = st.gpr[cpu::kRdx] << 32 | static_cast<std::uint32_t>(st.gpr[cpu::kRax]);
  if (xstate::set_xcr0(c, v, static_cast<std::uint32_t>(st.gpr[cpu::kRcx]), value) != 0)
    inject_exception(v, cpu::kGp, 0);
  else
    advance_rip(c);
}

// Xen's own leaves (public/arch-x86/cpuid.h); values as in 4.17 (XEN-GUEST-ABI: A.5).
cpu::CpuidRegisters Hypervisor::xen_cpuid_leaf(const Vcpu& v, std::uint32_t leaf, std::uint32_t subleaf) const {
  switch (leaf) {
    case 0:
      return {0x40000000 + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
              XEN_CPUID_SIGNATURE_EDX};
    case 1:
      return {4u << 16 | 17, 0, 0, 0};
    case 2:
      // The MSR of the hypercall page.
      return {1, hvm::viridian_enabled(v.domain) ? 0x40000200u : 0x40000000u, 0, 0};
    case 3: {
      if (subleaf == 0) return {1u << 1 | 1u << 2, 0, static_cast<std::uint32_t>(tsc_hz / 1000), 0};
      if (subleaf == 2) return {static_cast<std::uint32_t>(tsc_hz / 1000), 0, 0, 0};
      return {};
    }
    case 4:
      return {XEN_HVM_CPUID_IOMMU_MAPPINGS | XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT |
                  XEN_HVM_CPUID_UPCALL_VECTOR,
              v.id, v.domain.domid, 0};
    default:
      return {};
  }
}

namespace {

// As libxc tells a guest of its topology: APIC IDs are twice the vCPUs' numbers, and nobody has a thread beside
// it.
void set_topology(cpu::CpuidPolicy& policy) {
  cpu::CpuidRegisters r = policy.query(1, 0);
  const std::uint32_t processors = r.ebx >> 16 & 0xff;
  r.ebx &= 0xff00ffff;
  r.ebx |= (processors == 0 ? 2 : processors & 0x80 ? processors : 2 * processors) << 16;
  r.edx |= 1u << 28;  // HTT
  policy.set(1, 0, r);
  for (std::uint32_t i = 0; (policy.query(4, i).eax & 31) != 0; ++i) {
    r = policy.query(4, i);
    const std::uint32_t cores = r.eax >> 26;
    r.eax = (r.eax & 0x3fff) | (cores << 1 | 1) << 26;
    policy.set(4, i, r);
  }
}

}  // namespace

cpu::CpuidPolicy Hypervisor::guest_policy(const Domain& d) const {
  // From the processor's policy, what Xen 4.17 hides from a guest by default: VMX (unless it is to have it),
  // MONITOR, thermal and performance leaves, TSC deadline stays (vLAPIC has it); shows the hypervisor bit.
  cpu::CpuidPolicy policy = pcpus.front().pcpu->core.cpuid;
  cpu::CpuidRegisters r = policy.query(1, 0);
  r.ecx |= 1u << 31;
  r.ecx &= ~((d.nested_virt ? 0 : 1u << 5) | 1u << 3);
  policy.set(1, 0, r);
  set_topology(policy);
  xstate::recalculate(policy);
  for (const std::uint32_t leaf : {5u, 6u, 9u, 0xau}) policy.set(leaf, 0, {});
  cpu::CpuidRegisters first = policy.query(0, 0);
  first.eax = std::min(first.eax, kLastGuestLeaf);
  policy.set(0, 0, first);
  return policy;
}

void Hypervisor::exit_hlt(PcpuState& c, Vcpu& v) {
  cost.charge(*c.pcpu, Path::kHlt);
  advance_rip(c);
  const bool enabled = c.pcpu->core.vmx.read(F::kGuestRflags) & cpu::kIf;
  const bool work = v.nmi_pending || (enabled && interrupt_waiting(v)) || v.reinject_info >> 31 || v.inject;
  tracer.hlt(c.pcpu->index, work);
  if (work) return;
  if (!enabled) {
    // Xen: a vCPU that halts with interrupts off never comes back by itself.
    vcpu_down(v);
    return;
  }
  vcpu_block(v);
}

void Hypervisor::exit_io(PcpuState& c, Vcpu& v) {
  cpu::Core& core = c.pcpu->core;
  const std::uint64_t q = core.vm_exit.qualification;
  const auto size = static_cast<unsigned>((q & 7) + 1);
  const bool in = q >> 3 & 1, string = q >> 4 & 1;
  const auto port = static_cast<std::uint16_t>(q >> 16);
  cost.charge(*c.pcpu, Path::kIo);
  if (string) {
    cost.charge(*c.pcpu, Path::kEmulate);
    if (!emulate_instruction(c, v, 0, false)) inject_exception(v, cpu::kGp, 0);
    return;
  }
  if (in) {
    const std::uint64_t ones = size == 4 ? 0xffffffff : (1u << (8 * size)) - 1;
    const std::uint64_t value = port_read(v, port, size) & ones;
    std::uint64_t& rax = core.st.gpr[cpu::kRax];
    rax = size == 4 ? value : (rax & ~ones) | value;
    tracer.io_read(c.pcpu->index, port, static_cast<std::uint32_t>(value));
  } else {
    const auto value = static_cast<std::uint32_t>(core.st.gpr[cpu::kRax]);
    tracer.io_write(c.pcpu->index, port, value);
    port_write(v, port, size, value);
  }
  advance_rip(c);
}

// Xen's debug console, and the devices that it emulates for HVM guests. Other ports float.
std::uint32_t Hypervisor::port_read(Vcpu& v, std::uint16_t port, unsigned size) {
  std::uint32_t value = ~std::uint32_t{0};
  if (v.domain.platform && v.domain.platform->port_read(port, size, value)) return value;
  return port == 0xe9 ? 0xe9 : value;
}

void Hypervisor::port_write(Vcpu& v, std::uint16_t port, unsigned size, std::uint32_t value) {
  if (v.domain.platform && v.domain.platform->port_write(port, size, value)) return;
  if (port != 0xe9 || size != 1) return;
  const char ch = static_cast<char>(value);
  if (on_guest_console_io) on_guest_console_io(v.domain, {&ch, 1});
}

// What an emulated instruction does, and the guest at ports that do not exit, of which Xen knows nothing.
std::uint32_t Hypervisor::io_read(cpu::Pcpu& pcpu, std::uint16_t port, unsigned size) {
  Vcpu* v = pcpus[pcpu.index].current;
  const std::uint32_t value = v ? port_read(*v, port, size) : ~std::uint32_t{0};
  if (!is_direct(port)) tracer.io_read(pcpu.index, port, value);
  return value;
}

void Hypervisor::io_write(cpu::Pcpu& pcpu, std::uint16_t port, unsigned size, std::uint32_t value) {
  if (!is_direct(port)) tracer.io_write(pcpu.index, port, value);
  if (Vcpu* v = pcpus[pcpu.index].current) port_write(*v, port, size, value);
}

}  // namespace xensim::xen
