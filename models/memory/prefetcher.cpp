#include "models/memory/prefetcher.h"

#include <iterator>

#include "sim/base/expects.h"

namespace xensim::memory {

namespace {

class NoPrefetcher final : public Prefetcher {
 public:
  unsigned on_miss(std::uint64_t, std::span<std::uint64_t, kMostLines>) override { return 0; }
};

class NextLine final : public Prefetcher {
 public:
  unsigned on_miss(std::uint64_t line, std::span<std::uint64_t, kMostLines> out) override {
    out[0] = line + 1;
    return 1;
  }
};

template <class T>
std::unique_ptr<Prefetcher> make() {
  return std::make_unique<T>();
}

constexpr PrefetcherRow kTable[] = {
    {PrefetcherKind::kNone, "none", "nothing is fetched ahead", make<NoPrefetcher>},
    {PrefetcherKind::kNextLine, "next_line", "a miss fetches the following line too", make<NextLine>},
};
constexpr std::string_view kNames[] = {kTable[0].name, kTable[1].name};
static_assert(std::size(kTable) == static_cast<unsigned>(PrefetcherKind::kCount) &&
              kTable[0].kind == PrefetcherKind::kNone && kTable[1].kind == PrefetcherKind::kNextLine);

}  // namespace

std::span<const PrefetcherRow> prefetcher_table() { return kTable; }
std::span<const std::string_view> names_of(PrefetcherKind) { return kNames; }

std::unique_ptr<Prefetcher> make_prefetcher(PrefetcherKind kind) {
  expects(kind < PrefetcherKind::kCount);
  return kTable[static_cast<unsigned>(kind)].make();
}

}  // namespace xensim::memory
