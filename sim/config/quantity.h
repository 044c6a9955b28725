// Integers of configurations with their units: text to value and back.
#pragma once

#include <string>
#include <string_view>

#include "sim/config/param.h"

namespace xensim::config {

// "10ms" for unit "us" is 10000. A unit without a textual form takes hexadecimal after 0x only. A number alone is
// in the unit, if that may be left out. Throws UserError.
__int128 parse_quantity(std::string_view text, std::string_view unit, const std::string& place);
// May values of this unit be written as strings with units?
bool has_text_form(std::string_view unit);
// Must they be, unless they are 0? Times shorter than seconds, which nobody can tell from others by their size.
bool needs_unit(std::string_view unit);
// "10ms", "64MiB", "0x1000", "12": what parse_quantity or JSON reads back.
std::string format_quantity(__int128 value, std::string_view unit);

// What is wrong with a value, and the mend; both empty if nothing is.
struct Complaint {
  std::string what, mend;
};
Complaint missing_unit(const std::string& number);
Complaint check_range(__int128 value, const ParamInfo& info, __int128 lowest, __int128 highest);
// "1 … 64, a power of two".
std::string range_text(const ParamInfo& info);

}  // namespace xensim::config
