// The 512-byte FXSAVE image, which is also the legacy region of an XSAVE area (SDM 1, 10.5.1).
#pragma once

#include <cstdint>

#include "models/cpu/arch_state.h"

namespace xensim::cpu::isa {

inline constexpr unsigned kFxsaveBytes = 512;
// Where MXCSR (with its mask), ST0 and XMM0 lie.
inline constexpr unsigned kImageMxcsr = 24, kImageStack = 32, kImageXmm = 160;
inline constexpr std::uint32_t kMxcsrMask = 0xffff;

// Writes x87, MXCSR and XMM state into an image. wide: 64-bit instruction and data pointers (REX.W). registers:
// XMM registers to store, 16 in 64-bit mode, else 8. The rest of the image keeps its bytes.
void store_fxsave_image(const ArchState& st, bool wide, unsigned registers, std::uint8_t* image);
// false: the image's MXCSR has reserved bits set, and nothing was loaded.
bool load_fxsave_image(ArchState& st, bool wide, unsigned registers, const std::uint8_t* image);
// Its parts.
std::uint32_t mxcsr_of_image(const std::uint8_t* image);
void load_x87_image(ArchState& st, bool wide, const std::uint8_t* image);
void load_xmm_image(ArchState& st, unsigned registers, const std::uint8_t* image);

}  // namespace xensim::cpu::isa
