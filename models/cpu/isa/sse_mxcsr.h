// Floating-point operations under the guest's MXCSR (SDM 1, 11.5 and 11.6).
//
// The host executes them with every exception masked, under the guest's rounding mode, FTZ and DAZ. The common
// case (the guest's control bits are the reset value, and no sticky flag is set on the host that is not set in the
// guest) runs on the host's MXCSR as it stands and costs two STMXCSR; the rest loads the guest's control bits and
// restores the host's. Operations are asm volatile: nothing but that keeps a compiler from moving arithmetic
// across a change of MXCSR.
//
// What #XM leaves in the flags is the processor's, but for one case: the inexact flag beside an unmasked overflow
// or underflow tells of the masked result (infinity, the denormal), not of the one with unbounded exponent.
#pragma once

#include "models/cpu/isa/sse_operands.h"

namespace xensim::cpu::isa::sse {

inline constexpr std::uint32_t kMxcsrFlags = 0x3f, kMxcsrDefault = 0x1f80, kMxcsrDaz = 0x40, kMxcsrFtz = 0x8000,
                               kMxcsrUnderflowMask = 0x800, kMxcsrUnderflow = 0x10, kMxcsrPreComputation = 7;

inline std::uint32_t host_mxcsr() {
  std::uint32_t v;
  asm volatile("stmxcsr %0" : "=m"(v));
  return v;
}
inline void set_host_mxcsr(std::uint32_t v) { asm volatile("ldmxcsr %0" : : "m"(v)); }

// Puts the flags that an operation raised into the guest's MXCSR; an unmasked one raises #XM, or #UD if the
// guest's system has not said that it handles that.
[[gnu::noinline]] Outcome settle_flags(Core& c, std::uint32_t raised);

// The host's MXCSR for an operation of the guest, masks set and flags clear.
inline std::uint32_t masked_control(std::uint32_t guest) {
  std::uint32_t v = (guest & ~kMxcsrFlags & 0xffff) | kMxcsrDefault;
  // FTZ acts on masked underflow only.
  if (!(guest & kMxcsrUnderflowMask)) v &= ~kMxcsrFtz;
  return v;
}

// Which lanes of a result can be tiny: those of arithmetic, not those of compares and moves. An exact denormal
// result signals underflow if underflow is unmasked, and the masked host does not report it.
enum class Tiny { kNone, kSingle1, kSingle2, kSingle4, kDouble1, kDouble2 };

bool has_denormal_lane(__m128i v, Tiny lanes);

// Runs compute() (which returns nothing and stores its result where the caller wants it), then settles the flags.
// tiny(): asked after compute, if underflow is unmasked.
template <class Compute, class IsTiny>
inline Outcome run_float(Core& c, Compute compute, IsTiny tiny) {
  const std::uint32_t host = host_mxcsr(), guest = c.st.mxcsr;
  if ((host | kMxcsrFlags) == (kMxcsrDefault | kMxcsrFlags) &&
      (guest | kMxcsrFlags) == (kMxcsrDefault | kMxcsrFlags) && (host & ~guest) == 0) [[likely]] {
    compute();
    c.st.mxcsr = guest | (host_mxcsr() & kMxcsrFlags);
    return Outcome::kNext;
  }
  set_host_mxcsr(masked_control(guest));
  compute();
  std::uint32_t raised = host_mxcsr() & kMxcsrFlags;
  set_host_mxcsr(kMxcsrDefault);
  if (!(guest & kMxcsrUnderflowMask) && tiny()) raised |= kMxcsrUnderflow;
  return settle_flags(c, raised);
}

template <auto kF, Tiny kTiny>
Outcome float_operation(Core& c, const Op& op, __m128i b) {
  const __m128i a = xmm(c, op.reg);
  __m128i r{};
  if (Outcome o = run_float(
          c, [&] { r = apply<kF>(a, b, op); }, [&] { return has_denormal_lane(r, kTiny); });
      failed(o)) [[unlikely]]
    return o;
  set_xmm(c, op.reg, r);
  return Outcome::kNext;
}
template <auto kF, Tiny kTiny>
Outcome float_xmm(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  return float_operation<kF, kTiny>(c, op, xmm(c, op.rm));
}
template <auto kF, Tiny kTiny, unsigned kBytes>
Outcome float_memory(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  __m128i b{};
  if (Outcome o = load<kBytes>(c, op, b); failed(o)) return o;
  return float_operation<kF, kTiny>(c, op, b);
}
template <auto kF, unsigned kBytes = 16, Tiny kTiny = Tiny::kNone>
Handler bind_float(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? float_memory<kF, kTiny, kBytes> : float_xmm<kF, kTiny>;
}

}  // namespace xensim::cpu::isa::sse

// A host instruction `insn source, destination` as an operation.
#define XENSIM_HOST_FLOAT(insn)                      \
  [](__m128i a, __m128i b) {                         \
    asm volatile(insn " %1, %0" : "+x"(a) : "x"(b)); \
    return a;                                        \
  }
