// The instructions that change CS other than through event delivery; the rows are in far_transfer.cpp.
#pragma once

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

// Software events (delivery.cpp's business once raised), IRET (interrupt_return.cpp), and the fast system calls
// (syscall.cpp).
Handler bind_iret(const DecodedInstruction&, Op&);
Handler bind_syscall(const DecodedInstruction&, Op&);
Handler bind_sysret(const DecodedInstruction&, Op&);
Handler bind_sysenter(const DecodedInstruction&, Op&);
Handler bind_sysexit(const DecodedInstruction&, Op&);

}  // namespace xensim::cpu::isa
