// The binders of arithmetic instructions that live in files of their own.
#pragma once

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

// multiply_divide.cpp
Handler bind_mul(const DecodedInstruction& d, Op& op);
Handler bind_imul(const DecodedInstruction& d, Op& op);
Handler bind_div(const DecodedInstruction& d, Op& op);
Handler bind_idiv(const DecodedInstruction& d, Op& op);

// arithmetic_decimal.cpp
Handler bind_aaa(const DecodedInstruction& d, Op& op);
Handler bind_aas(const DecodedInstruction& d, Op& op);
Handler bind_aam(const DecodedInstruction& d, Op& op);
Handler bind_aad(const DecodedInstruction& d, Op& op);
Handler bind_daa(const DecodedInstruction& d, Op& op);
Handler bind_das(const DecodedInstruction& d, Op& op);

}  // namespace xensim::cpu::isa
