// The block cache of one core: finds or decodes the block for the current RIP and mode.
#pragma once

#include <memory>
#include <unordered_map>

#include "models/cpu/block.h"
#include "models/cpu/outcome.h"
#include "models/memory/physical_memory.h"

namespace xensim::cpu {

class Core;

class BlockCache final : public memory::CodeObserver {
 public:
  BlockCache(Core& core, memory::PhysicalMemory& memory);
  ~BlockCache() override;

  // The block at st.rip in the current mode, decoded if need be. nullptr: the fetch failed; outcome says how (kFault
  // with Core::fault, or kVmExit).
  Block* find(Outcome& outcome);

  void code_written(Mfn frame, std::uint64_t line_mask) override;
  void code_marked(Mfn frame) override;
};

}  // namespace xensim::cpu
