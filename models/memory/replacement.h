// Which way of a cache set goes when a new line comes: an interface of two methods.
//
// `lru` is the default; `plru` is the binary tree that most first-level caches have; `random` is the smallest
// example.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace xensim::memory {

enum class ReplacementKind : std::uint8_t { kLru, kTreePlru, kRandom, kCount };
std::span<const std::string_view> names_of(ReplacementKind);

// Contract: the cache calls touch() when a way is used or filled, unless that way was touched last in its set (a
// policy must not mind: touching the same way twice running changes nothing). victim() is called when all ways are
// valid; the cache fills the way and touches it afterwards. set < sets, way < ways. Only touch() and victim()
// change the state.
class ReplacementPolicy {
 public:
  virtual ~ReplacementPolicy() = default;
  virtual void touch(unsigned set, unsigned way) = 0;
  virtual unsigned victim(unsigned set) = 0;
};

struct ReplacementRow {
  ReplacementKind kind;
  std::string_view name;
  std::string_view doc;
  // seed, name: of the random stream, for those that want one.
  std::unique_ptr<ReplacementPolicy> (*make)(unsigned sets, unsigned ways, std::uint64_t seed,
                                             std::string_view name);
};

std::span<const ReplacementRow> replacement_table();
std::unique_ptr<ReplacementPolicy> make_replacement(ReplacementKind kind, unsigned sets, unsigned ways,
                                                    std::uint64_t seed, std::string_view name);

}  // namespace xensim::memory
