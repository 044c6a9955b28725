// What a run prints at its end, and host.json.
#pragma once

#include <string>

#include "models/machine/machine.h"

namespace xensim::tool {

// A table of the domains, VM exits by reason, and the paths of what was written.
void print_report(const machine::Machine& machine, machine::RunEnd end, const std::string& out,
                  double host_seconds);
// Facts of the host: seconds and simulated MIPS. Never part of stats.json.
std::string host_json(const machine::Machine& machine, double host_seconds);

}  // namespace xensim::tool
