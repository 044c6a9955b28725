// The modelled TLBs of a core: L1 instruction, L1 data and a unified second level, set-associative, LRU, tagged
// with VPID, PCID and (for combined mappings) the EPT pointer. They hold what a real core's would, staleness
// included: software that forgets an invalidation keeps seeing the old translation until it is evicted.
//
// An entry covers the smaller of the guest's page and the EPT's page. INVLPG and its like drop every piece of the
// guest's page that holds the address, so an entry knows both sizes (SDM 3, 4.10.4.1 and 28.4.3.1).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/cpu/mmu/soft_tlb.h"
#include "sim/base/bits.h"
#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::cpu {

// Entries and ways of one TLB. Both powers of two are not required of entries/ways, sets = entries / ways is.
struct TlbGeometry {
  unsigned entries = 64;
  unsigned ways = 4;
};

struct TlbConfig {
  TlbGeometry l1i{128, 8}, l1d{64, 4}, l2{1536, 12};
};

// What combined mappings are tagged with: bits 51:12 of the EPT pointer, and bit 0 to tell them from linear
// mappings, whose tag is 0 (SDM 3, 28.4.1).
constexpr std::uint64_t eptp_tag(std::uint64_t eptp) { return (eptp & mask(51, 12)) | 1; }

inline void describe(TlbGeometry& c, config::Visitor& v) {
  v(c.entries, {"entries", "count", "translations", "Skylake-SP", config::between(1, 65536)});
  v(c.ways, {"ways", "count", "associativity; entries / ways must be a power of two", "Skylake-SP",
             config::between(1, 1024)});
}
inline void describe(TlbConfig& c, config::Visitor& v) {
  v(c.l1i, {"l1i", "", "first level, instructions", ""});
  v(c.l1d, {"l1d", "", "first level, data", ""});
  v(c.l2, {"l2", "", "second level, unified", ""});
}

// A cached translation: a page of 2^page_shift bytes.
struct TlbEntry {
  std::uint64_t linear = ~std::uint64_t{0};  // page-aligned
  std::uint64_t physical = 0;                // page-aligned
  std::uint64_t eptp = 0;                    // see eptp_tag()
  std::uint64_t lru = 0;
  std::uint16_t vpid = 0, pcid = 0;
  std::uint8_t page_shift = 0;   // 0: invalid
  std::uint8_t guest_shift = 0;  // size of the guest's page, of which this may be a piece
  // Rights of the guest's tables; dirty: a write needs to set no dirty bit, neither the guest's nor the EPT's.
  bool global = false, writable = false, user = false, executable = false, dirty = false;
  bool ept_readable = true, ept_writable = true;  // (EPT's right to execute is folded into executable)
};

enum class TlbLevel : std::uint8_t { kL1, kL2, kMiss };

class Tlb {
 public:
  explicit Tlb(const TlbConfig& config);

  // The tags that lookups and fills use now. pcid is kUnpaged while CR0.PG is clear.
  struct Context {
    std::uint16_t vpid = 0, pcid = 0;
    std::uint64_t eptp = 0;
  };
  static constexpr std::uint16_t kUnpaged = 0x1000;
  const Context& context() const { return context_; }
  void set_context(const Context& c) {
    context_ = c;
    forget_recent();
  }

  // For timing models, once per access: where the translation of this address is now. Updates LRU; a hit in L2
  // moves into L1. On kMiss (a write to a page whose dirty bits are not known to be set counts as one) the timing
  // model calls Mmu::refill, charges the walk's steps, and finds the entry filled.
  TlbLevel touch(LinearAddr a, Access access) {
    const Recent& r = recent_[access == Access::kExecute];
    if ((a.value & r.mask) == r.linear && (access != Access::kWrite || r.dirty)) [[likely]]
      return TlbLevel::kL1;
    return touch_slow(a, access);
  }
  // For the MMU: finds an entry in any level, without LRU changes; nullptr if none.
  const TlbEntry* find(LinearAddr a, Access access) const;
  // Fills L1 and L2 with a translation of the current context, in place of an older one of the same address. VPID,
  // PCID and EPTP are filled in.
  void insert(LinearAddr a, Access access, TlbEntry entry);

  void flush_all();
  // Every mapping of a VPID, or of one of its PCIDs, with whatever EPTP.
  void flush_vpid(std::uint16_t vpid, bool keep_global);
  void flush_all_vpids_but_zero();
  void flush_pcid(std::uint16_t vpid, std::uint16_t pcid, bool keep_global);
  // The mappings of one linear address: with any PCID; or with this PCID, and global ones unless kept.
  void flush_linear(std::uint16_t vpid, std::uint64_t linear);
  void flush_linear(std::uint16_t vpid, std::uint16_t pcid, std::uint64_t linear, bool keep_global);
  // Combined mappings with this EPT pointer, of every VPID and PCID.
  void flush_eptp(std::uint64_t eptp);
  // How many flushes there have been.
  std::uint64_t flushes() const { return flushes_; }

 private:
  // One TLB. tags is parallel to entries, to keep a lookup in few cache lines: page-aligned linear address,
  // guest_shift in bits 9:5, page_shift in bits 4:0; 0 is invalid.
  struct Array {
    // Throws UserError for a geometry that cannot be.
    Array(const TlbGeometry& g, const char* level);
    unsigned ways, sets;
    std::uint32_t shifts = 0;  // bit n: a page of 2^n bytes has been inserted since the last flush of all
    bool pieces = false;       // likewise, a piece of a larger page of the guest
    std::vector<std::uint64_t> tags;
    std::vector<TlbEntry> entries;
  };
  // The page that was touched last: it is the most recently used already, so that touching it again changes
  // nothing.
  struct Recent {
    std::uint64_t linear = 1, mask = 0;
    bool dirty = false;
  };

  TlbLevel touch_slow(LinearAddr a, Access access);
  int lookup(const Array& t, std::uint64_t linear) const;
  bool matches(const TlbEntry& e) const {
    return e.vpid == context_.vpid && e.eptp == context_.eptp && (e.pcid == context_.pcid || e.global);
  }
  TlbEntry& fill(Array& t, const TlbEntry& entry);
  void remember(unsigned which, const TlbEntry& e);
  void forget_recent() { recent_ = {}; }
  template <class Predicate>
  void flush_if(Predicate drop);
  template <class Predicate>
  void flush_linear_if(std::uint64_t linear, Predicate drop);
  Array& first_level(Access a) { return a == Access::kExecute ? l1i_ : l1d_; }
  const Array& first_level(Access a) const { return a == Access::kExecute ? l1i_ : l1d_; }

  Array l1i_, l1d_, l2_;
  Context context_;
  std::uint64_t clock_ = 0;
  std::uint64_t flushes_ = 0;
  std::array<Recent, 2> recent_;
};

}  // namespace xensim::cpu
