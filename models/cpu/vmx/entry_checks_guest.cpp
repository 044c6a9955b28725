// VM-entry checks on the guest-state area outside the segment registers (SDM 3, 26.3.1.1, 26.3.1.3–26.3.1.6). A
// failure is a VM exit with reason 33 and bit 31 set; the exit qualification tells some causes apart (26.7).
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/dirty.h"
#include "models/cpu/vmx/entry_checks.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace {

constexpr std::uint64_t kQualificationPdpte = 2, kQualificationLinkPointer = 4;
constexpr std::uint64_t kDebugctlDefined = 0xffc3;

}  // namespace

namespace entry_checks {

using F = VmcsField;

// 26.3.1.1: CR0, CR3, CR4 and DR7.
bool guest_control_registers(const Vmcs& v, const Controls& c, unsigned physical_bits) {
  using namespace vmx_capability;
  const std::uint64_t cr0 = v.read(F::kGuestCr0), cr4 = v.read(F::kGuestCr4);
  const std::uint64_t fixed0 = c.unrestricted_guest() ? kCr0Fixed0 & ~(kCr0Pe | kCr0Pg) : kCr0Fixed0;
  if ((cr0 & fixed0) != fixed0 || (cr0 & ~kCr0Fixed1) != 0) return false;
  if ((cr0 & kCr0Pg) && !(cr0 & kCr0Pe)) return false;
  if ((cr4 & kCr4Fixed0) != kCr4Fixed0 || (cr4 & ~kCr4Fixed1) != 0) return false;
  if (c.ia32e_mode_guest() && (!(cr0 & kCr0Pg) || !(cr4 & kCr4Pae))) return false;
  if (!c.ia32e_mode_guest() && (cr4 & kCr4Pcide)) return false;
  if (v.read(F::kGuestCr3) >> physical_bits != 0) return false;
  return !c.load_debug_controls() || v.read(F::kGuestDr7) >> 32 == 0;
}

// 26.3.1.1: the MSRs.
bool guest_msrs(const Vmcs& v, const Controls& c) {
  if (c.load_debug_controls() && (v.read(F::kGuestDebugctl) & ~kDebugctlDefined) != 0) return false;
  if (!canonical(v.read(F::kGuestSysenterEsp)) || !canonical(v.read(F::kGuestSysenterEip))) return false;
  if (c.load_pat() && !valid_pat(v.read(F::kGuestPat))) return false;
  if (c.load_efer()) {
    const std::uint64_t efer = v.read(F::kGuestEfer);
    if ((efer & ~(kEferSce | kEferLme | kEferLma | kEferNxe)) != 0) return false;
    const bool lma = (efer & kEferLma) != 0, lme = (efer & kEferLme) != 0;
    if (lma != c.ia32e_mode_guest()) return false;
    if ((v.read(F::kGuestCr0) & kCr0Pg) && lma != lme) return false;
  }
  return true;
}

// 26.3.1.3
bool guest_descriptor_tables(const Vmcs& v) {
  return canonical(v.read(F::kGuestGdtrBase)) && canonical(v.read(F::kGuestIdtrBase)) &&
         v.read32(F::kGuestGdtrLimit) <= 0xffff && v.read32(F::kGuestIdtrLimit) <= 0xffff;
}

// 26.3.1.4. injected: the VM-entry interruption-information field.
bool guest_rip_and_rflags(const Vmcs& v, const Controls& c, std::uint32_t injected) {
  const std::uint64_t rip = v.read(F::kGuestRip), rflags = v.read(F::kGuestRflags);
  const bool code64 = c.ia32e_mode_guest() && bit(v.read32(F::kGuestCsAttr), 13);
  if (code64 ? !canonical(rip) : rip >> 32 != 0) return false;
  if (rflags >> 22 != 0 || (rflags & 0x8028) != 0 || !(rflags & 2)) return false;
  if ((rflags & kVm) && (c.ia32e_mode_guest() || !(v.read(F::kGuestCr0) & kCr0Pe))) return false;
  const bool external = bit(injected, 31) && bits(injected, 10, 8) == 0;
  return !external || (rflags & kIf);
}

// 26.3.1.5: the activity state.
bool guest_activity(const Vmcs& v, std::uint32_t injected) {
  const std::uint32_t activity = v.read32(F::kGuestActivity);
  if (activity == 0) return true;
  if (activity > 3) return false;
  if (activity == 1 && bits(v.read32(F::kGuestSsAttr), 6, 5) != 0) return false;
  if (v.read32(F::kGuestInterruptibility) & 3) return false;
  if (!bit(injected, 31)) return true;
  const auto type = static_cast<EventType>(bits(injected, 10, 8));
  const auto vector = static_cast<unsigned>(bits(injected, 7, 0));
  const bool exception = type == EventType::kHardwareException;
  switch (static_cast<Activity>(activity)) {
    case Activity::kHalted:
      return type == EventType::kExternalInterrupt || type == EventType::kNmi ||
             (exception && (vector == kDb || vector == kMcVec));
    case Activity::kShutdown:
      return type == EventType::kNmi || (exception && vector == kMcVec);
    default:
      return false;
  }
}

// 26.3.1.5: the interruptibility state.
bool guest_interruptibility(const Vmcs& v, const Controls& c, std::uint32_t injected) {
  const std::uint32_t state = v.read32(F::kGuestInterruptibility);
  if (state >> 4 != 0 || bit(state, 2)) return false;
  if (bit(state, 0) && bit(state, 1)) return false;
  if (bit(state, 0) && !(v.read(F::kGuestRflags) & kIf)) return false;
  if (!bit(injected, 31)) return true;
  const auto type = static_cast<EventType>(bits(injected, 10, 8));
  if (type == EventType::kExternalInterrupt && (state & 3)) return false;
  if (type == EventType::kNmi && (bit(state, 1) || (c.virtual_nmis() && bit(state, 3)))) return false;
  return true;
}

// 26.3.1.5: pending debug exceptions.
bool guest_pending_debug(const Vmcs& v) {
  const std::uint64_t pending = v.read(F::kGuestPendingDebug);
  if ((pending & ~std::uint64_t{0x500f}) != 0) return false;
  if ((v.read32(F::kGuestInterruptibility) & 3) == 0 &&
      v.read32(F::kGuestActivity) != static_cast<std::uint32_t>(Activity::kHalted))
    return true;
  const bool stepping = (v.read(F::kGuestRflags) & kTf) && !bit(v.read(F::kGuestDebugctl), 1);
  return bit(pending, 14) == stepping;
}

}  // namespace entry_checks

// 26.3.1.5: the VMCS link pointer.
bool Vmx::check_link_pointer() const {
  const std::uint64_t link = vmcs_.read(VmcsField::kVmcsLinkPointer);
  if (link == ~std::uint64_t{0}) return true;
  return entry_checks::page_address(link, core_.config.physical_bits) && PhysAddr(link) != current_ &&
         memory_.contains(PhysAddr(link), kPageSize) &&
         memory_.read<std::uint32_t>(PhysAddr(link)) == kVmcsRevision;
}

// 26.3.1.6: the PDPTEs that a guest with PAE paging starts with; from the VMCS with EPT, else from memory.
bool Vmx::read_pdptes(std::array<std::uint64_t, 4>& out) const {
  using F = VmcsField;
  if (controls.ept()) {
    out = {vmcs_.read(F::kGuestPdpte0), vmcs_.read(F::kGuestPdpte1), vmcs_.read(F::kGuestPdpte2),
           vmcs_.read(F::kGuestPdpte3)};
  } else {
    const PhysAddr table(vmcs_.read(F::kGuestCr3) & 0xffffffe0);
    if (!memory_.contains(table, sizeof out)) return false;
    out = memory_.read<std::array<std::uint64_t, 4>>(table);
  }
  const std::uint64_t reserved = mask(63, core_.config.physical_bits) | 0x1e6;
  for (const std::uint64_t e : out)
    if ((e & 1) && (e & reserved)) return false;
  return true;
}

bool Vmx::check_guest_state(std::uint64_t& qualification) const {
  using namespace entry_checks;
  qualification = 0;
  const std::uint32_t injected = vmcs_.read32(VmcsField::kEntryInterruptionInfo);
  if (dirty_ & (kDirtyGuest | kDirtyControls)) {
    if (!guest_control_registers(vmcs_, controls, core_.config.physical_bits) || !guest_msrs(vmcs_, controls) ||
        !guest_segments(vmcs_, controls) || !guest_descriptor_tables(vmcs_))
      return false;
  }
  if (!guest_rip_and_rflags(vmcs_, controls, injected) || !guest_activity(vmcs_, injected) ||
      !guest_interruptibility(vmcs_, controls, injected) || !guest_pending_debug(vmcs_))
    return false;
  if (!check_link_pointer()) {
    qualification = kQualificationLinkPointer;
    return false;
  }
  const std::uint64_t cr0 = vmcs_.read(VmcsField::kGuestCr0), cr4 = vmcs_.read(VmcsField::kGuestCr4);
  if ((cr0 & kCr0Pg) && (cr4 & kCr4Pae) && !controls.ia32e_mode_guest()) {
    std::array<std::uint64_t, 4> pdptes;
    if (!read_pdptes(pdptes)) {
      qualification = kQualificationPdpte;
      return false;
    }
  }
  return true;
}

}  // namespace xensim::cpu
