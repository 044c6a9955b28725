#include "models/memory/replacement.h"

#include <bit>
#include <iterator>
#include <vector>

#include "sim/base/expects.h"
#include "sim/base/rng.h"

namespace xensim::memory {

namespace {

// Time stamps per way; the oldest goes.
class Lru final : public ReplacementPolicy {
 public:
  Lru(unsigned sets, unsigned ways, std::uint64_t, std::string_view)
      : ways_(ways), used_(std::size_t{sets} * ways) {}
  void touch(unsigned set, unsigned way) override { used_[std::size_t{set} * ways_ + way] = ++clock_; }
  unsigned victim(unsigned set) override {
    const std::uint64_t* used = &used_[std::size_t{set} * ways_];
    unsigned oldest = 0;
    for (unsigned w = 1; w < ways_; ++w)
      if (used[w] < used[oldest]) oldest = w;
    return oldest;
  }

 private:
  unsigned ways_;
  std::uint64_t clock_ = 0;
  std::vector<std::uint64_t> used_;
};

// A binary tree over the ways; each node points away from the half that was used last. With a number of ways that
// is not a power of two, the tree is that of the next one, and pointers into the missing part are turned round.
class TreePlru final : public ReplacementPolicy {
 public:
  TreePlru(unsigned sets, unsigned ways, std::uint64_t, std::string_view)
      : ways_(ways), leaves_(std::bit_ceil(ways)), tree_(std::size_t{sets} * leaves_) {}
  void touch(unsigned set, unsigned way) override {
    std::uint8_t* tree = &tree_[std::size_t{set} * leaves_];
    for (unsigned node = leaves_ + way; node > 1; node /= 2) tree[node / 2] = node % 2 == 0;
  }
  unsigned victim(unsigned set) override {
    const std::uint8_t* tree = &tree_[std::size_t{set} * leaves_];
    unsigned node = 1, first = 0;  // first: the lowest way below node
    for (unsigned half = leaves_ / 2; half > 0; half /= 2) {
      const bool right = tree[node] && first + half < ways_;
      node = 2 * node + right;
      if (right) first += half;
    }
    return first;
  }

 private:
  unsigned ways_, leaves_;
  std::vector<std::uint8_t> tree_;  // per set, node n at index n; 1: the victim is on the right
};

class Random final : public ReplacementPolicy {
 public:
  Random(unsigned, unsigned ways, std::uint64_t seed, std::string_view name) : ways_(ways), rng_(seed, name) {}
  void touch(unsigned, unsigned) override {}
  unsigned victim(unsigned) override { return static_cast<unsigned>(rng_.below(ways_)); }

 private:
  unsigned ways_;
  Rng rng_;
};

template <class T>
std::unique_ptr<ReplacementPolicy> make(unsigned sets, unsigned ways, std::uint64_t seed, std::string_view name) {
  return std::make_unique<T>(sets, ways, seed, name);
}

constexpr ReplacementRow kTable[] = {
    {ReplacementKind::kLru, "lru", "least recently used", make<Lru>},
    {ReplacementKind::kTreePlru, "plru", "tree pseudo-LRU", make<TreePlru>},
    {ReplacementKind::kRandom, "random", "any way, from the machine's seed", make<Random>},
};
constexpr std::string_view kNames[] = {kTable[0].name, kTable[1].name, kTable[2].name};

constexpr bool in_order() {
  for (unsigned i = 0; i < std::size(kTable); ++i)
    if (static_cast<unsigned>(kTable[i].kind) != i) return false;
  return std::size(kTable) == static_cast<unsigned>(ReplacementKind::kCount) &&
         std::size(kNames) == std::size(kTable);
}
static_assert(in_order(), "each kind needs its row and its name, in the order of the enumeration");

}  // namespace

std::span<const ReplacementRow> replacement_table() { return kTable; }
std::span<const std::string_view> names_of(ReplacementKind) { return kNames; }

std::unique_ptr<ReplacementPolicy> make_replacement(ReplacementKind kind, unsigned sets, unsigned ways,
                                                    std::uint64_t seed, std::string_view name) {
  expects(kind < ReplacementKind::kCount && sets > 0 && ways > 0);
  return kTable[static_cast<unsigned>(kind)].make(sets, ways, seed, name);
}

}  // namespace xensim::memory
