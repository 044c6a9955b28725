// A sub-command of xensim: one file each, entered in the table of main.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace xensim::tool {

// Exit statuses (README, "Exit status").
inline constexpr int kOk = 0, kGuestFailed = 1, kUsage = 2;

struct Command {
  std::string_view name;
  std::string_view summary;
  // arguments: those after the sub-command's name. Throws UserError for what the user can mend.
  int (*run)(std::span<const std::string> arguments);
};

int run_command(std::span<const std::string> arguments);
int shell_command(std::span<const std::string> arguments);
int bench_command(std::span<const std::string> arguments);
int params_command(std::span<const std::string> arguments);
int latencies_command(std::span<const std::string> arguments);
int stats_command(std::span<const std::string> arguments);
int trace_command(std::span<const std::string> arguments);
int schema_command(std::span<const std::string> arguments);

}  // namespace xensim::tool
