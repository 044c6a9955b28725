// What the modelled Xen says it is (XENVER_*).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace xensim::xen {

// Text as the structures of public/version.h hold it, with NULs behind.
template <std::size_t N>
constexpr std::array<char, N> padded(std::string_view text) {
  std::array<char, N> out{};
  for (std::size_t i = 0; i < text.size() && i + 1 < N; ++i) out[i] = text[i];
  return out;
}

inline constexpr std::uint32_t kVersion = 4 << 16 | 17;
inline constexpr auto kExtraVersion = padded<16>(".7");
inline constexpr auto kCapabilities = padded<1024>("hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
inline constexpr auto kChangeset = padded<64>("");
inline constexpr std::uint64_t kVirtualStart = 0xffff800000000000;  // where Xen begins, in a 64-bit address space

// struct xen_compile_info: compiler, by whom, where, when.
inline constexpr auto kCompileInfo = [] {
  std::array<char, 64 + 16 + 32 + 32> out{};
  const auto put = [&](std::size_t at, std::string_view text) {
    for (const char c : text) out[at++] = c;
  };
  put(0, "gcc");
  put(64, "xensim");
  put(80, "modelled");
  put(112, "Thu Jan  1 00:00:00 UTC 2026");
  return out;
}();

}  // namespace xensim::xen
