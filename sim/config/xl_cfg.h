// xl.cfg: the syntax of Xen's domain files, as xl(1) reads it (libxlu), without knowledge of any key.
//
//   key = value          value: "string" or 'string', a number (decimal, 0x… hexadecimal, 0… octal), or a list
//   key += value         appends to a string or a list that was assigned before
//   [ value, value, ]    lists nest, may go over several lines, and may end with a comma
//   # comment            to the end of the line; statements end at a newline or a semicolon
//
// Strings know the escapes \\ \" \' \n \t \r \a \b \f \v \xHH and octal \NNN. A number given as a string counts as
// a number where one is wanted. A key that is assigned twice keeps the later value (with a warning), as in xl.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace xensim::config {

struct XlValue {
  using List = std::vector<XlValue>;
  // A number keeps its spelling: xl's integers are strings until somebody asks.
  struct Number {
    std::string text;
  };
  std::variant<std::string, Number, List> value;
  unsigned line = 0;

  bool is_list() const { return std::holds_alternative<List>(value); }
};

struct XlSetting {
  std::string key;
  XlValue value;
  unsigned line = 0;
  std::string comment;  // what stands behind the value on its line
};

struct XlFile {
  std::string name;                 // for messages
  std::vector<XlSetting> settings;  // in order of first assignment
  std::vector<std::string> warnings;
  unsigned lines = ~0u;  // of the file; lines beyond are settings of a command line

  std::string place(unsigned line) const;  // "file:line"
  const XlSetting* find(std::string_view key) const;
};

// settings: given beside the file, a line each; they override the file's. Throws UserError "file:line: …".
XlFile parse_xl_cfg(std::string_view text, const std::string& name, std::string_view settings = {});

}  // namespace xensim::config
