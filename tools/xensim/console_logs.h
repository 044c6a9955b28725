// The domains' consoles: a log file per domain, and the terminal with the domain's name in front of each line.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sim/base/file.h"

namespace xensim::tool {

class ConsoleLogs {
 public:
  // folder: where console-NAME.log go; empty: nowhere. terminal: where lines are shown too, with `front` before
  // the domain's name; null: nowhere.
  ConsoleLogs(std::string folder, std::FILE* terminal, std::string front = "")
      : folder_(std::move(folder)), terminal_(terminal), front_(std::move(front)) {}

  // A domain appears. A name that was there before (a restart) continues its log.
  void open(std::uint16_t domid, const std::string& name);
  void write(std::uint16_t domid, std::string_view text);
  // The terminal is this domain's own from now on, and gets its bytes as they are; nullopt: no domain's.
  void give_terminal(std::optional<std::uint16_t> domid) { owner_ = domid; }
  // The logs get their final names; unfinished lines are shown.
  void commit();

 private:
  struct Log {
    std::unique_ptr<AtomicFile> file;
    std::string line;  // not yet shown
    bool empty = true;
  };
  void show(const std::string& name, std::string_view line);

  std::string folder_;
  std::FILE* terminal_;
  std::string front_;
  std::optional<std::uint16_t> owner_;  // of the terminal
  std::map<std::string, Log> logs_;
  std::map<std::uint16_t, std::string> names_;
};

}  // namespace xensim::tool
