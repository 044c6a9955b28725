// The SSE family: its table, and what raises its exceptions. The operations are in sse_<topic>.cpp, operand shapes
// in sse_operands.h, MXCSR in sse_mxcsr.h, MMX-only instructions in mmx.cpp. SDM 2 for each instruction, SDM
// 3, 2.5 and table 2-2 for CR0.EM, CR0.TS and CR4.OSFXSR.
//
// MOVSD and CMPSD are also string instructions: their rows here return no handler for those, so that decode goes
// on to the string family's row.
#include <vector>

#include "models/cpu/isa/mmx.h"
#include "models/cpu/isa/sse_mxcsr.h"
#include "models/cpu/isa/sse_operands.h"
#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace sse {

Outcome unusable(Core& c) {
  if ((c.st.cr0 & kCr0Em) || !(c.st.cr4 & kCr4Osfxsr)) return c.raise_ud();
  return c.raise(kNm);
}

Outcome vex_unusable(Core& c) {
  constexpr std::uint64_t kSseAndAvx = 6;
  if (!(c.st.cr4 & kCr4Osxsave) || (c.st.msr.xcr0 & kSseAndAvx) != kSseAndAvx) return c.raise_ud();
  return c.raise(kNm);
}

Outcome mmx_unusable(Core& c) {
  if (c.st.cr0 & kCr0Em) return c.raise_ud();
  if (c.st.cr0 & kCr0Ts) return c.raise(kNm);
  return c.raise(kMf);
}

Outcome settle_flags(Core& c, std::uint32_t raised) {
  const std::uint32_t unmasked = raised & ~(c.st.mxcsr >> 7) & kMxcsrFlags;
  // With an unmasked invalid, denormal or divide-by-zero nothing is computed, and so no other flag is raised.
  if (unmasked & kMxcsrPreComputation) raised &= kMxcsrPreComputation;
  c.st.mxcsr |= raised;
  if (!unmasked) return Outcome::kNext;
  return c.st.cr4 & kCr4Osxmmexcpt ? c.raise(kXm) : c.raise_ud();
}

bool has_denormal_lane(__m128i v, Tiny lanes) {
  const std::uint64_t q[2] = {low_of(v), high_of(v)};
  auto single = [&](unsigned i) {
    const auto bits = static_cast<std::uint32_t>(q[i / 2] >> (i % 2 * 32)) & 0x7fffffff;
    return bits != 0 && bits < 0x00800000;
  };
  auto dbl = [&](unsigned i) {
    const std::uint64_t bits = q[i] & 0x7fffffffffffffff;
    return bits != 0 && bits < 0x0010000000000000;
  };
  switch (lanes) {
    case Tiny::kNone:
      return false;
    case Tiny::kSingle1:
      return single(0);
    case Tiny::kSingle2:
      return single(0) || single(1);
    case Tiny::kSingle4:
      return single(0) || single(1) || single(2) || single(3);
    case Tiny::kDouble1:
      return dbl(0);
    case Tiny::kDouble2:
      return dbl(0) || dbl(1);
  }
  return false;
}

}  // namespace sse

std::span<const Form> sse_forms() {
  static const std::vector<Form> forms = [] {
    std::vector<Form> all;
    for (const auto part :
         {sse_move_forms(), sse_float_forms(), sse_convert_forms(), sse_integer_forms(), sse_shuffle_forms(),
          sse_extension_forms(), dot_product_forms(), sse_string_compare_forms(), sse_crypto_forms(), mmx_forms(),
          avx_move_forms(), avx_permute_forms(), avx_float_forms(), avx_masked_forms(), fma_forms(), f16c_forms()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return forms;
}

}  // namespace xensim::cpu::isa
