// VM-entry checks on the VMX controls (SDM 3, 26.2.1). One function per group of the section; false: VM entry
// fails with VM-instruction error 7.
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/entry_checks.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace entry_checks {

bool valid_memory_type(std::uint64_t type) { return type == 0 || type == 1 || (type >= 4 && type <= 7); }

bool valid_pat(std::uint64_t pat) {
  for (unsigned i = 0; i < 64; i += 8)
    if (!valid_memory_type((pat >> i) & 0xff)) return false;
  return true;
}

bool page_address(std::uint64_t a, unsigned physical_bits) {
  return (a & kPageMask) == 0 && a >> physical_bits == 0;
}

// An MSR area of count 16-byte entries.
bool msr_area(std::uint64_t address, std::uint32_t count, unsigned physical_bits) {
  if (count == 0) return true;
  const std::uint64_t last = address + std::uint64_t{count} * 16 - 1;
  return (address & 0xf) == 0 && last >= address && last >> physical_bits == 0;
}

// 26.2.1.1, first part: reserved bits of the control words.
bool control_words(const Controls& c, std::uint32_t secondary_field) {
  using namespace vmx_capability;
  return kPin.accepts(c.pin) && kPrimary.accepts(c.primary) &&
         (!c.secondary_controls() || kSecondary.accepts(secondary_field));
}

// 26.2.1.1: bitmaps and their addresses.
bool bitmaps(const Controls& c, unsigned physical_bits) {
  if (c.io_bitmaps() &&
      !(page_address(c.io_bitmap_a, physical_bits) && page_address(c.io_bitmap_b, physical_bits)))
    return false;
  return !c.msr_bitmaps() || page_address(c.msr_bitmap, physical_bits);
}

// 26.2.1.1: TPR shadow and APIC virtualization. vtpr: the virtual task priority, where the page is RAM.
bool tpr_shadow(const Controls& c, std::uint8_t vtpr, unsigned physical_bits) {
  if (c.virtualize_apic_accesses() && !page_address(c.apic_access_page, physical_bits)) return false;
  if (!c.tpr_shadow())
    return !c.virtualize_x2apic() && !c.apic_register_virtualization() && !c.virtual_interrupt_delivery();
  return page_address(c.virtual_apic_page, physical_bits) && c.tpr_threshold <= 0xf &&
         c.tpr_threshold <= vtpr >> 4;
}

// 26.2.1.1: NMI controls.
bool nmi_controls(const Controls& c) {
  if (!c.nmi_exiting() && c.virtual_nmis()) return false;
  return c.virtual_nmis() || !c.nmi_window_exiting();
}

// 26.2.1.1: memory type, a walk of 4 levels, reserved bits.
bool ept_pointer(std::uint64_t eptp, unsigned physical_bits) {
  const std::uint64_t type = bits(eptp, 2, 0);
  if (type != 0 && type != 6) return false;
  return bits(eptp, 5, 3) == 3 && bits(eptp, 11, 7) == 0 && eptp >> physical_bits == 0;
}

// 26.2.1.1: VPID, EPT, unrestricted guest, TSC scaling.
bool translation_controls(const Controls& c, unsigned physical_bits) {
  if (c.vpid() && c.vpid_field == 0) return false;
  if (c.ept() && !ept_pointer(c.eptp, physical_bits)) return false;
  if (c.tsc_scaling() && c.tsc_multiplier == 0) return false;
  return !c.unrestricted_guest() || c.ept();
}

// 26.2.1.1: page-modification logging. Nothing is asked of the index.
bool page_modification_log(const Controls& c, bool supported, unsigned physical_bits) {
  return !c.pml() || (supported && c.ept() && page_address(c.pml_address, physical_bits));
}

// 26.2.1.2: VM-exit control fields.
bool exit_controls(const Vmcs& v, const Controls& c, unsigned physical_bits) {
  if (!vmx_capability::kExit.accepts(c.exit)) return false;
  if (!c.preemption_timer() && c.save_preemption_timer()) return false;
  return msr_area(v.read(VmcsField::kExitMsrStoreAddress), v.read32(VmcsField::kExitMsrStoreCount),
                  physical_bits) &&
         msr_area(v.read(VmcsField::kExitMsrLoadAddress), v.read32(VmcsField::kExitMsrLoadCount), physical_bits);
}

// 26.2.1.3: VM-entry control fields, without the event to inject.
bool entry_controls(const Vmcs& v, const Controls& c, unsigned physical_bits) {
  return vmx_capability::kEntry.accepts(c.entry) &&
         msr_area(v.read(VmcsField::kEntryMsrLoadAddress), v.read32(VmcsField::kEntryMsrLoadCount), physical_bits);
}

bool pushes_error_code(unsigned vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

// 26.2.1.3: the VM-entry interruption-information field and what belongs to it.
bool injected_event(std::uint32_t info, std::uint32_t error, std::uint32_t length, std::uint64_t guest_cr0) {
  if (!bit(info, 31)) return true;
  const auto vector = static_cast<unsigned>(bits(info, 7, 0));
  const auto type = static_cast<unsigned>(bits(info, 10, 8));
  if (type == 1 || type == 7) return false;  // reserved; other event (no monitor trap flag)
  if (type == 2 && vector != kNmi) return false;
  if (type == 3 && vector > 31) return false;
  const bool wants_error = type == 3 && (guest_cr0 & kCr0Pe) != 0 && pushes_error_code(vector);
  if (bit(info, 11) != wants_error) return false;
  if (bits(info, 30, 12) != 0) return false;
  if (bit(info, 11) && error >> 16 != 0) return false;
  return type < 4 || length <= 15;
}

}  // namespace entry_checks

VmxError Vmx::check_controls() const {
  using namespace entry_checks;
  const unsigned width = core_.config.physical_bits;
  std::uint8_t vtpr = 0xff;
  if (controls.tpr_shadow() && page_address(controls.virtual_apic_page, width))
    vtpr = bitmap_byte(controls.virtual_apic_page, 0x80);
  const bool good = control_words(controls, vmcs_.read32(VmcsField::kSecondaryControls)) &&
                    controls.cr3_targets <= vmx_capability::kCr3Targets && bitmaps(controls, width) &&
                    tpr_shadow(controls, vtpr, width) && nmi_controls(controls) &&
                    translation_controls(controls, width) &&
                    page_modification_log(controls, core_.config.pml, width) &&
                    exit_controls(vmcs_, controls, width) && entry_controls(vmcs_, controls, width);
  return good ? VmxError::kNone : VmxError::kEntryInvalidControls;
}

}  // namespace xensim::cpu
