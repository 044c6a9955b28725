// xensim: finds the sub-command, runs it, and turns errors into one message and an exit status.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string>
#include <systemc>
#include <vector>

#include "sim/base/error.h"
#include "sim/base/suggest.h"
#include "tools/xensim/command.h"

namespace {

using namespace xensim;

constexpr std::array<tool::Command, 8> kCommands{{
    {"run", "simulate a scenario", tool::run_command},
    {"shell", "a prompt on a simulation: run, halt, inspect, xl", tool::shell_command},
    {"bench", "measure the simulator's speed on this host", tool::bench_command},
    {"params", "list every parameter with unit, default and source", tool::params_command},
    {"latencies", "print what a load costs by level, as the configuration adds up", tool::latencies_command},
    {"stats", "show a stats.json, or compare two", tool::stats_command},
    {"trace", "summarise an xentrace file", tool::trace_command},
    {"schema", "print the JSON schema of scenarios or machines", tool::schema_command},
}};

void print_help() {
  std::puts(
      "xensim - a cycle-level full-system simulator of the Xen architecture\n"
      "\n"
      "Usage: xensim COMMAND [ARGUMENT...]\n"
      "\n"
      "Commands:");
  for (const tool::Command& c : kCommands)
    std::printf("  %-10s %s\n", std::string(c.name).c_str(), std::string(c.summary).c_str());
  std::puts(
      "\n"
      "'xensim COMMAND --help' explains a command. 'xensim --version' prints the version.\n"
      "\n"
      "Exit status: 0: every domain ended as it should, or the run reached its limit; 1: a domain crashed, a\n"
      "console's script failed, or nothing could happen any more; 2: usage, configuration or input error.");
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    print_help();
    return tool::kUsage;
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return tool::kOk;
  }
  if (name == "--version") {
    std::puts("xensim " XENSIM_VERSION);
    return tool::kOk;
  }
  for (const tool::Command& c : kCommands)
    if (c.name == name) return c.run(std::span(arguments).subspan(1));
  std::vector<std::string_view> names;
  for (const tool::Command& c : kCommands) names.push_back(c.name);
  const std::string near(nearest(name, names));
  throw UserError("", "no command \"" + name + "\"",
                  near.empty() ? "see 'xensim --help'" : "did you mean \"" + near + "\"?");
}

// What was printed must have arrived; a full disk is noticed here at the latest.
int flushed(int status) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good()) return status;
  std::fprintf(stderr, "xensim: standard output: cannot be written; free space, or print elsewhere\n");
  return tool::kUsage;
}

}  // namespace

// SystemC's own main() would print its banner before anything else.
int main(int argc, char** argv) {
  ::setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) {
  try {
    return flushed(dispatch({argv + 1, argv + argc}));
  } catch (const UserError& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "xensim: %s\n", e.what());
    return tool::kUsage;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "xensim: out of host memory\n");
    return tool::kUsage;
  }
}
