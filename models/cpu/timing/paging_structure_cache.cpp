#include "models/cpu/timing/paging_structure_cache.h"

#include <algorithm>

namespace xensim::cpu {

bool RecentKeys::contains(const Key& k) const {
  return std::find(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(used_), k) !=
         keys_.begin() + static_cast<std::ptrdiff_t>(used_);
}

void RecentKeys::touch(const Key& k) {
  if (keys_.empty()) return;
  std::size_t i = 0;
  while (i < used_ && keys_[i] != k) ++i;
  if (i == used_) {
    if (used_ < keys_.size()) ++used_;
    i = used_ - 1;
  }
  for (; i > 0; --i) keys_[i] = keys_[i - 1];
  keys_[0] = k;
}

PagingStructureCaches::PagingStructureCaches(const PagingStructureCacheConfig& guest,
                                             const PagingStructureCacheConfig& ept)
    : guest_{RecentKeys(guest.pde), RecentKeys(guest.pdpte), RecentKeys(guest.pml4e)},
      ept_{RecentKeys(ept.pde), RecentKeys(ept.pdpte), RecentKeys(ept.pml4e)} {}

void PagingStructureCaches::flush() {
  for (RecentKeys& k : guest_) k.clear();
  for (RecentKeys& k : ept_) k.clear();
}

std::uint32_t PagingStructureCaches::steps_to_read(const Tlb::Context& context, LinearAddr a,
                                                   const WalkResult& walk) {
  const unsigned n = walk.steps;
  const std::uint32_t tag = static_cast<std::uint32_t>(context.vpid) << 16 | context.pcid;
  const auto guest_key = [&](const WalkStep& s) {
    const unsigned shift = 12 + (s.wide ? 9u : 10u) * (s.level - 1u);
    return RecentKeys::Key{a.value >> shift, context.eptp, tag};
  };
  const auto ept_key = [](const WalkStep& s) { return RecentKeys::Key{s.entry.value, 0, 0}; };
  const auto cached_level = [](const WalkStep& s) { return s.level >= 2 && s.level - 2u < kLevels; };

  unsigned leaf = n;  // the last guest entry: never skipped
  for (unsigned i = 0; i < n; ++i)
    if (!walk.step[i].ept) leaf = i;

  unsigned first = 0;  // the walk starts here: after the deepest guest entry that is cached
  for (unsigned i = leaf; i-- > 0 && leaf < n;) {
    const WalkStep& s = walk.step[i];
    if (s.ept || !cached_level(s) || !guest_[s.level - 2u].contains(guest_key(s))) continue;
    for (first = i + 1; walk.step[first].ept;) ++first;
    break;
  }

  std::uint32_t read = 0;
  for (unsigned i = first; i < n;) {
    if (!walk.step[i].ept) {
      read |= 1u << i++;
      continue;
    }
    unsigned end = i;  // one EPT walk: [i, end)
    while (end < n && walk.step[end].ept && (end == i || walk.step[end].level < walk.step[end - 1].level)) ++end;
    unsigned from = i;
    for (unsigned k = end - 1; k-- > i;)
      if (cached_level(walk.step[k]) && ept_[walk.step[k].level - 2u].contains(ept_key(walk.step[k]))) {
        from = k + 1;
        break;
      }
    for (unsigned k = from; k < end; ++k) read |= 1u << k;
    for (unsigned k = i; k + 1 < end; ++k)
      if (cached_level(walk.step[k])) ept_[walk.step[k].level - 2u].touch(ept_key(walk.step[k]));
    i = end;
  }
  for (unsigned i = 0; i < leaf && leaf < n; ++i)
    if (!walk.step[i].ept && cached_level(walk.step[i]))
      guest_[walk.step[i].level - 2u].touch(guest_key(walk.step[i]));
  return read;
}

}  // namespace xensim::cpu
