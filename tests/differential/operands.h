// Makes instances from a mnemonic and a shape, with Zydis's encoder: random registers, immediates and addresses.
#pragma once

#include <Zydis/Zydis.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/differential/harness.h"

namespace xensim::differential {

// Where instances run: mode 64 beside the host's code, 32 (flat, unpaged) and 16 (real mode) beside the Unicorn
// library's. Addresses in Chosen and Instance::data are always those of mode 64; `data` is where that area begins
// in the segment.
struct Target {
  unsigned mode = 64;
  std::uint64_t slot = kSlot, data = kData;
  // Operand sizes in bits: all, without 8, without 8 and 16.
  std::vector<unsigned> all = {8, 16, 32, 64}, words = {16, 32, 64}, longs = {32, 64};
};
const Target& target(unsigned mode);

// What the encoder chose, for a form that wants to adjust the state to it.
struct Chosen {
  ZydisEncoderRequest request{};
  std::uint64_t address = 0;  // of the memory operand, kMiddle or near it; 0: none
};
using Adjust = std::function<bool(Rng&, Instance&, const Chosen&)>;

// shape: one letter per operand.
//   r  a general register of the operand size        m  memory of that size
//   i  an immediate (sign-extended 8 or up to 32 bits)  b  an unsigned 8-bit immediate
//   1  the constant 1                                  c  CL
//   d  a 32-bit, w a 16-bit, y an 8-bit general register      D W Y the same in memory
//   q  a 64-bit general register                              Q 64-bit memory, X 128-bit memory
//   x  an XMM register
// In modes 16 and 32, shapes with q are left out.
// sizes: operand sizes in bits that r, m mean; one form for each.
void add_forms(std::vector<Form>& to, ZydisMnemonic mnemonic, std::initializer_list<const char*> shapes,
               const std::vector<unsigned>& sizes, std::uint64_t undefined_flags = 0, Adjust adjust = {},
               ZydisInstructionAttributes prefixes = 0, const Target& t = target(64));

// Fixed bytes with a random state around them.
Form bytes_form(std::string name, std::vector<std::uint8_t> code, std::uint64_t undefined_flags = 0,
                std::function<bool(Rng&, Instance&)> adjust = {});

// The register of a general-purpose operand, as an index into MachineState::gpr; 16 for AH, CH, DH, BH.
unsigned gpr_of(ZydisRegister r);

}  // namespace xensim::differential
