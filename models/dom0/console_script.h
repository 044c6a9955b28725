// Somebody at a domain's console, by a script: waits for output, types, runs xl in dom0. Each step begins when the
// one in front is over, at dom0's simulated time; nothing else decides.
//
// The script belongs to the domain's name, not to an instance of it: it goes on with the next one after a reboot
// or a restore, and at another host after a migration. What is on its screen stays; what it has typed and the
// domain has not taken waits, as in a terminal.
//
// Output comes from a hostile guest: what is kept of it is limited, and a regular expression is applied to lines
// of limited length.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::dom0 {

class ConsoleDaemon;

// Exactly one of expect, expect_line, send, wait, xl.
struct ConsoleStep {
  std::optional<std::string> expect;       // text, anywhere in what came since the last match
  std::optional<std::string> expect_line;  // a regular expression, found in one line of it
  std::optional<std::uint64_t> within;     // ns from the step's begin; nullopt: as long as the run
  std::optional<std::string> send;
  std::optional<std::uint64_t> wait;  // ns
  std::optional<std::string> xl;      // command line of xl without "xl"; its exit status must be 0
};
void describe(ConsoleStep& c, config::Visitor& v);
// "": the step is good; else what is wrong with it.
std::string wrong_with(const ConsoleStep& step);
// For messages: 'expect "login:" within 2s'.
std::string to_string(const ConsoleStep& step);

class ConsoleScript {
 public:
  enum class State : std::uint8_t { kRunning, kDone, kFailed };
  struct LogLine {
    Nanoseconds at;
    std::string text;
  };

  // place: of the steps in the scenario, for messages: "FILE: /domains/0/console/".
  ConsoleScript(std::vector<ConsoleStep> steps, std::string place);

  // --- Whose console it is at. One at a time; the last that connects has it. Without a domain it goes on where it
  // was, as far as it needs none.
  void connect(const ConsoleDaemon& daemon, std::uint16_t domid, Nanoseconds now);
  void disconnect() { connected_ = false; }
  bool is_at(const ConsoleDaemon& daemon) const { return daemon_ == &daemon; }
  bool is_at(const ConsoleDaemon& daemon, std::uint16_t domid) const {
    return daemon_ == &daemon && connected_ && domid_ == domid;
  }
  // Goes on whatever the domain does: something is still to come.
  bool busy() const { return daemon_ && state_ == State::kRunning && (current().wait || current().xl); }

  // --- What happens.
  void output(std::string_view bytes);
  // Goes through the steps as far as it can at this time.
  void advance(Nanoseconds now);
  // What is to be typed now, and how much of it has been.
  std::string_view input() const;
  void typed(std::size_t n, Nanoseconds now);
  // What xl is to be run with now; asked for once. Its number comes back with command_over().
  std::optional<std::string> take_command();
  void command_over(std::size_t step, int status, Nanoseconds now);
  // The run is over: what is still awaited will not come.
  void end(Nanoseconds now);

  State state() const { return state_; }
  std::size_t step() const { return step_; }
  // When advance() is to be called even if nothing happens; kNoDeadline: never.
  static constexpr Nanoseconds kNoDeadline = ~Nanoseconds{0};
  Nanoseconds deadline() const;
  // kFailed: one line, with the place, what was awaited, and the end of the output.
  const std::string& failure() const { return failure_; }
  const std::vector<LogLine>& log() const { return log_; }

  // Bytes of output that are kept for a step to look at, and of a line that a regular expression sees.
  static constexpr std::size_t kScreen = 256 << 10, kLine = 1024;

 private:
  const ConsoleStep& current() const { return steps_[step_]; }
  bool seen(Nanoseconds now);
  bool seen_text(const std::string& text);
  bool seen_line();
  void finish_step(Nanoseconds now, const std::string& what);
  void fail(Nanoseconds now, const std::string& why);

  std::vector<ConsoleStep> steps_;
  std::string place_;
  const ConsoleDaemon* daemon_ = nullptr;
  std::uint16_t domid_ = 0;
  bool connected_ = false;
  State state_ = State::kRunning;
  std::size_t step_ = 0;
  Nanoseconds began_ = 0;              // the step
  bool begun_ = false;                 // began_ is set
  std::string screen_;                 // output since the last match, without carriage returns
  std::size_t looked_ = 0;             // up to there the current step has looked in vain
  std::optional<std::regex> pattern_;  // of the current step
  std::size_t typed_ = 0;
  bool asked_ = false;  // the current step's xl is under way
  std::string last_;    // the end of all output
  std::string failure_;
  std::vector<LogLine> log_;
};

// By name of domain. One for all hosts of a run.
using ConsoleScripts = std::map<std::string, ConsoleScript>;

}  // namespace xensim::dom0
