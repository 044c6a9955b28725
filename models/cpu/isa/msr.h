// Model-specific registers by index, without privilege checks and interception: RDMSR and WRMSR, and the MSR lists
// of VM entry and exit.
#pragma once

#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

// false: the MSR does not exist, or does not take the value: #GP(0).
bool read_msr(Core& core, std::uint32_t index, std::uint64_t& out);
bool write_msr(Core& core, std::uint32_t index, std::uint64_t value);

}  // namespace xensim::cpu::isa
