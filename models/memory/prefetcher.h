// What a second-level cache fetches before it is asked: an interface of one question.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace xensim::memory {

enum class PrefetcherKind : std::uint8_t { kNone, kNextLine, kCount };
std::span<const std::string_view> names_of(PrefetcherKind);

// Contract: on_miss() is called for each access of its pCPU that misses the second-level cache; it writes the
// numbers of the lines to fetch to `out` and returns how many. Lines in other pages of 4 KiB are not fetched, nor
// are lines that another pCPU owns. Not called for prefetches.
class Prefetcher {
 public:
  static constexpr unsigned kMostLines = 8;
  virtual ~Prefetcher() = default;
  virtual unsigned on_miss(std::uint64_t line, std::span<std::uint64_t, kMostLines> out) = 0;
};

struct PrefetcherRow {
  PrefetcherKind kind;
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<Prefetcher> (*make)();
};

std::span<const PrefetcherRow> prefetcher_table();
std::unique_ptr<Prefetcher> make_prefetcher(PrefetcherKind kind);

}  // namespace xensim::memory
