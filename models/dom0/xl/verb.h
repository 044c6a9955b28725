// A verb of xl: one row of the table in verbs.cpp, and what a handler is given.
//
// Parsing and running are apart. parse() (command_line.h) needs no machine: it takes the words apart as xl's
// getopt does, so that a scenario's time line is checked when it is loaded. Running happens later on dom0's vCPU:
// either `act`, which does all at one moment, or `start`, which makes a Job that takes its steps one by one.
//
// To add a verb: a row in verbs.cpp, a handler in the file of its group.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/job.h"
#include "models/dom0/xl/output.h"

namespace xensim::dom0 {
class Toolstack;
struct Incoming;
}  // namespace xensim::dom0

namespace xensim::dom0::xl {

struct Verb;

// A command line of xl, taken apart.
struct Invocation {
  struct Option {
    char letter;
    std::string value;
  };
  const Verb* verb = nullptr;  // nullptr: all that there is to say is in `answer`
  std::string command;         // as it was given
  std::vector<Option> options;
  std::vector<std::string> arguments;
  bool dry_run = false;
  // What xl says without looking at any domain: help, or a usage error.
  Output answer;

  bool has(char letter) const;
  // The last one counts; nullptr: not given.
  const std::string* value(char letter) const;
};

// What a handler may use. It lives as long as the run of xl.
struct Context {
  Toolstack& toolstack;
  Output& out;
  std::optional<std::size_t> spec;          // of what `create` reads, checked already
  unsigned hypercalls = 0;                  // that act() made: their time is charged when it is done
  std::shared_ptr<Incoming> incoming = {};  // started from another host
};

// Which arguments name domains that must exist.
enum class DomainArguments : std::uint8_t { kNone, kFirst, kAll, kOptionD };

struct LongOption {
  std::string_view name;
  char letter = 0;
  bool takes_value = false;
};

struct Verb {
  std::string_view name = {};
  // As `xl help` prints them.
  std::string_view usage = {}, summary = {}, options_help = {};
  bool can_dry_run = false, modifies = false;
  // As getopt's optstring, and its long options.
  std::string_view short_options = {};
  std::span<const LongOption> long_options = {};
  unsigned required = 0;    // arguments
  bool file_first = false;  // a file may stand in front of the options
  DomainArguments domains = DomainArguments::kNone;
  // What is wrong with the arguments whatever the machine is like; "": nothing. May be null.
  std::string (*check)(const Invocation& invocation) = nullptr;
  // One of the two. The result of act is the exit status.
  int (*act)(Context& context, const Invocation& invocation) = nullptr;
  std::unique_ptr<Job> (*start)(Context& context, const Invocation& invocation) = nullptr;
};

// All verbs in the order of `xl help`.
std::span<const Verb> verbs();
const Verb* find_verb(std::string_view name);
// `xl help` without and with a verb.
std::string help();
std::string help(const Verb& verb);

}  // namespace xensim::dom0::xl
