// The hardware task switch (SDM 3, 7.3), by CALL, JMP, IRET or a task gate in the IDT; 16- and 32-bit TSS.
#pragma once

#include <cstdint>
#include <optional>

#include "models/cpu/core.h"

namespace xensim::cpu::isa {

// Values as in the exit qualification of a task-switch VM exit.
enum class TaskSwitchCause : std::uint8_t { kCall = 0, kIret = 1, kJump = 2, kGate = 3 };

// tss_selector: what the far pointer, the back link or the task gate names. error_code: pushed on the new task's
// stack. The caller has checked the privilege of a gate or TSS descriptor. op: the instruction (nullptr for an IDT
// gate). return_rip: saved as EIP of the old task.
Outcome task_switch(Core& core, std::uint16_t tss_selector, TaskSwitchCause cause, const Op* op,
                    std::uint64_t return_rip, std::optional<std::uint32_t> error_code = std::nullopt);

}  // namespace xensim::cpu::isa
