// What a run prints at its end, and host.json.
#pragma once

#include <span>
#include <string>

#include "models/machine/machine.h"

namespace xensim::tool {

// Tables of the domains and VM exits by reason, host by host; how it ended; and the paths of what was written.
void print_report(std::span<machine::Machine* const> hosts, machine::RunEnd end, const std::string& out,
                  double host_seconds);
// Facts of the computer that simulated: seconds and simulated MIPS. Never part of stats.json.
std::string host_json(std::span<machine::Machine* const> hosts, double host_seconds);

}  // namespace xensim::tool
