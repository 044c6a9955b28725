// Quantities with units, as people write them: "10ms", "2.4GHz", "64MiB". Everything ends up as an exact integer;
// a value that is none ("0.3ns") is an error, not rounded. Messages are UserErrors about `place`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/base/types.h"

namespace xensim {

// ns, us (µs), ms, s, min, h. No number alone but 0.
Nanoseconds parse_duration(std::string_view text, const std::string& place);
// Hz, kHz, MHz, GHz (k, M, G as well). A number alone is in hertz.
std::uint64_t parse_frequency(std::string_view text, const std::string& place);
// bit/s, kbit/s, Mbit/s, Gbit/s. A number alone is in bits per second.
std::uint64_t parse_bandwidth(std::string_view text, const std::string& place);
// B, KiB, MiB, GiB, TiB; K, M, G, T mean the same (as in Xen's options), kB, MB, GB, TB powers of ten. A number
// alone is in bytes.
std::uint64_t parse_size(std::string_view text, const std::string& place);
// Decimal, or hexadecimal after 0x. The whole text.
std::uint64_t parse_unsigned(std::string_view text, const std::string& place);

// The shortest exact form in the largest unit that leaves at most three decimals: "1.5ms", "2.4GHz", "64MiB",
// "123ns". A number that would need more is given in the next smaller unit, so that parse(format(x)) == x.
std::string format_duration(Nanoseconds ns);
std::string format_frequency(std::uint64_t hz);
std::string format_bandwidth(std::uint64_t bits_per_second);
std::string format_size(std::uint64_t bytes);

// floor(a × b / c) without overflow of the product; c > 0. The result must fit.
constexpr std::uint64_t multiply_divide(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b / c);
}
constexpr Nanoseconds cycles_to_ns(Cycles cycles, std::uint64_t hz) {
  return multiply_divide(cycles, 1'000'000'000, hz);
}
// The first cycle that is not before ns.
constexpr Cycles ns_to_cycles(Nanoseconds ns, std::uint64_t hz) {
  return static_cast<Cycles>((static_cast<unsigned __int128>(ns) * hz + 999'999'999) / 1'000'000'000);
}

}  // namespace xensim
