#include "sim/config/xl_cfg.h"

#include <algorithm>

#include "sim/base/error.h"

namespace xensim::config {
namespace {

constexpr unsigned kMaxDepth = 16;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name, unsigned lines) : text_(text) {
    file_.name = name;
    file_.lines = lines;
  }

  XlFile run() {
    for (;;) {
      skip_between_statements();
      if (at_end()) return std::move(file_);
      statement();
    }
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  std::string place() const { return file_.place(line_); }
  [[noreturn]] void fail(const std::string& what, const std::string& mend = "") const {
    throw UserError(place(), what, mend);
  }
  std::string here() const {
    if (at_end()) return "the end of the file";
    if (peek() == '\n') return "the end of the line";
    auto c = static_cast<unsigned char>(peek());
    if (c < 0x20 || c == 0x7f) return "a control character";
    return "'" + std::string(1, peek()) + "'";
  }

  void skip_comment() {
    while (!at_end() && peek() != '\n') ++at_;
  }
  void skip_spaces() {
    while (!at_end() && is_space(peek())) ++at_;
    // A line that ends in a backslash goes on in the next.
    while (peek() == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') {
      at_ += 2;
      ++line_;
      while (!at_end() && is_space(peek())) ++at_;
    }
  }
  // Inside lists, newlines are spaces.
  void skip_in_list() {
    for (;;) {
      skip_spaces();
      if (peek() == '#') skip_comment();
      if (at_end() || peek() != '\n') return;
      ++at_;
      ++line_;
    }
  }
  void skip_between_statements() {
    for (;;) {
      skip_in_list();
      if (at_end() || peek() != ';') return;
      ++at_;
    }
  }

  void statement() {
    unsigned line = line_;
    std::size_t start = at_;
    if (!is_letter(peek())) fail("expected a key, found " + here(), "write key = value");
    while (!at_end() && (is_letter(peek()) || is_digit(peek()) || peek() == '.' || peek() == '-')) ++at_;
    std::string key(text_.substr(start, at_ - start));
    skip_spaces();
    bool append = text_.substr(at_).starts_with("+=");
    if (append)
      at_ += 2;
    else if (peek() == '=')
      ++at_;
    else
      fail("expected '=' after \"" + key + "\", found " + here(), "write key = value");
    skip_spaces();
    XlValue v = value(0);
    skip_spaces();
    const std::size_t remark = at_;
    if (peek() == '#') skip_comment();
    if (!at_end() && peek() != '\n' && peek() != ';')
      fail("unexpected " + here() + " after the value of \"" + key + "\"",
           "one setting per line; put strings in quotes");
    set({std::move(key), std::move(v), line, remark_text(text_.substr(remark, at_ - remark))}, append);
  }

  static std::string remark_text(std::string_view comment) {
    const std::size_t first = comment.find_first_not_of("# \t"), last = comment.find_last_not_of(" \t\r");
    return first == comment.npos ? std::string() : std::string(comment.substr(first, last - first + 1));
  }

  XlValue value(unsigned depth) {
    XlValue v;
    v.line = line_;
    if (peek() == '"' || peek() == '\'') {
      v.value = quoted();
    } else if (is_digit(peek()) || (peek() == '-' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
      v.value = number();
    } else if (peek() == '[') {
      if (depth == kMaxDepth) fail("lists nested too deeply");
      v.value = list(depth);
    } else {
      fail("expected a value, found " + here(), "put strings in quotes");
    }
    return v;
  }

  XlValue::Number number() {
    std::size_t start = at_;
    if (peek() == '-') ++at_;
    std::size_t digits = at_;
    while (!at_end() && (is_letter(peek()) || is_digit(peek()))) ++at_;
    std::string text(text_.substr(start, at_ - start));
    std::string_view d = text_.substr(digits, at_ - digits);
    bool good = true;
    if (d.starts_with("0x") || d.starts_with("0X")) {
      good = d.size() > 2;
      for (char c : d.substr(2)) good = good && hex_digit(c) >= 0;
    } else {
      char highest = d.starts_with('0') ? '7' : '9';
      for (char c : d) good = good && c >= '0' && c <= highest;
    }
    if (!good) fail(text + " is no number", "write decimal, 0x… or octal 0…; put strings in quotes");
    return {text};
  }

  std::string quoted() {
    char quote = text_[at_++];
    std::string out;
    for (;;) {
      if (at_end() || peek() == '\n')
        fail("the string does not end on its line", std::string("close it with ") + quote);
      char c = text_[at_++];
      if (c == quote) return out;
      out += c == '\\' ? escape() : c;
    }
  }

  char escape() {
    if (at_end()) fail("the string does not end on its line");
    char c = text_[at_++];
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'a':
        return '\a';
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case '\\':
      case '"':
      case '\'':
        return c;
      default:
        break;
    }
    int value = 0;
    if (c == 'x') {
      int digits = 0;
      for (; digits < 2 && !at_end() && hex_digit(peek()) >= 0; ++digits)
        value = value * 16 + hex_digit(text_[at_++]);
      if (digits == 0) fail("\\x without hexadecimal digits");
    } else if (c >= '0' && c <= '7') {
      value = c - '0';
      for (int digits = 1; digits < 3 && peek() >= '0' && peek() <= '7'; ++digits)
        value = value * 8 + (text_[at_++] - '0');
      if (value > 255) fail("an octal escape above \\377");
    } else {
      fail(std::string("unknown escape \\") + c, "write \\\\ for a backslash");
    }
    return static_cast<char>(static_cast<unsigned char>(value));
  }

  XlValue::List list(unsigned depth) {
    unsigned opened = line_;
    ++at_;
    XlValue::List out;
    for (;;) {
      skip_in_list();
      if (at_end())
        fail("the list that begins in line " + std::to_string(opened) + " does not end", "close it with ]");
      if (peek() == ']') break;
      out.push_back(value(depth + 1));
      skip_in_list();
      if (peek() == ',')
        ++at_;
      else if (!at_end() && peek() != ']')
        fail("expected ',' or ']' in the list that begins in line " + std::to_string(opened) + ", found " +
             here());
    }
    ++at_;
    return out;
  }

  void set(XlSetting setting, bool append) {
    XlValue& v = setting.value;
    for (XlSetting& s : file_.settings) {
      if (s.key != setting.key) continue;
      if (!append) {
        // To override is what settings of the command line are for.
        if (setting.line <= file_.lines)
          file_.warnings.push_back(file_.place(setting.line) + ": \"" + s.key +
                                   "\" is assigned again; the value of line " + std::to_string(s.line) +
                                   " is dropped");
        s = std::move(setting);
        return;
      }
      if (auto* list = std::get_if<XlValue::List>(&s.value.value); list && v.is_list()) {
        for (XlValue& e : std::get<XlValue::List>(v.value)) list->push_back(std::move(e));
      } else if (auto* text = std::get_if<std::string>(&s.value.value);
                 text && std::holds_alternative<std::string>(v.value)) {
        *text += std::get<std::string>(v.value);
      } else {
        throw UserError(file_.place(setting.line), "+= of \"" + s.key + "\" joins different kinds of value",
                        "use two strings or two lists");
      }
      return;
    }
    file_.settings.push_back(std::move(setting));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
  XlFile file_;
};

}  // namespace

const XlSetting* XlFile::find(std::string_view key) const {
  for (const XlSetting& s : settings)
    if (s.key == key) return &s;
  return nullptr;
}

std::string XlFile::place(unsigned line) const {
  return name + (line > lines ? ": command line" : ":" + std::to_string(line));
}

XlFile parse_xl_cfg(std::string_view text, const std::string& name, std::string_view settings) {
  if (settings.empty()) return Parser(text, name, ~0u).run();
  const auto lines = static_cast<unsigned>(std::count(text.begin(), text.end(), '\n')) + 1;
  return Parser(std::string(text) + "\n" + std::string(settings), name, lines).run();
}

}  // namespace xensim::config
