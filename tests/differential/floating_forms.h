// Forms for the SSE, MMX and x87 families: every encoding of every mnemonic in a family's table, found by decoding
// the opcode space, with states rich in NaNs, infinities, denormals, zeros and values next to the limits of each
// format.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "models/cpu/form.h"
#include "tests/differential/harness.h"

namespace xensim::differential {

std::uint32_t random_single(Rng& rng);
std::uint64_t random_double(Rng& rng);
std::array<std::uint64_t, 2> random_vector(Rng& rng);
cpu::X87::Register random_extended(Rng& rng);
// Rounding modes, FTZ, DAZ, sticky flags, and now and then unmasked exceptions.
std::uint32_t random_mxcsr(Rng& rng);
// Registers, tags, TOP, control and status; no exception is pending.
void random_x87(Rng& rng, cpu::X87& x);

// One form per opcode and operand kind. adjust may refuse an instance; it is told where the memory operand is.
using AdjustFloating = std::function<bool(Rng&, ZydisMnemonic, Instance&, std::uint64_t address)>;
std::vector<Form> forms_of_family(std::span<const cpu::Form> rows, AdjustFloating adjust);

// For Form::compare of RCPPS, RSQRTPS and their like.
std::string compare_approximate(const Instance& i, const Result& host, const Result& simulated);

}  // namespace xensim::differential
