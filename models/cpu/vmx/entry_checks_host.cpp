// VM-entry checks on the host-state area (SDM 3, 26.2.2–26.2.4). A failure is VM-instruction error 8.
#include "models/cpu/core.h"
#include "models/cpu/vmx/capabilities.h"
#include "models/cpu/vmx/entry_checks.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

namespace entry_checks {

using F = VmcsField;

// 26.2.2
bool host_control_registers(const Vmcs& v, const Controls& c, unsigned physical_bits) {
  using namespace vmx_capability;
  const std::uint64_t cr0 = v.read(F::kHostCr0), cr4 = v.read(F::kHostCr4);
  if ((cr0 & kCr0Fixed0) != kCr0Fixed0 || (cr0 & ~kCr0Fixed1) != 0) return false;
  if ((cr4 & kCr4Fixed0) != kCr4Fixed0 || (cr4 & ~kCr4Fixed1) != 0) return false;
  if (v.read(F::kHostCr3) >> physical_bits != 0) return false;
  if (!canonical(v.read(F::kHostSysenterEsp)) || !canonical(v.read(F::kHostSysenterEip))) return false;
  if (c.load_host_pat() && !valid_pat(v.read(F::kHostPat))) return false;
  if (c.load_host_efer()) {
    const std::uint64_t efer = v.read(F::kHostEfer);
    if ((efer & ~(kEferSce | kEferLme | kEferLma | kEferNxe)) != 0) return false;
    const bool wide = c.host_address_space_64();
    if (((efer & kEferLma) != 0) != wide || ((efer & kEferLme) != 0) != wide) return false;
  }
  return true;
}

// 26.2.3
bool host_segments(const Vmcs& v, const Controls& c) {
  for (const F f : {F::kHostEsSelector, F::kHostCsSelector, F::kHostSsSelector, F::kHostDsSelector,
                    F::kHostFsSelector, F::kHostGsSelector, F::kHostTrSelector})
    if ((v.read16(f) & 7) != 0) return false;
  if (v.read16(F::kHostCsSelector) == 0 || v.read16(F::kHostTrSelector) == 0) return false;
  if (!c.host_address_space_64() && v.read16(F::kHostSsSelector) == 0) return false;
  for (const F f : {F::kHostFsBase, F::kHostGsBase, F::kHostGdtrBase, F::kHostIdtrBase, F::kHostTrBase})
    if (!canonical(v.read(f))) return false;
  return true;
}

// 26.2.4
bool host_address_space(const Vmcs& v, const Controls& c, bool long_mode_active) {
  const std::uint64_t cr4 = v.read(F::kHostCr4), rip = v.read(F::kHostRip);
  if (!long_mode_active && (c.ia32e_mode_guest() || c.host_address_space_64())) return false;
  if (long_mode_active && !c.host_address_space_64()) return false;
  if (!c.host_address_space_64()) return !c.ia32e_mode_guest() && (cr4 & kCr4Pcide) == 0 && rip >> 32 == 0;
  return (cr4 & kCr4Pae) != 0 && canonical(rip);
}

}  // namespace entry_checks

VmxError Vmx::check_host_state() const {
  using namespace entry_checks;
  const bool good = host_control_registers(vmcs_, controls, core_.config.physical_bits) &&
                    host_segments(vmcs_, controls) &&
                    host_address_space(vmcs_, controls, core_.st.long_mode_active());
  return good ? VmxError::kNone : VmxError::kEntryInvalidHostState;
}

}  // namespace xensim::cpu
