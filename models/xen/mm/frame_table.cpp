#include "models/xen/mm/frame_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "sim/base/expects.h"

namespace xensim::xen {

FrameTable::FrameTable(memory::PhysicalMemory& memory, Heap& heap)
    : memory_(memory), heap_(heap), pages_(memory.end().value >> kPageShift) {}

void FrameTable::count(domid_t owner, std::int64_t pages, std::int64_t xen_pages, std::int64_t references) {
  Totals& t = totals_[owner];
  t.pages += static_cast<std::uint64_t>(pages);
  t.xen_pages += static_cast<std::uint64_t>(xen_pages);
  t.references += static_cast<std::uint64_t>(references);
  if (t == Totals{}) {
    totals_.erase(owner);
    dying_.erase(owner);
  }
  // What a domain gets is taken off its claim; what it gives back is claimed again.
  const auto claim = pages == 0 ? claims_.end() : claims_.find(owner);
  if (claim == claims_.end()) return;
  const std::uint64_t before = claim->second, n = static_cast<std::uint64_t>(pages < 0 ? -pages : pages);
  set_claim(owner, pages < 0 ? before + n : before - std::min(before, n));
}

void FrameTable::set_claim(domid_t owner, std::uint64_t pages) {
  claimed_ = claimed_ - claim_of(owner) + pages;
  if (pages == 0)
    claims_.erase(owner);
  else
    claims_[owner] = pages;
}

std::uint64_t FrameTable::claim_of(domid_t owner) const {
  const auto it = claims_.find(owner);
  return it == claims_.end() ? 0 : it->second;
}

bool FrameTable::available(domid_t owner, std::uint64_t pages) const {
  return claimed_ + pages <= heap_.free_pages() || claim_of(owner) >= pages;
}

void FrameTable::clear_dirty(Mfn m, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    if (heap_.take_dirty(Mfn(m.value + i))) {
      clear(Mfn(m.value + i), 1);
      ++scrubbed_;
    }
}

// What is zero already is left alone: it costs the host no memory.
void FrameTable::clear(Mfn first, std::uint64_t n) {
  static constexpr std::array<std::uint8_t, kPageSize> kZeros{};
  for (std::uint64_t i = 0; i < n; ++i) {
    const PhysAddr a = address_of(Mfn(first.value + i));
    if (std::memcmp(memory_.host(a), kZeros.data(), kPageSize) != 0) memory_.fill(a, 0, kPageSize);
  }
}

unsigned FrameTable::scrub(unsigned node) {
  const std::vector<Mfn> pages = heap_.scrub(node);
  for (const Mfn m : pages) clear(m, 1);
  return static_cast<unsigned>(pages.size());
}

void FrameTable::reserve(Mfn first, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) {
    expects(pages_[first.value + i].references == 0);
    pages_[first.value + i] = {DOMID_XEN, PageInfo::kXenHeap, 1, kNoGfn};
  }
  count(DOMID_XEN, 0, static_cast<std::int64_t>(n), static_cast<std::int64_t>(n));
}

std::optional<Mfn> FrameTable::allocate(domid_t owner, const Heap::Request& request) {
  const std::uint64_t n = std::uint64_t{1} << request.order;
  if (!available(owner, n)) return std::nullopt;
  const auto m = heap_.allocate(request);
  if (!m) return std::nullopt;
  clear_dirty(*m, n);
  for (std::uint64_t i = 0; i < n; ++i) pages_[m->value + i] = {owner, PageInfo::kAllocated, 1, kNoGfn};
  count(owner, static_cast<std::int64_t>(n), 0, static_cast<std::int64_t>(n));
  return m;
}

std::optional<Mfn> FrameTable::allocate_xen() {
  if (!available(DOMID_XEN, 1)) return std::nullopt;
  const auto m = heap_.allocate(0);
  if (!m) return std::nullopt;
  heap_.take_dirty(*m);
  memory_.fill(address_of(*m), 0, kPageSize);
  pages_[m->value] = {DOMID_XEN, PageInfo::kXenHeap, 1, kNoGfn};
  count(DOMID_XEN, 0, 1, 1);
  return m;
}

void FrameTable::share_with_guest(Mfn m, domid_t owner) {
  PageInfo& p = pages_[m.value];
  expects(p.owner == DOMID_XEN && p.flags == PageInfo::kXenHeap);
  count(DOMID_XEN, 0, -1, -1);
  p = {owner, PageInfo::kXenHeap | PageInfo::kAllocated, 1, kNoGfn};
  count(owner, 0, 1, 1);
}

void FrameTable::free_xen(Mfn m) {
  PageInfo& p = pages_[m.value];
  expects(p.flags & PageInfo::kXenHeap && !(p.flags & PageInfo::kDoomed));
  p.flags |= PageInfo::kDoomed;
  if (p.owner == DOMID_XEN)
    drop_reference(m);
  else
    put_allocation(m);
}

bool FrameTable::get_page(Mfn m, domid_t owner) {
  if (m.value >= pages_.size()) return false;
  PageInfo& p = pages_[m.value];
  if (p.references == 0 || p.owner != owner || p.owner == DOMID_XEN) return false;
  if (p.references == std::numeric_limits<std::uint32_t>::max()) return false;
  ++p.references;
  count(owner, 0, 0, 1);
  return true;
}

void FrameTable::put_page(Mfn m) {
  // The last of a frame that is still allocated is not the caller's to drop.
  expects(pages_[m.value].references > (pages_[m.value].flags & PageInfo::kAllocated ? 1u : 0u));
  drop_reference(m);
}

void FrameTable::put_allocation(Mfn m) {
  PageInfo& p = pages_[m.value];
  if (!(p.flags & PageInfo::kAllocated)) return;
  p.flags &= static_cast<std::uint8_t>(~PageInfo::kAllocated);
  drop_reference(m);
}

void FrameTable::drop_reference(Mfn m) {
  PageInfo& p = pages_[m.value];
  expects(p.references > 0);
  if (--p.references == 0)
    release(m);
  else
    count(p.owner, 0, 0, -1);
}

// The last reference is gone (it is still counted).
void FrameTable::release(Mfn m) {
  PageInfo& p = pages_[m.value];
  const bool xen = p.flags & PageInfo::kXenHeap;
  if (p.owner != DOMID_XEN && on_release) on_release(p.owner, m);
  if (xen && !(p.flags & PageInfo::kDoomed)) {
    count(p.owner, 0, -1, -1);
    p = {DOMID_XEN, PageInfo::kXenHeap, 1, kNoGfn};
    count(DOMID_XEN, 0, 1, 1);
    return;
  }
  const bool scrub = scrub_domheap || xen || dying_.contains(p.owner);
  count(p.owner, xen ? 0 : -1, xen ? -1 : 0, -1);
  p = {};
  heap_.free(m, 0, scrub);
}

bool FrameTable::steal(Mfn m, domid_t owner) {
  if (m.value >= pages_.size()) return false;
  PageInfo& p = pages_[m.value];
  if (p.owner != owner || p.flags != PageInfo::kAllocated || p.references != 1) return false;
  if (on_release) on_release(owner, m);
  p = {};
  count(owner, -1, 0, -1);
  return true;
}

void FrameTable::assign(Mfn m, domid_t owner) {
  PageInfo& p = pages_[m.value];
  expects(p.references == 0);
  p = {owner, PageInfo::kAllocated, 1, kNoGfn};
  count(owner, 1, 0, 1);
}

void FrameTable::relinquish(domid_t owner) {
  set_claim(owner, 0);
  std::uint64_t left = totals(owner).pages;
  if (left > 0) dying_.insert(owner);
  for (std::uint64_t m = 0; m < pages_.size() && left > 0; ++m) {
    PageInfo& p = pages_[m];
    if (p.owner != owner || p.flags & PageInfo::kXenHeap) continue;
    --left;
    // Whole runs that nobody else holds go back in one piece: a destroyed domain has millions of frames.
    std::uint64_t n = 0;
    while (m + n < pages_.size() && pages_[m + n].owner == owner && pages_[m + n].flags == PageInfo::kAllocated &&
           pages_[m + n].references == 1) {
      if (on_release) on_release(owner, Mfn(m + n));
      pages_[m + n] = {};
      ++n;
    }
    if (n == 0) {
      put_allocation(Mfn(m));
      continue;
    }
    count(owner, -static_cast<std::int64_t>(n), 0, -static_cast<std::int64_t>(n));
    heap_.free_range(Mfn(m), n, true);
    m += n - 1;
    left -= n - 1;
  }
}

FrameTable::Totals FrameTable::totals(domid_t owner) const {
  const auto it = totals_.find(owner);
  return it == totals_.end() ? Totals{} : it->second;
}

void FrameTable::for_each_of(domid_t owner, const std::function<void(Mfn, const PageInfo&)>& f) const {
  const Totals t = totals(owner);
  std::uint64_t left = t.pages + t.xen_pages;
  for (std::uint64_t m = 0; m < pages_.size() && left > 0; ++m) {
    if (pages_[m].owner != owner) continue;
    --left;
    f(Mfn(m), pages_[m]);
  }
}

}  // namespace xensim::xen
