// The modelled TLBs of a core: L1 instruction, L1 data and a unified second level, set-associative, LRU, tagged with
// VPID, PCID and (for combined mappings) the EPT pointer. They hold what a real core's would, staleness included:
// software that forgets an invalidation keeps seeing the old translation until it is evicted.
#pragma once

#include <cstdint>
#include <vector>

#include "models/cpu/mmu/soft_tlb.h"
#include "sim/base/types.h"

namespace xensim::cpu {

// Entries and ways of one TLB. Both powers of two are not required of entries/ways, sets = entries / ways is.
struct TlbGeometry {
  unsigned entries = 64;
  unsigned ways = 4;
};

struct TlbConfig {
  TlbGeometry l1i{128, 8}, l1d{64, 4}, l2{1536, 12};
};

// A cached translation: a page of 2^page_shift bytes.
struct TlbEntry {
  std::uint64_t linear = ~std::uint64_t{0};  // page-aligned
  std::uint64_t physical = 0;                // page-aligned
  std::uint64_t eptp = 0;
  std::uint64_t lru = 0;
  std::uint16_t vpid = 0, pcid = 0;
  std::uint8_t page_shift = 0;               // 0: invalid
  bool global = false, writable = false, user = false, executable = false, dirty = false;
};

enum class TlbLevel : std::uint8_t { kL1, kL2, kMiss };

class Tlb {
 public:
  explicit Tlb(const TlbConfig& config);

  // The tags that lookups and fills use now.
  struct Context {
    std::uint16_t vpid = 0, pcid = 0;
    std::uint64_t eptp = 0;
  } context;

  // For timing models, once per access: where the translation of this address is now. Updates LRU; a hit in L2 moves
  // into L1. On kMiss the caller has the walker's steps charged and the entry filled (Mmu does that on the data path;
  // a timing model that finds a miss where the software TLB hit calls Mmu::refill).
  TlbLevel touch(LinearAddr a, Access access);
  // For the MMU: finds an entry in any level, without LRU changes; nullptr if none.
  const TlbEntry* find(LinearAddr a, Access access) const;
  void insert(LinearAddr a, Access access, TlbEntry entry);

  void flush_all();
  void flush_vpid(std::uint16_t vpid, bool keep_global);
  void flush_pcid(std::uint16_t vpid, std::uint16_t pcid, bool keep_global);
  void flush_linear(std::uint16_t vpid, std::uint64_t linear);
  void flush_eptp(std::uint64_t eptp);

 private:
  TlbConfig config_;
  std::vector<TlbEntry> l1i_, l1d_, l2_;
  std::uint64_t clock_ = 0;
};

}  // namespace xensim::cpu
