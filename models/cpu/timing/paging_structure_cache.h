// Paging-structure caches (SDM 3, 4.10.3 and 28.4.1): what lets a page walk skip its upper levels.
//
// A guest's PML4E, PDPTE and PDE caches are combined mappings: they are tagged with VPID, PCID and EPT pointer,
// and a hit gives the host-physical address of the next table, so that the EPT walk for that address is skipped
// too. EPT has its own, tagged by where the entry lies in host memory (an entry's address stands for the whole way
// to it). They exist for timing only: a walk reads the real tables whatever they say.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/cpu/mmu/tlb.h"
#include "models/cpu/mmu/walker.h"
#include "sim/config/param.h"

namespace xensim::cpu {

struct PagingStructureCacheConfig {
  unsigned pml4e = 4;
  unsigned pdpte = 4;
  unsigned pde = 32;
};

inline void describe(PagingStructureCacheConfig& c, config::Visitor& v) {
  constexpr std::string_view kSource =
      "S. van Schaik et al., Reverse Engineering Hardware Page Table Caches, 2017 (orders of magnitude)";
  v(c.pml4e, {"pml4e", "count", "entries that skip one level; 0: none", "uncalibrated", config::between(0, 1024)});
  v(c.pdpte, {"pdpte", "count", "entries that skip two levels; 0: none", kSource, config::between(0, 1024)});
  v(c.pde, {"pde", "count", "entries that skip three levels; 0: none", kSource, config::between(0, 1024)});
}

// A fully associative set of keys with least-recently-used replacement.
class RecentKeys {
 public:
  struct Key {
    std::uint64_t address = 0, eptp = 0;
    std::uint32_t context = 0;
    bool operator==(const Key&) const = default;
  };
  explicit RecentKeys(unsigned entries) : keys_(entries) {}
  bool contains(const Key& k) const;
  // Makes k the most recent one, in place of the least recent.
  void touch(const Key& k);
  void clear() { used_ = 0; }

 private:
  std::vector<Key> keys_;  // most recent first
  std::size_t used_ = 0;
};

class PagingStructureCaches {
 public:
  PagingStructureCaches(const PagingStructureCacheConfig& guest, const PagingStructureCacheConfig& ept);

  // Bit n set: step n of this walk is read from memory. Learns the walk's entries.
  std::uint32_t steps_to_read(const Tlb::Context& context, LinearAddr a, const WalkResult& walk);
  void flush();

 private:
  static constexpr unsigned kLevels = 3;  // index 0: PDE (level 2), 1: PDPTE, 2: PML4E
  std::array<RecentKeys, kLevels> guest_, ept_;
};

}  // namespace xensim::cpu
