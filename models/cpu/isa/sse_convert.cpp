// SSE and SSE2 conversions between floating-point formats and integers (SDM 1, 10.4.3.2 and 11.4.1.6; SDM 2,
// CVT…). Conversions that read or write an MMX register enter MMX state as MMX instructions do (SDM 1, 9.5.1).
#include "models/cpu/isa/vex_operands.h"

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

template <auto kF, class T, bool kMemory, bool kVex = false>
Outcome from_integer(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  T v;
  if constexpr (kMemory) {
    if (Outcome o = c.read(op, v); failed(o)) return o;
  } else {
    v = static_cast<T>(c.st.gpr[last<kVex>(op)]);
  }
  const __m128i a = xmm(c, first<kVex>(op));
  __m128i r{};
  if (Outcome o = run_float(
          c, [&] { r = kF(a, v); }, [] { return false; });
      failed(o))
    return o;
  put<kVex>(c, op.reg, r);
  return Outcome::kNext;
}
template <auto kF>
Handler bind_from_integer(const DecodedInstruction& d, Op&) {
  const bool wide = d.op(1).size == 64;
  if (d.is_mem(1)) return wide ? from_integer<kF, std::uint64_t, true> : from_integer<kF, std::uint32_t, true>;
  return wide ? from_integer<kF, std::uint64_t, false> : from_integer<kF, std::uint32_t, false>;
}
template <auto kF>
Handler bind_vex_from_integer(const DecodedInstruction& d, Op& op) {
  vex::two_sources(d, op);
  const bool wide = d.op(2).size == 64;
  if (d.is_mem(2))
    return wide ? from_integer<kF, std::uint64_t, true, true> : from_integer<kF, std::uint32_t, true, true>;
  return wide ? from_integer<kF, std::uint64_t, false, true> : from_integer<kF, std::uint32_t, false, true>;
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

template <auto kF, class T, unsigned kBytes, bool kMemory, bool kVex>
Outcome to_integer(Core& c, const Op& op) {
  if (!available<kVex>(c)) [[unlikely]]
    return unavailable<kVex>(c);
  __m128i b{};
  if (Outcome o = source<kMemory, kBytes>(c, op, b); failed(o)) return o;
  T r = 0;
  if (Outcome o = run_float(
          c, [&] { r = kF(b, T{}); }, [] { return false; });
      failed(o))
    return o;
  c.st.gpr[op.reg] = r;
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes, bool kVex = false>
Handler bind_to_integer(const DecodedInstruction& d, Op&) {
  using Quad = std::uint64_t;
  using Double = std::uint32_t;
  if (d.op(0).size == 64)
    return d.is_mem(1) ? to_integer<kF, Quad, kBytes, true, kVex> : to_integer<kF, Quad, kBytes, false, kVex>;
  return d.is_mem(1) ? to_integer<kF, Double, kBytes, true, kVex> : to_integer<kF, Double, kBytes, false, kVex>;
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
#define VEX(name, ...) XENSIM_VEX_ROW(name, kFpConvert, __VA_ARGS__)
// Elements that keep their width, become wider, become narrower; scalars.
#define SAME(name, insn) ROW(name, insn, 16, kNone), VEX(name, vex::bind_float<XENSIM_HOST_FLOAT(insn)>)
#define WIDER(name, insn) ROW(name, insn, 8, kNone), VEX(name, vex::bind_widen<XENSIM_HOST_FLOAT(insn), 8, true>)
#define NARROWER(name, insn, tiny) \
  ROW(name, insn, 16, tiny), VEX(name, vex::bind_narrow_float<XENSIM_HOST_FLOAT(insn), Tiny::tiny>)
#define SCALAR(name, insn, bytes, tiny) \
  ROW(name, insn, bytes, tiny), VEX(name, vex::bind_float<XENSIM_HOST_FLOAT(insn), bytes, Tiny::tiny>)
#define FROM(name, insn)                                                                                \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kFpConvert, kStraight, bind_from_integer<FROM_INTEGER(insn)>), \
      VEX(name, bind_vex_from_integer<FROM_INTEGER(insn)>)
#define TO(name, insn, bytes)                                                                              \
  Form(ZYDIS_MNEMONIC_##name, CostClass::kFpConvert, kStraight, bind_to_integer<TO_INTEGER(insn), bytes>), \
      VEX(name, bind_to_integer<TO_INTEGER(insn), bytes, true>)

constexpr Form kForms[] = {
    WIDER(CVTPS2PD, "cvtps2pd"),
    NARROWER(CVTPD2PS, "cvtpd2ps", kSingle2),
    SCALAR(CVTSS2SD, "cvtss2sd", 4, kNone),
    SCALAR(CVTSD2SS, "cvtsd2ss", 8, kSingle1),
    SAME(CVTDQ2PS, "cvtdq2ps"),
    WIDER(CVTDQ2PD, "cvtdq2pd"),
    SAME(CVTPS2DQ, "cvtps2dq"),
    SAME(CVTTPS2DQ, "cvttps2dq"),
    NARROWER(CVTPD2DQ, "cvtpd2dq", kNone),
    NARROWER(CVTTPD2DQ, "cvttpd2dq", kNone),
    FROM(CVTSI2SS, "cvtsi2ss"),
    FROM(CVTSI2SD, "cvtsi2sd"),
    TO(CVTSS2SI, "cvtss2si", 4),
    TO(CVTTSS2SI, "cvttss2si", 4),
    TO(CVTSD2SI, "cvtsd2si", 8),
    TO(CVTTSD2SI, "cvttsd2si", 8),
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
