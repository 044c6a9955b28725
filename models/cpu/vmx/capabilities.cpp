// The VMX capability MSRs (SDM 3, appendix A).
#include "models/cpu/vmx/capabilities.h"

#include "models/cpu/core.h"
#include "models/cpu/vmx/vmx.h"

namespace xensim::cpu {

using namespace vmx_capability;

namespace {

constexpr std::uint64_t flag(unsigned n) { return std::uint64_t{1} << n; }

constexpr std::uint64_t with_default1(const Allowed& a, std::uint32_t default1) { return a.msr() | default1; }

// Region size 4 KiB, write-back memory type, INS/OUTS information reported, TRUE capability MSRs.
constexpr std::uint64_t kBasic =
    kVmcsRevision | std::uint64_t{kPageSize} << 32 | std::uint64_t{6} << 50 | flag(54) | flag(55);
// Timer rate; LMA is stored in the entry controls; activity states HLT, shutdown, wait-for-SIPI; CR3 targets;
// injection of software events of length 0.
constexpr std::uint64_t kMisc =
    kPreemptionTimerShift | flag(5) | flag(6) | flag(7) | flag(8) | std::uint64_t{kCr3Targets} << 16 | flag(30);
// Execute-only, 4 levels, UC and WB, 2 MiB and 1 GiB pages, INVEPT (single, all), A/D flags; INVVPID of all types.
constexpr std::uint64_t kEptVpid = flag(0) | flag(6) | flag(8) | flag(14) | flag(16) | flag(17) | flag(20) |
                                   flag(21) | flag(25) | flag(26) | flag(32) | flag(40) | flag(41) | flag(42) |
                                   flag(43);

}  // namespace

bool Vmx::capability_msr(std::uint32_t index, std::uint64_t& out) const {
  switch (index) {
    case 0x480:
      out = kBasic;
      return true;
    case 0x481:
      out = with_default1(kPin, kPinDefault1);
      return true;
    case 0x482:
      out = with_default1(kPrimary, kPrimaryDefault1);
      return true;
    case 0x483:
      out = with_default1(kExit, kExitDefault1);
      return true;
    case 0x484:
      out = with_default1(kEntry, kEntryDefault1);
      return true;
    case 0x485:
      out = kMisc;
      return true;
    case 0x486:
      out = kCr0Fixed0;
      return true;
    case 0x487:
      out = kCr0Fixed1;
      return true;
    case 0x488:
      out = kCr4Fixed0;
      return true;
    case 0x489:
      out = kCr4Fixed1;
      return true;
    case 0x48a:
      out = std::uint64_t{vmcs_layout::kHighestIndex} << 1;
      return true;
    case 0x48b:
      out = kSecondary.msr();
      if (!core_.config.pml) out &= ~(std::uint64_t{kSecondaryPml} << 32);
      return true;
    case 0x48c:
      out = kEptVpid;
      return true;
    case 0x48d:
      out = kPin.msr();
      return true;
    case 0x48e:
      out = kPrimary.msr();
      return true;
    case 0x48f:
      out = kExit.msr();
      return true;
    case 0x490:
      out = kEntry.msr();
      return true;
    default:
      return false;  // 0x491 exists only with VM functions
  }
}

}  // namespace xensim::cpu
