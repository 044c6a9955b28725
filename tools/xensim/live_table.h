// A table that is drawn again and again on a terminal (`xl top` at the prompt), until a key is pressed.
#pragma once

#include <termios.h>

#include <optional>
#include <string_view>

namespace xensim::tool {

class LiveTable {
 public:
  ~LiveTable() { end(); }
  // Draws over what was there. false: a key was pressed meanwhile; the terminal is as it was before the first one.
  bool draw(std::string_view text);

 private:
  void begin();
  void end();

  std::optional<termios> before_;
};

}  // namespace xensim::tool
