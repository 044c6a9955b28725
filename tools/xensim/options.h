// Command-line parsing with xensim's kind of error message.
#pragma once

#include <boost/program_options.hpp>
#include <span>
#include <string>

#include "models/machine/config.h"

namespace xensim::tool {

// Parses into the variables that the descriptions name. Throws UserError with the nearest valid option.
void parse_options(std::span<const std::string> arguments,
                   const boost::program_options::options_description& options,
                   const boost::program_options::positional_options_description& positional,
                   const std::string& command);

// --timing: overrides the scenario's model unless it is empty. Throws UserError.
void set_timing(machine::ScenarioConfig& scenario, const std::string& model);

// Prints what the scenario's domain files are warned of.
void warn_of(const machine::CheckedScenario& scenario);

}  // namespace xensim::tool
