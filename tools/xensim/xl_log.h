// xl.log: every run of xl that was asked for, with its command, the simulated times of its beginning and end, its
// exit status, and what it printed; and those for the scenario's domains that went wrong. On the terminal too.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "models/dom0/toolstack.h"
#include "sim/base/file.h"

namespace xensim::tool {

class XlLog {
 public:
  // folder: where xl.log goes. terminal: where it is shown too, with `front` before "xl|"; null: nowhere.
  XlLog(std::string folder, std::FILE* terminal, std::string front = "")
      : folder_(std::move(folder)), terminal_(terminal), front_(std::move(front) + "xl| ") {}

  // One that is over; at the end of the run, one that is not.
  void add(const dom0::VerbRecord& record);
  // The file gets its final name. There is none if no xl ran.
  void commit();

 private:
  std::string folder_;
  std::FILE* terminal_;
  std::string front_;
  std::unique_ptr<AtomicFile> file_;
};

// "[120.000000 ms] ", of simulated time.
std::string stamp(Nanoseconds ns);
// "[120.000000 ms] xl pause web", its output, "[121.250000 ms] exit 0".
std::string to_text(const dom0::VerbRecord& record);

}  // namespace xensim::tool
