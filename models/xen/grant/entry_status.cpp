#include "models/xen/grant/entry_status.h"

#include "models/xen/grant/active_entry.h"

namespace xensim::xen::grant {

namespace {

constexpr unsigned kTries = 5;

std::uint16_t flags_of(std::uint32_t header) { return static_cast<std::uint16_t>(header); }
domid_t domid_of(std::uint32_t header) { return static_cast<domid_t>(header >> 16); }

// Does the header let `access` begin?
bool permits(std::uint32_t header, const Access& access, bool transitive) {
  // A mapping shows the whole page, so it cannot use a sub-page grant.
  const unsigned mask = GTF_type_mask | (access.map ? GTF_sub_page : 0u);
  const unsigned type = flags_of(header) & mask;
  const bool good = type == GTF_permit_access || (transitive && !access.map && type == GTF_transitive);
  return good && domid_of(header) == access.domid;
}

}  // namespace

std::uint32_t EntryMemory::compare_exchange(PhysAddr a, std::uint32_t expected, std::uint32_t desired) {
  const auto was = memory_.read<std::uint32_t>(a);
  if (was == expected) memory_.write<std::uint32_t>(a, desired);
  return was;
}

void EntryMemory::set_bits(PhysAddr a, std::uint16_t bits) {
  memory_.write<std::uint16_t>(a, static_cast<std::uint16_t>(memory_.read<std::uint16_t>(a) | bits));
}

void EntryMemory::clear_bits(PhysAddr a, std::uint16_t bits) {
  memory_.write<std::uint16_t>(a, static_cast<std::uint16_t>(memory_.read<std::uint16_t>(a) & ~bits));
}

std::int16_t set_status_v1(EntryMemory& memory, PhysAddr entry, const Access& access) {
  std::uint32_t header = memory.load(entry);
  // A guest may change its entry once or twice for good reasons, and for ever for bad ones.
  for (unsigned i = 0; i < kTries; ++i) {
    if (!access.pinned && !permits(header, access, false)) return GNTST_general_error;
    std::uint32_t marked = header | GTF_reading;
    if (!access.readonly) {
      if (header & GTF_readonly) return GNTST_general_error;
      marked |= GTF_writing;
    }
    const std::uint32_t was = memory.compare_exchange(entry, header, marked);
    if (was == header) return GNTST_okay;
    header = was;
  }
  return GNTST_general_error;
}

std::int16_t set_status_v2(EntryMemory& memory, PhysAddr entry, PhysAddr status, const Access& access) {
  std::uint32_t header = memory.load(entry);
  if (!access.pinned && !permits(header, access, true)) return GNTST_general_error;
  if (!access.readonly && header & GTF_readonly) return GNTST_general_error;
  memory.set_bits(status, access.readonly ? GTF_reading : GTF_reading | GTF_writing);
  // A granter that ends the grant looks at the status after it; so Xen looks at the entry after the status.
  header = memory.load(entry);
  if (!access.pinned) {
    if (permits(header, access, true) && (access.readonly || !(header & GTF_readonly))) return GNTST_okay;
    memory.clear_bits(status, GTF_reading | GTF_writing);
    return GNTST_general_error;
  }
  if (header & GTF_readonly) {
    memory.clear_bits(status, GTF_writing);
    return GNTST_general_error;
  }
  return GNTST_okay;
}

void reduce_status(EntryMemory& memory, PhysAddr status, std::uint32_t pin, bool readonly) {
  unsigned bits = pin ? 0u : GTF_reading;
  if (!readonly && !(pin & kPinWriters)) bits |= GTF_writing;
  if (bits) memory.clear_bits(status, static_cast<std::uint16_t>(bits));
}

}  // namespace xensim::xen::grant
