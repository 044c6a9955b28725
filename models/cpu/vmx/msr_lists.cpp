// The MSR areas of VM entry and VM exit (SDM 3, 24.7.2, 26.4, 27.4): lists of 16-byte entries {index, reserved,
// value}.
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/entry_checks.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace {

struct ListEntry {
  std::uint32_t index;
  std::uint32_t reserved;
  std::uint64_t value;
};

// The MSRs that a list can name: plain storage outside the VMCS.
std::uint64_t* storage(ArchState& st, std::uint32_t index) {
  switch (index) {
    case 0x174:
      return &st.msr.sysenter_cs;
    case 0x175:
      return &st.msr.sysenter_esp;
    case 0x176:
      return &st.msr.sysenter_eip;
    case 0x1d9:
      return &st.msr.debugctl;
    case 0x277:
      return &st.msr.pat;
    case 0xc0000081:
      return &st.msr.star;
    case 0xc0000082:
      return &st.msr.lstar;
    case 0xc0000083:
      return &st.msr.cstar;
    case 0xc0000084:
      return &st.msr.fmask;
    case 0xc0000102:
      return &st.msr.kernel_gs_base;
    case 0xc0000103:
      return &st.msr.tsc_aux;
    default:
      return nullptr;
  }
}

// Would WRMSR take the value?
bool acceptable(std::uint32_t index, std::uint64_t value) {
  switch (index) {
    case 0x175:
    case 0x176:
    case 0xc0000082:
    case 0xc0000083:
    case 0xc0000102:
      return entry_checks::canonical(value);
    case 0x1d9:
      return (value & ~std::uint64_t{0xffc3}) == 0;
    case 0x277:
      return entry_checks::valid_pat(value);
    case 0xc0000103:
      return value >> 32 == 0;
    default:
      return true;
  }
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
    std::uint64_t* target = e.reserved == 0 ? storage(core_.st, e.index) : nullptr;
    if (!target || !acceptable(e.index, e.value)) return i + 1;
    *target = e.value;
  }
  return 0;
}

// Stores the values of the MSRs that the exit list names.
void Vmx::store_msrs() {
  const std::uint32_t count = vmcs_.read32(VmcsField::kExitMsrStoreCount);
  const std::uint64_t address = vmcs_.read(VmcsField::kExitMsrStoreAddress);
  for (unsigned i = 0; i < count && i < vmx_capability::kMaxMsrListEntries; ++i) {
    const PhysAddr at(address + std::uint64_t{i} * sizeof(ListEntry));
    if (!memory_.contains(at, sizeof(ListEntry))) return;
    const auto e = memory_.read<ListEntry>(at);
    const std::uint64_t* source = storage(core_.st, e.index);
    const std::uint64_t value = e.index == 0xc0000080 ? core_.st.efer : source ? *source : 0;
    memory_.write(at + offsetof(ListEntry, value), value);
  }
}

}  // namespace xensim::cpu
