// Xen's page heap: buddy allocators over the machine's RAM, one per NUMA node and zone. Orders are powers of two
// of 4 KiB pages; 0 … 18 (1 GiB). Follows page_alloc.c of Xen: get_free_buddy, free_heap_pages, scrub_free_pages.
//
// Of the nodes that a request allows, in their order, the first that has a block is taken; in a node the highest
// zone (a zone is the frames of one bit length); in a zone the smallest block that fits, clean before dirty; of
// those the lowest address, where Xen takes the one that was freed last.
//
// Dirty pages: what a dead domain leaves must be cleared before the next one has it. The idle loop does so a few
// pages at a time (scrub()); who takes a block with dirty pages does it himself. Requests of more than a page look
// for a clean block everywhere first.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "sim/base/types.h"

namespace xensim::xen {

class Heap {
 public:
  static constexpr unsigned kMaxOrder = 18;
  static constexpr unsigned kMaxNodes = 64;
  static constexpr unsigned kAnyNode = ~0u;

  struct Request {
    unsigned order = 0;
    std::uint64_t nodes = ~std::uint64_t{0};  // preferred: a bit each (a domain's node affinity)
    unsigned node = kAnyNode;                 // first to look at; kAnyNode: the one after last_node
    bool exact = false;                       // that node only
    unsigned last_node = kAnyNode;            // where the domain got its last block
    unsigned local_node = 0;                  // of the pCPU, for requests of no domain
    unsigned highest_zone = kZones - 1;       // address width of the asker: frames below 2^zone
  };
  static constexpr unsigned kZones = 41;

  // The machine's nodes, before the first add(): ranges of frames. Without: one node has everything.
  struct Range {
    Mfn first;
    std::uint64_t count;
    unsigned node;
  };
  void set_nodes(std::vector<Range> ranges);
  unsigned nodes() const { return static_cast<unsigned>(nodes_.size()); }
  unsigned node_of(Mfn m) const;

  // Hands the frames [first, first + count) to the heap. dirty: their content must be cleared before use.
  void add(Mfn first, std::uint64_t count, bool dirty = false);
  // 2^order contiguous frames, aligned to their size; nullopt when there are none.
  std::optional<Mfn> allocate(unsigned order) { return allocate(Request{.order = order}); }
  std::optional<Mfn> allocate(const Request& r);
  // Of a frame that was allocated: whether it must be cleared, once.
  bool take_dirty(Mfn m);
  // Gives back what allocate() returned, whole or in aligned parts, or any run of it.
  void free(Mfn first, unsigned order, bool dirty = false);
  void free_range(Mfn first, std::uint64_t count, bool dirty = false);

  std::uint64_t free_pages() const { return free_pages_; }
  std::uint64_t total_pages() const { return total_pages_; }
  std::uint64_t free_pages(unsigned node) const { return nodes_[node].free_pages; }
  // Those in some of its zones.
  std::uint64_t free_pages(unsigned node, unsigned lowest_zone, unsigned highest_zone) const;
  std::uint64_t total_pages(unsigned node) const { return nodes_[node].total_pages; }

  // Dirty pages that are free. The next ones of a node to clear, at most 8 (the caller does it, at a cost): the
  // free blocks they are in become clean as they are taken.
  std::uint64_t dirty_pages(unsigned node) const { return nodes_[node].dirty_pages; }
  static constexpr unsigned kScrubStretch = 8;
  std::vector<Mfn> scrub(unsigned node);

 private:
  struct FreeList {
    std::set<std::uint64_t> clean, dirty;  // first frames of blocks
  };
  struct Zone {
    std::array<FreeList, kMaxOrder + 1> orders;
    std::uint64_t free_pages = 0;
  };
  struct Node {
    std::array<Zone, kZones> zones;
    std::uint64_t free_pages = 0, total_pages = 0, dirty_pages = 0;
  };

  static unsigned zone_of(std::uint64_t m);
  FreeList& list_of(std::uint64_t m, unsigned order);
  bool any_dirty(std::uint64_t m, unsigned order) const;
  void insert(std::uint64_t m, unsigned order);
  std::optional<std::uint64_t> find(const Request& r, unsigned lowest_zone, bool take_dirty_blocks);
  std::optional<std::uint64_t> find_in_node(Node& n, const Request& r, unsigned lowest_zone,
                                            bool take_dirty_blocks);
  std::uint64_t split(std::uint64_t m, unsigned from, unsigned to);
  unsigned next_node(unsigned node, std::uint64_t mask) const;

  std::vector<Range> ranges_;  // ascending
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<std::uint64_t> dirty_;  // a bit per frame
  std::uint64_t free_pages_ = 0, total_pages_ = 0;
  unsigned dma_zone_ = 0;  // with several nodes, frames below this width are kept for those who need them
};

}  // namespace xensim::xen
