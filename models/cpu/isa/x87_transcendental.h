// The x87 unit's transcendental functions, in integers: the same bits on every host.
//
// The SDM (1, 8.3.10) promises an error below one unit in the last place, and processors differ within that. Here
// a function is computed to about 120 bits and then rounded as the control word says (precision control does not
// apply), so that results are the correctly rounded ones but where the true value is within 2⁻⁵⁰ units of a
// rounding boundary.
//
// As in the processor, FSIN, FCOS, FSINCOS and FPTAN reduce their operand by a π of 66 bits (SDM 1, 8.3.8):
// results are those for the operand's exact remainder by that number.
#pragma once

#include "models/cpu/isa/x87_extended.h"

namespace xensim::cpu::isa::x87 {

Extended two_to_the_x_minus_1(Context& c, const Extended& x);
// Destination ST(1), source ST(0), as FYL2X, FYL2XP1 and FPATAN have them.
Extended y_log2_x(Context& c, const Extended& y, const Extended& x);
Extended y_log2_x_plus_1(Context& c, const Extended& y, const Extended& x);
Extended arctangent(Context& c, const Extended& y, const Extended& x);

// The operand is 2^63 or more: C2 is set and nothing else happens.
bool beyond_reduction(const Extended& x);
Extended sine(Context& c, const Extended& x);
Extended cosine(Context& c, const Extended& x);
Extended tangent(Context& c, const Extended& x);

// FLD1's companions, rounded as the control word says.
enum class Constant : std::uint8_t { kLog2Of10, kLog2OfE, kPi, kLog10Of2, kLogOf2 };
Extended constant(const Context& c, Constant which);

}  // namespace xensim::cpu::isa::x87
