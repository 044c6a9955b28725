// What one host of a run leaves: its folder with consoles, xl.log, statistics, traces, and cores of domains. In a
// run of several hosts that is a folder of the host's name, and what is shown on the terminal has the host's name
// in front.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/machine/machine.h"
#include "sim/base/file.h"
#include "tools/xensim/console_logs.h"
#include "tools/xensim/xl_log.h"

namespace xensim::tool {

class HostOutput {
 public:
  // out: of the run; empty: no files. host: its name, "" if the run has only one. Nothing is written yet.
  HostOutput(const std::string& out, std::string host, std::FILE* terminal);

  // On or off, with the sinks that the scenario wants.
  std::unique_ptr<trace::Tracer> make_tracer(const machine::ScenarioConfig& scenario) const;
  dom0::ConsoleSink console_sink();
  // Listens to the host, which must outlive this.
  void attach(machine::Machine& machine);
  // The run is over: everything is on disk before the first file gets its final name by commit().
  void write();
  void commit();
  void give_terminal(std::optional<std::uint16_t> domid) { consoles_.give_terminal(domid); }
  // Unfinished lines of consoles.
  void show_rest() { consoles_.commit(); }

  // The host's folder.
  const std::string folder;
  const std::string host;

 private:
  dom0::CoreSink open_core(const std::string& name);

  ConsoleLogs consoles_;
  XlLog xl_log_;
  machine::Machine* machine_ = nullptr;
  std::unique_ptr<AtomicFile> stats_;
  std::map<std::string, std::unique_ptr<AtomicFile>> cores_;  // by domain
};

// Removes what an earlier run has left in its folder, and in its hosts' folders, so that what is there afterwards
// is of one run. A folder without a config.json is nobody's, and stays as it is.
void remove_results(const std::string& out);

}  // namespace xensim::tool
