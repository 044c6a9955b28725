// Lazy status flags: handlers store what they computed, and CF, PF, AF, ZF, SF, OF are derived when something asks.
//
// `result` is the last result, sign-extended from its operand size to 64 bits: ZF is result == 0, SF its sign, PF the
// parity of its low byte. CF, OF and AF live in `carries`.
#pragma once

#include <bit>
#include <cstdint>

#include "models/cpu/arch_state.h"

namespace xensim::cpu::isa {

struct LazyFlags {
  std::uint64_t result = 1;
  std::uint64_t carries = 0;  // bit 0 CF, bit 1 OF, bit 2 AF; other bits: parity and sign overrides of load()

  // The six status flags in their RFLAGS positions.
  std::uint64_t materialise() const;
  // Takes all six from an RFLAGS value.
  void load(std::uint64_t rflags);
};

}  // namespace xensim::cpu::isa
