// The system instructions: which file binds what. The rows are in system.cpp; MOV to and from control and debug
// registers is bound through form.h.
#pragma once

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

// control_registers.cpp
Handler bind_clts(const DecodedInstruction&, Op&);
Handler bind_lmsw(const DecodedInstruction&, Op&);
Handler bind_smsw(const DecodedInstruction&, Op&);
// descriptor_tables.cpp
Handler bind_lgdt(const DecodedInstruction&, Op&);
Handler bind_lidt(const DecodedInstruction&, Op&);
Handler bind_sgdt(const DecodedInstruction&, Op&);
Handler bind_sidt(const DecodedInstruction&, Op&);
Handler bind_lldt(const DecodedInstruction&, Op&);
Handler bind_ltr(const DecodedInstruction&, Op&);
Handler bind_sldt(const DecodedInstruction&, Op&);
Handler bind_str(const DecodedInstruction&, Op&);
// msr.cpp
Handler bind_rdmsr(const DecodedInstruction&, Op&);
Handler bind_wrmsr(const DecodedInstruction&, Op&);

}  // namespace xensim::cpu::isa
