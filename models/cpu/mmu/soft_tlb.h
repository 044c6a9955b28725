// The software TLB: linear page → host pointer, for the core's fast path. It is a cache of the modelled TLBs and holds
// nothing that they do not hold; it has no architectural meaning of its own and no influence on timing.
//
// Direct-mapped, one table per (privilege view, access). A tag is the page's linear address with the current
// generation in its low 12 bits, so that a flush is one increment. Entries exist only for RAM; writable entries only
// for pages that are dirty in all their page tables and hold no decoded code.
#pragma once

#include <array>
#include <cstdint>

#include "sim/base/types.h"

namespace xensim::cpu {

struct SoftTlbEntry {
  std::uint64_t tag = ~std::uint64_t{0};
  std::uint64_t addend = 0;    // host address − linear address
  std::uint64_t physical = 0;  // host-physical address of the page
};

// What an access may touch depends on CPL and, with SMAP, on EFLAGS.AC.
enum class View : std::uint8_t { kUser, kSupervisor, kSupervisorAc };

enum class Access : std::uint8_t { kRead, kWrite, kExecute };

class SoftTlb {
 public:
  static constexpr unsigned kEntries = 1024;
  using Table = std::array<SoftTlbEntry, kEntries>;

  static unsigned index(std::uint64_t linear) {
    return static_cast<unsigned>(linear >> kPageShift) & (kEntries - 1);
  }
  Table& table(View v, Access a) { return tables_[static_cast<unsigned>(v)][static_cast<unsigned>(a)]; }

  // The entry for the bytes [linear, linear+size) if all are in one page that has an entry, else nullptr.
  const SoftTlbEntry* find(View v, Access a, std::uint64_t linear, unsigned size) {
    const SoftTlbEntry& e = table(v, a)[index(linear)];
    return e.tag == (((linear + size - 1) & ~kPageMask) | generation_) ? &e : nullptr;
  }
  void insert(View v, Access a, std::uint64_t linear, const std::uint8_t* host_page, PhysAddr page) {
    const std::uint64_t p = linear & ~kPageMask;
    table(v, a)[index(linear)] = {p | generation_, reinterpret_cast<std::uint64_t>(host_page) - p, page.value};
  }
  void flush() {
    if (++generation_ == kPageSize) clear();
  }
  // Drops one linear page from every table.
  void flush_page(std::uint64_t linear);
  // Drops every writable translation to a physical page (it is about to hold decoded code).
  void flush_writable(PhysAddr page);

 private:
  void clear();

  std::array<std::array<Table, 3>, 3> tables_;
  std::uint64_t generation_ = 0;
};

}  // namespace xensim::cpu
