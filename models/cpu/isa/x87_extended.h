// Double extended-precision numbers (SDM 1, 4.2.2 and 8.3): what the x87 unit's registers hold, rounding to them,
// and the arithmetic on them, in integers.
//
// An operation reports exceptions into a Context. Those that come before a result (invalid operation, denormal
// operand, division by zero) stop it if they are unmasked: stopped() is true, the result means nothing, and no
// exception that comes after a result is reported.
#pragma once

#include <cstdint>
#include <optional>

#include "models/cpu/arch_state.h"
#include "models/cpu/isa/ieee_rounding.h"
#include "models/cpu/isa/wide_real.h"

namespace xensim::cpu::isa::x87 {

using Extended = X87::Register;

// The status word's bits.
inline constexpr std::uint16_t kInvalid = 0x01, kDenormal = 0x02, kZeroDivide = 0x04, kOverflow = 0x08,
                               kUnderflow = 0x10, kPrecision = 0x20, kStackFault = 0x40, kC0 = 0x100, kC1 = 0x200,
                               kC2 = 0x400, kC3 = 0x4000, kConditions = kC0 | kC1 | kC2 | kC3;

// Under which control word an operation runs, and what it raises.
struct Context {
  std::uint16_t control = 0x037f;
  std::uint16_t raised = 0;
  bool rounded_up = false;       // away from zero: C1
  bool denormal_source = false;  // the memory operand is a denormal of its own format

  ieee::Rounding rounding() const { return static_cast<ieee::Rounding>(control >> 10 & 3); }
  unsigned precision() const;  // bits of significand, by precision control
  bool masked(std::uint16_t exception) const { return (control & exception) != 0; }
  bool stopped() const { return (raised & ~control & (kInvalid | kDenormal | kZeroDivide)) != 0; }
};

enum class Kind : std::uint8_t {
  kZero,
  kDenormal,  // pseudo-denormals too
  kNormal,
  kInfinity,
  kQuietNan,
  kSignallingNan,
  kUnsupported,  // unnormals, pseudo-infinities, pseudo-NaNs
};
Kind kind_of(const Extended& v);
inline bool is_negative(const Extended& v) { return (v.sign_exponent & 0x8000) != 0; }
inline bool is_nan(Kind k) { return k == Kind::kQuietNan || k == Kind::kSignallingNan; }

inline constexpr int kExtendedBias = 16383, kExtendedSmallest = -16382, kExtendedLargest = 16383;
inline constexpr std::uint64_t kIntegerBit = std::uint64_t{1} << 63;
inline constexpr Extended kDefaultNan{kIntegerBit | kIntegerBit >> 1, 0xffff};

Extended zero(bool negative);
Extended infinity(bool negative);
Extended one(bool negative = false);
WideReal real_of(const Extended& v);  // of a finite number

// A number other than zero as the format has it: rounded to `bits` of significand (24, 53 or 64) by the control
// word's direction; the exponent has the whole range. Precision, underflow and overflow are reported.
Extended round(Context& c, const WideReal& v, unsigned bits);

// A number below 2^64 as an integer.
struct Whole {
  std::uint64_t magnitude;
  bool inexact, up;
};
Whole whole_part(const WideReal& v, ieee::Rounding direction);
Extended from_magnitude(bool negative, std::uint64_t magnitude);

// What NaNs and unsupported operands make of an operation, if there are any. Of two NaNs a quiet one goes before a
// signalling one, then the one with the larger significand, then the positive one.
std::optional<Extended> nan_result(Context& c, const Extended& a);
std::optional<Extended> nan_result(Context& c, const Extended& a, const Extended& b);
// Invalid operation.
Extended invalid(Context& c);
// Denormal operand, if one is.
void note_denormals(Context& c, const Extended& a);
void note_denormals(Context& c, const Extended& a, const Extended& b);

// Destination and source, in this order: destination − source. The reversed operations exchange them.
Extended add(Context& c, const Extended& a, const Extended& b);
Extended subtract(Context& c, const Extended& a, const Extended& b);
Extended subtract_reversed(Context& c, const Extended& a, const Extended& b);
Extended multiply(Context& c, const Extended& a, const Extended& b);
Extended divide(Context& c, const Extended& a, const Extended& b);
Extended divide_reversed(Context& c, const Extended& a, const Extended& b);
Extended square_root(Context& c, const Extended& a);
Extended round_to_integer(Context& c, const Extended& a);
Extended scale(Context& c, const Extended& a, const Extended& b);

// FPREM, or with kNearest FPREM1. conditions: C0, C1, C2 and C3 of a remainder; none if there is none.
template <bool kNearest>
Extended remainder(Context& c, const Extended& a, const Extended& b, std::optional<std::uint16_t>& conditions);

struct Parts {
  Extended exponent, significand;
};
Parts extract(Context& c, const Extended& a);

// C0, C2 and C3. quiet: FUCOM, for which quiet NaNs are no invalid operation.
std::uint16_t compare(Context& c, const Extended& a, const Extended& b, bool quiet);
// C0, C1, C2 and C3 of FXAM.
std::uint16_t examine(const Extended& a, bool empty);

}  // namespace xensim::cpu::isa::x87
