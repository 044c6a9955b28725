// The caches of all pCPUs, kept coherent, and DRAM behind them: the memory::Hierarchy of a machine.
//
// Each pCPU has L1I, L1D and a unified L2 that includes both; one L3 is shared and includes every L2.
// (Skylake-SP's L3 is not inclusive and has a snoop filter beside it; here the L3's tags are the snoop filter.)
// Everything is write-back and write-allocate. Line fills, evictions and coherence actions take place in the call
// that causes them; what overlaps in time (fills under way, store buffers) is the timing model's business.
//
// Coherence is MESI between the L2s, with a directory in L3: per line, which pCPUs hold it, and whether the one
// that does holds it exclusively (and may have modified it without saying so). Evictions from L2 tell the
// directory. Within a pCPU the L2's state counts; L1D's copy is M once written, and then L2's is too.
//
//   request         L3 finds                 requester gets          others                     latency
//   load, fetch     no line                  E                       –                          L3 + DRAM
//   load, fetch     nobody holds it          E                       –                          L3
//   load, fetch     shared                   S                       stay S                     L3
//   load, fetch     another's E or M         S                       becomes S (M: to L3)       L3 + transfer
//   store           no line                  M                       –                          L3 + DRAM
//   store           nobody holds it          M                       –                          L3
//   store           shared                   M                       I                          L3 + invalidation
//   store           another's E or M         M                       I (M: data to requester)   L3 + transfer
//   store to own S  only the requester       M                       –                          L3
//   store to own S  others too               M                       I                          L3 + invalidation
//   store to own E  (not asked)              M                       –                          that of the hit
//
// A line that leaves L3 leaves every cache above it (back-invalidation); if a copy was modified it is written to
// DRAM. A store to a line that the pCPU's own L1I holds drops it there.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "models/memory/cache.h"
#include "models/memory/dram.h"
#include "models/memory/hierarchy.h"
#include "models/memory/prefetcher.h"

namespace xensim::memory {

struct CacheSystemConfig {
  static constexpr std::string_view kManual = "Intel optimization manual, Skylake Server";
  CacheConfig l1i{32 << 10, 8, 4, ReplacementKind::kLru, kManual};
  CacheConfig l1d{32 << 10, 8, 4, ReplacementKind::kLru, kManual};
  CacheConfig l2{1 << 20, 16, 14, ReplacementKind::kLru, kManual};
  CacheConfig l3{8 << 20, 16, 50, ReplacementKind::kLru,
                 "size and ways by design; latency: " /* of a nearby slice */
                 "Intel optimization manual, Skylake Server, 50 to 70"};
  Cycles transfer_latency = 40;
  Cycles invalidation_latency = 30;
  PrefetcherKind prefetcher = PrefetcherKind::kNone;
  DramConfig dram;
};
// The keys under /memory.
void describe(CacheSystemConfig& c, config::Visitor& v);

struct CoherenceStats {
  std::uint64_t transfers = 0;           // lines that came from another pCPU's cache
  std::uint64_t upgrades = 0;            // stores to the requester's own shared lines
  std::uint64_t invalidations = 0;       // lines taken from pCPUs by another's store
  std::uint64_t back_invalidations = 0;  // lines taken from pCPUs because L3 needed the room
  std::uint64_t prefetches = 0;
  std::uint64_t late_prefetches = 0;  // lines that were asked for while their prefetch was under way
};

class CacheSystem final : public Hierarchy {
 public:
  static constexpr unsigned kMostCpus = 64;

  // cpus: 1 … kMostCpus. hz: of the core clock. Throws UserError if a geometry is impossible.
  CacheSystem(const CacheSystemConfig& config, unsigned cpus, std::uint64_t hz, std::uint64_t seed);

  AccessResult access(unsigned cpu, PhysAddr a, AccessKind kind, Cycles now) override {
    Private& p = cpus_[cpu];
    const std::uint64_t line = a.value >> kLineShift;
    Cache& l1 = kind == AccessKind::kInstruction ? p.l1i : p.l1d;
    const std::uint32_t slot = l1.find_recent(line);
    if (slot != Cache::kNone && (kind != AccessKind::kStore || l1.state(slot) == LineState::kModified))
        [[likely]] {
      ++l1.stats.hits;
      return {l1_latency_[static_cast<unsigned>(kind)], Level::kL1};
    }
    return find(p, line, kind, now);
  }

  // What the configuration adds up to for an access that is served there and waits for nobody; kDram: of a read
  // that finds its bank as `row` says; kRemoteCache: another's E or M.
  Cycles expected_latency(Level level, RowOutcome row = RowOutcome::kClosed) const;

  // The state in which a pCPU's L2 holds a line (tests, debugging).
  LineState state(unsigned cpu, PhysAddr a) const;
  bool in_l3(PhysAddr a) const { return l3_.find(a.value >> kLineShift) != Cache::kNone; }
  unsigned cpus() const { return static_cast<unsigned>(cpus_.size()); }
  const CacheStats& l1i(unsigned cpu) const { return cpus_[cpu].l1i.stats; }
  const CacheStats& l1d(unsigned cpu) const { return cpus_[cpu].l1d.stats; }
  const CacheStats& l2(unsigned cpu) const { return cpus_[cpu].l2.stats; }
  const CacheStats& l3() const { return l3_.stats; }
  const CoherenceStats& coherence() const { return coherence_; }
  const DramModel& dram() const { return *dram_; }
  // cache.<n>.l1i … , l3, coherence, dram. The group must not outlive the system's snapshots.
  void register_stats(stats::Group& g) const;
  // Aborts if a rule of inclusion or of the directory is broken (tests).
  void check() const;

 private:
  struct Prefetched {
    std::uint64_t line = Cache::kNoLine;
    Cycles ready = 0;
    Level level = Level::kL3;
  };
  struct Private {
    Private(const CacheSystemConfig& c, unsigned index, std::uint64_t seed);
    Cache l1i, l1d, l2;
    unsigned index;
    std::unique_ptr<Prefetcher> prefetcher;
    Cycles prefetches_until = 0;
    unsigned next_prefetched = 0;
    std::array<Prefetched, 16> prefetched;
  };
  struct Entry {                // the directory's part of an L3 slot
    std::uint64_t holders = 0;  // bit n: pCPU n's L2
    bool exclusive = false;     // the one holder has it in E or M
  };

  AccessResult find(Private& p, std::uint64_t line, AccessKind kind, Cycles now);
  AccessResult upgrade(Private& p, std::uint64_t line, std::uint32_t slot2);
  AccessResult ask_l3(Private& p, std::uint64_t line, bool store, Cycles now, LineState& granted);
  void fill_l1(Cache& l1, std::uint64_t line, LineState s);
  std::uint32_t fill_l2(Private& p, std::uint64_t line, LineState s);
  std::uint32_t fill_l3(std::uint64_t line, Cycles now);
  void prefetch(Private& p, std::uint64_t line, Cycles now);
  AccessResult hit_in_l2(Private& p, std::uint64_t line, Cycles now);
  // Takes a line away from a pCPU; true if it was modified.
  bool invalidate(Private& p, std::uint64_t line);
  bool share(Private& p, std::uint64_t line);
  void invalidate_others(std::uint32_t slot3, std::uint64_t others);
  static void drop(Cache& c, std::uint64_t line);

  std::array<Cycles, 3> l1_latency_;  // by AccessKind
  std::vector<Private> cpus_;
  Cycles l2_latency_, l3_latency_, transfer_, invalidation_;
  Cache l3_;                      // state: kModified if DRAM's copy is older, else kExclusive
  std::vector<Entry> directory_;  // parallel to L3's slots
  std::unique_ptr<DramModel> dram_;
  CoherenceStats coherence_;
};

}  // namespace xensim::memory
