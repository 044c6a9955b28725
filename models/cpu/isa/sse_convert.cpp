// SSE and SSE2 conversions between floating-point formats and integers (SDM 1, 10.4.3.2 and 11.4.1.6; SDM 2,
// CVT…). Conversions that read or write an MMX register enter MMX state as MMX instructions do (SDM 1, 9.5.1).
#include "models/cpu/isa/sse_mxcsr.h"

namespace xensim::cpu::isa {

using namespace sse;

namespace {

// General register → scalar. The register of the destination that is not written keeps its value.
#define FROM_INTEGER(insn)                              \
  [](__m128i a, auto v) {                               \
    if constexpr (sizeof(v) == 8)                       \
      asm volatile(insn "q %1, %0" : "+x"(a) : "r"(v)); \
    else                                                \
      asm volatile(insn "l %1, %0" : "+x"(a) : "r"(v)); \
    return a;                                           \
  }

template <auto kF, class T, bool kMemory>
Outcome from_integer(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  T v;
  if constexpr (kMemory) {
    if (Outcome o = c.read(op, v); failed(o)) return o;
  } else {
    v = static_cast<T>(c.st.gpr[op.rm]);
  }
  const __m128i a = xmm(c, op.reg);
  __m128i r{};
  if (Outcome o = run_float(
          c, [&] { r = kF(a, v); }, [] { return false; });
      failed(o))
    return o;
  set_xmm(c, op.reg, r);
  return Outcome::kNext;
}
template <auto kF>
Handler bind_from_integer(const DecodedInstruction& d, Op&) {
  const bool wide = d.op(1).size == 64;
  if (d.is_mem(1)) return wide ? from_integer<kF, std::uint64_t, true> : from_integer<kF, std::uint32_t, true>;
  return wide ? from_integer<kF, std::uint64_t, false> : from_integer<kF, std::uint32_t, false>;
}

// Scalar → general register.
#define TO_INTEGER(insn)                                \
  [](__m128i b, auto v) {                               \
    if constexpr (sizeof(v) == 8)                       \
      asm volatile(insn " %1, %q0" : "=r"(v) : "x"(b)); \
    else                                                \
      asm volatile(insn " %1, %k0" : "=r"(v) : "x"(b)); \
    return v;                                           \
  }

template <auto kF, class T, unsigned kBytes, bool kMemory>
Outcome to_integer(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  __m128i b{};
  if constexpr (kMemory) {
    if (Outcome o = load<kBytes>(c, op, b); failed(o)) return o;
  } else {
    b = xmm(c, op.rm);
  }
  T r = 0;
  if (Outcome o = run_float(
          c, [&] { r = kF(b, T{}); }, [] { return false; });
      failed(o))
    return o;
  c.st.gpr[op.reg] = r;
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes>
Handler bind_to_integer(const DecodedInstruction& d, Op&) {
  const bool wide = d.op(0).size == 64;
  if (d.is_mem(1))
    return wide ? to_integer<kF, std::uint64_t, kBytes, true> : to_integer<kF, std::uint32_t, kBytes, true>;
  return wide ? to_integer<kF, std::uint64_t, kBytes, false> : to_integer<kF, std::uint32_t, kBytes, false>;
}

// What is wrong for an instruction that needs both SSE and x87 state.
bool both_usable(const Core& c) { return usable(c) && !(c.st.x87.status & 0x80u); }
Outcome both_unusable(Core& c) { return usable(c) ? c.raise(kMf) : unusable(c); }

// Two 32-bit integers of an MMX register or memory → XMM. CVTPI2PD from memory leaves the x87 state alone.
template <auto kF, bool kMemory, bool kMemoryEnters>
Outcome from_mmx(Core& c, const Op& op) {
  constexpr bool kEnters = !kMemory || kMemoryEnters;
  if (!(kEnters ? both_usable(c) : usable(c))) [[unlikely]]
    return both_unusable(c);
  __m128i b{};
  if constexpr (kMemory) {
    if (Outcome o = load<8>(c, op, b); failed(o)) return o;
  } else {
    b = mmx(c, op.rm);
  }
  const __m128i a = xmm(c, op.reg);
  __m128i r{};
  if (Outcome o = run_float(
          c, [&] { r = kF(a, b); }, [] { return false; });
      failed(o))
    return o;
  if constexpr (kEnters) enter_mmx(c);
  set_xmm(c, op.reg, r);
  return Outcome::kNext;
}
template <auto kF, bool kMemoryEnters>
Handler bind_from_mmx(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? from_mmx<kF, true, kMemoryEnters> : from_mmx<kF, false, kMemoryEnters>;
}

// XMM or memory → two 32-bit integers in an MMX register.
template <auto kF, unsigned kBytes, bool kMemory>
Outcome to_mmx(Core& c, const Op& op) {
  if (!both_usable(c)) [[unlikely]]
    return both_unusable(c);
  __m128i b{};
  if constexpr (kMemory) {
    if (Outcome o = load<kBytes>(c, op, b); failed(o)) return o;
  } else {
    b = xmm(c, op.rm);
    if constexpr (kBytes == 8) b = _mm_move_epi64(b);
  }
  __m128i r{};
  if (Outcome o = run_float(
          c, [&] { r = kF(b, b); }, [] { return false; });
      failed(o))
    return o;
  set_mmx(c, op.reg, low_of(r));
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes>
Handler bind_to_mmx(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? to_mmx<kF, kBytes, true> : to_mmx<kF, kBytes, false>;
}

// The two converted singles go into the low half, the high half stays.
constexpr auto kPi2Ps = [](__m128i a, __m128i b) {
  asm volatile("cvtdq2ps %0, %0" : "+x"(b));
  return from_parts(low_of(b), high_of(a));
};

#define ROW(name, insn, bytes, tiny)                            \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kFpConvert, kStraight, \
       bind_float<XENSIM_HOST_FLOAT(insn), bytes, Tiny::tiny>)

constexpr Form kForms[] = {
    ROW(CVTPS2PD, "cvtps2pd", 8, kNone),
    ROW(CVTPD2PS, "cvtpd2ps", 16, kSingle2),
    ROW(CVTSS2SD, "cvtss2sd", 4, kNone),
    ROW(CVTSD2SS, "cvtsd2ss", 8, kSingle1),
    ROW(CVTDQ2PS, "cvtdq2ps", 16, kNone),
    ROW(CVTDQ2PD, "cvtdq2pd", 8, kNone),
    ROW(CVTPS2DQ, "cvtps2dq", 16, kNone),
    ROW(CVTTPS2DQ, "cvttps2dq", 16, kNone),
    ROW(CVTPD2DQ, "cvtpd2dq", 16, kNone),
    ROW(CVTTPD2DQ, "cvttpd2dq", 16, kNone),
    Form(ZYDIS_MNEMONIC_CVTSI2SS, CostClass::kFpConvert, kStraight, bind_from_integer<FROM_INTEGER("cvtsi2ss")>),
    Form(ZYDIS_MNEMONIC_CVTSI2SD, CostClass::kFpConvert, kStraight, bind_from_integer<FROM_INTEGER("cvtsi2sd")>),
    Form(ZYDIS_MNEMONIC_CVTSS2SI, CostClass::kFpConvert, kStraight, bind_to_integer<TO_INTEGER("cvtss2si"), 4>),
    Form(ZYDIS_MNEMONIC_CVTTSS2SI, CostClass::kFpConvert, kStraight, bind_to_integer<TO_INTEGER("cvttss2si"), 4>),
    Form(ZYDIS_MNEMONIC_CVTSD2SI, CostClass::kFpConvert, kStraight, bind_to_integer<TO_INTEGER("cvtsd2si"), 8>),
    Form(ZYDIS_MNEMONIC_CVTTSD2SI, CostClass::kFpConvert, kStraight, bind_to_integer<TO_INTEGER("cvttsd2si"), 8>),
    Form(ZYDIS_MNEMONIC_CVTPI2PS, CostClass::kFpConvert, kStraight, bind_from_mmx<kPi2Ps, true>),
    Form(ZYDIS_MNEMONIC_CVTPI2PD, CostClass::kFpConvert, kStraight,
         bind_from_mmx<XENSIM_HOST_FLOAT("cvtdq2pd"), false>),
    Form(ZYDIS_MNEMONIC_CVTPS2PI, CostClass::kFpConvert, kStraight, bind_to_mmx<XENSIM_HOST_FLOAT("cvtps2dq"), 8>),
    Form(ZYDIS_MNEMONIC_CVTTPS2PI, CostClass::kFpConvert, kStraight,
         bind_to_mmx<XENSIM_HOST_FLOAT("cvttps2dq"), 8>),
    Form(ZYDIS_MNEMONIC_CVTPD2PI, CostClass::kFpConvert, kStraight,
         bind_to_mmx<XENSIM_HOST_FLOAT("cvtpd2dq"), 16>),
    Form(ZYDIS_MNEMONIC_CVTTPD2PI, CostClass::kFpConvert, kStraight,
         bind_to_mmx<XENSIM_HOST_FLOAT("cvttpd2dq"), 16>),
};

}  // namespace

std::span<const Form> sse_convert_forms() { return kForms; }

}  // namespace xensim::cpu::isa
