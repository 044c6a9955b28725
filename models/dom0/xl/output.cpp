#include "models/dom0/xl/output.h"

#include <cstdarg>
#include <cstdio>

namespace xensim::dom0::xl {

namespace {
std::string formatted(const char* format, std::va_list arguments) {
  std::va_list again;
  va_copy(again, arguments);
  const int n = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (n <= 0) return "";
  std::string text(static_cast<std::size_t>(n), '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, arguments);
  return text;
}
}  // namespace

void Output::write(bool error, std::string_view text) {
  if (text.empty()) return;
  if (pieces.empty() || pieces.back().error != error) pieces.push_back({error, ""});
  pieces.back().text += text;
}

void Output::print(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  write(false, formatted(format, arguments));
  va_end(arguments);
}

void Output::complain(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  write(true, formatted(format, arguments));
  va_end(arguments);
}

std::string Output::text() const {
  std::string all;
  for (const Piece& p : pieces) all += p.text;
  return all;
}

std::string Output::text(bool error) const {
  std::string all;
  for (const Piece& p : pieces)
    if (p.error == error) all += p.text;
  return all;
}

}  // namespace xensim::dom0::xl
