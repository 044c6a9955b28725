// F16C: conversions between half and single precision (SDM 1, 14.4; SDM 2). Half-precision denormals are neither
// flushed nor signalled as operands; FTZ does not apply to results.
#include <array>

#include "models/cpu/isa/ieee_rounding.h"
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace vex {
namespace {

template <unsigned kCount, bool kMemory>
Outcome to_single(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, 2 * kCount>(c, op, op.rm, b); failed(o)) return o;
  const auto from = elements<std::uint16_t>(b.half[0]);
  std::array<std::uint32_t, 8> to{};
  std::uint32_t raised = 0;
  for (unsigned i = 0; i < kCount; ++i) to[i] = ieee::half_to_single(from[i], raised);
  if (Outcome o = settle_flags(c, raised); failed(o)) return o;
  set_ymm<kCount / 4>(c, op.reg, value_of<Wide>(to));
  return Outcome::kNext;
}
Handler bind_to_single(const DecodedInstruction& d, Op&) {
  if (is_wide(d)) return d.is_mem(1) ? to_single<8, true> : to_single<8, false>;
  return d.is_mem(1) ? to_single<4, true> : to_single<4, false>;
}

// Immediate: bit 2 takes MXCSR's rounding mode, else bits 1:0 are it.
template <unsigned kCount, bool kMemory>
Outcome to_half(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  ieee::Control control = ieee::control_of(c.st.mxcsr);
  if (!(op.imm & 4)) control.rounding = static_cast<ieee::Rounding>(op.imm & 3);
  control.flush_to_zero = false;
  const auto from = elements<std::uint32_t>(ymm(c, op.rm));
  std::array<std::uint16_t, 8> to{};
  std::uint32_t raised = 0;
  for (unsigned i = 0; i < kCount; ++i) to[i] = ieee::single_to_half(from[i], control, raised);
  const Wide r{{value_of<__m128i>(to), _mm_setzero_si128()}};
  if constexpr (kMemory) {
    // The store's faults come before the arithmetic's.
    std::uint64_t a;
    if (!c.linear_address(op, 2 * kCount, true, a)) return Outcome::kFault;
    if (Outcome o = c.mmu.probe_write(LinearAddr(a), 2 * kCount, c.mmu.current_view()); failed(o)) return o;
    if (Outcome o = settle_flags(c, raised); failed(o)) return o;
    return store<2 * kCount>(c, op, r);
  } else {
    if (Outcome o = settle_flags(c, raised); failed(o)) return o;
    set_xmm_zeroing(c, op.reg, r.half[0]);
    return Outcome::kNext;
  }
}
Handler bind_to_half(const DecodedInstruction& d, Op&) {
  if (d.op(1).size == 256) return d.is_mem(0) ? to_half<8, true> : to_half<8, false>;
  return d.is_mem(0) ? to_half<4, true> : to_half<4, false>;
}

constexpr Form kForms[] = {
    Form(ZYDIS_MNEMONIC_VCVTPH2PS, CostClass::kFpConvert, kStraight, bind_to_single),
    Form(ZYDIS_MNEMONIC_VCVTPS2PH, CostClass::kFpConvert, kStraight, bind_to_half),
};

}  // namespace
}  // namespace vex

std::span<const Form> f16c_forms() { return vex::kForms; }

}  // namespace xensim::cpu::isa
