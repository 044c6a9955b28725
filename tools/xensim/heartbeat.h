// The progress line of a run on a terminal: simulated time, speed, each domain's state. Reads the host's clock and
// writes to standard error; touches nothing simulated.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "models/machine/machine.h"

namespace xensim::tool {

class Heartbeat {
 public:
  // hosts: which must outlive this.
  Heartbeat(std::span<machine::Machine* const> hosts, bool on)
      : hosts_(hosts), on_(on), last_(std::chrono::steady_clock::now()) {}
  // Cheap enough to be called after every activation of a pCPU: looks at the clock once in a while.
  void tick();
  void clear();

 private:
  std::span<machine::Machine* const> hosts_;
  bool on_;
  unsigned calls_ = 0;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_;
  std::uint64_t last_instructions_ = 0;
};

}  // namespace xensim::tool
