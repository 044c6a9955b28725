// A block: straight-line code up to a branch, decoded once. Keyed by (physical address, RIP, mode); a change of
// the bytes invalidates it, a change of the mapping makes the core look it up again.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "models/cpu/op.h"
#include "sim/base/types.h"

namespace xensim::cpu {

// What decoding depends on apart from the bytes: bits of ModeKey.
inline constexpr std::uint32_t kMode64 = 1, kModeCode32 = 2 /* CS.D */, kModeStack32 = 4 /* SS.B */,
                               kModeFlat =
                                   8 /* every data segment usable, base 0, limit 4 GiB: no checks needed */,
                               kModeV8086 = 16, kModeReal = 32,
                               kModeCodeFlat = 64 /* CS: base 0, limit 4 GiB (always so in 64-bit mode) */;

// No instruction pointer ever has this value: it is canonical in no paging mode. Marks blocks that must not be
// found.
inline constexpr std::uint64_t kInvalidRip = std::uint64_t{1} << 63;

struct Block {
  std::uint64_t rip =
      kInvalidRip;  // of the first instruction; kInvalidRip once invalid, so that no link matches it
  // Successors seen so far, matched by rip; never null (BlockCache::no_block stands for none).
  std::array<Block*, 2> link{};
  std::uint64_t next_rip = 0;        // of the instruction after the last
  std::span<const Op> ops;           // at least one
  std::span<const OpTiming> timing;  // parallel to ops
  PhysAddr address;                  // of the first byte
  PhysAddr second_page;  // of the page where its bytes go on, if they do; a block that crosses a page is
                         // one instruction long
  std::uint32_t mode = 0;
  std::uint32_t bytes = 0;  // length in bytes
  bool crosses = false;     // its instruction goes on in second_page
  // Other blocks of the same page, and (for one that crosses) of the second page.
  std::array<Block*, 2> next_in_page{};

  bool valid() const { return rip != kInvalidRip; }
};

}  // namespace xensim::cpu
