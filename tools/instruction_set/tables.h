// The two tables that the report joins, kept in tests/differential/data/ as tab-separated text:
//
//   occurring.tsv   form, image, how often, mode, bytes of the first one, where that is       (made by `sweep`)
//   proven.tsv      form, compared with, mode, cases, bytes of one                            (made by the tests)
//   unit.tsv        form, file of a unit test, name of the case                               (made by hand)
//   not-code.tsv    form, image, why the bytes are no code                                    (made by hand)
//
// Lines that begin with "#" are notes; proven.tsv's say which run it was.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace xensim::instruction_set {

struct Row {
  std::vector<std::string> cells;
};

struct Table {
  std::vector<std::string> notes;  // without "# "
  std::vector<Row> rows;
};

// Throws UserError if the file cannot be read or a row has another number of cells.
Table read_table(const std::string& path, std::size_t columns);

std::string hex(const std::vector<std::uint8_t>& bytes);
std::vector<std::uint8_t> from_hex(const std::string& text);

}  // namespace xensim::instruction_set
