// A domain's physical-to-machine map. It *is* the domain's EPT: four levels of tables in simulated memory, with
// entries of 4 KiB, 2 MiB and 1 GiB, which the cores' page walkers read. What Xen keeps beside the hardware's bits
// (the p2m type) sits in the bits that hardware ignores. SDM 3, 28.3.2; entry layout as in Xen's ept_entry_t: type
// in bits 57:52.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "models/memory/physical_memory.h"
#include "models/xen/mm/frame_table.h"
#include "sim/base/types.h"

namespace xensim::xen {

// What a guest frame is (Xen's p2m_type_t names).
enum class P2mType : std::uint8_t {
  kInvalid = 0,  // nothing there: emulated MMIO or a hole
  kRamRw = 1,
  kRamRo = 2,
  kRamLogDirty = 3,
  kMmioEmulated = 4,  // known to be emulated (the vLAPIC's page)
  kGrantMap = 5,
  kForeign = 6,
};

struct P2mEntry {
  P2mType type = P2mType::kInvalid;
  Mfn mfn;             // of the asked gfn, not of the start of the large page
  unsigned order = 0;  // of the entry: 0, 9, 18 (also of a hole: the size of the absent entry)
};

class P2m {
 public:
  // The tables are pages of Xen's own. Throws std::bad_alloc when the heap has none for the root.
  P2m(memory::PhysicalMemory& memory, FrameTable& frames);
  ~P2m();
  P2m(const P2m&) = delete;
  P2m& operator=(const P2m&) = delete;

  // EPT pointer for the VMCS: write-back, four levels, A/D bits as configured.
  std::uint64_t eptp() const { return root_.value << kPageShift | 6 | 3 << 3 | (accessed_dirty ? 1u << 6 : 0); }
  bool accessed_dirty = true;

  P2mEntry get(Gfn gfn) const;
  // Maps 2^order frames at gfn (both aligned to the order). Splits larger entries as needed. false: out of table
  // pages. A type of kInvalid removes the mapping. The caller flushes translations.
  bool set(Gfn gfn, Mfn mfn, unsigned order, P2mType type);
  // Calls f(gfn, mfn, order, type) for each mapping in ascending order of gfn.
  void for_each(const std::function<void(Gfn, Mfn, unsigned, P2mType)>& f) const;

  // Lets one instruction through to an emulated page: exposes the frame as a mapping outside RAM, or hides it
  // again.
  void expose(Gfn gfn, bool on);
  // The machine address range that exposed frames appear in.
  static constexpr std::uint64_t kExposedBase = std::uint64_t{1} << 45;

  std::uint64_t table_pages() const { return table_pages_; }
  // The most pages that tables may take (the domain's paging pool): a guest decides how scattered its frames are.
  std::uint64_t table_limit = ~std::uint64_t{0};
  // Entries by size, for statistics and tests.
  struct Counts {
    std::uint64_t pages_4k = 0, pages_2m = 0, pages_1g = 0;
  };
  Counts counts() const;

 private:
  std::optional<PhysAddr> entry_address(Gfn gfn, unsigned level, bool create);
  bool split(PhysAddr entry, unsigned level);
  void free_table(Mfn table, unsigned level);

  memory::PhysicalMemory& memory_;
  FrameTable& frames_;
  Mfn root_;
  std::uint64_t table_pages_ = 0;
};

}  // namespace xensim::xen
