// A block: straight-line code up to a branch, decoded once. Keyed by (physical address, RIP, mode); a change of the
// bytes invalidates it, a change of the mapping makes the core look it up again.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/cpu/op.h"
#include "sim/base/types.h"

namespace xensim::cpu {

// What decoding depends on apart from the bytes: bits of ModeKey.
inline constexpr std::uint32_t kMode64 = 1, kModeCode32 = 2 /* CS.D */, kModeStack32 = 4 /* SS.B */,
                               kModeFlat = 8 /* every data segment usable, base 0, limit 4 GiB: no checks needed */,
                               kModeV8086 = 16, kModeReal = 32;

struct Block {
  std::uint64_t rip = ~std::uint64_t{0};  // of the first instruction; ~0 once invalid, so that no link matches it
  PhysAddr address;                       // of the first byte
  std::uint32_t mode = 0;
  std::uint32_t bytes = 0;                // length in bytes; a block lies in at most two pages
  PhysAddr second_page;                   // where its bytes go on if it crosses a page (its last instruction may)
  std::vector<Op> ops;                    // at least one
  std::vector<OpTiming> timing;           // parallel to ops
  // Successors seen so far: [0] not taken / fall through / last target, [1] another. Matched by rip.
  std::array<Block*, 2> link{};

  bool valid() const { return rip != ~std::uint64_t{0}; }
};

}  // namespace xensim::cpu
