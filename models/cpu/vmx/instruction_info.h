// The parts of the VM-exit instruction-information field (SDM 3, 27.2.5, tables 27-8 … 27-14).
#pragma once

#include <cstdint>

#include "models/cpu/op.h"

namespace xensim::cpu {

constexpr std::uint32_t address_size_info(const Op& op) {
  return (op.flags & kAddr16 ? 0u : op.flags & kAddr32 ? 1u : 2u) << 7;
}
constexpr std::uint32_t segment_info(const Op& op) { return static_cast<std::uint32_t>(op.seg & 7) << 15; }
constexpr std::uint32_t register_1(unsigned gpr) { return (gpr & 15u) << 3; }
constexpr std::uint32_t register_2(unsigned gpr) { return (gpr & 15u) << 28; }
constexpr std::uint32_t register_operand_info(unsigned gpr) { return register_1(gpr) | 1u << 10; }

// A memory operand: scale, address size, segment, index and base registers with their "invalid" bits.
constexpr std::uint32_t memory_operand_info(const Op& op) {
  std::uint32_t info = (op.scale & 3u) | address_size_info(op) | segment_info(op);
  info |= op.index == kZeroReg ? 1u << 22 : (op.index & 15u) << 18;
  info |= op.base == kZeroReg ? 1u << 27 : (op.base & 15u) << 23;
  return info;
}

}  // namespace xensim::cpu
