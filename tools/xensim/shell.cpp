// xensim shell: a prompt on a simulation. It lets the run go on for a stretch, shows what is there, and runs verbs
// of xl in the modelled dom0. The simulation waits inside Watch::halt() while the prompt reads.
#include <csignal>

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "models/dom0/xl/command_line.h"
#include "models/machine/simulation.h"
#include "models/machine/stuck_detector.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/base/units.h"
#include "sim/trace/catalogue.h"
#include "tools/xensim/attached_console.h"
#include "tools/xensim/command.h"
#include "tools/xensim/host_output.h"
#include "tools/xensim/inspect.h"
#include "tools/xensim/live_table.h"
#include "tools/xensim/log.h"
#include "tools/xensim/options.h"
#include "tools/xensim/prompt.h"
#include "tools/xensim/xenstore_socket.h"
#include "tools/xensim/xl_log.h"

namespace xensim::tool {

namespace po = boost::program_options;

namespace {

volatile std::sig_atomic_t interrupted = 0;

struct Quit {};

using Words = std::vector<std::string>;

class Shell {
 public:
  // outputs: of the simulation's hosts, in their order. All outlive the shell.
  Shell(machine::Simulation& simulation, std::span<const std::unique_ptr<HostOutput>> outputs)
      : simulation_(simulation),
        machine_(simulation.hosts().front()),
        hv_(machine_->hypervisor.get()),
        detector_(simulation.hosts()) {
    for (std::size_t i = 0; i < outputs.size(); ++i) outputs_[simulation.hosts()[i]] = outputs[i].get();
  }

  void start() {
    for (machine::Machine* m : simulation_.hosts()) {
      machine::Watch& watch = watches_[m->host];
      watch.on_halt = [this, m](const std::string& why, const xen::Vcpu* v) { halted(*m, why, v); };
      m->watch = &watch;
      m->heartbeat = [this, m] { look_around(*m); };
      m->toolstack->on_verb = [this, m](std::uint64_t number, const dom0::VerbRecord& r) {
        verb_over(*m, number, r);
      };
      m->toolstack->on_end = [m](domid_t domid, const dom0::DomainOutcome& o) {
        std::printf("%sdomain %u has ended: %s\n", in_front(*m).c_str(), domid, o.why.c_str());
      };
    }
    if (Prompt::at_terminal())
      for (machine::Machine* m : simulation_.hosts())
        m->toolstack->draw = [this](std::string_view table) { return live_.draw(table); };
    watch().now = "start";
  }

  // Clients of the first host's xenstored come by this socket, also while the prompt waits.
  void serve(XenstoreSocket& socket) {
    machine::XenstorePort& port = *simulation_.hosts().front()->xenstore_port;
    port.socket = &socket;
    prompt_.serve = [&port] { port.serve_paused(std::chrono::milliseconds{0}); };
    prompt_.served = [&socket] { return socket.descriptors(); };
  }

  // After the run: only looking is possible.
  void after(const std::string& why) {
    over_ = true;
    std::printf("%s\n", why.c_str());
    prompt();
  }

 private:
  // What a command leads to: the next prompt, or the simulation goes on.
  enum class Then : std::uint8_t { kPrompt, kGo };
  struct Command {
    std::string_view name, synopsis, doc;
    Then (Shell::*run)(const Words& words);
  };
  static std::span<const Command> commands() {
    static constexpr std::array<Command, 15> kTable{{
        {"run", "run [SPAN]",
         "lets SPAN (10ms, 1s, …) of simulated time pass; without it, until something ends it", &Shell::run},
        {"until", "until TIME|exit|switch|event [DOMAIN]",
         "runs until a time, the next VM exit, context switch, or event; of one domain", &Shell::until},
        {"step", "step [N]", "N guest instructions, of all pCPUs together (default 1)", &Shell::step},
        {"continue", "continue", "as run", &Shell::run},
        {"xl", "xl VERB …", "runs xl in dom0 and waits until it is over; \"xl help\" lists the verbs", &Shell::xl},
        {"type", "type DOMAIN [TEXT…]", "types TEXT and the return key at a domain's console", &Shell::type},
        {"host", "host [NAME]", "the hosts, or: which of them the commands are about", &Shell::host},
        {"time", "time", "simulated time, and who waits for what", &Shell::time},
        {"domains", "domains", "domains and what became of them", &Shell::domains},
        {"registers", "registers DOMAIN [VCPU]", "registers of a vCPU (default 0)", &Shell::registers},
        {"p2m", "p2m DOMAIN [GFN [COUNT]]", "where a guest's frames are", &Shell::p2m},
        {"events", "events DOMAIN", "event channels in use", &Shell::events},
        {"runqueues", "runqueues", "who runs, who waits, and the scheduler's queues", &Shell::run_queues},
        {"help", "help [COMMAND]", "this list", &Shell::help},
        {"quit", "quit", "ends the simulation", &Shell::quit},
    }};
    return kTable;
  }

  static std::string in_front(const machine::Machine& m) { return m.host.empty() ? "" : m.host + ": "; }
  machine::Watch& watch() { return watches_.at(machine_->host); }

  static std::string now_text(const machine::Machine& m) {
    const Nanoseconds ns = m.hypervisor->ns(m.hypervisor->now());
    char text[40];
    std::snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64 " ms", ns / 1'000'000, ns % 1'000'000);
    return text;
  }

  void halted(machine::Machine& m, const std::string& why, const xen::Vcpu* v) {
    std::printf("[%s] %s%s", now_text(m).c_str(), in_front(m).c_str(), why.c_str());
    if (v) std::printf(" of d%uv%u (%s)", v->domain.domid, v->id, v->domain.name.c_str());
    if (v && why == "VM exit") {
      const cpu::VmExitInfo& e = m.hypervisor->here().pcpu->core.vm_exit;
      std::printf(": reason %u (%s), qualification %" PRIx64, e.reason & 0xffff,
                  std::string(trace::exit_reason_name(e.reason & 0xffff)).c_str(), e.qualification);
    }
    std::printf("\n");
    for (auto& [name, other] : watches_) other.clear();
    prompt();
  }

  void prompt() {
    for (;;) {
      std::fflush(stdout);
      const auto line = prompt_.read(machine_->host.empty() ? "xensim> " : "xensim " + machine_->host + "> ");
      if (!line) {
        if (over_) return;
        throw Quit{};
      }
      Words words;
      if (!dom0::xl::split(*line, words)) {
        std::printf("a quote is open\n");
        continue;
      }
      if (words.empty() || words[0].starts_with('#')) continue;
      line_ = *line;
      try {
        if (perform(words) == Then::kGo) return;
      } catch (const UserError& e) {
        std::printf("%s\n", e.what());
      }
    }
  }

  Then perform(const Words& words) {
    const Command* found = nullptr;
    for (const Command& c : commands()) {
      if (!c.name.starts_with(words[0])) continue;
      // The first in the table that begins so; a whole name first of all.
      if (!found || c.name == words[0]) found = &c;
    }
    if (!found) {
      std::vector<std::string_view> names;
      for (const Command& c : commands()) names.push_back(c.name);
      const std::string near(nearest(words[0], names));
      throw UserError("", "no command \"" + words[0] + "\"",
                      near.empty() ? "\"help\" lists them" : "did you mean \"" + near + "\"?");
    }
    return (this->*found->run)(words);
  }

  void need_running() const {
    if (over_) throw UserError("", "the run is over", "look, or quit");
  }

  Then run(const Words& words) {
    need_running();
    if (words.size() > 1)
      watch().time = hv_->from_now(hv_->cycles(parse_duration(words[1], words[0])));
    else if (machine_->scenario.until == 0)
      need_something_to_come();
    return Then::kGo;
  }

  // Before a stretch that only something that happens can end.
  void need_something_to_come() const {
    if (all_finished())
      throw UserError("", "nothing is left to do", "run for a while (\"run 10ms\"), or have xl do something");
  }

  Then until(const Words& words) {
    need_running();
    if (words.size() < 2) throw UserError("", "until what?", "until TIME, exit, switch or event");
    std::optional<domid_t> domid;
    if (words.size() > 2) domid = domain(words[2]).domid;
    if (words[1] == "exit" || words[1] == "switch" || words[1] == "event") need_something_to_come();
    if (words[1] == "exit") {
      watch().vm_exit = true;
    } else if (words[1] == "switch") {
      watch().context_switch = true;
    } else if (words[1] == "event") {
      watch().event = true;
    } else {
      const Nanoseconds at = parse_duration(words[1], words[0]);
      if (at < hv_->ns(hv_->now())) throw UserError("", words[1] + " is in the past");
      watch().time = hv_->cycles(at);
    }
    watch().domid = domid;
    return Then::kGo;
  }

  Then step(const Words& words) {
    need_running();
    const std::uint64_t n = words.size() > 1 ? parse_unsigned(words[1], words[0]) : 1;
    if (n == 0) throw UserError("", "0 instructions", "1 or more");
    need_something_to_come();
    watch().instructions = machine_->instructions() + n;
    // The pCPU that is in the middle of its quantum has its limit already.
    cpu::Core& core = hv_->here().pcpu->core;
    core.instruction_limit = core.instructions + n;
    return Then::kGo;
  }

  Then xl(const Words&) {
    need_running();
    // What follows "xl", as it was typed.
    std::string command = line_.substr(line_.find("xl") + 2);
    command.erase(0, std::min(command.find_first_not_of(" \t"), command.size()));
    dom0::xl::Invocation verb = dom0::xl::parse(command);
    std::optional<dom0::DomainSpec> spec;
    if (const std::string missing = missing_file(verb); !missing.empty()) {
      std::printf("Failed to read config file: %s: No such file or directory\n(exit status 3)\n", missing.c_str());
      return Then::kPrompt;
    }
    if (const auto file = machine::file_of_create(verb, "")) {
      spec = machine::check_domain(machine_->scenario, *file, "");
      for (const std::string& w : spec->config.warnings) warn(w);
    }
    console_of_.clear();
    if (verb.verb && verb.verb->name == "console" && Prompt::at_terminal()) console_of_ = verb.arguments.at(0);
    waits_for_ = machine_->toolstack->start_verb(std::move(verb), std::move(spec));
    waits_on_ = machine_;
    return Then::kGo;
  }

  // What `create` cannot read; "": all is well.
  static std::string missing_file(const dom0::xl::Invocation& verb) {
    if (!verb.verb || verb.verb->name != "create") return "";
    if (const std::string* f = verb.value('f')) return file_exists(*f) ? "" : *f;
    for (const std::string& a : verb.arguments)
      if (a.find('=') == std::string::npos) return file_exists(a) ? "" : a;
    return "";
  }

  void verb_over(machine::Machine& m, std::uint64_t number, const dom0::VerbRecord& r) {
    if (number != waits_for_ || &m != waits_on_) {
      if (r.asked || r.output.status != 0) std::printf("%s%s", in_front(m).c_str(), to_text(r).c_str());
      return;
    }
    waits_for_ = 0;
    std::string text = r.output.text();
    if (!console_of_.empty() && r.output.status == 0) {
      // What came until now is shown; now the terminal is the console.
      std::printf("Ctrl-] leaves the console.\n%s", text.c_str());
      std::fflush(stdout);
      attached_.begin(m, *outputs_.at(&m), domain(console_of_).domid);
      return;
    }
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    std::printf("%s", text.c_str());
    if (r.output.status != 0) std::printf("(exit status %d)\n", r.output.status);
    watches_.at(m.host).halt("xl", nullptr);
  }

  // After each activation of a pCPU.
  void look_around(machine::Machine& m) {
    if (interrupted) {
      interrupted = 0;
      waits_for_ = 0;
      watches_.at(m.host).now = "interrupted";
    }
    if (const auto domid = watch().domid; domid && !hv_->find_domain(*domid)) watch().now = "the domain has ended";
    for (const auto& [name, script] : *simulation_.scripts)
      if (script.state() == dom0::ConsoleScript::State::kFailed && failed_scripts_.insert(name).second) {
        std::printf("%s\n", script.failure().c_str());
        watches_.at(m.host).now = "the script of a console failed";
      }
    if (const auto why = attached_.serve(m)) {
      std::printf("\n");
      watches_.at(m.host).now = *why;
    }
    if (detector_.stuck(instructions()) && watch().time == kNever && !attached_.on())
      watches_.at(m.host).now = "nothing can happen any more: \"time\" says who waits for what";
    const bool finished = simulation_.over();
    if (finished && !told_ && watch().time == kNever) watches_.at(m.host).now = "every domain has ended";
    told_ = finished;
  }
  std::uint64_t instructions() const {
    std::uint64_t n = 0;
    for (const machine::Machine* m : simulation_.hosts()) n += m->instructions();
    return n;
  }
  bool all_finished() const {
    const auto hosts = simulation_.hosts();
    return std::all_of(hosts.begin(), hosts.end(), [](const machine::Machine* m) { return m->finished(); });
  }

  xen::Domain& domain(const std::string& word) {
    const auto domid = machine_->toolstack->domid_of(word);
    xen::Domain* d = domid && *domid <= 0xffff ? hv_->find_domain(static_cast<domid_t>(*domid)) : nullptr;
    if (!d) throw UserError("", "no domain \"" + word + "\"", "\"domains\" lists them");
    return *d;
  }
  const std::string& argument(const Words& words, std::size_t i) {
    if (words.size() > i) return words[i];
    for (const Command& c : commands())
      if (c.name.starts_with(words[0])) throw UserError("", "an argument is missing", std::string(c.synopsis));
    throw UserError("", "an argument is missing");
  }

  Then type(const Words& words) {
    need_running();
    const xen::Domain& d = domain(argument(words, 1));
    std::string text;
    for (std::size_t i = 2; i < words.size(); ++i) text += (i > 2 ? " " : "") + words[i];
    if (!machine_->toolstack->console.press(d.domid, text + "\n"))
      throw UserError("", "the console of " + d.name + " takes nothing",
                      "a domain that has taken what was typed before takes more");
    return Then::kPrompt;
  }

  Then host(const Words& words) {
    if (words.size() < 2) {
      for (const machine::Machine* m : simulation_.hosts())
        std::printf("%c %s\n", m == machine_ ? '*' : ' ', m->host.empty() ? "the only one" : m->host.c_str());
      return Then::kPrompt;
    }
    machine::Machine* found = simulation_.find(words[1]);
    if (!found) throw UserError("", "no host \"" + words[1] + "\"", "\"host\" lists them");
    machine_ = found;
    hv_ = found->hypervisor.get();
    return Then::kPrompt;
  }

  Then time(const Words&) {
    std::printf("%s, %" PRIu64 " guest instructions\n%s", now_text(*machine_).c_str(), machine_->instructions(),
                machine_->explain().c_str());
    return Then::kPrompt;
  }

  Then domains(const Words&) {
    for (const auto& [domid, d] : hv_->domains)
      std::printf("%5u %-20s %s\n", domid, d->name.c_str(),
                  d->shutdown ? std::string(xen::name_of(*d->shutdown)).c_str() : "there");
    for (const auto& d : hv_->graveyard) std::printf("%5u %-20s gone\n", d->domid, d->name.c_str());
    return Then::kPrompt;
  }

  Then registers(const Words& words) {
    const xen::Domain& d = domain(argument(words, 1));
    const std::uint64_t id = words.size() > 2 ? parse_unsigned(words[2], words[0]) : 0;
    if (id >= d.vcpus.size())
      throw UserError("", "no vCPU " + std::to_string(id), "there are " + std::to_string(d.vcpus.size()));
    std::printf("%s", show_registers(*hv_, *d.vcpus[id]).c_str());
    return Then::kPrompt;
  }

  Then p2m(const Words& words) {
    const xen::Domain& d = domain(argument(words, 1));
    if (words.size() < 3) {
      std::printf("%s", show_p2m(d).c_str());
      return Then::kPrompt;
    }
    const std::uint64_t gfn = parse_unsigned(words[2], words[0]);
    const std::uint64_t count = words.size() > 3 ? parse_unsigned(words[3], words[0]) : 1;
    constexpr std::uint64_t kMostGfn = std::uint64_t{1} << 36, kMost = 4096;
    if (gfn >= kMostGfn || count > kMost)
      throw UserError("", "gfn " + words[2] + " and " + std::to_string(count) + " frames are too much",
                      "gfns are below 2^36; at most 4096 at a time");
    std::printf("%s", show_p2m(d, gfn, count).c_str());
    return Then::kPrompt;
  }

  Then events(const Words& words) {
    std::printf("%s", show_events(*hv_, domain(argument(words, 1))).c_str());
    return Then::kPrompt;
  }

  Then run_queues(const Words&) {
    std::printf("%s", show_run_queues(*hv_).c_str());
    return Then::kPrompt;
  }

  Then help(const Words& words) {
    for (const Command& c : commands())
      if (words.size() < 2 || c.name.starts_with(words[1]))
        std::printf("  %-38s %s\n", std::string(c.synopsis).c_str(), std::string(c.doc).c_str());
    if (words.size() < 2) std::printf("A command may be shortened. Ctrl-C halts a run.\n");
    return Then::kPrompt;
  }

  Then quit(const Words&) { throw Quit{}; }

  machine::Simulation& simulation_;
  machine::Machine* machine_;  // which the commands are about
  xen::Hypervisor* hv_;
  std::map<std::string, machine::Watch> watches_;  // by host
  Prompt prompt_;
  LiveTable live_;
  std::map<const machine::Machine*, HostOutput*> outputs_;
  AttachedConsole attached_;
  std::string console_of_;  // "": the run of xl is no `console` that will have the terminal
  std::string line_;
  std::uint64_t waits_for_ = 0;  // a run of xl, and whose
  const machine::Machine* waits_on_ = nullptr;
  machine::StuckDetector detector_;
  bool over_ = false, told_ = false;
  std::set<std::string> failed_scripts_;  // that were told of
};

struct ShellOptions {
  std::string scenario, timing, xenstore_socket;
  std::vector<std::string> domains, sets;
};

ShellOptions parse(std::span<const std::string> arguments, bool& help) {
  ShellOptions o;
  Words positional;
  po::options_description visible("Options");
  visible.add_options()("timing", po::value(&o.timing)->value_name("MODEL"),
                        "functional: one cycle per instruction; inorder: pipeline, caches, TLBs")(
      "set", po::value(&o.sets)->value_name("/POINTER=VALUE"),
      "override a value of the scenario or its machine; may be repeated")(
      "xenstore-socket", po::value(&o.xenstore_socket)->value_name("PATH"),
      "a UNIX socket for xenstore's clients, who are served at the prompt, too")("help,h", po::bool_switch(&help),
                                                                                 "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&positional));
  po::positional_options_description p;
  p.add("positional", -1);
  parse_options(arguments, all, p, "shell");
  if (help) {
    std::cout << "Usage: xensim shell SCENARIO.json [DOMAIN.cfg...] [OPTION...]\n\n"
                 "A prompt on a simulation. Commands come from standard input; \"help\" lists them. Consoles are "
                 "shown as\n"
                 "they come; no files are written.\n\n"
              << visible;
    return o;
  }
  if (positional.empty())
    throw UserError("xensim shell", "no scenario given", "usage: xensim shell SCENARIO.json [DOMAIN.cfg...]");
  o.scenario = positional.front();
  o.domains.assign(positional.begin() + 1, positional.end());
  return o;
}

const char* reason_of(machine::RunEnd end) {
  switch (end) {
    case machine::RunEnd::kTimeLimit:
      return "the time limit was reached";
    case machine::RunEnd::kInstructionLimit:
      return "the instruction limit was reached";
    default:
      return "nothing can happen any more";
  }
}

}  // namespace

int shell_command(std::span<const std::string> arguments) {
  bool help = false;
  const ShellOptions o = parse(arguments, help);
  if (help) return kOk;
  machine::ScenarioConfig scenario = machine::load_scenario(o.scenario, o.sets, o.domains);
  set_timing(scenario, o.timing);
  machine::CheckedScenario checked = machine::check_scenario(scenario, o.scenario);
  warn_of(checked);
  std::vector<std::unique_ptr<HostOutput>> outputs;
  machine::Simulation simulation(std::move(checked), [&](const machine::CheckedHost& h) {
    outputs.push_back(std::make_unique<HostOutput>("", h.name, stdout));
    return machine::Simulation::Surroundings{std::make_unique<trace::Tracer>(), outputs.back()->console_sink()};
  });
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i]->attach(*simulation.hosts()[i]);
  Shell shell(simulation, outputs);
  std::unique_ptr<XenstoreSocket> socket;
  if (!o.xenstore_socket.empty()) {
    socket = std::make_unique<XenstoreSocket>(o.xenstore_socket);
    shell.serve(*socket);
  }
  shell.start();
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, nullptr);
  try {
    shell.after(reason_of(simulation.run()));
  } catch (const Quit&) {
  }
  for (const auto& h : outputs) h->show_rest();
  return kOk;
}

}  // namespace xensim::tool
