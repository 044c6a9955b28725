// xensim params and xensim schema: what can be configured.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>

#include "models/machine/config.h"
#include "sim/base/error.h"
#include "tools/xensim/command.h"
#include "tools/xensim/options.h"

namespace xensim::tool {

namespace po = boost::program_options;

int params_command(std::span<const std::string> arguments) {
  bool help = false, uncalibrated = false;
  std::vector<std::string> prefixes;
  po::options_description visible("Options");
  visible.add_options()("uncalibrated", po::bool_switch(&uncalibrated), "only costs whose default has no source")(
      "help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&prefixes));
  po::positional_options_description p;
  p.add("positional", -1);
  parse_options(arguments, all, p, "params");
  if (help) {
    std::cout
        << "Usage: xensim params [/POINTER...] [OPTION...]\n\n"
           "Lists the parameters at and below the given places of a scenario, or all, with default, unit, range,\n"
           "meaning and source. Each can be set in a scenario's JSON, or by 'xensim run --set /POINTER=VALUE'. "
           "Those of\n"
           "/machine are also those of /hosts/NAME/machine, in a scenario with several hosts.\n\n"
        << visible;
    return kOk;
  }
  std::vector<config::ParamRow> rows = config::params_of<machine::ScenarioConfig>();
  std::erase_if(rows, [&](const config::ParamRow& r) {
    // A host's machine has the same parameters as the only one.
    if (r.path.starts_with("/hosts/NAME/machine/")) return true;
    if (uncalibrated && r.source.find("uncalibrated") == std::string::npos) return true;
    if (prefixes.empty()) return false;
    for (const std::string& prefix : prefixes)
      if (r.path == prefix || r.path.starts_with(prefix + "/") || r.path == "/machine" + prefix ||
          r.path.starts_with("/machine" + prefix + "/"))
        return false;
    return true;
  });
  if (rows.empty()) throw UserError("xensim params", "no parameter there", "see 'xensim params' for all of them");
  std::fputs(config::to_text(rows).c_str(), stdout);
  return kOk;
}

int schema_command(std::span<const std::string> arguments) {
  bool help = false;
  std::string which;
  po::options_description visible("Options");
  visible.add_options()("help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&which));
  po::positional_options_description p;
  p.add("positional", 1);
  parse_options(arguments, all, p, "schema");
  if (help) {
    std::cout << "Usage: xensim schema scenario|machine\n\nPrints the JSON schema (draft 7) of scenario or "
                 "machine files, as in configs/schema/.\n\n"
              << visible;
    return kOk;
  }
  if (which == "scenario")
    std::puts(config::schema_of<machine::ScenarioConfig>("xensim scenario").dump(2).c_str());
  else if (which == "machine")
    std::puts(config::schema_of<machine::MachineConfig>("xensim machine").dump(2).c_str());
  else
    throw UserError("xensim schema", "\"" + which + "\" has no schema", "valid: scenario, machine");
  return kOk;
}

}  // namespace xensim::tool
