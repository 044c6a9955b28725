// Processor state as the XSAVE feature set sees it: its components, where they lie in an XSAVE area, and which of
// them are in use (SDM 1, chapter 13). The instructions are in isa/xsave.cpp; the modelled Xen keeps and sends
// areas in the standard form.
//
// Components 0 (x87) and 1 (SSE) lie in the legacy region, which is FXSAVE's image; the header follows at 512; the
// others lie at 576 and after: in the standard form at the offset that CPUID leaf 0xd tells, in the compact form
// one after the other.
#pragma once

#include <cstdint>
#include <span>

#include "models/cpu/arch_state.h"
#include "models/cpu/cpuid.h"

namespace xensim::cpu::xstate {

inline constexpr std::uint64_t kX87 = 1 << 0, kSse = 1 << 1, kAvx = 1 << 2;
// What XCR0 and IA32_XSS can have at most; no supervisor state is modelled.
inline constexpr std::uint64_t kUser = kX87 | kSse | kAvx, kSupervisor = 0;
inline constexpr std::uint64_t kCompact = std::uint64_t{1} << 63;  // XCOMP_BV: the area has the compact form

inline constexpr unsigned kHeader = 512, kHeaderBytes = 64, kExtended = kHeader + kHeaderBytes;
inline constexpr unsigned kAvxBytes = 256;
inline constexpr unsigned kMostBytes = kExtended + kAvxBytes;

// A component of the extended region.
struct Component {
  unsigned number, bytes, offset;  // offset: in the standard form
  bool aligned;                    // to 64 bytes, in the compact form
};
std::span<const Component> components();

// Bytes of an area for these components: the standard form reaches to the end of the last, the compact form holds
// those of `components` and no others.
unsigned standard_bytes(std::uint64_t mask);
unsigned compact_bytes(std::uint64_t mask);

// XINUSE: the components that are not in their initial configuration. MXCSR does not count.
std::uint64_t in_use(const ArchState& st);

// What a component's registers are after XRSTOR of one that is not in the area. registers: 16 in 64-bit mode, else
// 8.
void initialise_x87(ArchState& st);
void initialise_sse(ArchState& st, unsigned registers);  // without MXCSR
void initialise_avx(ArchState& st, unsigned registers);

// May XCR0 have this value on a processor that supports these components (SDM 3, 2.6)?
bool valid_xcr0(std::uint64_t value, std::uint64_t supported);

// CPUID leaf 0xd for a processor or guest with these components and these features (subleaf 1, EAX).
void set_cpuid(CpuidPolicy& policy, std::uint64_t user, std::uint32_t features);
// The part of leaf 0xd that follows the registers: the sizes in EBX of subleaves 0 and 1.
void update_cpuid(CpuidRegisters& r, std::uint32_t subleaf, const Msrs& msr);
// XCR0's components, and those of IA32_XSS, that a policy offers.
std::uint64_t user_components(const CpuidPolicy& policy);

// A whole area in the standard form, of standard_bytes(mask) bytes and zeros where nothing is in use.
void store_image(const ArchState& st, std::uint64_t mask, std::uint8_t* image);
// Loads the components of mask from such an area, whose header and MXCSR the caller has checked.
void load_image(ArchState& st, std::uint64_t mask, const std::uint8_t* image);

}  // namespace xensim::cpu::xstate
