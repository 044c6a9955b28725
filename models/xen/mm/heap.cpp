#include "models/xen/mm/heap.h"

#include <algorithm>
#include <bit>

#include "sim/base/expects.h"

namespace xensim::xen {

void Heap::add(Mfn first, std::uint64_t count) {
  total_pages_ += count;
  free_range(first, count);
}

void Heap::free_range(Mfn first, std::uint64_t count) {
  std::uint64_t m = first.value;
  const std::uint64_t end = m + count;
  while (m < end) {
    const auto aligned = static_cast<unsigned>(m == 0 ? kMaxOrder : std::countr_zero(m));
    const auto fits = static_cast<unsigned>(std::bit_width(end - m) - 1);
    const unsigned order = std::min({aligned, fits, kMaxOrder});
    free(Mfn(m), order);
    m += std::uint64_t{1} << order;
  }
}

std::optional<Mfn> Heap::allocate(unsigned order) {
  unsigned o = order;
  while (o <= kMaxOrder && free_[o].empty()) ++o;
  if (o > kMaxOrder) return std::nullopt;
  const std::uint64_t m = *free_[o].begin();
  free_[o].erase(free_[o].begin());
  while (o > order) {
    --o;
    free_[o].insert(m + (std::uint64_t{1} << o));
  }
  free_pages_ -= std::uint64_t{1} << order;
  return Mfn(m);
}

void Heap::free(Mfn first, unsigned order) {
  std::uint64_t m = first.value;
  free_pages_ += std::uint64_t{1} << order;
  while (order < kMaxOrder) {
    const auto buddy = free_[order].find(m ^ (std::uint64_t{1} << order));
    if (buddy == free_[order].end()) break;
    free_[order].erase(buddy);
    m &= ~(std::uint64_t{1} << order);
    ++order;
  }
  const bool fresh = free_[order].insert(m).second;
  expects(fresh);  // a double free would be ours
}

}  // namespace xensim::xen
