// The instructions that manage VMCSs (SDM 3, 24.11 and chapter 30), as functions: operands are values, and
// failures are results. Privilege and mode checks are the callers' (models/cpu/isa/vmx.cpp).
#include "models/cpu/vmx/vmx.h"

#include "models/cpu/core.h"
#include "models/cpu/vmx/dirty.h"
#include "models/cpu/vmx/entry_checks.h"

namespace xensim::cpu {

namespace {

constexpr PhysAddr kNoVmcs{~std::uint64_t{0}};

bool good_region(PhysAddr region, unsigned physical_bits) {
  return (region.value & kPageMask) == 0 && region.value >> physical_bits == 0;
}

// What a write to a field spoils of the checks that passed.
std::uint8_t dirt_of(std::uint32_t encoding) {
  switch (static_cast<VmcsField>(encoding)) {
    case VmcsField::kEntryInterruptionInfo:  // these are looked at on each entry
    case VmcsField::kEntryExceptionError:
    case VmcsField::kEntryInstructionLength:
    case VmcsField::kGuestRip:
    case VmcsField::kGuestRsp:
    case VmcsField::kGuestInterruptibility:
    case VmcsField::kGuestActivity:
    case VmcsField::kGuestPendingDebug:
      return 0;
    default:
      break;
  }
  switch (type_of(encoding)) {
    case FieldType::kControl:
      return kDirtyControls;
    case FieldType::kGuest:
      return kDirtyGuest;
    case FieldType::kHost:
      return kDirtyHost;
    case FieldType::kReadOnly:
      return 0;
  }
  return kDirtyAll;
}

}  // namespace

Vmx::Vmx(Core& core, memory::PhysicalMemory& memory) : core_(core), memory_(memory) {}

VmxResult Vmx::fail(VmxError error) {
  if (!vmcs_.valid()) return {VmxResult::kFailInvalid, 0};
  vmcs_.write(VmcsField::kInstructionError, static_cast<std::uint32_t>(error));
  return {VmxResult::kFailValid, static_cast<std::uint32_t>(error)};
}

VmxResult Vmx::vmxon(PhysAddr region) {
  if (in_operation) return fail(VmxError::kVmxonInRoot);
  if (!good_region(region, core_.config.physical_bits) || !memory_.contains(region, kPageSize) ||
      memory_.read<std::uint32_t>(region) != kVmcsRevision)
    return {VmxResult::kFailInvalid, 0};
  in_operation = true;
  non_root = false;
  vmxon_region_ = region;
  current_ = kNoVmcs;
  vmcs_ = {};
  return {};
}

VmxResult Vmx::vmxoff() {
  in_operation = false;
  vmxon_region_ = kNoVmcs;
  current_ = kNoVmcs;
  vmcs_ = {};
  return {};
}

VmxResult Vmx::vmclear(PhysAddr region) {
  if (!good_region(region, core_.config.physical_bits)) return fail(VmxError::kVmclearInvalidAddress);
  if (region == vmxon_region_) return fail(VmxError::kVmclearVmxonPointer);
  if (memory_.contains(region, kPageSize)) {
    Vmcs(memory_, region).set_launched(false);
    memory_.note_write(region, kPageSize);
  }
  if (region == current_) {
    current_ = kNoVmcs;
    vmcs_ = {};
  }
  return {};
}

VmxResult Vmx::vmptrld(PhysAddr region) {
  if (!good_region(region, core_.config.physical_bits)) return fail(VmxError::kVmptrldInvalidAddress);
  if (region == vmxon_region_) return fail(VmxError::kVmptrldVmxonPointer);
  // Where there is no RAM, the revision reads as all ones.
  if (!memory_.contains(region, kPageSize) || Vmcs(memory_, region).revision() != kVmcsRevision)
    return fail(VmxError::kVmptrldWrongRevision);
  current_ = region;
  vmcs_ = Vmcs(memory_, region);
  memory_.note_write(region, kPageSize);
  dirty_ = kDirtyAll;
  return {};
}

// The fields of page-modification logging exist where the processor has it.
bool Vmx::has_field(std::uint32_t encoding) const {
  const auto field = static_cast<VmcsField>(encoding & ~1u);
  if (!core_.config.pml && (field == VmcsField::kPmlAddress || field == VmcsField::kPmlIndex)) return false;
  return field_offset(encoding) != 0;
}

VmxResult Vmx::vmread(VmcsField field, std::uint64_t& out) const {
  if (!vmcs_.valid()) return {VmxResult::kFailInvalid, 0};
  const auto encoding = static_cast<std::uint32_t>(field);
  if (!has_field(encoding)) return const_cast<Vmx*>(this)->fail(VmxError::kUnsupportedField);
  out = vmcs_.read_encoding(encoding);
  return {};
}

VmxResult Vmx::vmwrite(VmcsField field, std::uint64_t value) {
  if (!vmcs_.valid()) return {VmxResult::kFailInvalid, 0};
  const auto encoding = static_cast<std::uint32_t>(field);
  if (!has_field(encoding)) return fail(VmxError::kUnsupportedField);
  if (type_of(encoding) == FieldType::kReadOnly) return fail(VmxError::kReadOnlyField);
  dirty_ |= dirt_of(encoding & ~1u);
  vmcs_.write_encoding(encoding, value);
  return {};
}

VmxResult Vmx::invept(std::uint64_t type, std::uint64_t eptp) {
  const bool good = type == 2 || (type == 1 && entry_checks::ept_pointer(eptp, core_.config.physical_bits));
  if (!good) return fail(VmxError::kInvalidInvalidationOperand);
  core_.mmu.invept(static_cast<unsigned>(type), eptp);
  return {};
}

VmxResult Vmx::invvpid(std::uint64_t type, std::uint64_t vpid, LinearAddr linear) {
  bool good = type <= 3 && vpid <= 0xffff && (type == 2 || vpid != 0);
  if (type == 0) good = good && entry_checks::canonical(linear.value);
  if (!good) return fail(VmxError::kInvalidInvalidationOperand);
  core_.mmu.invvpid(static_cast<unsigned>(type), static_cast<std::uint16_t>(vpid), linear);
  return {};
}

std::uint64_t Vmx::read(VmcsField field) const {
  expects(vmcs_.valid() && field_offset(static_cast<std::uint32_t>(field)) != 0);
  return vmcs_.read(field);
}

void Vmx::write(VmcsField field, std::uint64_t value) {
  const auto encoding = static_cast<std::uint32_t>(field);
  expects(vmcs_.valid() && field_offset(encoding) != 0);
  dirty_ |= dirt_of(encoding);
  vmcs_.write(field, value);
}

void Vmx::parse_controls() {
  using F = VmcsField;
  Controls& c = controls;
  c.pin = vmcs_.read32(F::kPinControls);
  c.primary = vmcs_.read32(F::kPrimaryControls);
  c.secondary = c.secondary_controls() ? vmcs_.read32(F::kSecondaryControls) : 0;
  c.exit = vmcs_.read32(F::kExitControls);
  c.entry = vmcs_.read32(F::kEntryControls);
  c.exception_bitmap = vmcs_.read32(F::kExceptionBitmap);
  c.pf_error_mask = vmcs_.read32(F::kPageFaultErrorMask);
  c.pf_error_match = vmcs_.read32(F::kPageFaultErrorMatch);
  c.io_bitmap_a = vmcs_.read(F::kIoBitmapA);
  c.io_bitmap_b = vmcs_.read(F::kIoBitmapB);
  c.msr_bitmap = vmcs_.read(F::kMsrBitmap);
  c.tsc_offset = vmcs_.read(F::kTscOffset);
  c.tsc_multiplier = vmcs_.read(F::kTscMultiplier);
  c.xss_exiting_bitmap = vmcs_.read(F::kXssExitingBitmap);
  c.cr0_mask = vmcs_.read(F::kCr0Mask);
  c.cr0_shadow = vmcs_.read(F::kCr0Shadow);
  c.cr4_mask = vmcs_.read(F::kCr4Mask);
  c.cr4_shadow = vmcs_.read(F::kCr4Shadow);
  c.cr3_target[0] = vmcs_.read(F::kCr3Target0);
  c.cr3_target[1] = vmcs_.read(F::kCr3Target1);
  c.cr3_target[2] = vmcs_.read(F::kCr3Target2);
  c.cr3_target[3] = vmcs_.read(F::kCr3Target3);
  c.cr3_targets = vmcs_.read32(F::kCr3TargetCount);
  c.eptp = vmcs_.read(F::kEptPointer);
  c.vpid_field = vmcs_.read16(F::kVpid);
  c.ple_gap = vmcs_.read32(F::kPleGap);
  c.ple_window = vmcs_.read32(F::kPleWindow);
  c.tpr_threshold = vmcs_.read32(F::kTprThreshold);
  c.virtual_apic_page = vmcs_.read(F::kVirtualApicPage);
  c.apic_access_page = vmcs_.read(F::kApicAccessPage);
  c.pml_address = vmcs_.read(F::kPmlAddress);
}

}  // namespace xensim::cpu
