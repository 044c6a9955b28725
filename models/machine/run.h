// A run: one or several hosts on SystemC's one time line, from power-on until every domain has ended, or a limit.
//
// Hosts see each other only through links (link.h). Nobody's pCPUs are further ahead than a link's latency, so
// whatever comes over one arrives in its receiver's future, and the order in which SystemC calls modules at one
// time decides nothing. Likewise the end: when all is over, every host of several runs on to one common time, a
// quantum later, that nobody has passed yet.
#pragma once

#include <cstdint>
#include <span>

namespace xensim::machine {

class Machine;

// Why a run ended.
enum class RunEnd : std::uint8_t {
  kAllDomainsEnded,
  kTimeLimit,
  kInstructionLimit,
  kScriptFailed,  // what somebody at a console waits for did not come
  kStuck,         // nothing can ever happen again, but domains are still there
};

// Limits are the first host's scenario's, which is to say the scenario's. Rethrows what a model threw. Once per
// process.
RunEnd simulate(std::span<Machine* const> hosts);
// Every domain of every host has ended, no xl is under way or to come; and there was something to do.
bool all_over(std::span<Machine* const> hosts);

}  // namespace xensim::machine
