// xensim stats: a run's statistics as text, or what differs between two runs.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/stats/write.h"
#include "tools/xensim/command.h"
#include "tools/xensim/options.h"

namespace xensim::tool {

namespace po = boost::program_options;

namespace {

void print_tree(const nlohmann::ordered_json& j, const std::string& path, const std::string& prefix) {
  for (const auto& [key, value] : j.items()) {
    const std::string name = path.empty() ? key : path + "." + key;
    if (value.is_object() && !value.contains("buckets")) {
      print_tree(value, name, prefix);
      continue;
    }
    if (!name.starts_with(prefix) || value == 0) continue;
    std::printf("%-56s %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
}

}  // namespace

int stats_command(std::span<const std::string> arguments) {
  bool help = false;
  std::string prefix;
  std::vector<std::string> files;
  po::options_description visible("Options");
  visible.add_options()("under", po::value(&prefix)->value_name("PATH"),
                        "only statistics whose path starts so, e.g. domain.1")("help,h", po::bool_switch(&help),
                                                                               "this text");
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
  const std::string first = read_file(files[0]);
  if (files.size() == 2) {
    const auto changes = stats::diff(first, files[0], read_file(files[1]), files[1]);
    std::fputs(stats::to_text(changes).c_str(), stdout);
    return kOk;
  }
  const auto j = nlohmann::ordered_json::parse(first, nullptr, false);
  if (j.is_discarded() || !j.is_object() || !j.contains("stats"))
    throw UserError(files[0], "no statistics file", "give a stats.json that 'xensim run' wrote");
  print_tree(j["stats"], "", prefix);
  return kOk;
}

}  // namespace xensim::tool
