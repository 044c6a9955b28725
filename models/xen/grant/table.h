// A domain's grant table: the frames that it shares with Xen, Xen's own record of each entry, and what the domain
// itself has mapped of others.
//
// Entries (512 per frame in version 1, 256 in version 2) are the guest's to write: domid, frame, GTF_* flags. The
// status frames of version 2 are Xen's to write. Frames are pages of Xen's; the guest sees them where it maps them
// (XENMAPSPACE_grant_table). The table grows when somebody asks for a frame that it does not have yet, up to the
// domain's limit, and never shrinks. Follows struct grant_table and gnttab_grow_table of Xen's
// common/grant_table.c; what is done with entries is in operations.h.
//
// Order rule: whoever changes the table as a whole (growing, switching versions, swapping entries) holds `lock`;
// whoever uses entries waits for it.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "models/xen/grant/active_entry.h"
#include "models/xen/grant/entry_status.h"
#include "models/xen/grant/maptrack.h"
#include "models/xen/path_cost.h"
#include "sim/config/param.h"

namespace xensim::xen::grant {

struct Config {
  std::uint32_t max_frames = 64;
  std::uint32_t max_maptrack_frames = 1024;
  std::uint32_t max_version = 2;
  bool transitive = true;
  bool transfer = true;
};
void describe(Config& c, config::Visitor& v);

// Of one domain (struct xen_domctl_createdomain).
struct Limits {
  unsigned max_frames = 64;
  unsigned max_maptrack_frames = 1024;
  unsigned max_version = 2;
};

struct Stats {
  std::uint64_t maps = 0, unmaps = 0, copies = 0, transfers = 0;
  std::uint64_t copied_bytes = 0;
  std::uint64_t failures = 0;  // operations whose status was not GNTST_okay
};

class GrantTable {
 public:
  // Has one frame. Throws std::bad_alloc.
  GrantTable(memory::PhysicalMemory& memory, FrameTable& frames, domid_t domid, const Limits& limits);
  ~GrantTable();
  GrantTable(const GrantTable&) = delete;
  GrantTable& operator=(const GrantTable&) = delete;

  const domid_t domid;
  const Limits limits;
  Maptrack maptrack;
  EntryMemory words;
  SpinLock lock;
  Stats stats;
  // Where a domain without a p2m (a model of dom0) has mapped frames, by address in its own space.
  std::map<std::uint64_t, Mfn> address_space;

  unsigned version() const { return version_; }
  unsigned frames() const { return static_cast<unsigned>(shared_.size()); }
  unsigned status_frames() const { return static_cast<unsigned>(status_.size()); }
  std::uint64_t entries() const { return std::uint64_t{frames()} * (version_ == 1 ? 512 : 256); }
  // Makes it have at least that many frames (and their status frames). false: beyond the limit, or no memory.
  bool grow(unsigned frames);

  // The frame of entries or of status words, by index.
  Mfn frame(bool status, unsigned index) const { return status ? status_[index] : shared_[index]; }
  PhysAddr entry(grant_ref_t ref) const;
  // The word in which Xen sets GTF_reading and GTF_writing.
  PhysAddr status(grant_ref_t ref) const;
  ActiveEntry& active(grant_ref_t ref) { return active_[ref]; }
  // Counts a use of the entry, or takes one away; with the last one the flags in `status` go as far as they may.
  void pin(grant_ref_t ref, std::uint32_t pins);
  void unpin(grant_ref_t ref, std::uint32_t pins, bool readonly);
  // Where Xen has that entry's record, for costs.
  PhysAddr active_address(grant_ref_t ref) const;
  // Entries that somebody uses.
  std::uint64_t pinned() const { return pinned_; }

  // For the switch of versions: status frames come or go, and all entries are cleared.
  bool add_status_frames(unsigned grant_frames);
  void drop_status_frames();
  void clear_entries(unsigned new_version);

  // Gives all frames back: the domain is dead and nobody uses an entry any more.
  void retire();
  bool retired() const { return shared_.empty(); }

  static unsigned status_frames_for(unsigned grant_frames) { return (grant_frames * 256 + 2047) / 2048; }
  static unsigned grant_frames_for(unsigned status_frames) { return (status_frames * 2048 + 255) / 256; }

 private:
  static constexpr unsigned kActiveBytes = 40, kActivePerFrame = 4096 / kActiveBytes;
  bool add_active_frames(unsigned grant_frames);

  memory::PhysicalMemory& memory_;
  FrameTable& frames_;
  unsigned version_ = 1;
  std::uint64_t pinned_ = 0;
  std::vector<Mfn> shared_, status_, active_pages_;
  std::vector<ActiveEntry> active_;
};

}  // namespace xensim::xen::grant
