// Operand shapes of VEX-encoded instructions (AVX, AVX2, FMA, F16C): SDM 1, chapter 14; SDM 2, 2.3 and table 2-13
// and after.
//
// An operation is the same captureless lambda on 128-bit vectors that the SSE form has (sse_operands.h); a shape
// here applies it to one or two halves. Destination op.reg. With two sources the first, VEX.vvvv, is op.rm and the
// second op.sub or memory; with one, that is op.rm or memory; a fourth register operand is op.sub2. A destination
// of 128 bits has its upper half zeroed. Memory operands need no alignment, but for VMOVA…, VMOVNT….
#pragma once

#include <array>
#include <cstring>

#include "models/cpu/isa/sse_mxcsr.h"

namespace xensim::cpu::isa {

// Forms of AVX that have no SSE counterpart, one part per file.
std::span<const Form> avx_move_forms();
std::span<const Form> avx_permute_forms();
std::span<const Form> avx_float_forms();
std::span<const Form> avx_masked_forms();
std::span<const Form> fma_forms();
std::span<const Form> f16c_forms();

namespace vex {

using namespace sse;

inline bool usable(const Core& c) { return available<true>(c); }
inline Outcome unusable(Core& c) { return unavailable<true>(c); }

inline bool is_wide(const DecodedInstruction& d) { return d.insn.avx.vector_length == 256; }

struct Wide {
  __m128i half[2];
};

// A vector (__m128i, Wide) by its elements, lowest first, and back.
template <class T, class V>
std::array<T, sizeof(V) / sizeof(T)> elements(const V& v) {
  std::array<T, sizeof(V) / sizeof(T)> e;
  std::memcpy(e.data(), &v, sizeof e);
  return e;
}
template <class V, class E>
V value_of(const E& e) {
  V v;
  static_assert(sizeof v == sizeof e);
  std::memcpy(&v, e.data(), sizeof v);
  return v;
}

inline Wide ymm(const Core& c, unsigned reg) { return {{half(c, reg, 0), half(c, reg, 1)}}; }
// kHalves: 1 zeroes the upper half.
template <unsigned kHalves>
void set_ymm(Core& c, unsigned reg, const Wide& v) {
  set_half(c, reg, 0, v.half[0]);
  set_half(c, reg, 1, kHalves == 2 ? v.half[1] : _mm_setzero_si128());
}
inline void set_xmm_zeroing(Core& c, unsigned reg, __m128i v) { put<true>(c, reg, v); }

struct Bytes32 {
  std::uint64_t q[4];
};

// The memory operand, zero-extended; kAligned: it faults if it is not aligned to its size.
template <unsigned kBytes, bool kAligned = false>
Outcome load(Core& c, const Op& op, Wide& out) {
  if constexpr (kBytes != 32) {
    out.half[1] = _mm_setzero_si128();
    return sse::load<kBytes, kAligned>(c, op, out.half[0]);
  } else {
    std::uint64_t a;
    if (!c.linear_address(op, kBytes, false, a)) [[unlikely]]
      return Outcome::kFault;
    if constexpr (kAligned)
      if (a & 31) [[unlikely]]
        return c.raise_gp();
    Bytes32 v;
    if (Outcome o = c.read_linear(a, v); failed(o)) [[unlikely]]
      return o;
    out = {{from_parts(v.q[0], v.q[1]), from_parts(v.q[2], v.q[3])}};
    return Outcome::kNext;
  }
}
template <unsigned kBytes, bool kAligned = false>
Outcome store(Core& c, const Op& op, const Wide& v) {
  if constexpr (kBytes != 32) {
    return sse::store<kBytes, kAligned>(c, op, v.half[0]);
  } else {
    std::uint64_t a;
    if (!c.linear_address(op, kBytes, true, a)) [[unlikely]]
      return Outcome::kFault;
    if constexpr (kAligned)
      if (a & 31) [[unlikely]]
        return c.raise_gp();
    return c.write_linear(a,
                          Bytes32{{low_of(v.half[0]), high_of(v.half[0]), low_of(v.half[1]), high_of(v.half[1])}});
  }
}

// The last source: memory, or a register.
template <bool kMemory, unsigned kBytes>
Outcome source(Core& c, const Op& op, unsigned reg, Wide& out) {
  if constexpr (kMemory) return load<kBytes>(c, op, out);
  out = ymm(c, reg);
  return Outcome::kNext;
}

// Does the instruction have two sources (before an immediate)? Then the second one's register goes into op.sub.
inline bool two_sources(const DecodedInstruction& d, Op& op) {
  if (d.insn.operand_count_visible < 3 || d.is_imm(2)) return false;
  if (d.is_reg(2)) op.sub = static_cast<std::uint8_t>(ZydisRegisterGetId(d.op(2).reg.value));
  return true;
}

// What an operation works on. kFloat settles MXCSR afterwards; kTiny: see has_denormal_lane().
// kImmediateShift: by how much the immediate moves on for the upper half.
template <auto kF, unsigned kImmediateShift>
__m128i apply_half(__m128i a, __m128i b, const Op& op, unsigned half) {
  if constexpr (requires { kF(a, b, 0u); })
    return kF(a, b, static_cast<unsigned>(op.imm & 0xff) >> (half * kImmediateShift));
  else
    return kF(a, b);
}

template <auto kF, unsigned kImmediateShift, unsigned kHalves>
Wide apply_wide(const Wide& a, const Wide& b, const Op& op) {
  Wide r{};
  r.half[0] = apply_half<kF, kImmediateShift>(a.half[0], b.half[0], op, 0);
  if constexpr (kHalves == 2) r.half[1] = apply_half<kF, kImmediateShift>(a.half[1], b.half[1], op, 1);
  return r;
}

// Half by half. kBytes: of a memory source.
template <auto kF, unsigned kHalves, bool kTwo, bool kMemory, unsigned kBytes, unsigned kImmediateShift>
Outcome lanes(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, kBytes>(c, op, kTwo ? op.sub : op.rm, b); failed(o)) return o;
  const Wide a = kTwo ? ymm(c, op.rm) : b;
  set_ymm<kHalves>(c, op.reg, apply_wide<kF, kImmediateShift, kHalves>(a, b, op));
  return Outcome::kNext;
}
template <auto kF, unsigned kHalves, bool kTwo, unsigned kBytes, unsigned kImmediateShift>
Handler pick_lanes(const DecodedInstruction& d) {
  return d.is_mem(kTwo ? 2 : 1) ? lanes<kF, kHalves, kTwo, true, kBytes, kImmediateShift>
                                : lanes<kF, kHalves, kTwo, false, kBytes, kImmediateShift>;
}
// Packed: of the vector's length.
template <auto kF, unsigned kImmediateShift = 0>
Handler bind_lanes(const DecodedInstruction& d, Op& op) {
  const bool two = two_sources(d, op);
  if (is_wide(d))
    return two ? pick_lanes<kF, 2, true, 32, kImmediateShift>(d)
               : pick_lanes<kF, 2, false, 32, kImmediateShift>(d);
  return two ? pick_lanes<kF, 1, true, 16, kImmediateShift>(d) : pick_lanes<kF, 1, false, 16, kImmediateShift>(d);
}
// Of 128 bits, with a memory source that may be smaller.
template <auto kF, unsigned kBytes = 16>
Handler bind_narrow(const DecodedInstruction& d, Op& op) {
  return two_sources(d, op) ? pick_lanes<kF, 1, true, kBytes, 0>(d) : pick_lanes<kF, 1, false, kBytes, 0>(d);
}

// Shifts: the count is the low half of the second source, for both halves of the first, or an immediate.
template <auto kF, unsigned kHalves, bool kMemory>
Outcome shift(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide count{};
  if (Outcome o = source<kMemory, 16>(c, op, op.sub, count); failed(o)) return o;
  set_ymm<kHalves>(c, op.reg, {{kF(half(c, op.rm, 0), count.half[0]), kF(half(c, op.rm, 1), count.half[0])}});
  return Outcome::kNext;
}
template <auto kF, unsigned kHalves>
Outcome shift_immediate(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  const __m128i count = from_parts(op.imm & 0xff, 0);
  set_ymm<kHalves>(c, op.reg, {{kF(half(c, op.rm, 0), count), kF(half(c, op.rm, 1), count)}});
  return Outcome::kNext;
}
template <auto kF>
Handler bind_shift(const DecodedInstruction& d, Op& op) {
  if (!two_sources(d, op)) return is_wide(d) ? shift_immediate<kF, 2> : shift_immediate<kF, 1>;
  if (d.is_mem(2)) return is_wide(d) ? shift<kF, 2, true> : shift<kF, 1, true>;
  return is_wide(d) ? shift<kF, 2, false> : shift<kF, 1, false>;
}

// One source whose elements become wider: the upper half of the result comes from the source's bytes after the
// first kBytes. Settles MXCSR if kFloat.
template <auto kF, bool kFloat, unsigned kHalves, bool kMemory, unsigned kBytes>
Outcome widen(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, kBytes * kHalves>(c, op, op.rm, b); failed(o)) return o;
  const __m128i low = b.half[0];
  const __m128i next = kBytes == 8   ? _mm_srli_si128(low, 8)
                       : kBytes == 4 ? _mm_srli_si128(low, 4)
                                     : _mm_srli_si128(low, 2);
  Wide r{};
  const auto compute = [&] {
    r.half[0] = kF(low, low);
    if constexpr (kHalves == 2) r.half[1] = kF(next, next);
  };
  if constexpr (kFloat) {
    if (Outcome o = run_float(c, compute, [] { return false; }); failed(o)) return o;
  } else {
    compute();
  }
  set_ymm<kHalves>(c, op.reg, r);
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes, bool kFloat = false>
Handler bind_widen(const DecodedInstruction& d, Op&) {
  if (is_wide(d)) return d.is_mem(1) ? widen<kF, kFloat, 2, true, kBytes> : widen<kF, kFloat, 2, false, kBytes>;
  return d.is_mem(1) ? widen<kF, kFloat, 1, true, kBytes> : widen<kF, kFloat, 1, false, kBytes>;
}

// One source whose elements become half as wide: the results of its halves side by side.
template <auto kF, Tiny kTiny, unsigned kHalves, bool kMemory>
Outcome narrow_float(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, 16 * kHalves>(c, op, op.rm, b); failed(o)) return o;
  __m128i r[2]{};
  if (Outcome o = run_float(
          c,
          [&] {
            r[0] = kF(b.half[0], b.half[0]);
            if constexpr (kHalves == 2) r[1] = kF(b.half[1], b.half[1]);
          },
          [&] { return has_denormal_lane(r[0], kTiny) || has_denormal_lane(r[1], kTiny); });
      failed(o))
    return o;
  set_xmm_zeroing(c, op.reg, _mm_unpacklo_epi64(r[0], r[1]));
  return Outcome::kNext;
}
template <auto kF, Tiny kTiny = Tiny::kNone>
Handler bind_narrow_float(const DecodedInstruction& d, Op&) {
  // The length is that of the source, which alone tells the forms apart.
  if (is_wide(d)) return d.is_mem(1) ? narrow_float<kF, kTiny, 2, true> : narrow_float<kF, kTiny, 2, false>;
  return d.is_mem(1) ? narrow_float<kF, kTiny, 1, true> : narrow_float<kF, kTiny, 1, false>;
}

// Floating-point operations: as lanes(), under MXCSR.
template <auto kF, Tiny kTiny, unsigned kHalves, bool kTwo, bool kMemory, unsigned kBytes>
Outcome floats(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  Wide b{};
  if (Outcome o = source<kMemory, kBytes>(c, op, kTwo ? op.sub : op.rm, b); failed(o)) return o;
  const Wide a = kTwo ? ymm(c, op.rm) : b;
  Wide r{};
  if (Outcome o = run_float(
          c, [&] { r = apply_wide<kF, 0, kHalves>(a, b, op); },
          [&] {
            return has_denormal_lane(r.half[0], kTiny) || (kHalves == 2 && has_denormal_lane(r.half[1], kTiny));
          });
      failed(o)) [[unlikely]]
    return o;
  set_ymm<kHalves>(c, op.reg, r);
  return Outcome::kNext;
}
template <auto kF, Tiny kTiny, unsigned kHalves, unsigned kBytes>
Handler pick_floats(const DecodedInstruction& d, bool two) {
  if (two)
    return d.is_mem(2) ? floats<kF, kTiny, kHalves, true, true, kBytes>
                       : floats<kF, kTiny, kHalves, true, false, kBytes>;
  return d.is_mem(1) ? floats<kF, kTiny, kHalves, false, true, kBytes>
                     : floats<kF, kTiny, kHalves, false, false, kBytes>;
}
template <auto kF, unsigned kBytes = 16, Tiny kTiny = Tiny::kNone>
Handler bind_float(const DecodedInstruction& d, Op& op) {
  const bool two = two_sources(d, op);
  if constexpr (kBytes == 16)
    if (is_wide(d)) return pick_floats<kF, kTiny, 2, 32>(d, two);
  return pick_floats<kF, kTiny, 1, kBytes>(d, two);
}

}  // namespace vex
}  // namespace xensim::cpu::isa

// The row of an instruction that the SSE instruction `name` has as its VEX form.
#define XENSIM_VEX_ROW(name, cost, ...) \
  Form(ZYDIS_MNEMONIC_V##name, CostClass::cost, BlockShape::kStraight, __VA_ARGS__)
