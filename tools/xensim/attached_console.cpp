#include "tools/xensim/attached_console.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace xensim::tool {

namespace {
constexpr char kLeave = 0x1d;  // Ctrl-]
constexpr std::chrono::milliseconds kLongestWait{1000};
}  // namespace

void AttachedConsole::begin(machine::Machine& machine, HostOutput& output, domid_t domid) {
  termios t{};
  if (machine_ || ::tcgetattr(STDIN_FILENO, &t) != 0) return;
  before_ = t;
  // Every key is the domain's, Ctrl-C too.
  ::cfmakeraw(&t);
  t.c_oflag |= OPOST;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &t);
  machine_ = &machine;
  output_ = &output;
  domid_ = domid;
  simulated_ = machine.now_ns();
  host_ = std::chrono::steady_clock::now();
  output.give_terminal(domid);
  machine.toolstack->console.attend(true);
  machine.toolstack->console.press(domid, "");
}

void AttachedConsole::end() {
  if (!machine_) return;
  machine_->toolstack->console.attend(false);
  output_->give_terminal(std::nullopt);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
  before_.reset();
  machine_ = nullptr;
}

std::optional<std::string> AttachedConsole::pressed() const {
  using std::chrono::milliseconds;
  const auto ahead =
      std::chrono::nanoseconds{machine_->now_ns() - simulated_} - (std::chrono::steady_clock::now() - host_);
  const auto wait = std::clamp(std::chrono::duration_cast<milliseconds>(ahead), milliseconds{0}, kLongestWait);
  pollfd keys{STDIN_FILENO, POLLIN, 0};
  if (::poll(&keys, 1, static_cast<int>(wait.count())) <= 0) return "";
  char bytes[256];
  const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (n <= 0) return std::nullopt;
  std::string text(bytes, static_cast<std::size_t>(n));
  if (text.find(kLeave) != std::string::npos) return std::nullopt;
  return text;
}

std::optional<std::string> AttachedConsole::serve(const machine::Machine& machine) {
  if (machine_ != &machine) return std::nullopt;
  if (!machine_->toolstack->managed(domid_)) {
    end();
    return "the domain is gone";
  }
  const std::optional<std::string> keys = pressed();
  if (!keys) {
    end();
    return "the console is left";
  }
  if (!keys->empty()) machine_->toolstack->console.press(domid_, *keys);
  return std::nullopt;
}

}  // namespace xensim::tool
