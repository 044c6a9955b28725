// Writes to CR0, CR3, CR4 and EFER with every check and consequence; also used by LMSW, CLTS, WRMSR and task
// switches.
#pragma once

#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

// Each: kNext, or a fault (#GP(0), or what the load of PAE page-directory-pointer entries raises) with nothing
// changed.
Outcome write_cr0(Core& core, std::uint64_t value);
Outcome write_cr3(Core& core, std::uint64_t value);
Outcome write_cr4(Core& core, std::uint64_t value);
Outcome write_efer(Core& core, std::uint64_t value);
// The CR4 bits that this processor's CPUID policy allows.
std::uint64_t cr4_supported(const Core& core);
// A CR3 as a task switch loads it: no reserved-bit checks, non-global translations go.
Outcome load_task_cr3(Core& core, std::uint32_t value);

}  // namespace xensim::cpu::isa
