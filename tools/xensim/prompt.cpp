#include "tools/xensim/prompt.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace xensim::tool {

struct Prompt::Editor {
  EditLine* line = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string prompt;
  Prompt* owner = nullptr;

  static const char* prompt_of(EditLine* el) {
    void* data = nullptr;
    el_get(el, EL_CLIENTDATA, &data);
    return static_cast<Editor*>(data)->prompt.c_str();
  }
  // One character, while others are served.
  static int character(EditLine* el, wchar_t* out) {
    void* data = nullptr;
    el_get(el, EL_CLIENTDATA, &data);
    while (!static_cast<Editor*>(data)->owner->wait()) {
    }
    unsigned char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n == 1) *out = c;
    return static_cast<int>(n);
  }
};

bool Prompt::at_terminal() { return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO); }

Prompt::Prompt() {
  if (!at_terminal()) return;
  editor_ = std::make_unique<Editor>();
  Editor& e = *editor_;
  e.owner = this;
  e.line = el_init("xensim", stdin, stdout, stderr);
  e.history = history_init();
  history(e.history, &e.event, H_SETSIZE, 1000);
  el_set(e.line, EL_CLIENTDATA, editor_.get());
  el_set(e.line, EL_PROMPT, Editor::prompt_of);
  el_set(e.line, EL_EDITOR, "emacs");
  el_set(e.line, EL_HIST, history, e.history);
  el_set(e.line, EL_GETCFN, Editor::character);
}

Prompt::~Prompt() {
  if (!editor_) return;
  history_end(editor_->history);
  el_end(editor_->line);
}

bool Prompt::wait() {
  std::vector<pollfd> fds{{STDIN_FILENO, POLLIN, 0}};
  if (serve) {
    serve();
    const std::vector<pollfd> others = served();
    fds.insert(fds.end(), others.begin(), others.end());
  }
  if (::poll(fds.data(), fds.size(), -1) < 0) return false;
  return fds.front().revents != 0;
}

std::optional<std::string> Prompt::read_plain() {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    if (at_end_) {
      if (buffer_.empty()) return std::nullopt;
      return std::exchange(buffer_, {});
    }
    if (!wait()) continue;
    char chunk[4096];
    const ssize_t n = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (n > 0)
      buffer_.append(chunk, static_cast<std::size_t>(n));
    else if (n == 0 || errno != EINTR)
      at_end_ = true;
  }
}

std::optional<std::string> Prompt::read(const std::string& prompt) {
  if (!editor_) {
    auto line = read_plain();
    std::printf("%s%s\n", prompt.c_str(), line ? line->c_str() : "");
    return line;
  }
  Editor& e = *editor_;
  e.prompt = prompt;
  int n = 0;
  const char* text = el_gets(e.line, &n);
  if (!text || n <= 0) return std::nullopt;
  std::string line(text, static_cast<std::size_t>(n));
  while (line.ends_with('\n')) line.pop_back();
  if (!line.empty()) history(e.history, &e.event, H_ENTER, line.c_str());
  return line;
}

}  // namespace xensim::tool
