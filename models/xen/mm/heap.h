// Xen's page heap: a buddy allocator over the machine's RAM. Deterministic: of all blocks that fit it takes the
// smallest order, and of those the lowest address. Orders are powers of two of 4 KiB pages; 0 … 18 (1 GiB).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>

#include "sim/base/types.h"

namespace xensim::xen {

class Heap {
 public:
  static constexpr unsigned kMaxOrder = 18;

  // Hands the frames [first, first + count) to the heap.
  void add(Mfn first, std::uint64_t count);
  // 2^order contiguous frames, aligned to their size; nullopt when there are none.
  std::optional<Mfn> allocate(unsigned order);
  // Gives back what allocate() returned, whole or in aligned parts.
  void free(Mfn first, unsigned order);
  // Gives back any run of frames that were allocated.
  void free_range(Mfn first, std::uint64_t count);
  std::uint64_t free_pages() const { return free_pages_; }
  std::uint64_t total_pages() const { return total_pages_; }

 private:
  std::array<std::set<std::uint64_t>, kMaxOrder + 1> free_;
  std::uint64_t free_pages_ = 0, total_pages_ = 0;
};

}  // namespace xensim::xen
