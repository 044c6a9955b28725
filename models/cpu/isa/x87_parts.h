// Parts of x87_forms() that live in files of their own.
#pragma once

#include <span>

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

std::span<const Form>
x87_control_forms();                   // x87_control.cpp: control and status words, environment, FNSAVE, FWAIT
std::span<const Form> fxsave_forms();  // fxsave.cpp

}  // namespace xensim::cpu::isa
