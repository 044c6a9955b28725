// What the timing models and the hypervisor's cost model see of caches and DRAM: one question, answered in cycles.
#pragma once

#include <cstdint>

#include "sim/base/types.h"

namespace xensim::memory {

enum class AccessKind : std::uint8_t { kInstruction, kLoad, kStore };

// Where an access was served.
enum class Level : std::uint8_t { kL1, kL2, kL3, kRemoteCache, kDram };

struct AccessResult {
  Cycles latency;  // from the start of the access to data ready (load-to-use of a hit in L1 included)
  Level level;
};

class Hierarchy {
 public:
  virtual ~Hierarchy() = default;
  // cpu: index of the pCPU whose caches are asked. a: any byte of the line (an access that crosses lines is two).
  // now: the pCPU's local time, for banks and queues. State changes (fills, MESI) happen in the call.
  virtual AccessResult access(unsigned cpu, PhysAddr a, AccessKind kind, Cycles now) = 0;
};

}  // namespace xensim::memory
