// Reads the settings of a domain file one by one, as typed values, remembers which keys there are, and collects
// what is wrong with them, so that one run names every problem.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/config/xl_cfg.h"

namespace xensim::config {

// As strtoul reads with base 0: decimal, 0x…, 0…. false: it is no such number, or one above 2^64 - 1.
bool parse_xl_number(std::string_view text, std::uint64_t& out);

// A path as it is given, or beside the domain file if only there is such a file.
std::string find_file(const std::string& path, const std::string& cfg);

// The functions below return whether there is such a key with a good value; if not, `out` is as it was, and what
// is wrong is among the problems.
class SettingsReader {
 public:
  // file: which must outlive this.
  explicit SettingsReader(const XlFile& file) : file_(file) {}

  std::vector<std::string> problems;

  std::string place(const XlSetting& s) const { return file_.place(s.line); }
  void complain(const XlSetting& s, const std::string& what, const std::string& mend = "");

  const XlSetting* find(std::string_view key);
  bool text(std::string_view key, std::string& out);
  bool number(std::string_view key, std::uint64_t lowest, std::uint64_t highest, std::uint64_t& out);
  bool number(std::string_view key, std::uint64_t lowest, std::uint64_t highest, unsigned& out);
  void optional_number(std::string_view key, std::uint64_t lowest, std::uint64_t highest,
                       std::optional<unsigned>& out);
  bool flag(std::string_view key, bool& out);
  // out: the index of what is given.
  bool choice(std::string_view key, std::span<const std::string_view> names, std::size_t& out);
  // A list of strings; a string alone counts as a list of one where xl allows it.
  bool list(std::string_view key, bool string_allowed, std::vector<std::string>& out);

  // Of keys that none of the above has asked for: a warning if xl knows them, else a problem.
  void refuse_unknown(std::vector<std::string>& warnings);

 private:
  const XlFile& file_;
  std::vector<std::string_view> known_;
};

}  // namespace xensim::config
