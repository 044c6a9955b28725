// The breakpoints of DR0–DR3 under DR7 (SDM 3, 17.2.4 and 17.2.5, 17.3.1).
//
// While any is enabled, globally or locally, the run loop executes one instruction at a time: it asks for
// instruction breakpoints before, and looks through the accesses of the instruction for data breakpoints after it.
// Nothing else knows of breakpoints, so that they cost nothing when there are none. Accesses to addresses that are
// not RAM, and those of event delivery, are not watched; an iteration of a REP string instruction may be many, as
// with fast strings.
//
// All functions return the bits B0–B3 of DR6.
#pragma once

#include <cstdint>
#include <span>

#include "models/cpu/arch_state.h"
#include "models/cpu/timing/timing_model.h"

namespace xensim::cpu::isa {

inline bool breakpoints_enabled(const ArchState& st) { return (st.dr[7] & 0xff) != 0; }

// At the instruction that begins at this linear address.
std::uint64_t instruction_breakpoints(const ArchState& st, std::uint64_t linear);
// Of the accesses that an instruction made.
std::uint64_t data_breakpoints(const ArchState& st, std::span<const MemAccess> accesses);
// Of an access to a port; none unless CR4.DE is set.
std::uint64_t port_breakpoints(const ArchState& st, std::uint16_t port, unsigned size);

}  // namespace xensim::cpu::isa
