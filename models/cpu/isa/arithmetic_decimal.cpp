// Decimal adjustment: AAA, AAS, AAM, AAD, DAA, DAS. Outside 64-bit mode only. SDM 2, under those names.
#include "models/cpu/isa/arithmetic_parts.h"
#include "models/cpu/isa/operands.h"

namespace xensim::cpu::isa {
namespace {

constexpr unsigned kAl = 0, kAh = 1;

// AAA and AAS: one decimal digit in AL, carry or borrow into AH.
template <bool kSubtract>
Outcome adjust_ascii(Core& core, const Op&) {
  const auto al = read_register<std::uint8_t>(core, kAl);
  const bool adjust = (al & 0xf) > 9 || core.flags.af();
  auto ax = read_register<std::uint16_t>(core, kRax);
  if (adjust) ax = static_cast<std::uint16_t>(kSubtract ? ax - 0x106 : ax + 0x106);
  ax &= 0xff0f;
  write_register<std::uint16_t>(core, kRax, ax);
  core.flags.set_result<std::uint8_t>(static_cast<std::uint8_t>(ax), adjust, false, adjust);
  return Outcome::kNext;
}

Outcome aam(Core& core, const Op& op) {
  const auto base = static_cast<std::uint8_t>(op.imm);
  if (base == 0) return core.raise(kDe);
  const auto al = read_register<std::uint8_t>(core, kAl);
  const auto rest = static_cast<std::uint8_t>(al % base);
  write_register<std::uint8_t>(core, kAh, static_cast<std::uint8_t>(al / base));
  write_register<std::uint8_t>(core, kAl, rest);
  core.flags.set_logic<std::uint8_t>(rest);
  return Outcome::kNext;
}

Outcome aad(Core& core, const Op& op) {
  const auto al = read_register<std::uint8_t>(core, kAl);
  const auto ah = read_register<std::uint8_t>(core, kAh);
  const auto r = static_cast<std::uint8_t>(al + ah * static_cast<std::uint8_t>(op.imm));
  write_register<std::uint16_t>(core, kRax, r);
  core.flags.set_logic<std::uint8_t>(r);
  return Outcome::kNext;
}

// DAA and DAS: two packed decimal digits in AL.
template <bool kSubtract>
Outcome adjust_packed(Core& core, const Op&) {
  const auto old = read_register<std::uint8_t>(core, kAl);
  const bool old_cf = core.flags.cf();
  const bool low = (old & 0xf) > 9 || core.flags.af();
  const bool high = old > 0x99 || old_cf;
  const unsigned correction = (low ? 6u : 0u) + (high ? 0x60u : 0u);
  const auto al = static_cast<std::uint8_t>(kSubtract ? old - correction : old + correction);
  // A borrow out of the low correction alone sets CF too; a carry does only if the old value was above 0x99
  // already.
  const bool borrow = kSubtract && low && old < 6;
  write_register<std::uint8_t>(core, kAl, al);
  core.flags.set_result<std::uint8_t>(al, high || borrow, false, low);
  return Outcome::kNext;
}

}  // namespace

Handler bind_aaa(const DecodedInstruction&, Op&) { return adjust_ascii<false>; }
Handler bind_aas(const DecodedInstruction&, Op&) { return adjust_ascii<true>; }
Handler bind_aam(const DecodedInstruction&, Op&) { return aam; }
Handler bind_aad(const DecodedInstruction&, Op&) { return aad; }
Handler bind_daa(const DecodedInstruction&, Op&) { return adjust_packed<false>; }
Handler bind_das(const DecodedInstruction&, Op&) { return adjust_packed<true>; }

}  // namespace xensim::cpu::isa
