// Inner stacks from the current TSS (SDM 3, 7.2.1 and 7.7): event delivery and call gates use the same ones.
#pragma once

#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

// SS:ESP for a privilege level from a 16- or 32-bit TSS; #TS if it lies past the limit.
Outcome inner_stack_legacy(Core& core, unsigned level, std::uint16_t& ss, std::uint64_t& sp);
// RSP for a privilege level, or of an interrupt stack (ist 1…7), from a 64-bit TSS.
Outcome inner_stack_64(Core& core, unsigned level, unsigned ist, std::uint64_t& sp);

}  // namespace xensim::cpu::isa
