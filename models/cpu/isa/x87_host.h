// x87 instructions executed by the host's x87 unit.
//
// The guest's whole x87 state is loaded by FRSTOR, the one instruction is executed, and FNSAVE takes the state
// back and leaves the host's unit as its ABI wants it (empty, control word 0x37f). So stack faults, tags,
// condition codes, rounding and precision control, and the results that masked and unmasked exceptions leave are
// those of the processor. An unmasked exception is not delivered to the host: it would be by the next waiting
// instruction, and FNSAVE is none; it is never loaded either, because a guest with one pending gets #MF before it
// comes here.
//
// What IEEE 754 defines is the same on every host. What it does not is not: FSIN, FCOS, FSINCOS, FPTAN, FPATAN,
// F2XM1, FYL2X and FYL2XP1 differ in last bits, and some condition codes that manuals call undefined differ,
// between vendors and generations of processors.
#pragma once

#include <cstdint>

#include "models/cpu/arch_state.h"

namespace xensim::cpu::isa::x87 {

// FSAVE's 32-bit protected-mode format.
struct HostImage {
  std::uint32_t control, status, tags, instruction_pointer, opcode_and_selector, data_pointer, data_selector;
  std::uint8_t stack[80];
};
static_assert(sizeof(HostImage) == 108);

HostImage host_image(const X87& x);
// Takes status, tags and registers from an image.
void take_host_image(X87& x, const HostImage& image);

// Bytes D8+opcode, modrm (0xc0…0xff). flags: the status flags in AH's place (bits 15:8), in and out.
void host_register_form(HostImage& image, unsigned opcode, unsigned modrm, std::uint16_t& flags);
// Bytes D8+opcode, /reg with a memory operand (at most 10 bytes) at `operand`.
void host_memory_form(HostImage& image, unsigned opcode, unsigned reg, void* operand);

}  // namespace xensim::cpu::isa::x87
