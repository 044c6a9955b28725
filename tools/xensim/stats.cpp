// xensim stats: a run's statistics as text, or what differs between two runs.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/stats/write.h"
#include "tools/xensim/command.h"
#include "tools/xensim/options.h"

namespace xensim::tool {

namespace po = boost::program_options;

namespace {

using Json = nlohmann::ordered_json;

void print_tree(const Json& j, const std::string& path, const std::string& under) {
  for (const auto& [key, value] : j.items()) {
    const std::string name = path.empty() ? key : path + "." + key;
    if (value.is_object() && !value.contains("buckets")) {
      print_tree(value, name, under);
      continue;
    }
    if (!stats::is_under(name, under) || value == 0) continue;
    std::printf("%-56s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
}

// The statistics of a file.
Json read_stats(const std::string& text, const std::string& file) {
  const Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded() || !j.is_object() || !j.contains("stats"))
    throw UserError(file, "no statistics file", "give a stats.json that 'xensim run' wrote");
  return j["stats"];
}

// Follows the path as far as it leads. At the first name that is not there, says which could be meant.
void check_under(const Json& stats, const std::string& under, const std::string& file) {
  const Json* at = &stats;
  std::string so_far;
  for (std::size_t start = 0; start < under.size();) {
    const std::size_t end = std::min(under.find('.', start), under.size());
    const std::string name = under.substr(start, end - start);
    if (!at->is_object() || !at->contains(name)) {
      std::vector<std::string> names;
      if (at->is_object())
        for (const auto& [key, value] : at->items()) names.push_back(so_far + key);
      const std::vector<std::string_view> views(names.begin(), names.end());
      throw UserError("--under", file + " has no \"" + so_far + name + "\"", suggestion(so_far + name, views));
    }
    at = &(*at)[name];
    so_far += name + ".";
    start = end + 1;
  }
}

}  // namespace

int stats_command(std::span<const std::string> arguments) {
  bool help = false;
  std::string under;
  std::vector<std::string> files;
  po::options_description visible("Options");
  visible.add_options()("under", po::value(&under)->value_name("PATH"),
                        "only the group or statistic of this path, e.g. domain.1")(
      "help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&files));
  po::positional_options_description p;
  p.add("positional", -1);
  parse_options(arguments, all, p, "stats");
  if (help) {
    std::cout << "Usage: xensim stats STATS.json [OPTION...]\n       xensim stats BEFORE.json AFTER.json\n\n"
                 "Prints the statistics of a run that are not zero; with two files, those that differ.\n\n"
              << visible;
    return kOk;
  }
  if (files.empty() || files.size() > 2)
    throw UserError("xensim stats", "one or two files are wanted", "see 'xensim stats --help'");
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 28;
  const std::string first = read_file(files[0], kLimit);
  const Json before = read_stats(first, files[0]);
  if (files.size() == 2) {
    const std::string second = read_file(files[1], kLimit);
    auto changes = stats::diff(first, files[0], second, files[1]);
    // What only one of the two has can be asked for as well.
    if (Json both = before; !under.empty()) {
      both.merge_patch(read_stats(second, files[1]));
      check_under(both, under, files[0] + " and " + files[1]);
    }
    std::erase_if(changes, [&](const stats::Change& c) { return !stats::is_under(c.path, under); });
    std::fputs(stats::to_text(changes).c_str(), stdout);
    return kOk;
  }
  check_under(before, under, files[0]);
  print_tree(before, "", under);
  return kOk;
}

}  // namespace xensim::tool
