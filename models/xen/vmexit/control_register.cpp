// CR exits: MOV to CR0 and CR4, CLTS, LMSW (hvm_set_cr0 and hvm_set_cr4 in Xen). The guest owns CR2, CR3 and,
// without an exit, most of CR4.
#include "models/xen/hypervisor.h"

namespace xensim::xen {

using F = cpu::VmcsField;
using namespace cpu;

// PAE paging loads its four entries when CR3, CR0.PG or CR4.PAE change; reserved bits raise #GP.
bool Hypervisor::load_pdptes(PcpuState& c, Vcpu& v) {
  Vmx& vmx = c.pcpu->core.vmx;
  const std::uint64_t table = vmx.read(F::kGuestCr3) & 0xffffffe0;
  const auto frame = ram_frame(v.domain, table >> kPageShift);
  if (!frame) return false;
  const std::uint64_t reserved = 0x1e6 | ~((std::uint64_t{1} << c.pcpu->core.config.physical_bits) - 1);
  std::array<std::uint64_t, 4> entry;
  for (unsigned i = 0; i < 4; ++i) {
    entry[i] = memory.read<std::uint64_t>(address_of(*frame) + (table & kPageMask) + 8 * i);
    if ((entry[i] & 1) && (entry[i] & reserved)) return false;
  }
  for (unsigned i = 0; i < 4; ++i)
    vmx.write(static_cast<F>(static_cast<std::uint32_t>(F::kGuestPdpte0) + 2 * i), entry[i]);
  return true;
}

bool Hypervisor::set_cr0(PcpuState& c, std::uint64_t value) {
  Core& core = c.pcpu->core;
  Vmx& vmx = core.vmx;
  const std::uint64_t old = vmx.read(F::kCr0Shadow);
  if (value >> 32) return false;
  value &= kCr0Pg | kCr0Cd | kCr0Nw | kCr0Am | kCr0Wp | kCr0Ne | kCr0Et | kCr0Ts | kCr0Em | kCr0Mp | kCr0Pe;
  value |= kCr0Et;
  if ((value & (kCr0Pe | kCr0Pg)) == kCr0Pg || (value & (kCr0Cd | kCr0Nw)) == kCr0Nw) return false;
  std::uint64_t efer = vmx.read(F::kGuestEfer);
  const std::uint64_t cr4 = vmx.read(F::kGuestCr4);
  std::uint64_t entry = vmx.read(F::kEntryControls);
  if ((value & kCr0Pg) && !(old & kCr0Pg)) {
    if (efer & kEferLme) {
      if (!(cr4 & kCr4Pae)) return false;
      if (vmx.read(F::kGuestCsAttr) & 0x2000) return false;  // CS.L
      efer |= kEferLma;
      entry |= 1u << 9;
    } else if ((cr4 & kCr4Pae) && !load_pdptes(c, *c.current)) {
      return false;
    }
  } else if (!(value & kCr0Pg) && (old & kCr0Pg)) {
    if ((cr4 & kCr4Pcide) || (vmx.read(F::kGuestCsAttr) & 0x2000 && (efer & kEferLma))) return false;
    efer &= ~kEferLma;
    entry &= ~(std::uint64_t{1} << 9);
  }
  vmx.write(F::kGuestEfer, efer);
  vmx.write(F::kEntryControls, entry);
  core.st.efer = efer;
  vmx.write(F::kCr0Shadow, value);
  vmx.write(F::kGuestCr0, (value & ~(kCr0Cd | kCr0Nw)) | kCr0Ne);
  // Entries of the old paging mode must go.
  if ((value ^ old) & (kCr0Pg | kCr0Wp)) core.mmu.invvpid(1, c.current->vpid, LinearAddr(0));
  return true;
}

bool Hypervisor::set_cr4(PcpuState& c, Vcpu& v, std::uint64_t value) {
  Core& core = c.pcpu->core;
  Vmx& vmx = core.vmx;
  const std::uint64_t old = vmx.read(F::kGuestCr4);
  if (value & ~cr4_guest_bits(v.domain)) return false;
  const std::uint64_t efer = vmx.read(F::kGuestEfer);
  if (!(value & kCr4Pae) && (efer & kEferLma)) return false;
  if ((value & kCr4Pcide) && !(old & kCr4Pcide) && (!(efer & kEferLma) || (vmx.read(F::kGuestCr3) & 0xfff)))
    return false;
  if (((value ^ old) & (kCr4Pae | kCr4Pse | kCr4Pge)) && (value & kCr4Pae) && !(efer & kEferLma) &&
      (vmx.read(F::kCr0Shadow) & kCr0Pg) && !load_pdptes(c, v))
    return false;
  vmx.write(F::kCr4Shadow, value);
  vmx.write(F::kGuestCr4, value | kCr4Vmxe);
  if ((value ^ old) & (kCr4Pse | kCr4Pge | kCr4Pae | kCr4Pcide | kCr4Smep))
    core.mmu.invvpid(1, v.vpid, LinearAddr(0));
  return true;
}

void Hypervisor::exit_cr_access(PcpuState& c, Vcpu& v) {
  Core& core = c.pcpu->core;
  Vmx& vmx = core.vmx;
  cost.charge(*c.pcpu, Path::kCrAccess);
  const std::uint64_t q = core.vm_exit.qualification;
  const auto cr = static_cast<unsigned>(q & 15), type = static_cast<unsigned>(q >> 4 & 3),
             gpr = static_cast<unsigned>(q >> 8 & 15);
  bool ok = true;
  if (type == 0) {
    const std::uint64_t value = gpr == kRsp ? vmx.read(F::kGuestRsp) : core.st.gpr[gpr];
    tracer.cr_write(c.pcpu->index, cr, value);
    if (cr == 0) {
      ok = set_cr0(c, value);
    } else if (cr == 4) {
      ok = set_cr4(c, v, value);
    } else if (cr == 8) {
      ok = value < 16;
      if (ok) v.vlapic.set_cr8(static_cast<std::uint8_t>(value));
    } else {
      crash_domain(v.domain, "unexpected exit for a write of CR" + std::to_string(cr));
      return;
    }
  } else if (type == 1) {
    const std::uint64_t value = cr == 8 ? v.vlapic.cr8() : core.st.cr3;
    tracer.cr_read(c.pcpu->index, cr, value);
    if (gpr == kRsp)
      vmx.write(F::kGuestRsp, value);
    else
      core.st.gpr[gpr] = value;
  } else if (type == 2) {
    tracer.clts(c.pcpu->index);
    ok = set_cr0(c, vmx.read(F::kCr0Shadow) & ~kCr0Ts);
  } else {
    // LMSW: PE can be set, not cleared; MP, EM and TS as given.
    const std::uint64_t source = q >> 16 & 0xf, old = vmx.read(F::kCr0Shadow);
    tracer.lmsw(c.pcpu->index, static_cast<std::uint32_t>(source));
    ok = set_cr0(c, (old & ~std::uint64_t{0xe}) | source);
  }
  if (ok)
    advance_rip(c);
  else
    inject_exception(v, kGp, 0);
}

}  // namespace xensim::xen
