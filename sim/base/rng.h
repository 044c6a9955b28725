// The one source of randomness: counter-based, so that a stream depends only on (seed, name, counter), and two
// modules never disturb each other's streams. The mixing function is splitmix64's finalizer (Steele, Lea, Flood
// 2014).
#pragma once

#include <cstdint>
#include <string_view>

namespace xensim {

constexpr std::uint64_t mix64(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

class Rng {
 public:
  // name: the hierarchical name of the module that draws from this stream.
  constexpr Rng(std::uint64_t seed, std::string_view name) : key_(mix64(seed + 0x9e3779b97f4a7c15ull)) {
    for (char c : name) key_ = mix64(key_ ^ static_cast<unsigned char>(c));
  }

  constexpr std::uint64_t next() { return mix64(key_ + 0x9e3779b97f4a7c15ull * ++counter_); }
  // Uniform in [0, n), n > 0.
  constexpr std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }
  // The whole mutable state, for checkpoints.
  constexpr std::uint64_t counter() const { return counter_; }
  constexpr void set_counter(std::uint64_t c) { counter_ = c; }

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

}  // namespace xensim
