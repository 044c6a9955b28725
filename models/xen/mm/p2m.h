// A domain's physical-to-machine map. It *is* the domain's EPT: four levels of tables in simulated memory, with
// entries of 4 KiB, 2 MiB and 1 GiB, which the cores' page walkers read. What Xen keeps beside the hardware's bits
// (type and access) sits in the bits that hardware ignores. SDM 3, 28.3.2; entry layout as in Xen's ept_entry_t:
// type in bits 57:52, access in bits 61:58; ept_p2m_type_to_flags gives the rights.
//
// A change of the type of all memory (log-dirty on or off) is lazy, as in Xen: change_type_global() gives the
// entries of the root a memory type that does not exist, and a mark in bit 10, so that the first access below one
// is an EPT misconfiguration; resolve() then pushes the mark down one level on the path of that access, and
// recalculates the types of the leaf table it ends in. get() and for_each() see through marks.
//
// An entry of a foreign frame holds a reference to it; the others do not (the allocation's reference keeps a
// domain's own frames, the grant table's those that it maps).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "models/memory/physical_memory.h"
#include "models/xen/mm/frame_table.h"
#include "models/xen/mm/p2m_type.h"
#include "sim/base/types.h"

namespace xensim::xen {

inline constexpr Mfn kNoMfn{~std::uint64_t{0}};

struct P2mEntry {
  P2mType type = P2mType::kMmioDm;  // a hole's
  Mfn mfn = kNoMfn;                 // of the asked gfn, not of the start of the large page
  unsigned order = 0;               // of the entry: 0, 9, 18 (also of a hole: the size of the absent entry)
  P2mAccess access = P2mAccess::kN;
};

class P2m {
 public:
  // Guest frames are numbers below this: four levels.
  static constexpr std::uint64_t kFrames = std::uint64_t{1} << 36;

  // The tables are pages of Xen's own. Throws std::bad_alloc when the heap has none for the root.
  P2m(memory::PhysicalMemory& memory, FrameTable& frames);
  ~P2m();
  P2m(const P2m&) = delete;
  P2m& operator=(const P2m&) = delete;

  // EPT pointer for the VMCS: write-back, four levels, A/D bits as configured.
  std::uint64_t eptp() const { return root_.value << kPageShift | 6 | 3 << 3 | (accessed_dirty ? 1u << 6 : 0); }
  bool accessed_dirty = false;
  // Writes to 4 KiB pages of type kRamLogDirty are found by their entries' dirty flags, with or without a
  // page-modification log; otherwise they fault. Large pages fault either way.
  bool pml = false;
  bool use_1gb = true, use_2mb = true;  // large entries may be made (ept=, hap_1gb, hap_2mb)
  P2mAccess default_access = P2mAccess::kRwx;

  // Of any number: what is beyond the last frame is a hole.
  P2mEntry get(Gfn gfn) const;
  // Maps 2^order frames at gfn (both aligned to the order; 0, 9 or 18). Splits larger entries as needed. false:
  // out of table pages, or no reference to a foreign frame. kInvalid and kMmioDm make a hole; they and the types
  // without a frame take kNoMfn. The caller flushes translations, and keeps the frame table's gfns.
  bool set(Gfn gfn, Mfn mfn, unsigned order, P2mType type) { return set(gfn, mfn, order, type, default_access); }
  bool set(Gfn gfn, Mfn mfn, unsigned order, P2mType type, P2mAccess access);
  // The same for any order up to 20, in entries as large as alignment and use_* allow (p2m_set_entry).
  bool set_range(Gfn gfn, Mfn mfn, unsigned order, P2mType type);
  // Changes one page's type; false if it is not `from`, or there is no table page (p2m_change_type_one).
  bool change_type(Gfn gfn, P2mType from, P2mType to);
  // All memory of the domain's own becomes kRamLogDirty, or kRamRw, lazily. false: nothing is mapped.
  bool change_type_global(bool log_dirty);
  // Carries out what change_type_global() left to do for an access to gfn. What it did.
  struct Resolved {
    unsigned tables = 0;  // tables whose entries it marked or recalculated
    unsigned leaves = 0;  // large pages that it recalculated
    bool any() const { return tables + leaves > 0; }
  };
  Resolved resolve(Gfn gfn);
  // Calls f for each page of type kRamLogDirty whose dirty flag is set; f may change its type. Returns how many
  // tables of 512 pages were read.
  unsigned scan_dirty(const std::function<void(Gfn)>& f);
  // Makes 2 MiB (and 1 GiB, if allowed) entries where tables hold nothing but contiguous kRamRw. How many.
  unsigned coalesce();
  // Calls f(gfn, mfn, order, type) for each entry that is no hole, in ascending order of gfn.
  void for_each(const std::function<void(Gfn, Mfn, unsigned, P2mType)>& f) const;
  // The highest frame that ever had an entry (XENMEM_maximum_gpfn).
  std::uint64_t max_mapped_gfn() const { return max_mapped_; }

  // Lets one instruction through to a page that Xen emulates: exposes it as a mapping outside RAM. hide() puts
  // back what expose() returned. nullopt: no table page.
  std::optional<std::uint64_t> expose(Gfn gfn);
  void hide(Gfn gfn, std::uint64_t entry);
  // The machine address range that exposed frames appear in.
  static constexpr std::uint64_t kExposedBase = std::uint64_t{1} << 45;

  std::uint64_t table_pages() const { return table_pages_; }
  // The most pages that tables may take (the domain's paging pool): a guest decides how scattered its frames are.
  std::uint64_t table_limit = ~std::uint64_t{0};
  // Takes all of them from the heap now, so that they are there when the heap is empty (as Xen's paging pool).
  // Throws std::bad_alloc.
  void reserve_tables();
  // Makes the pool have that many pages, those of tables included (hap_set_allocation), `most` at a time: 0;
  // -ERESTART: not done yet; -ENOMEM.
  long resize_pool(std::uint64_t pages, std::uint64_t most);
  // Other pages from the same pool (bitmaps, logs), zeroed, which count as tables; nullopt: none left.
  std::optional<Mfn> allocate_pool_page() { return take_table(); }
  void free_pool_page(Mfn m) { give_table(m); }
  // Entries by size, for statistics and tests; how often a large entry was split, and tables gave way to one.
  struct Counts {
    std::uint64_t pages_4k = 0, pages_2m = 0, pages_1g = 0;
  };
  Counts counts() const;
  std::uint64_t shattered = 0, coalesced = 0;

 private:
  std::optional<PhysAddr> entry_address(Gfn gfn, unsigned level, bool create);
  std::uint64_t leaf(Mfn mfn, unsigned level, P2mType t, P2mAccess a) const;
  bool split(PhysAddr entry, unsigned level);
  void free_table(Mfn table, unsigned level);
  void drop(std::uint64_t entry, unsigned level);
  std::optional<Mfn> take_table();
  void give_table(Mfn table);
  std::uint64_t recalculated(std::uint64_t entry, unsigned level) const;
  P2mType type_now(std::uint64_t entry, bool recalculate) const;
  void mark_children(PhysAddr table, unsigned level);
  unsigned coalesce_table(Mfn table, unsigned level);
  static constexpr std::uint64_t kTableBits = 7 | 1u << 8;  // with the accessed flag, as Xen sets it

  memory::PhysicalMemory& memory_;
  FrameTable& frames_;
  Mfn root_;
  std::uint64_t table_pages_ = 0, max_mapped_ = 0;
  bool global_log_dirty_ = false;
  bool pooled_ = false;
  std::vector<Mfn> pool_;  // reserved and not in use
};

}  // namespace xensim::xen
