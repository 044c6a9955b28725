// JSON documents: files with errors by line and column, overrides from the command line.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace xensim::config {

// Keeps the order of keys as they were written.
using Json = nlohmann::ordered_json;

// text: the contents of `file`. Comments (// and /* */) are allowed. Throws UserError "file:line:column: …" for
// syntax errors, duplicate keys, bytes that are not UTF-8, and values nested too deeply.
Json parse_json(std::string_view text, const std::string& file);
Json load_json(const std::string& path);

// A configuration as it will be loaded: a file, with parts that have files of their own, and overrides.
struct Document {
  Json json;
  std::string file;
  // Where the values at and below a JSON pointer came from, if not from `file`: pointer → file or "--set …".
  std::map<std::string, std::string> origins;

  static Document from_file(const std::string& path);

  // Where the value at a pointer came from, for messages: "configs/lab.json: /cpu/l2/ways".
  std::string place(const std::string& pointer) const;

  // If the member `key` of the document is a string, it is a path (relative to the document's folder) of a JSON
  // file with the member's value, which takes its place.
  void include(const std::string& key);
  // The same for the value at a pointer, if there is one.
  void include_at(const std::string& pointer);

  // "--set /json/pointer=value": the value is JSON, or else a string. Objects on the way are made; whether the
  // pointer names something is found out by load(), which knows the parameters. A list is indexed from 0; "-"
  // appends. Throws UserError if the text is no assignment, or the pointer goes through something that has no
  // members. written: what stands on the command line, if that is not the assignment.
  void set(std::string_view assignment, std::string_view written = {});
};

// "a/b~c" → "a~1b~0c".
std::string pointer_token(std::string_view key);

}  // namespace xensim::config
