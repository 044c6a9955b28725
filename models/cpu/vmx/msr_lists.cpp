// The MSR areas of VM entry and VM exit (SDM 3, 24.7.2, 26.4, 27.4, 27.6): lists of 16-byte entries {index,
// reserved, value}. What RDMSR and WRMSR would do, without the registers that the VMCS has fields for and the
// local APIC's.
#include "models/cpu/core.h"
#include "models/cpu/isa/msr.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace {

struct ListEntry {
  std::uint32_t index;
  std::uint32_t reserved;
  std::uint64_t value;
};

bool may_be_listed(const ListEntry& e) {
  const bool x2apic = e.index >= 0x800 && e.index <= 0x8ff;
  const bool segment_base = e.index == 0xc0000100 || e.index == 0xc0000101;
  return e.reserved == 0 && !x2apic && !segment_base;
}

}  // namespace

// Loads a list; the number of the first bad entry, counted from 1, or 0.
unsigned Vmx::load_msrs(VmcsField count_field, VmcsField address_field) {
  const std::uint32_t count = vmcs_.read32(count_field);
  const std::uint64_t address = vmcs_.read(address_field);
  for (unsigned i = 0; i < count; ++i) {
    const PhysAddr at(address + std::uint64_t{i} * sizeof(ListEntry));
    if (i >= vmx_capability::kMaxMsrListEntries || !memory_.contains(at, sizeof(ListEntry))) return i + 1;
    const auto e = memory_.read<ListEntry>(at);
    if (!may_be_listed(e) || !isa::write_msr(core_, e.index, e.value)) return i + 1;
  }
  return 0;
}

// Stores the values of the MSRs that the exit list names; false: an entry is bad.
bool Vmx::store_msrs() {
  const std::uint32_t count = vmcs_.read32(VmcsField::kExitMsrStoreCount);
  const std::uint64_t address = vmcs_.read(VmcsField::kExitMsrStoreAddress);
  for (unsigned i = 0; i < count; ++i) {
    const PhysAddr at(address + std::uint64_t{i} * sizeof(ListEntry));
    if (i >= vmx_capability::kMaxMsrListEntries || !memory_.contains(at, sizeof(ListEntry))) return false;
    const auto e = memory_.read<ListEntry>(at);
    std::uint64_t value = 0;
    if (!may_be_listed(e) || !isa::read_msr(core_, e.index, value)) return false;
    memory_.write(at + offsetof(ListEntry, value), value);
  }
  return true;
}

}  // namespace xensim::cpu
