#include "sim/config/json_file.h"

#include <set>

#include "sim/base/error.h"
#include "sim/base/file.h"

namespace xensim::config {
namespace {

constexpr int kMaxDepth = 64;

// byte: the number of bytes read when the parser stopped.
std::string place_of(std::string_view text, std::size_t byte, const std::string& file) {
  std::size_t at = byte == 0 ? 0 : std::min(byte - 1, text.size());
  std::size_t line = 1, column = 1;
  for (char c : text.substr(0, at)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++column;
    }
  }
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

// "[json.exception.parse_error.101] parse error at line 1, column 2: <what>"; the place is ours.
std::string what_of(std::string_view message) {
  std::size_t colon = message.find(": ");
  if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  if (std::size_t last = message.find("; last read"); last != std::string_view::npos)
    message = message.substr(0, last);
  return std::string(message);
}

}  // namespace

Json parse_json(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  std::string duplicate;
  bool too_deep = false;
  Json::parser_callback_t watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) too_deep = true;
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && duplicate.empty()) {
      std::string key = value.get<std::string>();
      if (!keys.back().insert(key).second) duplicate = key;
    }
    return true;
  };
  Json document;
  // A document that is nested deeper than any of ours is refused before it is built.
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) throw UserError(place_of(text, i + 1, file), "nested too deeply");
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  try {
    document = Json::parse(text.begin(), text.end(), watch, true, true);
  } catch (const Json::parse_error& e) {
    throw UserError(place_of(text, e.byte, file), "no valid JSON: " + what_of(e.what()));
  } catch (const Json::exception& e) {
    throw UserError(file, "no valid JSON: " + what_of(e.what()));
  }
  if (too_deep) throw UserError(file, "nested too deeply");
  if (!duplicate.empty()) throw UserError(file, "the key \"" + duplicate + "\" is given twice", "remove one");
  return document;
}

Json load_json(const std::string& path) { return parse_json(read_file(path, std::uint64_t{64} << 20), path); }

Document Document::from_file(const std::string& path) { return {load_json(path), path, {}}; }

std::string Document::place(const std::string& pointer) const {
  // The longest pointer that is this one, or one above it.
  const std::string* origin = nullptr;
  std::size_t length = 0;
  for (const auto& [at, from] : origins)
    if (pointer.starts_with(at) && (pointer.size() == at.size() || pointer[at.size()] == '/') &&
        at.size() >= length) {
      origin = &from;
      length = at.size();
    }
  if (!origin) return file + ": " + (pointer.empty() ? "/" : pointer);
  std::string rest = pointer.substr(length);
  if (origin->starts_with("--set")) return *origin + (rest.empty() ? "" : ": " + rest);
  return *origin + ": " + (rest.empty() ? "/" : rest);
}

void Document::include(const std::string& key) {
  if (json.is_object()) include_at("/" + pointer_token(key));
}

void Document::include_at(const std::string& pointer) {
  const Json::json_pointer at(pointer);
  if (!json.contains(at) || !json.at(at).is_string()) return;
  std::string path = join_path(folder_of(file), json.at(at).get<std::string>());
  json.at(at) = load_json(path);
  origins[pointer] = path;
}

void Document::set(std::string_view assignment, std::string_view written) {
  std::size_t equals = assignment.find('=');
  std::string place = "--set " + std::string(written.empty() ? assignment : written);
  if (equals == std::string_view::npos || !assignment.starts_with('/'))
    throw UserError(place, "is no assignment", "write --set /json/pointer=value");
  std::string pointer(assignment.substr(0, equals)), text(assignment.substr(equals + 1));
  Json value = Json::parse(text, nullptr, false);
  // No parameter takes JSON's null, but one takes a scheduler of that name.
  if (value.is_discarded() || value.is_null()) value = text;

  Json* at = &json;
  std::string made;  // the outermost value that was not there
  for (std::size_t start = 1; start <= pointer.size();) {
    std::size_t slash = std::min(pointer.find('/', start), pointer.size());
    std::string token = pointer.substr(start, slash - start), key;
    for (std::size_t i = 0; i < token.size(); ++i) {
      bool escape = token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1');
      key += escape ? (token[++i] == '0' ? '~' : '/') : token[i];
    }
    if (at->is_null()) {
      *at = Json::object();
      if (made.empty()) made = pointer.substr(0, start - 1);
    }
    if (at->is_object()) {
      at = &(*at)[key];
    } else if (at->is_array()) {
      bool digits = !key.empty() && key.size() < 9 && key.find_first_not_of("0123456789") == std::string::npos;
      std::size_t index = digits ? std::stoul(key) : at->size();
      if (key == "-" || (digits && index == at->size())) {
        at->push_back(Json());
        at = &at->back();
      } else if (digits && index < at->size()) {
        at = &(*at)[index];
      } else {
        throw UserError(place,
                        pointer.substr(0, slash) + ": the list has " + std::to_string(at->size()) + " elements",
                        "count from 0, or append with \"-\"");
      }
    } else {
      throw UserError(place, pointer.substr(0, start - 1) + " is a value without members");
    }
    start = slash + 1;
  }
  *at = std::move(value);
  std::erase_if(origins, [&](const auto& o) { return o.first.starts_with(pointer + "/"); });
  origins[pointer] = place;
  if (!made.empty()) origins[made] = place;
}

std::string pointer_token(std::string_view key) {
  std::string out;
  for (char c : key) out += c == '~' ? std::string("~0") : c == '/' ? std::string("~1") : std::string(1, c);
  return out;
}

}  // namespace xensim::config
