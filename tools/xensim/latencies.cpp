// xensim latencies: what a dependent load costs under the in-order model, level by level, as the configuration
// adds up.
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>

#include "models/machine/config.h"
#include "models/memory/cache_system.h"
#include "sim/base/error.h"
#include "tools/xensim/command.h"
#include "tools/xensim/options.h"

namespace xensim::tool {

namespace po = boost::program_options;

int latencies_command(std::span<const std::string> arguments) {
  bool help = false;
  std::string file;
  std::vector<std::string> sets;
  po::options_description visible("Options");
  visible.add_options()("set", po::value(&sets)->value_name("/POINTER=VALUE"),
                        "override a value, as for 'xensim run'")("help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&file));
  po::positional_options_description p;
  p.add("positional", 1);
  parse_options(arguments, all, p, "latencies");
  if (help) {
    std::cout
        << "Usage: xensim latencies SCENARIO.json [OPTION...]\n\n"
           "Prints in cycles what the configuration adds up to for a dependent load under the in-order timing "
           "model:\n"
           "by the level that serves it, and what a TLB miss adds. The guest `memwalk` measures the same.\n\n"
        << visible;
    return kOk;
  }
  if (file.empty())
    throw UserError("xensim latencies", "no scenario given", "usage: xensim latencies SCENARIO.json");
  const machine::MachineConfig m =
      machine::hosts_of(machine::load_scenario(file, sets, {})).front().scenario.machine;
  const memory::CacheSystem caches(m.memory.caches, m.cpu.count, m.cpu.frequency, m.seed);
  const cpu::InorderConfig& core = m.cpu.timing;
  using memory::Level;
  using memory::RowOutcome;
  const auto row = [](const char* name, Cycles n, const char* what) {
    std::printf("%-20s %6llu  %s\n", name, static_cast<unsigned long long>(n), what);
  };
  const Cycles l1 = caches.expected_latency(Level::kL1);
  row("l1", l1, "load that hits L1D");
  row("l2", caches.expected_latency(Level::kL2), "load that hits L2");
  row("l3", caches.expected_latency(Level::kL3), "load that hits L3");
  row("remote_cache", caches.expected_latency(Level::kRemoteCache),
      "load of a line that another pCPU has modified");
  row("dram_row_hit", caches.expected_latency(Level::kDram, RowOutcome::kHit), "load from DRAM, row open");
  row("dram_row_closed", caches.expected_latency(Level::kDram, RowOutcome::kClosed), "load from DRAM, bank idle");
  row("dram_row_conflict", caches.expected_latency(Level::kDram, RowOutcome::kConflict),
      "load from DRAM, another row open");
  row("l2_tlb", core.expected_l2_tlb_hit(), "added by a hit in the second-level TLB");
  row("walk_native", core.expected_walk(4, l1),
      "added by a walk of 4 levels whose entries hit L1D, no walk caches");
  row("walk_2d_warm", core.expected_walk(2, l1),
      "added by a two-dimensional walk: 1 guest and 1 EPT entry, all else cached");
  row("walk_2d_cold", core.expected_walk(24, l1),
      "added by a two-dimensional walk of 24 entries, 4 KiB pages in EPT, no walk caches");
  row("walk_2d_cold_2m", core.expected_walk(19, l1), "the same with 2 MiB pages in EPT");
  return kOk;
}

}  // namespace xensim::tool
