#include "tools/instruction_set/tables.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sim/base/error.h"

namespace xensim::instruction_set {

Table read_table(const std::string& path, std::size_t columns) {
  std::ifstream in(path);
  if (!in) throw UserError(path, "cannot be read", "run from the source tree, or name it with --data");
  Table table;
  std::string line;
  for (unsigned number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    if (line[0] == '#') {
      table.notes.push_back(line.substr(line.find_first_not_of("# ")));
      continue;
    }
    Row row;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) row.cells.push_back(cell);
    if (row.cells.size() != columns)
      throw UserError(path + ": line " + std::to_string(number),
                      std::to_string(row.cells.size()) + " cells, not " + std::to_string(columns));
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string hex(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t b : bytes) {
    char s[4];
    std::snprintf(s, sizeof s, "%02x", b);
    text += s;
  }
  return text;
}

std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t n = 0; n + 1 < text.size(); n += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::strtoul(text.substr(n, 2).c_str(), nullptr, 16)));
  return bytes;
}

}  // namespace xensim::instruction_set
