// What Xen keeps beside each grant entry while it is in use: the truth of who uses which frame, whatever the guest
// writes into the entry meanwhile. (struct active_grant_entry of Xen's common/grant_table.c.)
#pragma once

#include <cstdint>

#include "models/xen/public.h"
#include "sim/base/types.h"

namespace xensim::xen::grant {

// Four counters of 8 bits: host mappings that write and that read, device mappings that write and that read. An
// entry is refused when a counter that it would raise has its top bit set.
inline constexpr std::uint32_t kPinHostWrite = 1, kPinHostRead = 1 << 8, kPinDeviceWrite = 1 << 16,
                               kPinDeviceRead = 1 << 24;
inline constexpr std::uint32_t kPinWriters = 0x00ff00ff;
constexpr std::uint32_t pin_overflow(std::uint32_t increment) { return increment << 7; }

struct ActiveEntry {
  std::uint32_t pin = 0;
  domid_t domid = 0;        // who uses it
  std::uint16_t start = 0;  // of the part of the page that is granted; 15 bits, as in Xen
  std::uint16_t length = 0;
  bool is_sub_page = false;  // also of transitive grants: neither can be mapped
  domid_t trans_domid = 0;   // whose grant it is in the end
  grant_ref_t trans_gref = 0;
  Mfn mfn;
};

}  // namespace xensim::xen::grant
