// VCMPPS, VCMPPD, VCMPSS, VCMPSD: 32 predicates (SDM 2, CMPPD, table 3-1).
#include <array>

#include "models/cpu/isa/vex_operands.h"

namespace xensim::cpu::isa {

namespace vex {
namespace {

// How two numbers compare, as bits; a predicate is the set of those for which it is true. Predicates 16 to 31 have
// the sets of 0 to 15, and signal quiet NaNs where those do not.
enum : unsigned { kUnordered = 1, kLess = 2, kEqual = 4, kGreater = 8 };
constexpr std::array<std::uint8_t, 16> kTrueFor{
    kEqual,
    kLess,
    kLess | kEqual,
    kUnordered,
    kUnordered | kLess | kGreater,
    kUnordered | kEqual | kGreater,
    kUnordered | kGreater,
    kLess | kEqual | kGreater,
    kUnordered | kEqual,
    kUnordered | kLess,
    kUnordered | kLess | kEqual,
    0,
    kLess | kGreater,
    kEqual | kGreater,
    kGreater,
    kUnordered | kLess | kEqual | kGreater,
};
constexpr unsigned kSignalling = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14;

constexpr unsigned relation(bool zero, bool parity, bool carry) {
  return parity ? kUnordered : zero ? kEqual : carry ? kLess : kGreater;
}

// The lowest elements of two vectors, by the host's compares to flags.
template <class T>
unsigned compare(__m128i a, __m128i b, bool signalling) {
  bool zero, parity, carry;
#define XENSIM_COMPARE(insn) \
  asm volatile(insn " %4, %3" : "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry) : "x"(a), "x"(b))
  if constexpr (sizeof(T) == 4) {
    if (signalling)
      XENSIM_COMPARE("comiss");
    else
      XENSIM_COMPARE("ucomiss");
  } else {
    if (signalling)
      XENSIM_COMPARE("comisd");
    else
      XENSIM_COMPARE("ucomisd");
  }
#undef XENSIM_COMPARE
  return relation(zero, parity, carry);
}

template <class T, unsigned kCount>
constexpr auto kCompare = [](__m128i a, __m128i b, unsigned imm) {
  auto x = elements<T>(a);
  const auto y = elements<T>(b);
  const unsigned true_for = kTrueFor[imm & 15];
  const bool signalling = ((kSignalling >> (imm & 15) ^ imm >> 4) & 1) != 0;
  for (unsigned i = 0; i < kCount; ++i)
    x[i] =
        compare<T>(from_parts(x[i], 0), from_parts(y[i], 0), signalling) & true_for ? static_cast<T>(~T{0}) : T{0};
  return value_of<__m128i>(x);
};

#define ROW(name, ...) Form(ZYDIS_MNEMONIC_##name, CostClass::kFpCompare, kStraight, __VA_ARGS__)

constexpr Form kForms[] = {
    ROW(VCMPPS, bind_float<kCompare<std::uint32_t, 4>>),
    ROW(VCMPPD, bind_float<kCompare<std::uint64_t, 2>>),
    ROW(VCMPSS, (bind_float<kCompare<std::uint32_t, 1>, 4>)),
    ROW(VCMPSD, (bind_float<kCompare<std::uint64_t, 1>, 8>)),
};

}  // namespace
}  // namespace vex

std::span<const Form> avx_float_forms() { return vex::kForms; }

}  // namespace xensim::cpu::isa
