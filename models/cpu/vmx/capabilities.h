// What this processor's VMX can do: the allowed settings of the controls and the constants behind the capability
// MSRs (SDM 3, appendix A). The entry checks and the MSRs read the same numbers.
#pragma once

#include <cstdint>

namespace xensim::cpu::vmx_capability {

// Allowed settings of a control word: bits that must be 1, and bits that may be 1.
struct Allowed {
  std::uint32_t must_be_1;
  std::uint32_t may_be_1;

  constexpr bool accepts(std::uint32_t controls) const {
    return (controls & must_be_1) == must_be_1 && (controls & ~may_be_1) == 0;
  }
  constexpr std::uint64_t msr() const { return std::uint64_t{may_be_1} << 32 | must_be_1; }
};

template <class... Bits>
constexpr std::uint32_t set_of(Bits... n) {
  return ((std::uint32_t{1} << n) | ...);
}

// Must-be-1 bits with the TRUE capability MSRs; the plain MSRs add the rest of the default1 class.
inline constexpr Allowed kPin{0x16, 0x16 | set_of(0, 3, 5, 6)};
inline constexpr Allowed kPrimary{
    0x04006172, 0x0401e172 | set_of(2, 3, 7, 9, 10, 11, 12, 15, 16, 19, 20, 21, 22, 23, 24, 25, 28, 29, 30, 31)};
inline constexpr Allowed kSecondary{0, set_of(0, 1, 2, 3, 5, 6, 7, 10, 11, 12, 16, 17, 20, 25)};
// What a processor without page-modification logging does not allow.
inline constexpr std::uint32_t kSecondaryPml = set_of(17);
inline constexpr Allowed kExit{0x36dfb, 0x36dff | set_of(9, 15, 18, 19, 20, 21, 22)};
inline constexpr Allowed kEntry{0x11fb, 0x11ff | set_of(9, 14, 15)};
inline constexpr std::uint32_t kPinDefault1 = 0x16, kPrimaryDefault1 = 0x0401e172, kExitDefault1 = 0x36dff,
                               kEntryDefault1 = 0x11ff;

// Bits of CR0 and CR4 that must be 1 (fixed0) and may be 1 (fixed1) in VMX operation.
inline constexpr std::uint64_t kCr0Fixed0 = 0x80000021, kCr0Fixed1 = 0xffffffff;
inline constexpr std::uint64_t kCr4Fixed0 = 0x2000, kCr4Fixed1 = 0x372fff;

// The preemption timer counts down when this bit of the TSC changes (a rate that many Intel processors have).
inline constexpr unsigned kPreemptionTimerShift = 5;
inline constexpr unsigned kCr3Targets = 4;
inline constexpr unsigned kMaxMsrListEntries = 512;  // per list, as IA32_VMX_MISC bits 27:25 = 0 recommend

}  // namespace xensim::cpu::vmx_capability
