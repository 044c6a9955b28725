// One set-associative cache: which lines it holds, in which coherence state. It knows no latencies and no
// neighbours; cache_system.h puts caches together.
//
// Lines are 64 bytes and are named by their number, physical address / 64. A slot is a place in the cache, set ×
// ways + way. Each set remembers the slot that was used last, which is looked at first.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "models/memory/replacement.h"
#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::stats {
class Group;
}

namespace xensim::memory {

inline constexpr unsigned kLineShift = 6;
inline constexpr unsigned kLineBytes = 1u << kLineShift;

// MESI.
enum class LineState : std::uint8_t { kInvalid, kShared, kExclusive, kModified };

struct CacheConfig {
  std::uint64_t size = 32 << 10;
  unsigned ways = 8;
  Cycles latency = 4;
  ReplacementKind replacement = ReplacementKind::kLru;
  // Where the defaults of this cache come from.
  std::string_view source = "uncalibrated";
};
void describe(CacheConfig& c, config::Visitor& v);

struct CacheStats {
  std::uint64_t hits = 0;           // accesses that this cache served
  std::uint64_t misses = 0;         // that it passed on; stores to shared lines included
  std::uint64_t evictions = 0;      // valid lines that made room for others
  std::uint64_t invalidations = 0;  // lines lost to another cache's store, or to an eviction below
  std::uint64_t writebacks = 0;     // modified lines handed down
};
void register_stats(stats::Group& g, const CacheStats& s);

class Cache {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint64_t kNoLine = ~std::uint64_t{0};

  // place: of the configuration in the machine file, for messages and for the random stream's name. Throws
  // UserError if the geometry is impossible.
  Cache(const CacheConfig& config, std::string_view place, std::uint64_t seed);

  unsigned sets() const { return static_cast<unsigned>(set_mask_ + 1); }
  unsigned ways() const { return ways_; }

  // The slot that was used last in this line's set, if it holds this line.
  std::uint32_t find_recent(std::uint64_t line) const {
    const std::uint32_t slot = recent_[line & set_mask_];
    return line_[slot] == line ? slot : kNone;
  }
  // The slot of this line, kNone if it is not here.
  std::uint32_t find(std::uint64_t line) const {
    const std::uint32_t first = static_cast<std::uint32_t>(line & set_mask_) * ways_;
    for (std::uint32_t i = first; i < first + ways_; ++i)
      if (line_[i] == line) return i;
    return kNone;
  }
  std::uint64_t line(std::uint32_t slot) const { return line_[slot]; }
  LineState state(std::uint32_t slot) const { return state_[slot]; }
  void set_state(std::uint32_t slot, LineState s) { state_[slot] = s; }
  // The slot, which is valid, is used: for replacement, and for find_recent().
  void touch(std::uint32_t slot);

  struct Victim {
    std::uint64_t line = kNoLine;
    LineState state = LineState::kInvalid;
  };
  // The slot that a new line would take, and what is there now (counted as an eviction if it is valid).
  std::uint32_t make_room(std::uint64_t line, Victim& victim);
  void fill(std::uint32_t slot, std::uint64_t line, LineState s);
  void invalidate(std::uint32_t slot) {
    line_[slot] = kNoLine;
    state_[slot] = LineState::kInvalid;
  }

  CacheStats stats;

 private:
  std::uint64_t set_mask_;
  std::uint32_t ways_;
  std::vector<std::uint64_t> line_;    // per slot; kNoLine if invalid
  std::vector<std::uint32_t> recent_;  // per set
  std::vector<LineState> state_;       // per slot
  std::unique_ptr<ReplacementPolicy> replacement_;
};

}  // namespace xensim::memory
