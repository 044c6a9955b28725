// xensim bench: how fast this host simulates under each timing model, each run in a process of its own. The load
// is `compute`, or a scenario of one's own. A benchmark, not a test: nothing is asserted.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "models/machine/config.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/units.h"
#include "tools/xensim/command.h"
#include "tools/xensim/options.h"

namespace xensim::tool {

namespace po = boost::program_options;

namespace {

// Runs this program with other arguments and waits for it; its output goes to /dev/null.
int run_self(const std::string& self, const std::vector<std::string>& arguments) {
  std::fflush(stdout);  // or the child would print it again
  const pid_t child = ::fork();
  if (child < 0) throw UserError("xensim bench", "cannot start a process");
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stdout)) _exit(2);
    std::vector<char*> argv;
    argv.push_back(const_cast<char*>(self.c_str()));
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    ::execv(self.c_str(), argv.data());
    _exit(2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

struct Speed {
  double mips = 0, seconds = 0;
};

Speed speed_of(const std::string& out) {
  const nlohmann::json host = nlohmann::json::parse(read_file(out + "/host.json"));
  return {host.at("mips").get<double>(), host.at("seconds").get<double>()};
}

// What `xensim run` is given to run `compute`, written into a folder.
std::vector<std::string> compute_load(const std::string& self, const std::string& folder, std::string guest,
                                      std::string cmdline) {
  if (cmdline.empty()) cmdline = "iterations=112000";
  if (guest.empty()) guest = folder_of(folder_of(self)) + "/guests/compute";
  if (!file_exists(guest))
    throw UserError("xensim bench", "no guest " + guest, "build the project, or give --guest");
  write_file(folder + "/bench.json", "{\"machine\": {\"cpu\": {\"count\": 1}}, \"trace\": [\"xentrace\"]}\n");
  write_file(folder + "/bench.cfg", "name = \"compute\"\ntype = \"pvh\"\nkernel = \"" + guest +
                                        "\"\ncmdline = \"" + cmdline + "\"\nmemory = 32\n");
  return {folder + "/bench.json", folder + "/bench.cfg"};
}

// One line: the medians of the runs under a model. false: a run failed.
bool measure(const std::string& self, const std::string& model, std::vector<std::string> run,
             const std::string& out, unsigned runs) {
  run.insert(run.begin(), "run");
  run.insert(run.end(), {"--timing", model, "--out", out});
  std::vector<double> mips, seconds;
  for (unsigned i = 0; i < runs; ++i) {
    if (run_self(self, run) != 0) return false;
    const Speed speed = speed_of(out);
    mips.push_back(speed.mips);
    seconds.push_back(speed.seconds);
  }
  std::sort(mips.begin(), mips.end());
  std::sort(seconds.begin(), seconds.end());
  std::printf("%-12s %10.1f %10.2f\n", model.c_str(), mips[mips.size() / 2], seconds[seconds.size() / 2]);
  return true;
}

}  // namespace

int bench_command(std::span<const std::string> arguments) {
  bool help = false;
  std::string guest, cmdline;
  std::vector<std::string> files;
  unsigned runs = 3;
  po::options_description visible("Options");
  visible.add_options()("guest", po::value(&guest)->value_name("KERNEL"),
                        "PVH kernel to run (default: the project's compute)")(
      "cmdline", po::value(&cmdline)->value_name("TEXT"),
      "its command line (default: a mix of about 200 million instructions)")(
      "runs", po::value(&runs)->value_name("N"), "runs of each model; the medians are printed (default 3)")(
      "help,h", po::bool_switch(&help), "this text");
  po::options_description all;
  all.add(visible).add_options()("positional", po::value(&files));
  po::positional_options_description positional;
  positional.add("positional", -1);
  parse_options(arguments, all, positional, "bench");
  if (help) {
    std::cout << "Usage: xensim bench [SCENARIO.json [DOMAIN.cfg...]] [OPTION...]\n\n"
                 "Prints simulated million instructions per host second, and host seconds, for the timing models "
                 "functional\n"
                 "and inorder: of a run of the scenario, or of the guest compute with the xentrace trace on.\n\n"
              << visible;
    return kOk;
  }
  if (runs == 0) throw UserError("xensim bench", "--runs 0", "give a number of 1 or more");
  if (!files.empty() && !(guest.empty() && cmdline.empty()))
    throw UserError("xensim bench", "--guest and --cmdline are for runs without a scenario",
                    "name it in a domain file");
  // What is wrong with a scenario is said once, before the first run.
  if (!files.empty())
    machine::check_scenario(
        machine::load_scenario(files.front(), {}, std::vector<std::string>(files.begin() + 1, files.end())),
        files.front());
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("xensim-bench-" + std::to_string(::getpid()))).string();
  make_folder(folder);
  if (files.empty()) files = compute_load(self, folder, guest, cmdline);
  std::printf("%-12s %10s %10s   (median of %u)\n", "model", "MIPS", "host s", runs);
  int status = kOk;
  for (const char* model : {"functional", "inorder"}) {
    if (measure(self, model, files, folder + "/" + model, runs)) continue;
    std::fprintf(stderr, "xensim bench: the run under %s failed\n", model);
    status = kGuestFailed;
  }
  std::filesystem::remove_all(folder);
  return status;
}

}  // namespace xensim::tool
