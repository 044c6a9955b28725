// Strong<Tag>: an unsigned 64-bit number with a meaning. Two kinds of address, or two kinds of time, do not mix.
// Arithmetic is what the kinds need: kind ± number, kind − kind → number, comparison. No implicit conversions.
#pragma once

#include <compare>
#include <cstdint>

namespace xensim {

template <class Tag>
struct Strong {
  std::uint64_t value = 0;

  constexpr Strong() = default;
  constexpr explicit Strong(std::uint64_t v) : value(v) {}

  friend constexpr auto operator<=>(Strong, Strong) = default;
  friend constexpr Strong operator+(Strong a, std::uint64_t n) { return Strong(a.value + n); }
  friend constexpr Strong operator-(Strong a, std::uint64_t n) { return Strong(a.value - n); }
  friend constexpr std::uint64_t operator-(Strong a, Strong b) { return a.value - b.value; }
  constexpr Strong& operator+=(std::uint64_t n) {
    value += n;
    return *this;
  }
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
};

}  // namespace xensim
