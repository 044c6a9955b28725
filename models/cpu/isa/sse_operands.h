// What the SSE and MMX families share: access to the registers, memory operands, and the operand shapes that their
// handlers are instantiated for.
//
// An operation is a captureless lambda on host vectors, given as a template argument; a shape (register, memory,
// immediate source; XMM or MMX) wraps it into a handler, and a bind function picks the shape. MMX registers pass
// through the low half of a host vector, so that one lambda serves both register files wherever lanes do not meet.
// The upper halves of Vector (AVX) are never touched; the shapes of VEX encodings are in vex_operands.h. SDM 1,
// chapters 9 to 12; SDM 3, 13.1 (what makes SSE available).
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <span>
#include <type_traits>

#include "models/cpu/core.h"
#include "models/cpu/form.h"

namespace xensim::cpu::isa {

// Parts of sse_forms(), one per file.
std::span<const Form> sse_move_forms();
std::span<const Form> sse_float_forms();
std::span<const Form> sse_convert_forms();
std::span<const Form> sse_integer_forms();
std::span<const Form> sse_shuffle_forms();
std::span<const Form> sse_extension_forms();       // SSE3, SSSE3, SSE4.1, PCMPGTQ
std::span<const Form> dot_product_forms();         // DPPS, DPPD
std::span<const Form> sse_string_compare_forms();  // the rest of SSE4.2
std::span<const Form> sse_crypto_forms();          // AES-NI, PCLMULQDQ, SHA

namespace sse {

// A 128-bit memory operand.
struct Bytes16 {
  std::uint64_t q[2];
};

template <unsigned kBytes>
using MemoryType = std::conditional_t<
    kBytes == 1, std::uint8_t,
    std::conditional_t<
        kBytes == 2, std::uint16_t,
        std::conditional_t<kBytes == 4, std::uint32_t, std::conditional_t<kBytes == 8, std::uint64_t, Bytes16>>>>;

inline __m128i from_parts(std::uint64_t low, std::uint64_t high) {
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
inline std::uint64_t low_of(__m128i v) { return static_cast<std::uint64_t>(_mm_cvtsi128_si64(v)); }
inline std::uint64_t high_of(__m128i v) { return low_of(_mm_unpackhi_epi64(v, v)); }

inline __m128i xmm(const Core& c, unsigned i) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(c.st.xmm[i].q.data()));
}
inline void set_xmm(Core& c, unsigned i, __m128i v) {
  _mm_store_si128(reinterpret_cast<__m128i*>(c.st.xmm[i].q.data()), v);
}

// May SSE instructions execute? If not, unusable() raises what they raise.
inline bool usable(const Core& c) { return ((c.st.cr0 & (kCr0Em | kCr0Ts)) | (~c.st.cr4 & kCr4Osfxsr)) == 0; }
[[gnu::cold, gnu::noinline]] Outcome unusable(Core& c);

// May VEX-encoded instructions on vectors? (SDM 1, 14.3. Decode has refused them in real and virtual-8086 mode.)
inline bool vex_usable(const Core& c) {
  return ((c.st.cr0 & kCr0Ts) | (~c.st.cr4 & kCr4Osxsave) | (~c.st.msr.xcr0 & 6)) == 0;
}
[[gnu::cold, gnu::noinline]] Outcome vex_unusable(Core& c);

// For handlers that serve an SSE instruction and its VEX form: whether they may execute; and the result, of which
// the VEX form zeroes the upper half of the register.
template <bool kVex>
bool available(const Core& c) {
  return kVex ? vex_usable(c) : usable(c);
}
template <bool kVex>
Outcome unavailable(Core& c) {
  return kVex ? vex_unusable(c) : unusable(c);
}
inline __m128i half(const Core& c, unsigned reg, unsigned i) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(&c.st.xmm[reg].q[2 * i]));
}
inline void set_half(Core& c, unsigned reg, unsigned i, __m128i v) {
  _mm_store_si128(reinterpret_cast<__m128i*>(&c.st.xmm[reg].q[2 * i]), v);
}
template <bool kVex>
void put(Core& c, unsigned reg, __m128i v) {
  set_half(c, reg, 0, v);
  if constexpr (kVex) set_half(c, reg, 1, _mm_setzero_si128());
}
// The registers of their first source and of their last.
template <bool kVex>
unsigned first(const Op& op) {
  return kVex ? op.rm : op.reg;
}
template <bool kVex>
unsigned last(const Op& op) {
  return kVex ? op.sub : op.rm;
}

// May MMX instructions execute? Also #MF for a pending x87 exception.
inline bool mmx_usable(const Core& c) { return ((c.st.cr0 & (kCr0Em | kCr0Ts)) | (c.st.x87.status & 0x80u)) == 0; }
[[gnu::cold, gnu::noinline]] Outcome mmx_unusable(Core& c);

inline __m128i mmx(const Core& c, unsigned i) { return from_parts(c.st.x87.r[i & 7].significand, 0); }
// Every MMX instruction leaves TOP 0, and all but EMMS leave all registers valid (SDM 3, table 12-2).
inline void enter_mmx(Core& c) {
  c.st.x87.status &= static_cast<std::uint16_t>(~0x3800u);
  c.st.x87.tag_valid = 0xff;
}
inline void set_mmx(Core& c, unsigned i, std::uint64_t v) {
  enter_mmx(c);
  c.st.x87.r[i & 7] = {v, 0xffff};
}

inline bool is_mmx(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o.reg.value) == ZYDIS_REGCLASS_MMX;
}
inline bool is_xmm(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o.reg.value) == ZYDIS_REGCLASS_XMM;
}

// The memory operand, zero-extended. kAligned: 16-byte operands that fault if misaligned.
template <unsigned kBytes, bool kAligned = kBytes == 16>
Outcome load(Core& c, const Op& op, __m128i& out) {
  std::uint64_t a;
  if (!c.linear_address(op, kBytes, false, a)) [[unlikely]]
    return Outcome::kFault;
  if constexpr (kAligned)
    if (a & 15) [[unlikely]]
      return c.raise_gp();
  MemoryType<kBytes> v;
  if (Outcome o = c.read_linear(a, v); failed(o)) [[unlikely]]
    return o;
  if constexpr (kBytes == 16)
    out = _mm_loadu_si128(reinterpret_cast<const __m128i*>(v.q));
  else
    out = from_parts(v, 0);
  return Outcome::kNext;
}
// The last source: memory, or a register.
template <bool kMemory, unsigned kBytes, bool kAligned = kBytes == 16>
Outcome source(Core& c, const Op& op, __m128i& out) {
  if constexpr (kMemory) return load<kBytes, kAligned>(c, op, out);
  out = xmm(c, op.rm);
  return Outcome::kNext;
}

template <unsigned kBytes, bool kAligned = kBytes == 16>
Outcome store(Core& c, const Op& op, __m128i v) {
  std::uint64_t a;
  if (!c.linear_address(op, kBytes, true, a)) [[unlikely]]
    return Outcome::kFault;
  if constexpr (kAligned)
    if (a & 15) [[unlikely]]
      return c.raise_gp();
  if constexpr (kBytes == 16) {
    Bytes16 bytes;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes.q), v);
    return c.write_linear(a, bytes);
  } else {
    return c.write_linear(a, static_cast<MemoryType<kBytes>>(low_of(v)));
  }
}

// Calls an operation of (destination, source) or (destination, source, immediate).
template <auto kF>
__m128i apply(__m128i a, __m128i b, const Op& op) {
  if constexpr (requires { kF(a, b, 0u); })
    return kF(a, b, static_cast<unsigned>(op.imm & 0xff));
  else
    return kF(a, b);
}

template <auto kF>
Outcome xmm_xmm(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  set_xmm(c, op.reg, apply<kF>(xmm(c, op.reg), xmm(c, op.rm), op));
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes = 16, bool kAligned = kBytes == 16>
Outcome xmm_memory(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  __m128i b{};
  if (Outcome o = load<kBytes, kAligned>(c, op, b); failed(o)) return o;
  set_xmm(c, op.reg, apply<kF>(xmm(c, op.reg), b, op));
  return Outcome::kNext;
}
template <auto kF>
Outcome xmm_immediate(Core& c, const Op& op) {
  if (!usable(c)) [[unlikely]]
    return unusable(c);
  set_xmm(c, op.reg, kF(xmm(c, op.reg), from_parts(op.imm & 0xff, 0)));
  return Outcome::kNext;
}
template <auto kF>
Outcome mmx_mmx(Core& c, const Op& op) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  set_mmx(c, op.reg, low_of(apply<kF>(mmx(c, op.reg), mmx(c, op.rm), op)));
  return Outcome::kNext;
}
template <auto kF, unsigned kBytes = 8>
Outcome mmx_memory(Core& c, const Op& op) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  __m128i b{};
  if (Outcome o = load<kBytes>(c, op, b); failed(o)) return o;
  set_mmx(c, op.reg, low_of(apply<kF>(mmx(c, op.reg), b, op)));
  return Outcome::kNext;
}
template <auto kF>
Outcome mmx_immediate(Core& c, const Op& op) {
  if (!mmx_usable(c)) [[unlikely]]
    return mmx_unusable(c);
  set_mmx(c, op.reg, low_of(kF(mmx(c, op.reg), from_parts(op.imm & 0xff, 0))));
  return Outcome::kNext;
}

// XMM only: xmm, xmm/memory.
template <auto kF, unsigned kBytes = 16, bool kAligned = kBytes == 16>
Handler bind_xmm(const DecodedInstruction& d, Op&) {
  return d.is_mem(1) ? xmm_memory<kF, kBytes, kAligned> : xmm_xmm<kF>;
}
// Both register files; kMmx differs from kXmm where an operation moves data between lanes.
template <auto kXmm, auto kMmx = kXmm, unsigned kMmxBytes = 8>
Handler bind_lanes(const DecodedInstruction& d, Op&) {
  if (is_mmx(d.op(0))) return d.is_mem(1) ? mmx_memory<kMmx, kMmxBytes> : mmx_mmx<kMmx>;
  return d.is_mem(1) ? xmm_memory<kXmm> : xmm_xmm<kXmm>;
}
// Shifts: the count may be an immediate as well.
template <auto kF>
Handler bind_shift(const DecodedInstruction& d, Op& op) {
  if (d.is_imm(1)) return is_mmx(d.op(0)) ? mmx_immediate<kF> : xmm_immediate<kF>;
  return bind_lanes<kF>(d, op);
}

// What moves do with destination and source.
inline constexpr auto kSource = [](__m128i, __m128i b) { return b; };
inline constexpr auto kLowSingle = [](__m128i a, __m128i b) {
  return from_parts((low_of(a) & 0xffffffff00000000) | (low_of(b) & 0xffffffff), high_of(a));
};
inline constexpr auto kLowDouble = [](__m128i a, __m128i b) { return from_parts(low_of(b), high_of(a)); };
inline constexpr auto kLowToHigh = [](__m128i a, __m128i b) { return _mm_unpacklo_epi64(a, b); };
inline constexpr auto kHighToLow = [](__m128i a, __m128i b) { return from_parts(high_of(b), high_of(a)); };
inline constexpr auto kLowQuadword = [](__m128i, __m128i b) { return _mm_move_epi64(b); };
// Sign bits.
inline constexpr auto kByteSigns = [](__m128i v) { return _mm_movemask_epi8(v); };
inline constexpr auto kSingleSigns = [](__m128i v) { return _mm_movemask_ps(_mm_castsi128_ps(v)); };
inline constexpr auto kDoubleSigns = [](__m128i v) { return _mm_movemask_pd(_mm_castsi128_pd(v)); };

inline constexpr BlockShape kStraight = BlockShape::kStraight;

}  // namespace sse
}  // namespace xensim::cpu::isa
