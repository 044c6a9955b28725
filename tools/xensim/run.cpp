// xensim run: reads a scenario, builds the machine, simulates, and writes what happened.
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>

#include "models/machine/simulation.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/units.h"
#include "tools/xensim/command.h"
#include "tools/xensim/heartbeat.h"
#include "tools/xensim/host_output.h"
#include "tools/xensim/log.h"
#include "tools/xensim/options.h"
#include "tools/xensim/report.h"
#include "tools/xensim/xenstore_socket.h"
#include "tools/xensim/xl_log.h"

namespace xensim::tool {

namespace po = boost::program_options;

namespace {

struct RunOptions {
  std::string scenario;
  std::vector<std::string> domains, sets;
  std::string timing, until, out, trace;
  std::string instructions;
  std::string xenstore_socket, xenstore_linger, xenstore_replay;
  bool quiet = false;
};

RunOptions parse(std::span<const std::string> arguments, bool& help) {
  RunOptions o;
  std::vector<std::string> positional;
  po::options_description visible("Options");
  visible.add_options()("timing", po::value(&o.timing)->value_name("MODEL"),
                        "functional: one cycle per instruction; inorder: pipeline, caches, TLBs")(
      "until", po::value(&o.until)->value_name("TIME"),
      "end at this simulated time (10ms, 1s, …); default: when every domain has ended")(
      "instructions", po::value(&o.instructions)->value_name("N"), "end after N guest instructions")(
      "out", po::value(&o.out)->value_name("DIR"),
      "folder for consoles, statistics and traces (default: xensim-out)")(
      "set", po::value(&o.sets)->value_name("/POINTER=VALUE"),
      "override a value of the scenario or its machine; may be repeated ('xensim params' lists them)")(
      "trace", po::value(&o.trace)->value_name("KINDS"),
      "xentrace, perfetto, text (comma-separated), or none; default: the scenario's")(
      "xenstore-socket", po::value(&o.xenstore_socket)->value_name("PATH"),
      "a UNIX socket for xenstore's clients: XENSTORED_PATH=PATH xenstore-ls -fp")(
      "xenstore-linger", po::value(&o.xenstore_linger)->value_name("TIME"),
      "keep that socket open for so long after the run, or until Ctrl-C")(
      "xenstore-replay", po::value(&o.xenstore_replay)->value_name("FILE"),
      "what clients sent in an earlier run: its xenstore-input.log")(
      "quiet,q", po::bool_switch(&o.quiet), "no consoles and no summary on standard output")(
      "help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&positional));
  po::positional_options_description p;
  p.add("positional", -1);
  parse_options(arguments, all, p, "run");
  if (help) {
    std::cout
        << "Usage: xensim run SCENARIO.json [DOMAIN.cfg...] [OPTION...]\n\n"
           "Simulates the scenario (or a machine file alone) with its domains and those given here, which are\n"
           "created in this order; those given here are the first host's, if the scenario has several.\n\n"
        << visible
        << "\nWritten to DIR: console-NAME.log per domain, stats.json (simulated facts only), host.json (host "
           "time),\n"
           "config.json (the effective configuration: 'xensim run DIR/config.json' repeats the run), trace.xen\n"
           "(for xenalyze), trace.pftrace (for ui.perfetto.dev), trace.txt. A scenario with several hosts has a "
           "folder\n"
           "in DIR for each, with its consoles, stats.json and traces.\n";
    return o;
  }
  if (positional.empty())
    throw UserError("xensim run", "no scenario given", "usage: xensim run SCENARIO.json [DOMAIN.cfg...]");
  o.scenario = positional.front();
  if (o.scenario.ends_with(".cfg"))
    throw UserError(o.scenario, "is a domain file, where a scenario or machine file is wanted",
                    "usage: xensim run SCENARIO.json [DOMAIN.cfg...]");
  o.domains.assign(positional.begin() + 1, positional.end());
  return o;
}

std::vector<std::string> trace_kinds(const std::string& text) {
  std::vector<std::string> kinds;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string kind = text.substr(at, end - at);
    if (kind != "xentrace" && kind != "perfetto" && kind != "text" && kind != "none")
      throw UserError("--trace", "\"" + kind + "\" is no kind of trace", "valid: xentrace, perfetto, text, none");
    if (kind != "none") kinds.push_back(kind);
    at = end + 1;
  }
  if (!kinds.empty() && (',' + text + ',').find(",none,") != std::string::npos)
    throw UserError("--trace", "\"none\" stands beside other kinds", "leave one or the other out");
  return kinds;
}

volatile std::sig_atomic_t interrupted = 0;

// What was done at a console, and when.
std::string script_log(const dom0::ConsoleScript& script) {
  std::string text;
  for (const dom0::ConsoleScript::LogLine& l : script.log()) text += stamp(l.at) + l.text + "\n";
  return text;
}

// Who waits for what, on every host.
std::string explain(std::span<machine::Machine* const> hosts) {
  std::string text;
  for (const machine::Machine* m : hosts) {
    if (!m->host.empty()) text += "host " + m->host + ":\n";
    text += m->explain();
  }
  return text;
}

// Sockets, records and replays of xenstored's clients, who are the first host's. Nothing is written before open().
class XenstoreClients {
 public:
  XenstoreClients(const RunOptions& o, machine::XenstorePort& port) : port_(port) {
    if (!o.xenstore_linger.empty()) linger_ns_ = parse_duration(o.xenstore_linger, "--xenstore-linger");
    if (linger_ns_ != 0 && o.xenstore_socket.empty())
      throw UserError("--xenstore-linger", "there is no socket to keep open", "give --xenstore-socket PATH");
    if (!o.xenstore_replay.empty())
      port.replay = machine::read_record(read_file(o.xenstore_replay), o.xenstore_replay);
    if (!o.xenstore_socket.empty()) socket_ = std::make_unique<XenstoreSocket>(o.xenstore_socket);
    port.socket = socket_.get();
  }
  void open(const std::string& out) {
    if (!socket_) return;
    log_ = std::make_unique<AtomicFile>(out + "/xenstore-input.log");
    log_->write("# What clients of xenstored sent: activation, state, what, connection, bytes\n");
    port_.record = [this](const std::string& line) { log_->write(line + "\n"); };
  }
  void close() {
    if (!log_) return;
    log_->flush();
    log_->commit();
    port_.record = nullptr;
  }
  // The run is over, its results are written, but the store can be looked at.
  void linger() {
    if (linger_ns_ == 0) return;
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(linger_ns_);
    while (!interrupted && std::chrono::steady_clock::now() < until)
      port_.serve_paused(std::chrono::milliseconds{50});
  }

 private:
  machine::XenstorePort& port_;
  std::uint64_t linger_ns_ = 0;
  std::unique_ptr<XenstoreSocket> socket_;
  std::unique_ptr<AtomicFile> log_;
};

machine::ScenarioConfig scenario_of(const RunOptions& o) {
  machine::ScenarioConfig scenario = machine::load_scenario(o.scenario, o.sets, o.domains);
  set_timing(scenario, o.timing);
  if (!o.until.empty()) scenario.until = parse_duration(o.until, "--until");
  if (!o.instructions.empty()) scenario.instructions = parse_unsigned(o.instructions, "--instructions");
  if (!o.instructions.empty() && scenario.instructions == 0)
    throw UserError("--instructions", "0 is no limit", "give 1 or more, or leave it out");
  if (!o.trace.empty()) scenario.trace = trace_kinds(o.trace);
  return scenario;
}

using Outputs = std::vector<std::unique_ptr<HostOutput>>;

// All files are on disk before the first gets its final name.
void write_results(const machine::Simulation& simulation, const machine::ScenarioConfig& scenario,
                   const Outputs& outputs, const std::string& out, double host_seconds) {
  AtomicFile config_file(out + "/config.json"), host_file(out + "/host.json");
  for (const auto& h : outputs) h->write();
  config_file.write(machine::save_scenario(scenario, out).dump(2) + "\n");
  host_file.write(host_json(simulation.hosts(), host_seconds));
  for (AtomicFile* f : {&config_file, &host_file}) f->flush();
  for (const auto& h : outputs) h->commit();
  for (AtomicFile* f : {&config_file, &host_file}) f->commit();
  for (const auto& [name, script] : *simulation.scripts)
    write_file(out + "/script-" + name + ".log", script_log(script));
}

// What went wrong, to standard error, and the exit status.
int status_of(const machine::Simulation& simulation, machine::RunEnd end) {
  bool failed = false;
  for (const auto& [name, script] : *simulation.scripts) {
    if (script.state() != dom0::ConsoleScript::State::kFailed) continue;
    std::fprintf(stderr, "xensim: %s\n", script.failure().c_str());
    failed = true;
  }
  for (const machine::Machine* m : simulation.hosts()) {
    for (const dom0::VerbRecord& r : m->toolstack->not_created()) {
      std::fprintf(stderr,
                   "xensim: %sxl %s ended with status %d, and there is no such domain (xl.log has its messages)\n",
                   m->host.empty() ? "" : ("host " + m->host + ": ").c_str(), r.command.c_str(), r.output.status);
      failed = true;
    }
    for (const dom0::DomainOutcome& d : m->toolstack->outcomes()) failed |= d.crashed;
  }
  if (end == machine::RunEnd::kStuck) {
    std::fprintf(stderr, "xensim: nothing can happen any more, but not every domain has ended:\n%s",
                 explain(simulation.hosts()).c_str());
    failed = true;
  }
  return failed ? kGuestFailed : kOk;
}

}  // namespace

int run_command(std::span<const std::string> arguments) {
  bool help = false;
  const RunOptions o = parse(arguments, help);
  if (help) return kOk;

  // Everything that can be wrong is found before anything is written.
  const machine::ScenarioConfig scenario = scenario_of(o);
  const std::string out = o.out.empty() ? "xensim-out" : o.out;
  machine::CheckedScenario checked = machine::check_scenario(scenario, o.scenario);
  warn_of(checked);
  Outputs outputs;
  machine::Simulation simulation(std::move(checked), [&](const machine::CheckedHost& h) {
    outputs.push_back(std::make_unique<HostOutput>(out, h.name, o.quiet ? nullptr : stdout));
    return machine::Simulation::Surroundings{outputs.back()->make_tracer(h.scenario),
                                             outputs.back()->console_sink()};
  });
  const std::span<machine::Machine* const> hosts = simulation.hosts();
  if (scenario.until == 0 &&
      std::all_of(hosts.begin(), hosts.end(), [](const machine::Machine* m) { return m->toolstack->idle(); }))
    throw UserError(o.scenario, "there is no domain to run", "give domain files after it, or a limit by --until");
  XenstoreClients clients(o, *hosts.front()->xenstore_port);
  make_folder(out);
  remove_results(out);
  for (const auto& h : outputs)
    if (h->folder != out) make_folder(h->folder);
  clients.open(out);
  Heartbeat heartbeat(hosts, isatty(STDERR_FILENO) && !o.quiet);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    outputs[i]->attach(*hosts[i]);
    hosts[i]->toolstack->saved_folder = outputs[i]->folder;
    hosts[i]->toolstack->file_folder = folder_of(o.scenario);
    hosts[i]->heartbeat = [&] { heartbeat.tick(); };
  }

  const auto start = std::chrono::steady_clock::now();
  const machine::RunEnd end = simulation.run();
  const std::chrono::duration<double> host = std::chrono::steady_clock::now() - start;
  heartbeat.clear();
  write_results(simulation, scenario, outputs, out, host.count());
  if (!o.quiet) print_report(hosts, end, out, host.count());
  clients.close();
  std::fflush(stdout);
  clients.linger();
  return status_of(simulation, end);
}

}  // namespace xensim::tool
