// Model-specific registers by index, without privilege checks and interception: RDMSR and WRMSR, and the MSR lists
// of VM entry and exit.
#pragma once

#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

// IA32_ARCH_CAPABILITIES: what speculation-related weaknesses the core does not have: RDCL, L1D flush on VM entry,
// SSB, MDS, page-size change, TAA, SBDR/SSDP, FBSDP, PSDP, BHI, PBRSB, RFDS, ITS (SDM 4, table
// 2-2).
inline constexpr std::uint64_t kArchCapabilities = 1ull << 0 | 1ull << 3 | 1ull << 4 | 1ull << 5 | 1ull << 6 |
                                                   1ull << 8 | 1ull << 13 | 1ull << 14 | 1ull << 15 | 1ull << 20 |
                                                   1ull << 24 | 1ull << 27 | 1ull << 62;

// false: the MSR does not exist, or does not take the value: #GP(0).
bool read_msr(Core& core, std::uint32_t index, std::uint64_t& out);
bool write_msr(Core& core, std::uint32_t index, std::uint64_t value);

}  // namespace xensim::cpu::isa
