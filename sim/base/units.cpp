#include "sim/base/units.h"

#include <array>
#include <span>

#include "sim/base/error.h"

namespace xensim {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kDurations = {Unit{"ns", 1},
                                   Unit{"us", 1'000},
                                   Unit{"µs", 1'000},
                                   Unit{"ms", 1'000'000},
                                   Unit{"s", 1'000'000'000},
                                   Unit{"min", 60'000'000'000},
                                   Unit{"h", 3'600'000'000'000}};
constexpr std::array kFrequencies = {
    Unit{"Hz", 1},     Unit{"kHz", 1'000},   Unit{"MHz", 1'000'000},   Unit{"GHz", 1'000'000'000},
    Unit{"k", 1'000},  Unit{"M", 1'000'000}, Unit{"G", 1'000'000'000}, Unit{"K", 1'000},
    Unit{"KHz", 1'000}};
constexpr std::array kBandwidths = {Unit{"bit/s", 1}, Unit{"kbit/s", 1'000}, Unit{"Mbit/s", 1'000'000},
                                    Unit{"Gbit/s", 1'000'000'000}};
constexpr std::array kSizes = {Unit{"B", 1},
                               Unit{"KiB", 1ull << 10},
                               Unit{"MiB", 1ull << 20},
                               Unit{"GiB", 1ull << 30},
                               Unit{"TiB", 1ull << 40},
                               Unit{"K", 1ull << 10},
                               Unit{"M", 1ull << 20},
                               Unit{"G", 1ull << 30},
                               Unit{"T", 1ull << 40},
                               Unit{"k", 1ull << 10},
                               Unit{"kB", 1'000},
                               Unit{"MB", 1'000'000},
                               Unit{"GB", 1'000'000'000},
                               Unit{"TB", 1'000'000'000'000}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Kind {
  std::string_view what;  // "a duration"
  std::string_view mend;  // what to write
  std::span<const Unit> units;
  bool number_alone = true;  // means the smallest unit; else only 0 has no unit
};

std::uint64_t parse(std::string_view text, const std::string& place, const Kind& kind) {
  auto refuse = [&](std::string_view why) -> UserError {
    return UserError(place, "\"" + std::string(text) + "\" is not " + std::string(kind.what) + std::string(why),
                     std::string(kind.mend));
  };
  std::size_t i = 0;
  unsigned __int128 digits = 0;
  unsigned __int128 scale = 1;
  bool any = false, point = false;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !point)); ++i) {
    if (text[i] == '.') {
      point = true;
      continue;
    }
    any = true;
    digits = digits * 10 + static_cast<unsigned>(text[i] - '0');
    if (point) scale *= 10;
    if (digits >> 90 || scale >> 90) throw refuse(" that fits 64 bits");
  }
  if (!any) throw refuse("");
  while (i < text.size() && text[i] == ' ') ++i;
  std::string_view suffix = text.substr(i);
  if (suffix.empty() && digits != 0 && !kind.number_alone) throw refuse(" without a unit");
  std::uint64_t factor = suffix.empty() ? 1 : 0;
  for (const Unit& u : kind.units)
    if (u.name == suffix) factor = u.factor;
  if (factor == 0) throw refuse(": unknown unit \"" + std::string(suffix) + "\"");
  // digits < 2^90: reduce before multiplying, so that the product fits.
  unsigned __int128 whole = digits / scale, rest = digits % scale;
  if (whole > ~std::uint64_t{0} / factor) throw refuse(" that fits 64 bits");
  if (rest != 0 && rest > ~static_cast<unsigned __int128>(0) / factor) throw refuse(": too many decimals");
  unsigned __int128 fraction = rest * factor;
  if (fraction % scale != 0) throw refuse(" in whole " + std::string(kind.units.front().name));
  unsigned __int128 value = whole * factor + fraction / scale;
  if (value > ~std::uint64_t{0}) throw refuse(" that fits 64 bits");
  return static_cast<std::uint64_t>(value);
}

// units: ascending.
std::string format(std::uint64_t value, std::span<const Unit> units) {
  for (std::size_t i = units.size(); i-- > 0;) {
    const Unit& u = units[i];
    if (value < u.factor && u.factor != 1) continue;
    std::uint64_t whole = value / u.factor;
    unsigned __int128 thousandths = static_cast<unsigned __int128>(value % u.factor) * 1000;
    if (thousandths % u.factor != 0) continue;
    std::string text = std::to_string(whole);
    if (auto decimals = static_cast<unsigned>(thousandths / u.factor); decimals != 0) {
      std::string d = std::to_string(1000 + decimals).substr(1);
      while (d.back() == '0') d.pop_back();
      text += "." + d;
    }
    return text + std::string(u.name);
  }
  return std::to_string(value);
}

}  // namespace

Nanoseconds parse_duration(std::string_view text, const std::string& place) {
  return parse(text, place,
               {"a duration", "write a number with ns, us, ms, s, min or h, like \"10ms\"", kDurations, false});
}

std::uint64_t parse_frequency(std::string_view text, const std::string& place) {
  return parse(text, place,
               {"a frequency", "write a number with Hz, kHz, MHz or GHz, like \"2.4GHz\"", kFrequencies});
}

std::uint64_t parse_bandwidth(std::string_view text, const std::string& place) {
  return parse(
      text, place,
      {"a bandwidth", "write a number with bit/s, kbit/s, Mbit/s or Gbit/s, like \"10Gbit/s\"", kBandwidths});
}

std::uint64_t parse_size(std::string_view text, const std::string& place) {
  return parse(text, place, {"a size", "write a number with B, KiB, MiB, GiB or TiB, like \"64MiB\"", kSizes});
}

std::uint64_t parse_unsigned(std::string_view text, const std::string& place) {
  bool hex = text.starts_with("0x") || text.starts_with("0X");
  std::string_view digits = hex ? text.substr(2) : text;
  unsigned base = hex ? 16 : 10;
  std::uint64_t value = 0;
  bool good = !digits.empty();
  for (char c : digits) {
    unsigned d = is_digit(c)                   ? static_cast<unsigned>(c - '0')
                 : hex && c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                 : hex && c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A') + 10
                                               : 99;
    unsigned __int128 next = static_cast<unsigned __int128>(value) * base + d;
    if (d == 99 || next > ~std::uint64_t{0}) {
      good = false;
      break;
    }
    value = static_cast<std::uint64_t>(next);
  }
  if (!good)
    throw UserError(place, "\"" + std::string(text) + "\" is not an unsigned 64-bit number",
                    "write it in decimal, or in hexadecimal after 0x");
  return value;
}

std::string format_duration(Nanoseconds ns) {
  static constexpr std::array units = {kDurations[0], kDurations[1], kDurations[3], kDurations[4]};
  return format(ns, units);
}

std::string format_frequency(std::uint64_t hz) { return format(hz, std::span(kFrequencies).first(4)); }

std::string format_bandwidth(std::uint64_t bits_per_second) { return format(bits_per_second, kBandwidths); }

std::string format_size(std::uint64_t bytes) { return format(bytes, std::span(kSizes).first(5)); }

}  // namespace xensim
