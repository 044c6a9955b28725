// MMX instructions that SSE2 has no counterpart of; part of sse_forms(). The others share rows with SSE2.
#pragma once

#include <span>

#include "models/cpu/form.h"

namespace xensim::cpu::isa {

std::span<const Form> mmx_forms();

}  // namespace xensim::cpu::isa
