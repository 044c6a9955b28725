// Lazy flags: every combination survives load and materialise, and every condition follows from any of them.
#include "models/cpu/isa/lazy_flags.h"

#include <catch2/catch.hpp>
#include <utility>

using namespace xensim::cpu;
using isa::LazyFlags;

namespace {

constexpr std::uint64_t kBits[6] = {kCf, kPf, kAf, kZf, kSf, kOf};

std::uint64_t combination(unsigned n) {
  std::uint64_t f = 0;
  for (unsigned i = 0; i < 6; ++i)
    if (n & (1u << i)) f |= kBits[i];
  return f;
}

bool expected(std::uint64_t f, unsigned cc) {
  const bool c = f & kCf, z = f & kZf, s = f & kSf, o = f & kOf, p = f & kPf;
  const bool base[8] = {o, c, z, c || z, s, p, s != o, z || s != o};
  return base[cc / 2] != (cc % 2 == 1);
}

template <unsigned... kCc>
bool all_conditions(const LazyFlags& f, std::integer_sequence<unsigned, kCc...>) {
  return ((isa::condition<kCc>(f) == expected(f.materialise(), kCc)) && ...) &&
         ((isa::test_condition(f, kCc) == expected(f.materialise(), kCc)) && ...);
}

// Flags of an addition and a subtraction by wide arithmetic.
template <class T>
std::uint64_t reference(unsigned a, unsigned b, unsigned carry, bool subtract) {
  constexpr unsigned kWidth = sizeof(T) * 8;
  const unsigned wide = subtract ? a - b - carry : a + b + carry;
  const auto r = static_cast<T>(wide);
  const unsigned sign = 1u << (kWidth - 1);
  const bool sa = a & sign, sb = b & sign, sr = r & sign;
  const bool of = subtract ? sa != sb && sr != sa : sa == sb && sr != sa;
  const bool af = ((a ^ b ^ r) & 0x10) != 0;
  return (wide >> kWidth ? kCf : 0) | (std::popcount(r & 0xffu) % 2 == 0 ? kPf : 0) | (af ? kAf : 0) |
         (r == 0 ? kZf : 0) | (sr ? kSf : 0) | (of ? kOf : 0);
}

}  // namespace

TEST_CASE("every combination of status flags survives load and materialise") {
  for (unsigned n = 0; n < 64; ++n) {
    LazyFlags f;
    f.load(combination(n) | 0x202);
    CHECK(f.materialise() == combination(n));
  }
}

TEST_CASE("every condition follows from every combination of flags") {
  for (unsigned n = 0; n < 64; ++n) {
    LazyFlags f;
    f.load(combination(n));
    CHECK(all_conditions(f, std::make_integer_sequence<unsigned, 16>{}));
  }
}

TEST_CASE("setting one flag keeps the five others, whatever they are") {
  for (unsigned n = 0; n < 64; ++n)
    for (const bool v : {false, true}) {
      const std::uint64_t before = combination(n);
      LazyFlags f;
      f.load(before);
      f.set_cf(v);
      CHECK(f.materialise() == ((before & ~kCf) | (v ? kCf : 0)));
      f.load(before);
      f.set_of(v);
      CHECK(f.materialise() == ((before & ~kOf) | (v ? kOf : 0)));
      f.load(before);
      f.set_zf(v);
      CHECK(f.materialise() == ((before & ~kZf) | (v ? kZf : 0)));
    }
}

TEST_CASE("additions and subtractions of all pairs of bytes set all six flags right") {
  bool right = true;
  for (unsigned a = 0; a < 256; ++a)
    for (unsigned b = 0; b < 256; ++b)
      for (unsigned carry = 0; carry < 2; ++carry) {
        const auto x = static_cast<std::uint8_t>(a), y = static_cast<std::uint8_t>(b);
        LazyFlags f;
        f.set_add<std::uint8_t>(x, y, static_cast<std::uint8_t>(a + b + carry));
        right &= f.materialise() == reference<std::uint8_t>(a, b, carry, false);
        f.set_sub<std::uint8_t>(x, y, static_cast<std::uint8_t>(a - b - carry));
        right &= f.materialise() == reference<std::uint8_t>(a, b, carry, true);
      }
  CHECK(right);
}

TEST_CASE("INC and DEC keep the carry that was there") {
  for (const bool carry : {false, true}) {
    LazyFlags f;
    f.set_cf(carry);
    f.set_inc<std::uint8_t>(0x80);
    CHECK(f.materialise() == ((carry ? kCf : 0) | kSf | kOf | kAf));
    f.set_dec<std::uint8_t>(0x7f);
    CHECK(f.materialise() == ((carry ? kCf : 0) | kOf | kAf));
  }
}
