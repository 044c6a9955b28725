#include "models/xen/grant/table.h"

#include <algorithm>
#include <new>

namespace xensim::xen::grant {

void describe(Config& c, config::Visitor& v) {
  v(c.max_frames, {"gnttab_max_frames", "frames", "most grant frames of a domain", "Xen 4.17's default",
                   config::between(1, 65536)});
  v(c.max_maptrack_frames,
    {"gnttab_max_maptrack_frames", "frames", "most pages of 256 mapping handles of a domain", "Xen 4.17's default",
     config::between(0, 65536)});
  v(c.max_version, {"gnttab_max_ver", "", "newest version of the grant table ABI, as gnttab=max-ver:",
                    "Xen 4.17's default", config::between(1, 2)});
  v(c.transitive, {"gnttab_transitive", "", "transitive grants, as gnttab=transitive", "Xen 4.17's default"});
  v(c.transfer, {"gnttab_transfer", "", "GNTTABOP_transfer, as gnttab=transfer", "Xen 4.17's default"});
}

GrantTable::GrantTable(memory::PhysicalMemory& memory, FrameTable& frames, domid_t id, const Limits& l)
    : domid(id),
      limits(l),
      maptrack(frames, l.max_maptrack_frames),
      words(memory),
      memory_(memory),
      frames_(frames) {
  if (!grow(1)) throw std::bad_alloc();
}

GrantTable::~GrantTable() { retire(); }

void GrantTable::retire() {
  for (auto* list : {&shared_, &status_, &active_pages_}) {
    for (const Mfn m : *list) frames_.free_xen(m);
    list->clear();
  }
  active_.clear();
}

bool GrantTable::add_active_frames(unsigned grant_frames) {
  const std::size_t before = active_pages_.size();
  while (active_pages_.size() * kActivePerFrame < std::size_t{grant_frames} * 512) {
    const auto m = frames_.allocate_xen();
    if (!m) {
      for (; active_pages_.size() > before; active_pages_.pop_back()) frames_.free_xen(active_pages_.back());
      return false;
    }
    active_pages_.push_back(*m);
  }
  active_.resize(active_pages_.size() * kActivePerFrame);
  return true;
}

bool GrantTable::grow(unsigned wanted) {
  wanted = std::max(wanted, 1u);
  if (wanted > limits.max_frames || !add_active_frames(wanted)) return false;
  std::vector<Mfn> more;
  while (frames() + more.size() < wanted) {
    const auto m = frames_.allocate_xen();
    if (!m) break;
    more.push_back(*m);
  }
  if (frames() + more.size() < wanted || (version_ == 2 && !add_status_frames(wanted))) {
    for (const Mfn m : more) frames_.free_xen(m);
    return false;
  }
  for (const Mfn m : more) {
    frames_.share_with_guest(m, domid);
    shared_.push_back(m);
  }
  return true;
}

bool GrantTable::add_status_frames(unsigned grant_frames) {
  std::vector<Mfn> more;
  while (status_.size() + more.size() < status_frames_for(grant_frames)) {
    const auto m = frames_.allocate_xen();
    if (!m) {
      for (const Mfn taken : more) frames_.free_xen(taken);
      return false;
    }
    more.push_back(*m);
  }
  for (const Mfn m : more) {
    frames_.share_with_guest(m, domid);
    status_.push_back(m);
  }
  return true;
}

void GrantTable::drop_status_frames() {
  for (const Mfn m : status_) frames_.free_xen(m);
  status_.clear();
}

void GrantTable::clear_entries(unsigned new_version) {
  for (const Mfn m : shared_) memory_.fill(address_of(m), 0, kPageSize);
  version_ = new_version;
}

PhysAddr GrantTable::entry(grant_ref_t ref) const {
  const unsigned per_frame = version_ == 1 ? 512 : 256;
  return address_of(shared_[ref / per_frame]) + (kPageSize / per_frame) * (ref % per_frame);
}

PhysAddr GrantTable::status(grant_ref_t ref) const {
  if (version_ == 1) return entry(ref);
  return address_of(status_[ref / 2048]) + 2 * (ref % 2048);
}

PhysAddr GrantTable::active_address(grant_ref_t ref) const {
  return address_of(active_pages_[ref / kActivePerFrame]) + kActiveBytes * (ref % kActivePerFrame);
}

void GrantTable::pin(grant_ref_t ref, std::uint32_t pins) {
  if (active_[ref].pin == 0 && pins != 0) ++pinned_;
  active_[ref].pin += pins;
}

void GrantTable::unpin(grant_ref_t ref, std::uint32_t pins, bool readonly) {
  active_[ref].pin -= pins;
  if (active_[ref].pin == 0 && pins != 0) --pinned_;
  reduce_status(words, status(ref), active_[ref].pin, readonly);
}

}  // namespace xensim::xen::grant
