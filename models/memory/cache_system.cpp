#include "models/memory/cache_system.h"

#include <algorithm>
#include <bit>
#include <string>

#include "sim/base/expects.h"
#include "sim/stats/stats.h"

namespace xensim::memory {

namespace {

constexpr std::uint64_t bit_of(unsigned cpu) { return std::uint64_t{1} << cpu; }

}  // namespace

void describe(CacheSystemConfig& c, config::Visitor& v) {
  v(c.l1i, {"l1i", "", "first-level instruction cache of each pCPU", "design"});
  v(c.l1d, {"l1d", "", "first-level data cache of each pCPU", "design"});
  v(c.l2, {"l2", "", "second-level cache of each pCPU, includes the first level", "design"});
  v(c.l3, {"l3", "", "cache that all pCPUs share, includes all others and holds the directory", "design"});
  v(c.transfer_latency,
    {"transfer_latency", "cycles", "added to L3's when a line comes from another pCPU that holds it exclusively",
     "uncalibrated", config::between(0, 10000)});
  v(c.invalidation_latency,
    {"invalidation_latency", "cycles", "added to L3's when a store has to take a shared line from other pCPUs",
     "uncalibrated", config::between(0, 10000)});
  v(c.prefetcher, {"prefetcher", "", "what the second-level caches fetch ahead", "design"});
  v(c.dram, {"dram", "", "main memory", "design"});
}

CacheSystem::Private::Private(const CacheSystemConfig& c, unsigned i, std::uint64_t seed)
    : l1i(c.l1i, "/memory/l1i", seed + i),
      l1d(c.l1d, "/memory/l1d", seed + i),
      l2(c.l2, "/memory/l2", seed + i),
      index(i),
      prefetcher(make_prefetcher(c.prefetcher)) {}

CacheSystem::CacheSystem(const CacheSystemConfig& config, unsigned cpus, std::uint64_t hz, std::uint64_t seed)
    : l1_latency_{config.l1i.latency, config.l1d.latency, config.l1d.latency},
      l2_latency_(config.l2.latency),
      l3_latency_(config.l3.latency),
      transfer_(config.transfer_latency),
      invalidation_(config.invalidation_latency),
      l3_(config.l3, "/memory/l3", seed),
      directory_(std::size_t{l3_.sets()} * l3_.ways()),
      dram_(make_dram(config.dram, hz)) {
  expects(cpus > 0 && cpus <= kMostCpus);
  cpus_.reserve(cpus);
  for (unsigned i = 0; i < cpus; ++i) cpus_.emplace_back(config, i, seed);
}

Cycles CacheSystem::expected_latency(Level level, RowOutcome row) const {
  switch (level) {
    case Level::kL1:
      return l1_latency_[static_cast<unsigned>(AccessKind::kLoad)];
    case Level::kL2:
      return l2_latency_;
    case Level::kL3:
      return l3_latency_;
    case Level::kRemoteCache:
      return l3_latency_ + transfer_;
    case Level::kDram:
      return l3_latency_ + dram_->expected(row);
  }
  expects(false);
  return 0;
}

// --- Accesses.

AccessResult CacheSystem::find(Private& p, std::uint64_t line, AccessKind kind, Cycles now) {
  const bool store = kind == AccessKind::kStore;
  Cache& l1 = kind == AccessKind::kInstruction ? p.l1i : p.l1d;
  const AccessResult in_l1{l1_latency_[static_cast<unsigned>(kind)], Level::kL1};

  const std::uint32_t slot1 = l1.find(line);
  if (slot1 != Cache::kNone) {
    l1.touch(slot1);
    if (!store || l1.state(slot1) == LineState::kModified) {
      ++l1.stats.hits;
      return in_l1;
    }
    const std::uint32_t slot2 = p.l2.find(line);
    expects(slot2 != Cache::kNone);
    drop(p.l1i, line);
    if (p.l2.state(slot2) != LineState::kShared) {
      ++l1.stats.hits;
      l1.set_state(slot1, LineState::kModified);
      p.l2.set_state(slot2, LineState::kModified);
      return in_l1;
    }
    ++l1.stats.misses;
    l1.set_state(slot1, LineState::kModified);
    return upgrade(p, line, slot2);
  }

  ++l1.stats.misses;
  const std::uint32_t slot2 = p.l2.find(line);
  if (slot2 != Cache::kNone) {
    p.l2.touch(slot2);
    AccessResult r;
    if (store && p.l2.state(slot2) == LineState::kShared) {
      r = upgrade(p, line, slot2);
    } else {
      r = hit_in_l2(p, line, now);
      if (store) p.l2.set_state(slot2, LineState::kModified);
    }
    if (store) drop(p.l1i, line);
    const LineState s = p.l2.state(slot2);
    fill_l1(l1, line, store || s == LineState::kShared ? s : LineState::kExclusive);
    return r;
  }

  ++p.l2.stats.misses;
  LineState granted;
  const AccessResult r = ask_l3(p, line, store, now, granted);
  fill_l2(p, line, granted);
  fill_l1(l1, line, granted);
  prefetch(p, line, now);
  return r;
}

AccessResult CacheSystem::hit_in_l2(Private& p, std::uint64_t line, Cycles now) {
  ++p.l2.stats.hits;
  if (now < p.prefetches_until)
    for (const Prefetched& f : p.prefetched)
      if (f.line == line && f.ready > now + l2_latency_) {
        ++coherence_.late_prefetches;
        return {f.ready - now, f.level};
      }
  return {l2_latency_, Level::kL2};
}

// The pCPU stores to a line that it holds in S.
AccessResult CacheSystem::upgrade(Private& p, std::uint64_t line, std::uint32_t slot2) {
  ++p.l2.stats.misses;
  ++l3_.stats.hits;
  ++coherence_.upgrades;
  const std::uint32_t slot3 = l3_.find(line);
  expects(slot3 != Cache::kNone);
  l3_.touch(slot3);
  const std::uint64_t others = directory_[slot3].holders & ~bit_of(p.index);
  invalidate_others(slot3, others);
  directory_[slot3] = {bit_of(p.index), true};
  p.l2.set_state(slot2, LineState::kModified);
  if (others) return {l3_latency_ + invalidation_, Level::kRemoteCache};
  return {l3_latency_, Level::kL3};
}

// A line that the pCPU does not hold. granted: the state that it gets.
AccessResult CacheSystem::ask_l3(Private& p, std::uint64_t line, bool store, Cycles now, LineState& granted) {
  AccessResult r{l3_latency_, Level::kL3};
  std::uint32_t slot3 = l3_.find(line);
  if (slot3 == Cache::kNone) {
    ++l3_.stats.misses;
    r = {l3_latency_ + dram_->access(PhysAddr(line << kLineShift), false, now + l3_latency_), Level::kDram};
    slot3 = fill_l3(line, now);
  } else {
    ++l3_.stats.hits;
    l3_.touch(slot3);
  }
  Entry& entry = directory_[slot3];
  const std::uint64_t others = entry.holders;
  if (entry.exclusive && others) {
    Private& owner = cpus_[static_cast<unsigned>(std::countr_zero(others))];
    bool modified;
    if (store) {
      modified = invalidate(owner, line);
      ++coherence_.invalidations;
      entry.holders = 0;
    } else {
      modified = share(owner, line);
    }
    if (modified) l3_.set_state(slot3, LineState::kModified);
    ++coherence_.transfers;
    r = {l3_latency_ + transfer_, Level::kRemoteCache};
  } else if (store && others) {
    invalidate_others(slot3, others);
    r = {l3_latency_ + invalidation_, Level::kRemoteCache};
  }
  entry.exclusive = store || entry.holders == 0;
  entry.holders |= bit_of(p.index);
  granted = store ? LineState::kModified : entry.exclusive ? LineState::kExclusive : LineState::kShared;
  return r;
}

void CacheSystem::prefetch(Private& p, std::uint64_t line, Cycles now) {
  std::array<std::uint64_t, Prefetcher::kMostLines> wanted;
  const unsigned n = p.prefetcher->on_miss(line, wanted);
  expects(n <= wanted.size());
  for (unsigned i = 0; i < n; ++i) {
    constexpr unsigned kPageLineShift = kPageShift - kLineShift;
    if (wanted[i] >> kPageLineShift != line >> kPageLineShift || p.l2.find(wanted[i]) != Cache::kNone) continue;
    const std::uint32_t slot3 = l3_.find(wanted[i]);
    if (slot3 != Cache::kNone && directory_[slot3].exclusive) continue;
    LineState granted;
    const AccessResult r = ask_l3(p, wanted[i], false, now, granted);
    fill_l2(p, wanted[i], granted);
    p.prefetched[p.next_prefetched] = {wanted[i], now + r.latency, r.level};
    p.next_prefetched = (p.next_prefetched + 1) % static_cast<unsigned>(p.prefetched.size());
    p.prefetches_until = std::max(p.prefetches_until, now + r.latency);
    ++coherence_.prefetches;
  }
}

// --- Fills and evictions.

void CacheSystem::fill_l1(Cache& l1, std::uint64_t line, LineState s) {
  Cache::Victim victim;
  const std::uint32_t slot = l1.make_room(line, victim);
  if (victim.state == LineState::kModified) ++l1.stats.writebacks;  // L2's copy is in M already
  l1.fill(slot, line, s);
}

std::uint32_t CacheSystem::fill_l2(Private& p, std::uint64_t line, LineState s) {
  Cache::Victim victim;
  const std::uint32_t slot = p.l2.make_room(line, victim);
  if (victim.line != Cache::kNoLine) {
    drop(p.l1i, victim.line);
    drop(p.l1d, victim.line);
    const std::uint32_t slot3 = l3_.find(victim.line);
    expects(slot3 != Cache::kNone);
    Entry& entry = directory_[slot3];
    entry.holders &= ~bit_of(p.index);
    if (entry.holders == 0) entry.exclusive = false;
    if (victim.state == LineState::kModified) {
      ++p.l2.stats.writebacks;
      l3_.set_state(slot3, LineState::kModified);
    }
  }
  p.l2.fill(slot, line, s);
  return slot;
}

std::uint32_t CacheSystem::fill_l3(std::uint64_t line, Cycles now) {
  Cache::Victim victim;
  const std::uint32_t slot = l3_.make_room(line, victim);
  if (victim.line != Cache::kNoLine) {
    bool modified = victim.state == LineState::kModified;
    for (std::uint64_t left = directory_[slot].holders; left; left &= left - 1) {
      modified |= invalidate(cpus_[static_cast<unsigned>(std::countr_zero(left))], victim.line);
      ++coherence_.back_invalidations;
    }
    if (modified) {
      ++l3_.stats.writebacks;
      dram_->access(PhysAddr(victim.line << kLineShift), true, now + l3_latency_);
    }
  }
  directory_[slot] = {};
  l3_.fill(slot, line, LineState::kExclusive);
  return slot;
}

void CacheSystem::drop(Cache& c, std::uint64_t line) {
  const std::uint32_t slot = c.find(line);
  if (slot == Cache::kNone) return;
  ++c.stats.invalidations;
  c.invalidate(slot);
}

bool CacheSystem::invalidate(Private& p, std::uint64_t line) {
  drop(p.l1i, line);
  drop(p.l1d, line);
  const std::uint32_t slot = p.l2.find(line);
  expects(slot != Cache::kNone);
  const bool modified = p.l2.state(slot) == LineState::kModified;
  ++p.l2.stats.invalidations;
  p.l2.invalidate(slot);
  return modified;
}

// The owner of a line in E or M keeps it in S.
bool CacheSystem::share(Private& p, std::uint64_t line) {
  const std::uint32_t slot = p.l2.find(line);
  expects(slot != Cache::kNone);
  const bool modified = p.l2.state(slot) == LineState::kModified;
  if (modified) ++p.l2.stats.writebacks;
  p.l2.set_state(slot, LineState::kShared);
  for (Cache* l1 : {&p.l1i, &p.l1d})
    if (const std::uint32_t s = l1->find(line); s != Cache::kNone) l1->set_state(s, LineState::kShared);
  return modified;
}

void CacheSystem::invalidate_others(std::uint32_t slot3, std::uint64_t others) {
  for (std::uint64_t left = others; left; left &= left - 1) {
    invalidate(cpus_[static_cast<unsigned>(std::countr_zero(left))], l3_.line(slot3));
    ++coherence_.invalidations;
  }
  directory_[slot3].holders &= ~others;
}

// --- Looking in from outside.

LineState CacheSystem::state(unsigned cpu, PhysAddr a) const {
  const std::uint32_t slot = cpus_[cpu].l2.find(a.value >> kLineShift);
  return slot == Cache::kNone ? LineState::kInvalid : cpus_[cpu].l2.state(slot);
}

void CacheSystem::register_stats(stats::Group& g) const {
  for (const Private& p : cpus_) {
    stats::Group& own = g.group("pcpu", p.index);
    memory::register_stats(own.group("l1i"), p.l1i.stats);
    memory::register_stats(own.group("l1d"), p.l1d.stats);
    memory::register_stats(own.group("l2"), p.l2.stats);
  }
  memory::register_stats(g.group("l3"), l3_.stats);
  stats::Group& c = g.group("coherence", "traffic between the pCPUs' caches");
  c.add("transfers", "lines", "came from another pCPU's cache", &coherence_.transfers);
  c.add("upgrades", "accesses", "stores to the pCPU's own shared lines", &coherence_.upgrades);
  c.add("invalidations", "lines", "taken from a pCPU by another's store", &coherence_.invalidations);
  c.add("back_invalidations", "lines", "taken from a pCPU because L3 needed room", &coherence_.back_invalidations);
  c.add("prefetches", "lines", "fetched ahead", &coherence_.prefetches);
  c.add("late_prefetches", "accesses", "that waited for a prefetch under way", &coherence_.late_prefetches);
  memory::register_stats(g.group("dram", "main memory"), dram_->stats);
}

void CacheSystem::check() const {
  for (const Private& p : cpus_) {
    for (std::uint32_t i = 0; i < p.l2.sets() * p.l2.ways(); ++i) {
      if (p.l2.line(i) == Cache::kNoLine) continue;
      const std::uint32_t slot3 = l3_.find(p.l2.line(i));
      expects(slot3 != Cache::kNone);
      const Entry& e = directory_[slot3];
      expects(e.holders & bit_of(p.index));
      expects(e.exclusive == (p.l2.state(i) != LineState::kShared));
    }
    for (const Cache* l1 : {&p.l1i, &p.l1d})
      for (std::uint32_t i = 0; i < l1->sets() * l1->ways(); ++i) {
        if (l1->line(i) == Cache::kNoLine) continue;
        const std::uint32_t slot2 = p.l2.find(l1->line(i));
        expects(slot2 != Cache::kNone);
        const LineState above = l1->state(i), below = p.l2.state(slot2);
        expects((above == LineState::kShared) <= (below == LineState::kShared || l1 == &p.l1i));
        expects(above != LineState::kModified || below == LineState::kModified);
        expects(above != LineState::kExclusive || below != LineState::kShared);
      }
  }
  for (std::uint32_t i = 0; i < l3_.sets() * l3_.ways(); ++i) {
    const Entry& e = directory_[i];
    if (l3_.line(i) == Cache::kNoLine) continue;
    expects(!e.exclusive || std::popcount(e.holders) == 1);
    for (std::uint64_t left = e.holders; left; left &= left - 1)
      expects(cpus_[static_cast<unsigned>(std::countr_zero(left))].l2.find(l3_.line(i)) != Cache::kNone);
  }
}

}  // namespace xensim::memory
