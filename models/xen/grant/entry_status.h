// The flags by which Xen tells a granter that its grant is in use: GTF_reading and GTF_writing, in the entry
// itself (version 1) or in a word of the status frames (version 2).
//
// The entry lies in the guest's memory and may change at any time. What is checked is what was read once; the
// flags are set by compare-and-exchange in version 1, and in version 2 set first and the entry read again after.
// Follows _set_status_v1, _set_status_v2 and reduce_status_for_pin of Xen's common/grant_table.c.
#pragma once

#include <cstdint>

#include "models/memory/physical_memory.h"
#include "models/xen/public.h"

namespace xensim::xen::grant {

// How Xen reads and writes words that the guest writes too.
class EntryMemory {
 public:
  explicit EntryMemory(memory::PhysicalMemory& memory) : memory_(memory) {}
  virtual ~EntryMemory() = default;
  virtual std::uint32_t load(PhysAddr a) { return memory_.read<std::uint32_t>(a); }
  // Stores `desired` if the word is `expected`; returns what it was.
  virtual std::uint32_t compare_exchange(PhysAddr a, std::uint32_t expected, std::uint32_t desired);
  virtual void set_bits(PhysAddr a, std::uint16_t bits);
  virtual void clear_bits(PhysAddr a, std::uint16_t bits);

 private:
  memory::PhysicalMemory& memory_;
};

// What somebody wants of an entry.
struct Access {
  domid_t domid;  // who asks
  bool readonly;  // reads only
  bool map;       // maps the page (a copy may use sub-page and transitive grants too)
  bool pinned;    // the entry is in use already: its domid and type were checked then
};

// Marks the entry as being read, or read and written. GNTST_okay, or GNTST_general_error if the entry does not
// allow it or does not hold still; then no flag is left that was not there.
std::int16_t set_status_v1(EntryMemory& memory, PhysAddr entry, const Access& access);
std::int16_t set_status_v2(EntryMemory& memory, PhysAddr entry, PhysAddr status, const Access& access);

// Takes away the flags that the pins that are left do not need. readonly: of the access that ended.
void reduce_status(EntryMemory& memory, PhysAddr status, std::uint32_t pin, bool readonly);

}  // namespace xensim::xen::grant
