// The software TLB: linear page → host pointer, for the core's fast path. It is a cache of the modelled TLBs and
// has no architectural meaning of its own and no influence on timing.
//
// Direct-mapped, one table per (privilege view, access). A tag is the page's linear address with the current
// generation in its low 12 bits, so that a flush is one increment. A generation that was left for another paging
// context can be resumed as long as nothing flushed it (Mmu keeps the list), so a VM exit and entry cost no
// refills. Entries exist only for RAM; writable entries only for pages that are dirty in all their page tables and
// hold no decoded code. Pages that are writable but hold decoded code have their entry in a table apart
// (kCheckedWrite), which only the slow path reads.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "sim/base/types.h"

namespace xensim::cpu {

struct SoftTlbEntry {
  std::uint64_t tag = ~std::uint64_t{0};
  std::uint64_t addend = 0;    // host address − linear address
  std::uint64_t physical = 0;  // host-physical address of the page
};

// What an access may touch depends on CPL and, with SMAP, on EFLAGS.AC. kUserAligned has the rights of kUser, and
// data must be aligned (CR0.AM and EFLAGS.AC at CPL 3): no data access has an entry, so that each meets the slow
// path's check.
enum class View : std::uint8_t { kUser, kSupervisor, kSupervisorAc, kUserAligned };
constexpr bool is_user(View v) { return v == View::kUser || v == View::kUserAligned; }

// kCheckedWrite names a table of the software TLB only: a write after which the written lines must be looked at.
enum class Access : std::uint8_t { kRead, kWrite, kExecute, kCheckedWrite };

class SoftTlb {
 public:
  static constexpr unsigned kEntries = 1024;
  // One less than the tag's low bits can tell apart: all ones is an empty entry's tag.
  static constexpr std::uint64_t kGenerations = kPageSize - 1;
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
    if (a == Access::kWrite) writable_.set(filter(page));
  }
  // Starts a new generation: nothing that was inserted before is found.
  void flush() {
    if (++last_serial_ % kGenerations == 0) clear();
    serial_ = last_serial_;
    generation_ = serial_ % kGenerations;
  }
  // The current generation's number, unique for ever; resume() goes back to an earlier one. false: its tags have
  // been reused since, nothing has changed.
  std::uint64_t serial() const { return serial_; }
  bool resume(std::uint64_t serial) {
    if (serial / kGenerations != last_serial_ / kGenerations) return false;
    serial_ = serial;
    generation_ = serial % kGenerations;
    return true;
  }
  // Drops one linear page from every table, in every generation.
  void flush_page(std::uint64_t linear);
  // Drops every writable translation to a physical page (it is about to hold decoded code).
  void flush_writable(PhysAddr page);

 private:
  static std::size_t filter(PhysAddr page) { return (page.value >> kPageShift) & 0xffff; }
  void clear();

  std::array<std::array<Table, 4>, 4> tables_;
  std::uint64_t generation_ = 0;
  std::uint64_t serial_ = 0, last_serial_ = 0;
  std::bitset<0x10000> writable_;  // frames, by their low bits, that a writable entry may point to
};

}  // namespace xensim::cpu
