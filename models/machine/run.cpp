#include "models/machine/run.h"

#include <algorithm>
#include <exception>

#include "models/machine/machine.h"
#include "models/machine/stuck_detector.h"

namespace xensim::machine {

namespace {

// Later than any pCPU can be at this activation, and the same whichever of those at this time comes last: the next
// 0.1 ms that is a quantum away. (A long path of Xen's that began within a quantum may have ended beyond it.)
sc_core::sc_time common_end(std::span<Machine* const> hosts) {
  constexpr sc_core::sc_time::value_type kStep = 100'000'000'000;  // fs
  sc_core::sc_time end = sc_core::sc_time_stamp();
  for (const Machine* m : hosts) end = std::max(end, sc_core::sc_time_stamp() + m->clock().time(m->quantum()));
  for (const Machine* m : hosts) end = std::max(end, m->clock().time(m->now()));
  return sc_core::sc_time::from_value((end.value() + kStep - 1) / kStep * kStep);
}

bool any_script(std::span<Machine* const> hosts, bool (*is)(const dom0::ConsoleScript&)) {
  const dom0::ConsoleScripts& scripts = *hosts.front()->toolstack->scripts;
  return std::any_of(scripts.begin(), scripts.end(), [&](const auto& s) { return is(s.second); });
}
bool script_failed(std::span<Machine* const> hosts) {
  return any_script(hosts,
                    [](const dom0::ConsoleScript& s) { return s.state() == dom0::ConsoleScript::State::kFailed; });
}
bool script_busy(std::span<Machine* const> hosts) {
  return any_script(hosts, [](const dom0::ConsoleScript& s) { return s.busy(); });
}

}  // namespace

bool all_over(std::span<Machine* const> hosts) {
  return std::all_of(hosts.begin(), hosts.end(), [](const Machine* m) { return m->finished(); }) &&
         std::any_of(hosts.begin(), hosts.end(), [](const Machine* m) { return !m->toolstack->idle(); }) &&
         !script_busy(hosts);
}

RunEnd simulate(std::span<Machine* const> hosts) {
  const ScenarioConfig& scenario = hosts.front()->scenario;
  RunState run;
  bool over = false, stuck = false;
  StuckDetector detector(hosts);
  if (scenario.instructions != 0) run.instruction_limit = scenario.instructions;
  run.finished = [&] {
    if (over) return false;
    stuck = scenario.until == 0 && detector.stuck(run.instructions);
    if (!(stuck || all_over(hosts) || script_failed(hosts))) return false;
    if (hosts.size() == 1) return true;
    over = true;
    const sc_core::sc_time end = common_end(hosts);
    for (Machine* m : hosts) m->stop_at(m->clock().cycles(end));
    return false;
  };
  // Who looks decides when it is over.
  if (std::any_of(hosts.begin(), hosts.end(), [](const Machine* m) { return m->watch; }))
    run.finished = [] { return false; };
  for (Machine* m : hosts) m->start(run);
  sc_core::sc_report_handler::set_actions("/OSCI/SystemC", sc_core::SC_DO_NOTHING);
  sc_core::sc_start();
  if (run.error) std::rethrow_exception(run.error);
  RunEnd why = RunEnd::kStuck;
  if (script_failed(hosts))
    why = RunEnd::kScriptFailed;
  else if (stuck)
    why = RunEnd::kStuck;
  else if (all_over(hosts))
    why = RunEnd::kAllDomainsEnded;
  else if (run.instructions >= run.instruction_limit)
    why = RunEnd::kInstructionLimit;
  else if (scenario.until != 0)
    why = RunEnd::kTimeLimit;
  const bool limited = why == RunEnd::kTimeLimit || over;
  sc_core::sc_time end = sc_core::SC_ZERO_TIME;
  for (const Machine* m : hosts) end = std::max(end, m->clock().time(m->now()));
  for (Machine* m : hosts) {
    // A path of Xen's may have ended beyond the limit, which is no other host's affair.
    if (limited)
      m->finish(std::max(m->now(), m->until()));
    else
      m->finish(hosts.size() == 1 ? m->now() : std::max(m->now(), m->clock().cycles(end)));
  }
  for (auto& [name, script] : *hosts.front()->toolstack->scripts) script.end(hosts.front()->now_ns());
  return why;
}

}  // namespace xensim::machine
