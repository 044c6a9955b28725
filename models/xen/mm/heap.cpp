#include "models/xen/mm/heap.h"

#include <algorithm>
#include <bit>

#include "sim/base/expects.h"

namespace xensim::xen {

namespace {
constexpr std::uint64_t pages_of(unsigned order) { return std::uint64_t{1} << order; }
constexpr unsigned kDmaBits = 32;  // of an address
}  // namespace

std::uint64_t Heap::free_pages(unsigned node, unsigned lowest_zone, unsigned highest_zone) const {
  std::uint64_t n = 0;
  for (unsigned z = lowest_zone; z <= highest_zone; ++z) n += nodes_[node].zones[z].free_pages;
  return n;
}

unsigned Heap::zone_of(std::uint64_t m) { return static_cast<unsigned>(std::bit_width(m)); }

void Heap::set_nodes(std::vector<Range> ranges) {
  expects(total_pages_ == 0 && !ranges.empty());
  ranges_ = std::move(ranges);
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  unsigned n = 0;
  for (const Range& r : ranges_) n = std::max(n, r.node + 1);
  expects(n <= kMaxNodes);
  nodes_ = std::vector<Node>(n);
  if (n == 1) return;
  // As Xen: at most 4 GiB, and no more than a quarter of node 0.
  std::uint64_t first = ~std::uint64_t{0}, pages = 0;
  for (const Range& r : ranges_)
    if (r.node == 0) {
      first = std::min(first, r.first.value);
      pages += r.count;
    }
  dma_zone_ = std::min(zone_of(first + pages / 4 - 1), kDmaBits - kPageShift);
}

unsigned Heap::node_of(Mfn m) const {
  for (const Range& r : ranges_)
    if (m.value - r.first.value < r.count) return r.node;
  return 0;
}

Heap::FreeList& Heap::list_of(std::uint64_t m, unsigned order) {
  return nodes_[node_of(Mfn(m))].zones[zone_of(m)].orders[order];
}

bool Heap::any_dirty(std::uint64_t m, unsigned order) const {
  if (order < 6) {
    const std::uint64_t block = (std::uint64_t{1} << (1u << order)) - 1;
    return m / 64 < dirty_.size() && (dirty_[m / 64] >> (m % 64) & block) != 0;
  }
  for (std::uint64_t w = m / 64; w < std::min<std::uint64_t>((m + pages_of(order)) / 64, dirty_.size()); ++w)
    if (dirty_[w] != 0) return true;
  return false;
}

void Heap::insert(std::uint64_t m, unsigned order) {
  FreeList& list = list_of(m, order);
  const bool fresh = (any_dirty(m, order) ? list.dirty : list.clean).insert(m).second;
  expects(fresh);  // a double free would be ours
}

void Heap::add(Mfn first, std::uint64_t count, bool dirty) {
  total_pages_ += count;
  for (std::uint64_t m = first.value; m < first.value + count;) {
    // A run of one node.
    const unsigned node = node_of(Mfn(m));
    std::uint64_t end = first.value + count;
    for (const Range& r : ranges_)
      if (m - r.first.value < r.count) end = std::min(end, r.first.value + r.count);
    nodes_[node].total_pages += end - m;
    free_range(Mfn(m), end - m, dirty);
    m = end;
  }
}

void Heap::free_range(Mfn first, std::uint64_t count, bool dirty) {
  std::uint64_t m = first.value;
  const std::uint64_t end = m + count;
  while (m < end) {
    const auto aligned = static_cast<unsigned>(m == 0 ? kMaxOrder : std::countr_zero(m));
    const auto fits = static_cast<unsigned>(std::bit_width(end - m) - 1);
    const unsigned order = std::min({aligned, fits, kMaxOrder});
    free(Mfn(m), order, dirty);
    m += pages_of(order);
  }
}

void Heap::free(Mfn first, unsigned order, bool dirty) {
  std::uint64_t m = first.value;
  Node& node = nodes_[node_of(first)];
  Zone& zone = node.zones[zone_of(m)];
  free_pages_ += pages_of(order);
  node.free_pages += pages_of(order);
  zone.free_pages += pages_of(order);
  if (dirty) {
    const std::uint64_t last = m + pages_of(order) - 1;
    if (last / 64 >= dirty_.size()) dirty_.resize(last / 64 + 1);
    for (std::uint64_t i = m; i <= last; ++i) dirty_[i / 64] |= std::uint64_t{1} << (i % 64);
    node.dirty_pages += pages_of(order);
  }
  while (order < kMaxOrder) {
    const std::uint64_t buddy = m ^ pages_of(order);
    FreeList& list = zone.orders[order];
    if (node_of(Mfn(buddy)) != node_of(first) || (!list.clean.erase(buddy) && !list.dirty.erase(buddy))) break;
    m &= ~pages_of(order);
    ++order;
  }
  insert(m, order);
}

std::optional<std::uint64_t> Heap::find_in_node(Node& n, const Request& r, unsigned lowest_zone,
                                                bool take_dirty_blocks) {
  for (unsigned z = r.highest_zone + 1; z-- > lowest_zone;) {
    Zone& zone = n.zones[z];
    if (zone.free_pages < pages_of(r.order)) continue;
    for (unsigned o = r.order; o <= kMaxOrder; ++o) {
      FreeList& list = zone.orders[o];
      // A single page is taken as it is: clearing it is cheaper than breaking a large block.
      std::set<std::uint64_t>* from = nullptr;
      if (!list.clean.empty())
        from = &list.clean;
      else if (!list.dirty.empty() && (r.order == 0 || take_dirty_blocks))
        from = &list.dirty;
      if (!from) continue;
      const std::uint64_t m = *from->begin();
      from->erase(from->begin());
      const std::uint64_t got = split(m, o, r.order);
      zone.free_pages -= pages_of(r.order);
      n.free_pages -= pages_of(r.order);
      return got;
    }
  }
  return std::nullopt;
}

// Halves a block until it fits; the upper half is what remains to the asker.
std::uint64_t Heap::split(std::uint64_t m, unsigned from, unsigned to) {
  while (from > to) {
    --from;
    insert(m, from);
    m += pages_of(from);
  }
  return m;
}

// The next node of the mask after `node`, around the end.
unsigned Heap::next_node(unsigned node, std::uint64_t mask) const {
  for (unsigned i = 1; i <= nodes(); ++i) {
    const unsigned n = (node + i) % nodes();
    if (mask >> n & 1) return n;
  }
  return kAnyNode;
}

std::optional<std::uint64_t> Heap::find(const Request& r, unsigned lowest_zone, bool take_dirty_blocks) {
  const std::uint64_t online = nodes() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << nodes()) - 1;
  std::uint64_t mask = online & r.nodes ? online & r.nodes : online;
  unsigned first = r.node;
  if (first == kAnyNode) first = next_node(r.last_node == kAnyNode ? nodes() - 1 : r.last_node, mask);
  if (first >= nodes()) return std::nullopt;
  if (r.exact && r.node != kAnyNode) return find_in_node(nodes_[first], r, lowest_zone, take_dirty_blocks);
  std::uint64_t tried = 0;
  unsigned node = first;
  for (;;) {
    tried |= std::uint64_t{1} << node;
    if (const auto m = find_in_node(nodes_[node], r, lowest_zone, take_dirty_blocks)) return m;
    if ((mask & ~tried) == 0) mask = online;  // those that were not preferred
    if ((mask & ~tried) == 0) return std::nullopt;
    node = next_node(node, mask & ~tried);
  }
}

std::optional<Mfn> Heap::allocate(const Request& r) {
  expects(r.order <= kMaxOrder);
  std::optional<std::uint64_t> m;
  for (const unsigned lowest : {dma_zone_ + 1, 0u}) {
    if (lowest > r.highest_zone || (lowest > 0 && dma_zone_ == 0)) continue;
    m = find(r, lowest, false);
    if (!m) m = find(r, lowest, true);
    if (m) break;
  }
  if (!m) return std::nullopt;
  free_pages_ -= pages_of(r.order);
  return Mfn(*m);
}

bool Heap::take_dirty(Mfn m) {
  if (m.value / 64 >= dirty_.size()) return false;
  std::uint64_t& word = dirty_[m.value / 64];
  const std::uint64_t bit = std::uint64_t{1} << (m.value % 64);
  if (!(word & bit)) return false;
  word &= ~bit;
  --nodes_[node_of(m)].dirty_pages;
  return true;
}

std::vector<Mfn> Heap::scrub(unsigned node) {
  Node& n = nodes_[node];
  std::vector<Mfn> out;
  if (n.dirty_pages == 0) return out;
  for (Zone& zone : n.zones)
    for (unsigned o = kMaxOrder + 1; o-- > 0;) {
      FreeList& list = zone.orders[o];
      while (!list.dirty.empty() && out.size() < kScrubStretch) {
        const std::uint64_t m = *list.dirty.begin();
        for (std::uint64_t i = m; i < m + pages_of(o) && out.size() < kScrubStretch; ++i) {
          if (i % 64 == 0 && dirty_[i / 64] == 0) {
            i += 63;
            continue;
          }
          if (take_dirty(Mfn(i))) out.push_back(Mfn(i));
        }
        if (any_dirty(m, o)) break;
        list.dirty.erase(list.dirty.begin());
        list.clean.insert(m);
      }
      if (out.size() == kScrubStretch) return out;
    }
  return out;
}

}  // namespace xensim::xen
