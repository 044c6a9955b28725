#include "models/memory/cache.h"

#include <string>

#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/stats/stats.h"

namespace xensim::memory {

namespace {

std::uint64_t sets_of(const CacheConfig& c, std::string_view place) {
  const std::string where(place);
  if (c.ways == 0) throw UserError(where + "/ways", "a cache needs at least one way");
  const std::uint64_t row = std::uint64_t{c.ways} * kLineBytes;
  if (c.size % row != 0 || !is_power_of_two(c.size / row) || c.size / row > (1u << 24))
    throw UserError(where,
                    std::to_string(c.size) + " bytes in " + std::to_string(c.ways) +
                        " ways do not make a power-of-two number of sets",
                    "use a size of " + std::to_string(row) + " bytes times a power of two, or other ways");
  return c.size / row;
}

}  // namespace

void describe(CacheConfig& c, config::Visitor& v) {
  v(c.size, {"size", "bytes", "capacity; size / (64 × ways) must be a power of two", c.source,
             config::multiple_of(kLineBytes, kLineBytes, std::uint64_t{1} << 36)});
  v(c.ways, {"ways", "count", "associativity", c.source, config::between(1, 64)});
  v(c.latency, {"latency", "cycles", "from the start of an access to data ready, when this cache serves it",
                c.source, config::between(1, 10000)});
  v(c.replacement, {"replacement", "", "which line makes room", "design"});
}

void register_stats(stats::Group& g, const CacheStats& s) {
  g.add("hits", "accesses", "served by this cache", &s.hits);
  g.add("misses", "accesses", "passed on, stores to shared lines included", &s.misses);
  g.add("evictions", "lines", "valid lines that made room for others", &s.evictions);
  g.add("invalidations", "lines", "lost to another cache's store, or to an eviction below", &s.invalidations);
  g.add("writebacks", "lines", "modified lines handed down", &s.writebacks);
}

Cache::Cache(const CacheConfig& config, std::string_view place, std::uint64_t seed)
    : set_mask_(sets_of(config, place) - 1),
      ways_(config.ways),
      line_((set_mask_ + 1) * ways_, kNoLine),
      recent_(set_mask_ + 1),
      state_((set_mask_ + 1) * ways_, LineState::kInvalid),
      replacement_(make_replacement(config.replacement, sets(), ways_, seed, place)) {
  for (std::uint32_t s = 0; s < sets(); ++s) recent_[s] = s * ways_;
}

void Cache::touch(std::uint32_t slot) {
  const auto set = static_cast<std::uint32_t>(line_[slot] & set_mask_);
  if (recent_[set] == slot) return;
  recent_[set] = slot;
  replacement_->touch(set, slot - set * ways_);
}

std::uint32_t Cache::make_room(std::uint64_t line, Victim& victim) {
  const std::uint32_t set = static_cast<std::uint32_t>(line & set_mask_);
  const std::uint32_t first = set * ways_;
  victim = {};
  for (std::uint32_t i = first; i < first + ways_; ++i)
    if (line_[i] == kNoLine) return i;
  const std::uint32_t slot = first + replacement_->victim(set);
  victim = {line_[slot], state_[slot]};
  ++stats.evictions;
  return slot;
}

void Cache::fill(std::uint32_t slot, std::uint64_t line, LineState s) {
  line_[slot] = line;
  state_[slot] = s;
  const auto set = static_cast<std::uint32_t>(line & set_mask_);
  recent_[set] = slot;
  replacement_->touch(set, slot - set * ways_);
}

}  // namespace xensim::memory
