// Finds that no guest will ever run again, though some are there: each waits for an event that nobody will send.
#pragma once

#include <cstdint>
#include <span>

namespace xensim::machine {

class Machine;

// Looks rarely, and believes what it sees when no guest has run since the last look: what was on its way, by an
// event or over a link, has arrived by then.
class StuckDetector {
 public:
  explicit StuckDetector(std::span<Machine* const> hosts) : hosts_(hosts) {}
  // After each activation of a pCPU. instructions: of all guests.
  bool stuck(std::uint64_t instructions);

 private:
  bool looks_stuck() const;

  std::span<Machine* const> hosts_;
  std::uint64_t activations_ = 0, instructions_ = 0;
  bool looked_stuck_ = false;
};

}  // namespace xensim::machine
