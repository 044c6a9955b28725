// xensim bench: simulated instructions per second of `compute` under each timing model, each in a process of its
// own. A benchmark, not a test: nothing is asserted.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

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

double mips_of(const std::string& out) {
  return nlohmann::json::parse(read_file(out + "/host.json")).at("mips").get<double>();
}

}  // namespace

int bench_command(std::span<const std::string> arguments) {
  bool help = false;
  std::string guest, iterations = "112000";
  unsigned runs = 3;
  po::options_description visible("Options");
  visible.add_options()("guest", po::value(&guest)->value_name("KERNEL"),
                        "PVH kernel to run (default: the project's compute)")(
      "cmdline", po::value(&iterations)->value_name("TEXT"),
      "its command line (default: a mix of about 200 million instructions)")(
      "runs", po::value(&runs)->value_name("N"), "runs of each model; the median is printed (default 3)")(
      "help,h", po::bool_switch(&help), "this text");
  po::positional_options_description none;
  parse_options(arguments, visible, none, "bench");
  if (help) {
    std::cout
        << "Usage: xensim bench [OPTION...]\n\n"
           "Prints simulated million instructions per host second, with the xentrace trace on, for the timing\n"
           "models functional and inorder.\n\n"
        << visible;
    return kOk;
  }
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  if (guest.empty()) guest = folder_of(folder_of(self)) + "/guests/compute";
  if (!file_exists(guest))
    throw UserError("xensim bench", "no guest " + guest, "build the project, or give --guest");
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("xensim-bench-" + std::to_string(::getpid()))).string();
  make_folder(folder);
  const std::string command_line =
      iterations.find('=') == std::string::npos ? "iterations=" + iterations : iterations;
  write_file(folder + "/bench.json", "{\"machine\": {\"cpu\": {\"count\": 1}}, \"trace\": [\"xentrace\"]}\n");
  write_file(folder + "/bench.cfg", "name = \"compute\"\ntype = \"pvh\"\nkernel = \"" + guest +
                                        "\"\ncmdline = \"" + command_line + "\"\nmemory = 32\n");
  std::printf("%-12s %10s   (median of %u)\n", "model", "MIPS", runs);
  int status = kOk;
  for (const char* model : {"functional", "inorder"}) {
    std::vector<double> mips;
    for (unsigned i = 0; i < std::max(runs, 1u); ++i) {
      const std::string out = folder + "/" + model;
      if (run_self(self,
                   {"run", folder + "/bench.json", folder + "/bench.cfg", "--timing", model, "--out", out}) != 0) {
        std::fprintf(stderr, "xensim bench: the run under %s failed\n", model);
        status = kGuestFailed;
        break;
      }
      mips.push_back(mips_of(out));
    }
    if (mips.empty()) continue;
    std::sort(mips.begin(), mips.end());
    std::printf("%-12s %10.1f\n", model, mips[mips.size() / 2]);
  }
  std::filesystem::remove_all(folder);
  return status;
}

}  // namespace xensim::tool
