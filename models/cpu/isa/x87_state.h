// The x87 state as the x87 family, MMX and FXSAVE share it: the status summary, tags, and access to blocks of
// memory larger than one access (SDM 1, 8.1).
#pragma once

#include <array>
#include <cstdint>

#include "models/cpu/core.h"

namespace xensim::cpu::isa::x87 {

inline constexpr std::uint16_t kExceptions = 0x3f, kSummaryAndBusy = 0x8080;

inline bool pending(const X87& x) { return (x.status & ~x.control & kExceptions) != 0; }
// ES and B follow the exception flags and their masks.
inline void update_summary(X87& x) {
  x.status = static_cast<std::uint16_t>(pending(x) ? x.status | kSummaryAndBusy : x.status & ~kSummaryAndBusy);
}
inline unsigned top(const X87& x) { return (x.status >> 11) & 7; }
// What the control register keeps of a value: masks, precision, rounding, infinity control; bit 6 reads as one.
inline std::uint16_t control_value(std::uint16_t v) { return static_cast<std::uint16_t>((v & 0x1f3f) | 0x40); }

// The tag word with two bits per register, and back (SDM 1, 8.1.7).
std::uint16_t full_tags(const X87& x);
std::uint8_t abridged_tags(std::uint16_t full);

// The 80 bytes of ST(0)…ST(7), ten each.
void store_stack(const X87& x, std::uint8_t* out);
void load_stack(X87& x, const std::uint8_t* in);

void initialise(X87& x);  // FNINIT

// #NM and #MF of x87 instructions. kWaits: all but the FN… control instructions.
template <bool kWaits>
Outcome check(Core& c) {
  if (c.st.cr0 & (kCr0Em | kCr0Ts)) [[unlikely]]
    return c.raise(kNm);
  if constexpr (kWaits)
    if (pending(c.st.x87)) [[unlikely]]
      return c.raise(kMf);
  return Outcome::kNext;
}

// The record's memory operand as a block of bytes: nothing is written unless all of it can be.
Outcome read_block(Core& c, std::uint64_t linear, std::uint8_t* out, unsigned size);
Outcome write_block(Core& c, std::uint64_t linear, const std::uint8_t* in, unsigned size);

}  // namespace xensim::cpu::isa::x87
