#include "sim/config/quantity.h"

#include <algorithm>
#include <limits>

#include "sim/base/error.h"
#include "sim/base/units.h"

namespace xensim::config {
namespace {

enum class Kind { kPlain, kDuration, kFrequency, kBandwidth, kSize, kAddress };

struct Form {
  std::string_view unit;
  Kind kind;
  std::uint64_t factor;  // of the smallest unit that parse_… gives
};
constexpr Form kForms[] = {{"ns", Kind::kDuration, 1},         {"us", Kind::kDuration, 1'000},
                           {"ms", Kind::kDuration, 1'000'000}, {"s", Kind::kDuration, 1'000'000'000},
                           {"Hz", Kind::kFrequency, 1},        {"kHz", Kind::kFrequency, 1'000},
                           {"bit/s", Kind::kBandwidth, 1},     {"bytes", Kind::kSize, 1},
                           {"KiB", Kind::kSize, 1 << 10},      {"MiB", Kind::kSize, 1 << 20},
                           {"address", Kind::kAddress, 1}};

Form form_of(std::string_view unit) {
  for (const Form& f : kForms)
    if (f.unit == unit) return f;
  return {unit, Kind::kPlain, 1};
}

std::string decimal(__int128 v) {
  bool negative = v < 0;
  auto u = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  std::string digits;
  do digits += static_cast<char>('0' + static_cast<int>(u % 10));
  while ((u /= 10) != 0);
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace

bool has_text_form(std::string_view unit) { return form_of(unit).kind != Kind::kPlain; }

bool needs_unit(std::string_view unit) {
  const Form form = form_of(unit);
  return form.kind == Kind::kDuration && form.factor < 1'000'000'000;
}

Complaint missing_unit(const std::string& number) {
  return {number + " has no unit", "write it in quotes with ns, us, ms, s, min or h, like \"10ms\""};
}

__int128 parse_quantity(std::string_view text, std::string_view unit, const std::string& place) {
  Form form = form_of(unit);
  std::uint64_t value = 0;
  if (text.starts_with("0x") && !needs_unit(unit)) return parse_unsigned(text, place);
  // A number alone means the parameter's unit, as it does without quotes.
  if (!text.empty() && !needs_unit(unit) && text.find_first_not_of("0123456789") == std::string_view::npos)
    return parse_unsigned(text, place);
  switch (form.kind) {
    case Kind::kPlain:
      throw UserError(place, "\"" + std::string(text) + "\" is not an integer", "write it without quotes");
    case Kind::kDuration:
      value = parse_duration(text, place);
      break;
    case Kind::kFrequency:
      value = parse_frequency(text, place);
      break;
    case Kind::kBandwidth:
      value = parse_bandwidth(text, place);
      break;
    case Kind::kSize:
      value = parse_size(text, place);
      break;
    case Kind::kAddress:
      return parse_unsigned(text, place);
  }
  if (value % form.factor != 0)
    throw UserError(place, "\"" + std::string(text) + "\" is not a whole number of " + std::string(unit));
  return value / form.factor;
}

std::string format_quantity(__int128 value, std::string_view unit) {
  Form form = form_of(unit);
  if (value < 0 || form.kind == Kind::kPlain || value > std::numeric_limits<std::uint64_t>::max() / form.factor)
    return decimal(value);
  std::uint64_t v = static_cast<std::uint64_t>(value) * form.factor;
  switch (form.kind) {
    case Kind::kDuration:
      return format_duration(v);
    case Kind::kFrequency:
      return format_frequency(v);
    case Kind::kBandwidth:
      return format_bandwidth(v);
    case Kind::kSize:
      return format_size(v);
    default:
      break;
  }
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[v & 15]);
  while ((v >>= 4) != 0);
  return "0x" + digits;
}

Complaint check_range(__int128 value, const ParamInfo& info, __int128 lowest, __int128 highest) {
  const Range& r = info.range;
  lowest = std::max<__int128>(lowest, r.min);
  highest = std::min<__int128>(highest, r.max);
  auto text = [&](__int128 v) { return format_quantity(v, info.unit); };
  std::string limits = "use " + text(lowest) + " to " + text(highest);
  if (value < lowest) return {text(value) + " is too small", limits};
  if (value > highest) return {text(value) + " is too large", limits};
  if (r.power_of_two && (value <= 0 || (value & (value - 1)) != 0)) {
    __int128 below = 1;
    while (below * 2 < value) below *= 2;
    std::string mend = "use ";
    if (below >= lowest) mend += text(below) + (below * 2 <= highest ? " or " : "");
    if (below * 2 <= highest) mend += text(below * 2);
    return {text(value) + " is not a power of two", mend};
  }
  if (r.multiple_of > 1 && value % static_cast<__int128>(r.multiple_of) != 0) {
    __int128 below = value - value % static_cast<__int128>(r.multiple_of);
    return {text(value) + " is not a multiple of " + text(r.multiple_of),
            "use " + text(below) + " or " + text(below + static_cast<__int128>(r.multiple_of))};
  }
  return {};
}

std::string range_text(const ParamInfo& info) {
  const Range& r = info.range;
  const Range any;
  bool low = r.min != any.min, high = r.max != any.max;
  std::string text;
  auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (low && high)
    add(format_quantity(r.min, info.unit) + " to " + format_quantity(r.max, info.unit));
  else if (low)
    add("at least " + format_quantity(r.min, info.unit));
  else if (high)
    add("at most " + format_quantity(r.max, info.unit));
  if (r.power_of_two) add("a power of two");
  if (r.multiple_of > 1) add("a multiple of " + format_quantity(r.multiple_of, info.unit));
  return text;
}

}  // namespace xensim::config
