// libxc's progress messages as xl prints them where standard error is no terminal (xtl_logger_stdio.c of
// Xen 4.17): a line for each step of five percent, and one when a new thing begins after another has got further.
#pragma once

#include <cstdint>
#include <string>

#include "models/dom0/xl/output.h"

namespace xensim::dom0 {

class Progress {
 public:
  explicit Progress(xl::Output& out) : out_(out) {}

  void report(const std::string& what, std::uint64_t done, std::uint64_t total) {
    const std::uint64_t percent = total == 0 ? 0 : done * 100 / total;
    if (percent >= last_ && percent < last_ + 5) return;
    last_ = percent;
    out_.complain("xc: progress: %s: %llu/%llu  %3u%%\n", what.c_str(), static_cast<unsigned long long>(done),
                  static_cast<unsigned long long>(total), static_cast<unsigned>(percent));
  }

 private:
  xl::Output& out_;
  std::uint64_t last_ = 0;
};

}  // namespace xensim::dom0
