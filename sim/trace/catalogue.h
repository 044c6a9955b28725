// The catalogue of trace points: for every event number its name, its class, what its words mean, and whether it
// has a time stamp. Numbers and words of Xen's events: xen/trace.h and the readers of xenalyze.c; xensim's own:
// events.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sim/trace/record.h"

namespace xensim::trace {

struct EventInfo {
  std::uint32_t event;     // of RUNSTATE_CHANGE: without the two states in bits 9:4
  std::string_view name;   // as xenalyze's formats file spells it, or xensim's own
  std::string_view klass;  // "sched", "hvm", "pv", "mem", "hw", "dom0op", "gen", "xensim"
  bool timed;
  // Names of the words, separated by spaces. "q:name" takes two words, low first; "v:name" is domain and vCPU in
  // one.
  std::string_view words;
};

std::span<const EventInfo> catalogue();
// nullptr: no such event. Looks through RUNSTATE_CHANGE's states and a scheduler's own numbers.
const EventInfo* find_event(std::uint32_t event);

// "runstate_change d1v0 running→blocked"-like line without time and pCPU.
std::string describe(const Record& record);

std::string_view runstate_name(unsigned state);
// SDM 3, appendix C: "EXTERNAL_INTERRUPT"; "reason N" has no name: "UNKNOWN".
std::string_view exit_reason_name(std::uint32_t reason);
// __HYPERVISOR_* without the prefix; "unknown".
std::string_view hypercall_name(std::uint32_t op);

}  // namespace xensim::trace
