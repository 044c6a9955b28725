// What one run of xl prints, in order, and its exit status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xensim::dom0::xl {

struct Output {
  struct Piece {
    bool error = false;  // standard error
    std::string text;
  };
  std::vector<Piece> pieces;
  int status = 0;

  [[gnu::format(printf, 2, 3)]] void print(const char* format, ...);     // standard output
  [[gnu::format(printf, 2, 3)]] void complain(const char* format, ...);  // standard error
  void write(bool error, std::string_view text);
  // Everything, or one of the two streams.
  std::string text() const;
  std::string text(bool error) const;
};

}  // namespace xensim::dom0::xl
