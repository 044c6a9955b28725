#include "tools/xensim/options.h"

#include <vector>

#include "sim/base/error.h"
#include "sim/base/suggest.h"
#include "tools/xensim/log.h"

namespace xensim::tool {

namespace po = boost::program_options;

void parse_options(std::span<const std::string> arguments, const po::options_description& options,
                   const po::positional_options_description& positional, const std::string& command) {
  const std::string place = "xensim " + command;
  const std::string see = "see 'xensim " + command + " --help'";
  try {
    po::variables_map vm;
    const auto refuse_empty = [&](const po::parsed_options& parsed) {
      for (const po::option& o : parsed.options)
        for (const std::string& v : o.value)
          if (v.empty())
            throw UserError(place,
                            o.position_key >= 0 ? "an argument is empty" : "--" + o.string_key + " is empty",
                            "give it a value, or leave it out");
      return parsed;
    };
    const std::vector<std::string> args(arguments.begin(), arguments.end());
    namespace style = po::command_line_style;
    po::store(refuse_empty(po::command_line_parser(args)
                               .options(options)
                               .positional(positional)
                               .style(style::unix_style & ~style::allow_guessing)
                               .run()),
              vm);
    po::notify(vm);
  } catch (const po::unknown_option& e) {
    std::vector<std::string> names;
    for (const auto& o : options.options())
      if (o->long_name() != "positional") names.push_back("--" + o->long_name());
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string near(nearest(e.get_option_name(), views));
    throw UserError(place, "no option \"" + e.get_option_name() + "\"",
                    near.empty() ? see : "did you mean \"" + near + "\"?");
  } catch (const po::error& e) {
    throw UserError(place, e.what(), see);
  }
}

void set_timing(machine::ScenarioConfig& scenario, const std::string& model) {
  if (model.empty()) return;
  if (model != "functional" && model != "inorder")
    throw UserError("--timing", "\"" + model + "\" is no timing model", "valid: functional, inorder");
  scenario.timing = model == "functional" ? machine::Timing::kFunctional : machine::Timing::kInorder;
}

void warn_of(const machine::CheckedScenario& scenario) {
  for (const machine::CheckedHost& h : scenario.hosts) {
    for (const dom0::DomainSpec& d : h.domains)
      for (const std::string& w : d.config.warnings) warn(w);
    for (const machine::CheckedVerb& v : h.timeline)
      if (v.file)
        for (const std::string& w : v.file->config.warnings) warn(w);
  }
}

}  // namespace xensim::tool
