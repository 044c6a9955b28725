// A line of input for a prompt: with editing and history (libedit) on a terminal; from a pipe or file line by
// line, and then each line is printed after the prompt, so that what comes out reads like a session.
//
// While it waits, others may be served: a socket that clients talk to.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace xensim::tool {

class Prompt {
 public:
  // There is somebody: a terminal at both ends.
  static bool at_terminal();

  Prompt();
  ~Prompt();
  Prompt(const Prompt&) = delete;
  Prompt& operator=(const Prompt&) = delete;

  // The next line without its end; nullopt: there is none any more.
  std::optional<std::string> read(const std::string& prompt);

  // Whom to serve while waiting: serve() does what there is to do now, and is called again when one of the
  // descriptors is ready. Both or none.
  std::function<void()> serve;
  std::function<std::vector<pollfd>()> served;

 private:
  struct Editor;
  // Waits for standard input. false: the wait was interrupted.
  bool wait();
  std::optional<std::string> read_plain();

  std::unique_ptr<Editor> editor_;
  std::string buffer_;
  bool at_end_ = false;
};

}  // namespace xensim::tool
