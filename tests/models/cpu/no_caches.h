// A hierarchy that is none: every access takes a cycle.
#pragma once

#include "models/memory/hierarchy.h"

namespace xensim::cpu::test {

struct NoCaches final : memory::Hierarchy {
  memory::AccessResult access(unsigned, PhysAddr, memory::AccessKind, Cycles) override {
    return {1, memory::Level::kL1};
  }
};

}  // namespace xensim::cpu::test
