#include "models/dom0/console_script.h"

#include <algorithm>

#include "sim/base/expects.h"
#include "sim/base/units.h"

namespace xensim::dom0 {

namespace {

constexpr std::size_t kLast = 240;

std::string quoted(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (byte < 0x20 || byte >= 0x7f)
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    else
      out += c;
  }
  return out + "\"";
}

std::regex compile(const std::string& pattern) { return std::regex(pattern, std::regex::ECMAScript); }

}  // namespace

void describe(ConsoleStep& c, config::Visitor& v) {
  v(c.expect, {"expect", "", "waits for this text in what came since the last match", "design"});
  v(c.expect_line,
    {"expect_line", "", "waits for a line in which this regular expression (ECMAScript) is found", "design"});
  v(c.within, {"within", "ns", "of an expect: the longest to wait; default: as long as the run", "design"});
  v(c.send, {"send", "", "types this; \\n is the return key", "design"});
  v(c.wait, {"wait", "ns", "does nothing for so long", "design"});
  v(c.xl,
    {"xl", "", "runs xl in dom0 (what follows \"xl\"), and waits until it has ended, with status 0", "design"});
}

std::string wrong_with(const ConsoleStep& s) {
  const bool waits = s.expect || s.expect_line;
  const int kinds =
      (s.expect ? 1 : 0) + (s.expect_line ? 1 : 0) + (s.send ? 1 : 0) + (s.wait ? 1 : 0) + (s.xl ? 1 : 0);
  if (kinds != 1) return kinds == 0 ? "does nothing" : "does more than one thing";
  if (s.within && !waits) return "\"within\" is for a step that expects something";
  if ((s.expect && s.expect->empty()) || (s.expect_line && s.expect_line->empty())) return "expects nothing";
  if (s.expect && s.expect->find('\r') != std::string::npos) return "carriage returns of the output are not seen";
  if (s.send && s.send->empty()) return "types nothing";
  if (s.expect_line) try {
      compile(*s.expect_line);
    } catch (const std::regex_error& e) {
      return quoted(*s.expect_line) + " is no regular expression: " + e.what();
    }
  return "";
}

std::string to_string(const ConsoleStep& s) {
  const std::string within = s.within ? " within " + format_duration(*s.within) : "";
  if (s.expect) return "expect " + quoted(*s.expect) + within;
  if (s.expect_line) return "expect_line " + quoted(*s.expect_line) + within;
  if (s.send) return "send " + quoted(*s.send);
  if (s.wait) return "wait " + format_duration(*s.wait);
  return "xl " + s.xl.value_or("");
}

ConsoleScript::ConsoleScript(std::vector<ConsoleStep> steps, std::string place)
    : steps_(std::move(steps)), place_(std::move(place)) {
  if (steps_.empty()) state_ = State::kDone;
}

void ConsoleScript::connect(const ConsoleDaemon& daemon, std::uint16_t domid, Nanoseconds now) {
  // A run of xl that has brought the domain here is no longer this console's affair.
  const bool moved = daemon_ && daemon_ != &daemon;
  daemon_ = &daemon;
  domid_ = domid;
  connected_ = true;
  if (moved && state_ == State::kRunning && asked_)
    finish_step(now, to_string(current()) + ": the domain is here");
}

void ConsoleScript::output(std::string_view bytes) {
  if (state_ != State::kRunning) return;
  const std::size_t before = screen_.size();
  std::copy_if(bytes.begin(), bytes.end(), std::back_inserter(screen_),
               [](char c) { return c != '\r' && c != '\0'; });
  last_.append(screen_, before);
  if (last_.size() > kLast) last_.erase(0, last_.size() - kLast);
  if (screen_.size() > kScreen) {
    const std::size_t gone = screen_.size() - kScreen / 2;
    screen_.erase(0, gone);
    looked_ -= std::min(looked_, gone);
  }
}

bool ConsoleScript::seen_text(const std::string& text) {
  // A match may have begun in what has been looked at.
  const std::size_t from = looked_ - std::min(looked_, text.size() - 1);
  const std::size_t at = screen_.find(text, from);
  looked_ = screen_.size();
  if (at == std::string::npos) return false;
  screen_.erase(0, at + text.size());
  return true;
}

bool ConsoleScript::seen_line() {
  for (;;) {
    const std::size_t end = std::min(screen_.find('\n', looked_), screen_.size());
    const std::size_t length = std::min(end - looked_, kLine);
    const char* line = screen_.data() + looked_;
    std::cmatch match;
    if (std::regex_search(line, line + length, match, *pattern_)) {
      // The rest of the line is for the next step.
      screen_.erase(0, looked_ + static_cast<std::size_t>(match.position() + match.length()));
      return true;
    }
    if (end == screen_.size()) return false;  // this line may go on: it is looked at again
    looked_ = end + 1;
  }
}

bool ConsoleScript::seen(Nanoseconds now) {
  if (current().expect_line && !pattern_) pattern_ = compile(*current().expect_line);
  const bool yes = current().expect ? seen_text(*current().expect) : seen_line();
  if (yes) finish_step(now, to_string(current()) + ": seen");
  return yes;
}

void ConsoleScript::advance(Nanoseconds now) {
  while (state_ == State::kRunning) {
    if (!begun_) {
      begun_ = true;
      began_ = now;
    }
    const ConsoleStep& s = current();
    if (s.expect || s.expect_line) {
      if (seen(now)) continue;
      if (now >= deadline()) fail(now, "it did not come");
      return;
    }
    if (!s.wait || now < deadline()) return;
    finish_step(now, to_string(s));
  }
}

Nanoseconds ConsoleScript::deadline() const {
  if (state_ != State::kRunning || !begun_) return kNoDeadline;
  const auto span = current().wait ? current().wait : current().within;
  return span && *span < kNoDeadline - began_ ? began_ + *span : kNoDeadline;
}

std::string_view ConsoleScript::input() const {
  if (state_ != State::kRunning || !begun_ || !current().send) return {};
  return std::string_view(*current().send).substr(typed_);
}

void ConsoleScript::typed(std::size_t n, Nanoseconds now) {
  expects(n <= input().size());
  typed_ += n;
  if (input().empty()) finish_step(now, to_string(current()));
}

std::optional<std::string> ConsoleScript::take_command() {
  if (state_ != State::kRunning || !begun_ || asked_ || !current().xl) return std::nullopt;
  asked_ = true;
  return current().xl;
}

void ConsoleScript::command_over(std::size_t step, int status, Nanoseconds now) {
  if (state_ != State::kRunning || step != step_ || !asked_) return;
  if (status == 0)
    finish_step(now, to_string(current()));
  else
    fail(now, "it ended with status " + std::to_string(status) + " (xl.log has its messages)");
}

void ConsoleScript::end(Nanoseconds now) {
  if (state_ == State::kRunning) fail(now, "the run ended first");
}

void ConsoleScript::finish_step(Nanoseconds now, const std::string& what) {
  log_.push_back({now, what});
  if (++step_ == steps_.size()) state_ = State::kDone;
  begun_ = false;
  looked_ = 0;
  pattern_.reset();
  typed_ = 0;
  asked_ = false;
}

void ConsoleScript::fail(Nanoseconds now, const std::string& why) {
  state_ = State::kFailed;
  const std::string what = to_string(current()) + ": " + why;
  log_.push_back({now, what});
  failure_ = place_ + std::to_string(step_) + ": " + what + " (at " + std::to_string(now / 1'000'000) +
             " ms); the console's last output: " + (last_.empty() ? "none" : quoted(last_));
}

}  // namespace xensim::dom0
