// The block cache of one core: finds or decodes the block for the current RIP and mode.
//
// Blocks live in an arena that only grows; an invalidated block stays where it is, unreachable but intact, so that
// a block may be invalidated while it runs. When the arena is full, everything is dropped at once, at a time when
// no block runs (inside find). The look-up table is open-addressed; its order is never seen.
//
// Which blocks lie in a page is a list per frame, threaded through the blocks, so that a write to code costs a
// walk over the blocks of one page.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "models/cpu/block.h"
#include "models/cpu/decode.h"
#include "models/cpu/outcome.h"
#include "models/memory/physical_memory.h"

namespace xensim::cpu {

class Core;

class BlockCache final : public memory::CodeObserver {
 public:
  BlockCache(Core& core, memory::PhysicalMemory& memory);
  ~BlockCache() override;
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // The block at st.rip in the current mode, decoded if need be. nullptr: the fetch failed; outcome says how
  // (kFault with Core::fault, or kVmExit). No block may be in execution. from: the block that led here, to be
  // linked to the result; nullptr if none.
  Block* find(Outcome& outcome, Block* from = nullptr);

  // The successor of a block that ran to its end, by its links; nullptr: use find(). Nothing may have changed the
  // mode or the paging context since the block was found.
  Block* follow(const Block& from, std::uint64_t rip) {
    Block* b = from.link[0];
    if (b->rip != rip) {
      b = from.link[1];
      if (b->rip != rip) [[unlikely]]
        return nullptr;
    }
    // A neighbour in the same page of linear addresses is in the same page of physical ones.
    if (((rip ^ from.rip) & ~kPageMask) == 0 && !b->crosses) [[likely]]
      return b;
    return still_mapped(*b) ? b : nullptr;
  }

  void code_written(Mfn frame, std::uint64_t line_mask) override;
  void code_marked(Mfn frame) override;
  // Drops everything (the CPUID policy changed). Not while a block runs.
  void flush();

  // Blocks decoded since reset, for tests and statistics of the simulator.
  std::uint64_t decoded() const { return decoded_; }

 private:
  static constexpr unsigned kMaxBlocks = 1 << 16;
  static constexpr unsigned kSlots = 1 << 17;
  static constexpr std::size_t kChunk = std::size_t{1} << 20;

  bool still_mapped(const Block& b);
  // Host-physical address of a linear code address.
  Outcome translate(std::uint64_t linear, PhysAddr& out);
  Block* decode(PhysAddr address, std::uint64_t linear, Outcome& outcome);
  Block* allocate(std::size_t ops);
  void enter(Block* b);
  void list(Block* b, Mfn frame, unsigned which);
  static std::size_t slot_of(PhysAddr address, std::uint64_t rip, std::uint32_t mode);

  Core& core_;
  memory::PhysicalMemory& memory_;
  std::unique_ptr<Decoder> decoder_;
  Block no_block_;
  std::vector<Block*> slots_;
  std::unordered_map<std::uint64_t, Block*> pages_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t chunk_used_ = kChunk;
  unsigned blocks_ = 0;
  std::uint64_t decoded_ = 0;
};

}  // namespace xensim::cpu
