#include "tools/xensim/live_table.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>

namespace xensim::tool {

// Keys come one by one and are not shown.
void LiveTable::begin() {
  termios t{};
  if (before_ || ::tcgetattr(STDIN_FILENO, &t) != 0) return;
  before_ = t;
  t.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

void LiveTable::end() {
  if (before_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
  before_.reset();
}

bool LiveTable::draw(std::string_view text) {
  begin();
  std::printf("\033[H\033[J%.*sA key ends it.\n", static_cast<int>(text.size()), text.data());
  std::fflush(stdout);
  pollfd keys{STDIN_FILENO, POLLIN, 0};
  if (::poll(&keys, 1, 0) <= 0) return true;
  ::tcflush(STDIN_FILENO, TCIFLUSH);
  end();
  return false;
}

}  // namespace xensim::tool
