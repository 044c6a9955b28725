// Accesses to control and debug registers in VMX operation (SDM 3, 23.8, 25.1.3, 25.3): guest/host masks and read
// shadows, CR3 targets, the TPR shadow, and the bits that VMX operation fixes.
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace {

enum class CrAccess : std::uint32_t { kMovTo, kMovFrom, kClts, kLmsw };

// Exit qualification of control-register accesses (table 27-3).
constexpr std::uint64_t cr_qualification(unsigned cr, CrAccess type, unsigned gpr) {
  return (cr & 15u) | static_cast<std::uint32_t>(type) << 4 | (gpr & 15u) << 8;
}

constexpr std::uint64_t kVtpr = 0x80;

}  // namespace

// 23.8 and 25.3: #GP if a bit would be set or cleared that VMX operation fixes.
Outcome Vmx::check_cr_value(unsigned cr, std::uint64_t value) {
  using namespace vmx_capability;
  if (!in_operation) return Outcome::kNext;
  if (cr == 0) {
    const bool free = non_root && controls.unrestricted_guest();
    const std::uint64_t fixed0 = free ? kCr0Fixed0 & ~(kCr0Pe | kCr0Pg) : kCr0Fixed0;
    if ((value & fixed0) != fixed0) return core_.raise_gp();
  } else if (cr == 4) {
    if ((value & kCr4Fixed0) != kCr4Fixed0) return core_.raise_gp();
  }
  return Outcome::kNext;
}

bool Vmx::tpr_below_threshold() const {
  return bitmap_byte(controls.virtual_apic_page, kVtpr) >> 4 < (controls.tpr_threshold & 15);
}

Outcome Vmx::on_mov_to_cr(const Op& op, unsigned cr, unsigned gpr, std::uint64_t& value) {
  const ArchState& st = core_.st;
  if (!non_root) return check_cr_value(cr, value);
  const Controls& c = controls;
  bool exits = false;
  switch (cr) {
    case 0:
      exits = ((value ^ c.cr0_shadow) & c.cr0_mask) != 0;
      if (!exits) value = (value & ~c.cr0_mask) | (st.cr0 & c.cr0_mask);
      break;
    case 3:
      exits = c.cr3_load_exiting();
      for (unsigned i = 0; i < c.cr3_targets && i < vmx_capability::kCr3Targets; ++i)
        if (c.cr3_target[i] == value) exits = false;
      break;
    case 4:
      exits = ((value ^ c.cr4_shadow) & c.cr4_mask) != 0;
      if (!exits) value = (value & ~c.cr4_mask) | (st.cr4 & c.cr4_mask);
      break;
    case 8:
      exits = c.cr8_load_exiting();
      break;
    default:
      break;
  }
  if (exits) return exit(ExitReason::kCrAccess, cr_qualification(cr, CrAccess::kMovTo, gpr), op.length);
  if (cr == 8 && c.tpr_shadow()) {
    if (value >> 4 != 0) return core_.raise_gp();
    const PhysAddr vtpr(c.virtual_apic_page + kVtpr);
    if (memory_.contains(vtpr, 4)) memory_.write(vtpr, static_cast<std::uint32_t>(value << 4));
    tpr_exit_pending_ = tpr_below_threshold();
    return Outcome::kEndBlock;  // done: the instruction reaches the virtual-APIC page only
  }
  return check_cr_value(cr, value);
}

Outcome Vmx::on_mov_from_cr(const Op& op, unsigned cr, unsigned gpr, std::uint64_t& value) {
  if (!non_root) return Outcome::kNext;
  const Controls& c = controls;
  switch (cr) {
    case 0:
      value = (value & ~c.cr0_mask) | (c.cr0_shadow & c.cr0_mask);
      break;
    case 3:
      if (c.cr3_store_exiting())
        return exit(ExitReason::kCrAccess, cr_qualification(cr, CrAccess::kMovFrom, gpr), op.length);
      break;
    case 4:
      value = (value & ~c.cr4_mask) | (c.cr4_shadow & c.cr4_mask);
      break;
    case 8:
      if (c.cr8_store_exiting())
        return exit(ExitReason::kCrAccess, cr_qualification(cr, CrAccess::kMovFrom, gpr), op.length);
      if (c.tpr_shadow()) value = bitmap_byte(c.virtual_apic_page, kVtpr) >> 4;
      break;
    default:
      break;
  }
  return Outcome::kNext;
}

Outcome Vmx::on_clts(const Op& op, bool& clear_ts) {
  clear_ts = true;
  if (!non_root || !(controls.cr0_mask & kCr0Ts)) return Outcome::kNext;
  if (controls.cr0_shadow & kCr0Ts)
    return exit(ExitReason::kCrAccess, cr_qualification(0, CrAccess::kClts, 0), op.length);
  clear_ts = false;
  return Outcome::kNext;
}

// LMSW writes CR0 bits 3:0, and cannot clear PE.
Outcome Vmx::on_lmsw(const Op& op, bool memory_operand, std::uint64_t linear, std::uint64_t& value) {
  if (!non_root) return Outcome::kNext;
  const std::uint64_t mask = controls.cr0_mask, shadow = controls.cr0_shadow;
  const bool sets_pe = (mask & value & ~shadow & kCr0Pe) != 0;
  if (sets_pe || (mask & 0xe & (value ^ shadow)) != 0) {
    exit(ExitReason::kCrAccess,
         cr_qualification(0, CrAccess::kLmsw, 0) | (memory_operand ? 1u << 6 : 0) | (value & 0xffff) << 16,
         op.length);
    if (memory_operand) core_.vm_exit.guest_linear = linear;
    return Outcome::kVmExit;
  }
  value = (value & ~(mask & 0xf)) | (core_.st.cr0 & mask & 0xf);
  return Outcome::kNext;
}

std::uint64_t Vmx::smsw_view(std::uint64_t cr0) const {
  return non_root ? (cr0 & ~controls.cr0_mask) | (controls.cr0_shadow & controls.cr0_mask) : cr0;
}

Outcome Vmx::on_mov_dr(const Op& op, unsigned dr, unsigned gpr, bool read) {
  if (!non_root || !controls.mov_dr_exiting()) return Outcome::kNext;
  return exit(ExitReason::kMovDr, (dr & 7u) | (read ? 1u << 4 : 0) | (gpr & 15u) << 8, op.length);
}

}  // namespace xensim::cpu
