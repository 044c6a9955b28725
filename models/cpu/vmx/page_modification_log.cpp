// Page-modification logging (SDM 3, 28.3.6): a list in memory of the guest-physical pages whose EPT dirty flags
// went from 0 to 1, written from index 511 down. The index is in the VMCS's guest-state area; once it has gone
// past 0 it is out of range, and the next access that would set an accessed or dirty flag exits instead.
#include "models/cpu/core.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace {
constexpr std::uint16_t kLogEntries = 512;
}

bool Vmx::page_modification_log_full() const { return vmcs_.read16(VmcsField::kPmlIndex) >= kLogEntries; }

void Vmx::log_page_modification(GuestPhysAddr a) {
  const std::uint16_t index = vmcs_.read16(VmcsField::kPmlIndex);
  const PhysAddr entry(controls.pml_address + 8 * std::uint64_t{index});
  // VM entry has checked the address's form, not that there is RAM.
  if (memory_.contains(entry, 8)) memory_.write<std::uint64_t>(entry, a.value & ~kPageMask);
  vmcs_.write(VmcsField::kPmlIndex, static_cast<std::uint16_t>(index - 1));
}

}  // namespace xensim::cpu
