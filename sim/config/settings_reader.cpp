#include "sim/config/settings_reader.h"

#include <algorithm>
#include <variant>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/config/ignored_keys.h"

namespace xensim::config {

bool parse_xl_number(std::string_view text, std::uint64_t& out) {
  unsigned base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.starts_with('0')) {
    base = 8;
    text.remove_prefix(1);
  }
  if (text.empty()) return false;
  unsigned __int128 v = 0;
  for (char c : text) {
    unsigned d = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                 : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                 : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A') + 10
                                        : 99;
    v = v * base + d;
    if (d >= base || v > ~std::uint64_t{0}) return false;
  }
  out = static_cast<std::uint64_t>(v);
  return true;
}

std::string find_file(const std::string& path, const std::string& cfg) {
  if (path.empty() || file_exists(path)) return path;
  std::string beside = join_path(folder_of(cfg), path);
  return file_exists(beside) ? beside : path;
}

void SettingsReader::complain(const XlSetting& s, const std::string& what, const std::string& mend) {
  problems.emplace_back(UserError(place(s), s.key + ": " + what, mend).what());
}

const XlSetting* SettingsReader::find(std::string_view key) {
  known_.push_back(key);
  return file_.find(key);
}

bool SettingsReader::text(std::string_view key, std::string& out) {
  const XlSetting* s = find(key);
  if (!s) return false;
  if (auto* t = std::get_if<std::string>(&s->value.value)) {
    out = *t;
  } else if (auto* n = std::get_if<XlValue::Number>(&s->value.value)) {
    out = n->text;
  } else {
    complain(*s, "is a list, where a string is wanted", "write " + std::string(key) + " = \"…\"");
    return false;
  }
  return true;
}

bool SettingsReader::number(std::string_view key, std::uint64_t lowest, std::uint64_t highest,
                            std::uint64_t& out) {
  const XlSetting* s = find(key);
  if (!s) return false;
  std::string digits;
  if (auto* t = std::get_if<std::string>(&s->value.value)) digits = *t;
  if (auto* n = std::get_if<XlValue::Number>(&s->value.value)) digits = n->text;
  std::uint64_t v = 0, below_zero = 0;
  const bool negative =
      digits.starts_with('-') && parse_xl_number(digits.substr(1), below_zero) && below_zero != 0;
  const std::string limits = std::to_string(lowest) + " to " + std::to_string(highest);
  if (!negative && !parse_xl_number(digits, v)) {
    complain(*s, (s->value.is_list() ? "a list" : "\"" + digits + "\"") + " is no number",
             "write a number alone, from " + limits);
    return false;
  }
  if (negative || v < lowest || v > highest) {
    complain(*s, digits + (negative || v < lowest ? " is too small" : " is too large"), "use " + limits);
    return false;
  }
  out = v;
  return true;
}

bool SettingsReader::number(std::string_view key, std::uint64_t lowest, std::uint64_t highest, unsigned& out) {
  std::uint64_t v = 0;
  if (!number(key, lowest, highest, v)) return false;
  out = static_cast<unsigned>(v);
  return true;
}

void SettingsReader::optional_number(std::string_view key, std::uint64_t lowest, std::uint64_t highest,
                                     std::optional<unsigned>& out) {
  unsigned v = 0;
  if (number(key, lowest, highest, v)) out = v;
}

bool SettingsReader::flag(std::string_view key, bool& out) {
  std::uint64_t v = 0;
  if (!number(key, 0, 1, v)) return false;
  out = v != 0;
  return true;
}

bool SettingsReader::choice(std::string_view key, std::span<const std::string_view> names, std::size_t& out) {
  std::string t;
  if (!text(key, t)) return false;
  auto it = std::find(names.begin(), names.end(), t);
  if (it == names.end()) {
    std::string list;
    for (std::string_view n : names) list += (list.empty() ? "\"" : ", \"") + std::string(n) + "\"";
    complain(*file_.find(key), "\"" + t + "\" is none of the choices", "use " + list);
    return false;
  }
  out = static_cast<std::size_t>(it - names.begin());
  return true;
}

bool SettingsReader::list(std::string_view key, bool string_allowed, std::vector<std::string>& out) {
  const XlSetting* s = find(key);
  if (!s) return false;
  auto* l = std::get_if<XlValue::List>(&s->value.value);
  if (!l && !string_allowed) {
    complain(*s, "is no list", "write " + std::string(key) + " = [ \"…\" ]");
    return false;
  }
  out.clear();
  auto add = [&](const XlValue& v) {
    if (auto* t = std::get_if<std::string>(&v.value))
      out.push_back(*t);
    else if (auto* n = std::get_if<XlValue::Number>(&v.value))
      out.push_back(n->text);
    else
      complain(*s, "an element is a list, where a string is wanted");
  };
  if (!l) add(s->value);
  if (l)
    for (const XlValue& v : *l) add(v);
  return true;
}

void SettingsReader::refuse_unknown(std::vector<std::string>& warnings) {
  const std::span<const std::string_view> ignored = ignored_keys();
  std::vector<std::string_view> candidates = known_;
  candidates.insert(candidates.end(), ignored.begin(), ignored.end());
  for (const XlSetting& s : file_.settings) {
    if (std::find(known_.begin(), known_.end(), s.key) != known_.end()) continue;
    if (std::find(ignored.begin(), ignored.end(), s.key) != ignored.end()) {
      warnings.push_back(place(s) + ": \"" + s.key + "\" has no effect in xensim");
      continue;
    }
    problems.emplace_back(
        UserError(place(s), "unknown key \"" + s.key + "\"", suggestion(s.key, candidates)).what());
  }
}

}  // namespace xensim::config
