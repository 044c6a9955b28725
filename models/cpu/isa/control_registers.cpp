// Control registers and EFER (SDM 3, 2.5, 4.1.2, 9.8.5 and 23.8; SDM 2, MOV to control registers): which values
// are allowed, and what a change does to mode, paging and TLBs. Also CLTS, LMSW and SMSW.
#include "models/cpu/isa/control_registers.h"

#include "models/cpu/isa/segmentation.h"
#include "models/cpu/isa/system.h"
#include "models/cpu/mmu/walker.h"

namespace xensim::cpu::isa {
namespace {

constexpr std::uint64_t kCr0Defined =
    kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Et | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg;

bool pae_paging(std::uint64_t cr0, std::uint64_t cr4, std::uint64_t efer) {
  return (cr0 & kCr0Pg) && (cr4 & kCr4Pae) && !(efer & kEferLma);
}

// Eight bytes at a guest-physical address.
Outcome read_guest_physical(Core& core, std::uint64_t address, std::uint64_t& out) {
  PhysAddr physical{address};
  const PagingContext& context = core.mmu.context();
  if (context.ept) {
    const WalkResult r = walk_ept(context, core.memory, GuestPhysAddr(address), Access::kRead);
    if (r.status != WalkStatus::kOk) {
      const bool violation = r.status == WalkStatus::kEptViolation;
      const Outcome o = core.vmx.exit(violation ? ExitReason::kEptViolation : ExitReason::kEptMisconfiguration,
                                      violation ? r.ept_qualification : 0);
      core.vm_exit.guest_physical = address;
      return o;
    }
    physical = r.physical;
  }
  out = core.memory.contains(physical, 8) ? core.memory.read<std::uint64_t>(physical)
                                          : core.environment.mmio_read(physical, 8);
  return Outcome::kNext;
}

Outcome read_pdptes(Core& core, std::uint64_t cr3, std::array<std::uint64_t, 4>& out) {
  const std::uint64_t reserved = 0x1e6 | ~mask(core.config.physical_bits - 1, 0);
  for (unsigned i = 0; i < 4; ++i) {
    if (Outcome o = read_guest_physical(core, (cr3 & 0xffffffe0) + i * 8, out[i]); failed(o)) return o;
    if ((out[i] & 1) && (out[i] & reserved)) return core.raise_gp(0);
  }
  return Outcome::kNext;
}

// In VMX operation some bits are fixed (SDM 3, 23.8); an unrestricted guest is free in PE and PG.
bool vmx_allows_cr0(const Core& core, std::uint64_t v) {
  if (!core.vmx.in_operation) return true;
  if (!(v & kCr0Ne)) return false;
  if (core.vmx.non_root && core.vmx.controls.unrestricted_guest()) return true;
  return (v & kCr0Pe) && (v & kCr0Pg);
}

}  // namespace

Outcome write_cr0(Core& core, std::uint64_t value) {
  ArchState& st = core.st;
  if (value >> 32) return core.raise_gp(0);
  value = (value & kCr0Defined) | kCr0Et;
  if (((value & kCr0Pg) && !(value & kCr0Pe)) || ((value & kCr0Nw) && !(value & kCr0Cd))) return core.raise_gp(0);
  if (!vmx_allows_cr0(core, value)) return core.raise_gp(0);
  const std::uint64_t changed = value ^ st.cr0;
  std::uint64_t efer = st.efer;
  if (changed & value & kCr0Pg) {
    if (efer & kEferLme) {
      if (!(st.cr4 & kCr4Pae) || st.seg[kCs].long_mode()) return core.raise_gp(0);
      if (!st.tr.unusable() && !(st.tr.type() & 8)) return core.raise_gp(0);  // a 16-bit TSS
      efer |= kEferLma;
    }
  } else if (changed & kCr0Pg) {
    if (st.code64() || (st.cr4 & kCr4Pcide)) return core.raise_gp(0);
    efer &= ~kEferLma;
  }
  if ((changed & (kCr0Pg | kCr0Cd | kCr0Nw)) && pae_paging(value, st.cr4, efer)) {
    std::array<std::uint64_t, 4> pdpte;
    if (Outcome o = read_pdptes(core, st.cr3, pdpte); failed(o)) return o;
    st.pdpte = pdpte;
  }
  st.cr0 = value;
  st.efer = efer;
  if (changed & (kCr0Pe | kCr0Pg | kCr0Wp)) core.mmu.context_changed();
  if (changed & kCr0Pg) core.mmu.flush_current_vpid();
  execution_context_changed(core);
  return Outcome::kNext;
}

Outcome write_cr3(Core& core, std::uint64_t value) {
  ArchState& st = core.st;
  const bool pcid = st.cr4 & kCr4Pcide;
  const bool keep = pcid && (value >> 63);
  if (pcid) value &= ~(std::uint64_t{1} << 63);
  if (st.long_mode_active() && (value & ~mask(core.config.physical_bits - 1, 0))) return core.raise_gp(0);
  if (pae_paging(st.cr0, st.cr4, st.efer)) {
    std::array<std::uint64_t, 4> pdpte;
    if (Outcome o = read_pdptes(core, value, pdpte); failed(o)) return o;
    st.pdpte = pdpte;
  }
  st.cr3 = value;
  core.mmu.context_changed();
  if (!keep) core.mmu.flush_current_pcid();
  return Outcome::kNext;
}

Outcome load_task_cr3(Core& core, std::uint32_t value) { return write_cr3(core, value); }

std::uint64_t cr4_supported(const Core& core) {
  const CpuidPolicy& p = core.cpuid;
  std::uint64_t m = kCr4Pce;
  const auto edx = [&](unsigned bit, std::uint64_t cr4) { m |= p.has_1_edx(bit) ? cr4 : 0; };
  const auto ecx = [&](unsigned bit, std::uint64_t cr4) { m |= p.has_1_ecx(bit) ? cr4 : 0; };
  const auto ebx7 = [&](unsigned bit, std::uint64_t cr4) { m |= p.has_7_ebx(bit) ? cr4 : 0; };
  edx(1, kCr4Vme | kCr4Pvi);
  edx(2, kCr4De);
  edx(3, kCr4Pse);
  edx(4, kCr4Tsd);
  edx(6, kCr4Pae);
  edx(7, kCr4Mce);
  edx(13, kCr4Pge);
  edx(24, kCr4Osfxsr);
  edx(25, kCr4Osxmmexcpt);
  ecx(5, kCr4Vmxe);
  ecx(17, kCr4Pcide);
  ecx(26, kCr4Osxsave);
  ebx7(0, kCr4Fsgsbase);
  ebx7(7, kCr4Smep);
  ebx7(20, kCr4Smap);
  if (p.has_7_ecx(2)) m |= kCr4Umip;
  return m;
}

Outcome write_cr4(Core& core, std::uint64_t value) {
  ArchState& st = core.st;
  if (value & ~cr4_supported(core)) return core.raise_gp(0);
  const std::uint64_t changed = value ^ st.cr4;
  if ((changed & kCr4Pae) && st.long_mode_active()) return core.raise_gp(0);
  if ((changed & value & kCr4Pcide) && (!st.long_mode_active() || (st.cr3 & 0xfff))) return core.raise_gp(0);
  if (core.vmx.in_operation && !(value & kCr4Vmxe)) return core.raise_gp(0);
  if ((changed & (kCr4Pae | kCr4Pse | kCr4Pge | kCr4Smep)) && pae_paging(st.cr0, value, st.efer)) {
    std::array<std::uint64_t, 4> pdpte;
    if (Outcome o = read_pdptes(core, st.cr3, pdpte); failed(o)) return o;
    st.pdpte = pdpte;
  }
  st.cr4 = value;
  core.mmu.context_changed();
  if ((changed & (kCr4Pge | kCr4Pae | kCr4Pse)) || (changed & ~value & kCr4Pcide) || (changed & value & kCr4Smep))
    core.mmu.flush_current_vpid();
  execution_context_changed(core);
  return Outcome::kNext;
}

Outcome write_efer(Core& core, std::uint64_t value) {
  ArchState& st = core.st;
  std::uint64_t writable = kEferSce;
  if (core.cpuid.has_80000001_edx(29)) writable |= kEferLme;
  if (core.cpuid.has_80000001_edx(20)) writable |= kEferNxe;
  if (value & ~(writable | kEferLma)) return core.raise_gp(0);
  value = (value & writable) | (st.efer & kEferLma);
  if (((value ^ st.efer) & kEferLme) && st.paging()) return core.raise_gp(0);
  const bool nxe = (value ^ st.efer) & kEferNxe;
  st.efer = value;
  if (nxe) core.mmu.context_changed();
  core.update_mode();
  return Outcome::kNext;
}

namespace {

bool privileged(const Core& core) { return core.st.cpl() == 0 && !core.st.v8086(); }

Outcome ended(Outcome o) { return failed(o) ? o : Outcome::kEndBlock; }

// sub: the control register; sub2: the general-purpose register.
template <bool Wide>
Outcome mov_to_cr(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  std::uint64_t value = core.st.gpr[op.sub2];
  if (!Wide) value = static_cast<std::uint32_t>(value);
  // kEndBlock: the write went to the virtual-APIC page.
  if (Outcome o = core.vmx.on_mov_to_cr(op, op.sub, op.sub2, value); o != Outcome::kNext) return o;
  switch (op.sub) {
    case 0:
      return ended(write_cr0(core, value));
    case 2:
      core.st.cr2 = value;
      return Outcome::kEndBlock;
    case 3:
      return ended(write_cr3(core, value));
    case 4:
      return ended(write_cr4(core, value));
    default:
      if (value > 15) return core.raise_gp(0);
      core.environment.cr8_write(value);
      return Outcome::kEndBlock;
  }
}

template <bool Wide>
Outcome mov_from_cr(Core& core, const Op& op) {
  ArchState& st = core.st;
  if (!privileged(core)) return core.raise_gp(0);
  std::uint64_t value = 0;
  switch (op.sub) {
    case 0:
      value = st.cr0;
      break;
    case 2:
      value = st.cr2;
      break;
    case 3:
      value = st.cr3;
      break;
    case 4:
      value = st.cr4;
      break;
    default:
      value = core.environment.cr8_read();
  }
  if (Outcome o = core.vmx.on_mov_from_cr(op, op.sub, op.sub2, value); failed(o)) return o;
  st.gpr[op.sub2] = Wide ? value : static_cast<std::uint32_t>(value);
  return Outcome::kNext;
}

Outcome clts(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  bool clear = true;
  if (Outcome o = core.vmx.on_clts(op, clear); failed(o)) return o;
  if (clear) core.st.cr0 &= ~kCr0Ts;
  return Outcome::kEndBlock;
}

// LMSW changes PE, MP, EM and TS, and can set PE but not clear it.
template <bool Memory>
Outcome lmsw(Core& core, const Op& op) {
  if (!privileged(core)) return core.raise_gp(0);
  std::uint16_t source = 0;
  if (Memory) {
    if (Outcome o = core.read(op, source); failed(o)) return o;
  } else {
    source = static_cast<std::uint16_t>(core.st.gpr[op.reg]);
  }
  std::uint64_t value = (core.st.cr0 & ~std::uint64_t{0xe}) | (source & 0xf) | (core.st.cr0 & kCr0Pe);
  if (Outcome o = core.vmx.on_lmsw(op, Memory, Memory ? unchecked_linear(core, op) : 0, value); failed(o))
    return o;
  return ended(write_cr0(core, value));
}

// Bits: of a register destination; 0: memory, always 16 bits.
template <unsigned Bits>
Outcome smsw(Core& core, const Op& op) {
  ArchState& st = core.st;
  if ((st.cr4 & kCr4Umip) && st.protected_mode() && st.cpl() != 0) return core.raise_gp(0);
  const std::uint64_t value = core.vmx.smsw_view(st.cr0);
  if constexpr (Bits == 0) {
    return core.write(op, static_cast<std::uint16_t>(value));
  } else if constexpr (Bits == 16) {
    st.gpr[op.reg] = (st.gpr[op.reg] & ~0xffffull) | (value & 0xffff);
  } else {
    st.gpr[op.reg] = Bits == 64 ? value : static_cast<std::uint32_t>(value);
  }
  return Outcome::kNext;
}

}  // namespace

Handler bind_mov_control(const DecodedInstruction& d, Op& op) {
  const bool to = ZydisRegisterGetClass(d.op(0).reg.value) == ZYDIS_REGCLASS_CONTROL;
  op.sub = to ? op.reg : op.rm;
  op.sub2 = to ? op.rm : op.reg;
  if (op.sub == 1 || (op.sub > 4 && op.sub != 8) || (op.sub == 8 && !d.mode64())) return nullptr;
  if (to) return d.mode64() ? mov_to_cr<true> : mov_to_cr<false>;
  return d.mode64() ? mov_from_cr<true> : mov_from_cr<false>;
}

Handler bind_clts(const DecodedInstruction&, Op&) { return clts; }
Handler bind_lmsw(const DecodedInstruction& d, Op&) { return d.is_mem(0) ? lmsw<true> : lmsw<false>; }
Handler bind_smsw(const DecodedInstruction& d, Op&) {
  if (d.is_mem(0)) return smsw<0>;
  if (d.operand_bits == 64) return smsw<64>;
  return d.operand_bits == 16 ? smsw<16> : smsw<32>;
}

}  // namespace xensim::cpu::isa
