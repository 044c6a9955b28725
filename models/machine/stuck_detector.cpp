#include "models/machine/stuck_detector.h"

#include <algorithm>
#include <utility>

#include "models/machine/machine.h"

namespace xensim::machine {

namespace {
constexpr std::uint64_t kActivations = 1024;  // between two looks
}

bool StuckDetector::stuck(std::uint64_t instructions) {
  if (++activations_ % kActivations != 0) return false;
  const bool quiet = std::exchange(instructions_, instructions) == instructions;
  const bool before = std::exchange(looked_stuck_, looks_stuck());
  return quiet && before && looked_stuck_;
}

bool StuckDetector::looks_stuck() const {
  // Somebody at a console who waits for a while, or only so long, will still do something.
  for (const auto& [name, script] : *hosts_.front()->toolstack->scripts)
    if (script.busy() || script.deadline() != dom0::ConsoleScript::kNoDeadline) return false;
  return std::all_of(hosts_.begin(), hosts_.end(), [](const Machine* m) { return m->stuck() || m->finished(); }) &&
         std::any_of(hosts_.begin(), hosts_.end(), [](const Machine* m) { return m->stuck(); });
}

}  // namespace xensim::machine
