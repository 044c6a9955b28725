// The stack forms of data movement (data_movement_stack.cpp), as the family's table names them.
#pragma once

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

Handler bind_push(const DecodedInstruction& d, Op& op);
Handler bind_pop(const DecodedInstruction& d, Op& op);
Handler bind_pusha(const DecodedInstruction& d, Op& op);
Handler bind_popa(const DecodedInstruction& d, Op& op);
Handler bind_enter(const DecodedInstruction& d, Op& op);
Handler bind_leave(const DecodedInstruction& d, Op& op);

}  // namespace xensim::cpu::isa
