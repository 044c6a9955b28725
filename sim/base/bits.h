// Bit fields of integers, numbered as manuals number them: bits(x, hi, lo), both inclusive.
#pragma once

#include <cstdint>

namespace xensim {

constexpr std::uint64_t mask(unsigned hi, unsigned lo) {
  return (~std::uint64_t{0} >> (63 - hi)) & (~std::uint64_t{0} << lo);
}
constexpr std::uint64_t bits(std::uint64_t x, unsigned hi, unsigned lo) { return (x & mask(hi, lo)) >> lo; }
constexpr bool bit(std::uint64_t x, unsigned n) { return (x >> n) & 1; }
constexpr std::uint64_t align_down(std::uint64_t x, std::uint64_t a) { return x & ~(a - 1); }
constexpr std::uint64_t align_up(std::uint64_t x, std::uint64_t a) { return (x + a - 1) & ~(a - 1); }
constexpr bool is_power_of_two(std::uint64_t x) { return x != 0 && (x & (x - 1)) == 0; }

}  // namespace xensim
