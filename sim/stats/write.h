// Statistics to files and back: JSON (the same run gives the same bytes), text for people, and the difference of
// two JSON files.
//
// JSON: {"format": "xensim-stats", "version": 1, "stats": {group: {stat: value}}, "legend": {path: {unit, doc}}}.
// A number is an integer; a ratio a string with fixed decimals (so that no reader's floats change it); a histogram
// {"count", "sum", "min", "max", "buckets": {"lowest value of the bucket": samples}}. In the legend, a group whose
// name is a number is "*".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/stats/stats.h"

namespace xensim::stats {

std::string to_json(const Snapshot& snapshot);
std::string to_text(const Snapshot& snapshot);

// One stat that differs between two files. Absent on one side: the text is empty.
struct Change {
  std::string path;
  std::string before, after;
  // Numbers only: after − before, and that in hundredths of a percent of before (before not 0).
  bool numeric = false;
  __int128 delta = 0;
  std::int64_t per_ten_thousand = 0;
};
// Is the path the group or statistic `under`, or below it? Everything is below "".
bool is_under(std::string_view path, std::string_view under);
// before, after: contents of two files that to_json wrote; the names are for messages. Throws UserError if one is
// no statistics file.
std::vector<Change> diff(std::string_view before, const std::string& before_name, std::string_view after,
                         const std::string& after_name);
std::string to_text(const std::vector<Change>& changes);

}  // namespace xensim::stats
