// Main memory behind the last cache: how long until a line is there.
//
// `fixed` is the smallest example: every access takes the same time. `banked` (the default) is channels × ranks ×
// banks with open rows: an access to the row that is open in its bank takes CAS and burst, to a bank without an
// open row also RAS, to a bank with another row open also precharge (JEDEC JESD79-4 names the times; their values
// are a speed grade's). Consecutive lines go round the channels, then along a row, then to the next bank. A bank
// serves one access at a time, a channel's data bus moves one burst at a time. Refresh, and turning the bus
// between reads and writes, are not modelled.
//
// pCPUs run ahead of each other within a quantum, so requests come in an order that is not quite that of their
// times. One that is older than the last that its channel has seen does not wait for those that are younger, nor
// they for it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "sim/base/types.h"
#include "sim/config/param.h"

namespace xensim::stats {
class Group;
}

namespace xensim::memory {

enum class DramKind : std::uint8_t { kFixed, kBanked, kCount };
std::span<const std::string_view> names_of(DramKind);

struct DramConfig {
  DramKind kind = DramKind::kBanked;
  unsigned channels = 2;
  unsigned ranks = 2;
  unsigned banks = 16;
  std::uint64_t row_bytes = 8192;
  // Times in picoseconds.
  std::uint64_t overhead = 28000;
  std::uint64_t t_cl = 14250;
  std::uint64_t t_rcd = 14250;
  std::uint64_t t_rp = 14250;
  std::uint64_t burst = 3000;
  std::uint64_t fixed_latency = 60000;
};
void describe(DramConfig& c, config::Visitor& v);

// What an access finds in its bank.
enum class RowOutcome : std::uint8_t { kHit, kClosed, kConflict };

struct DramStats {
  std::uint64_t reads = 0, writes = 0;
  std::uint64_t row_hits = 0, row_closed = 0, row_conflicts = 0;
  std::uint64_t wait_cycles = 0;  // of reads and writes, for banks and buses
};
void register_stats(stats::Group& g, const DramStats& s);

// Contract: access() is called once per line that is read or written, with the pCPU's local time, which may be
// earlier than in a previous call. It returns the cycles from `now` until the line has arrived (for a write: until
// it has been taken; nobody waits for that), and changes the state of banks and buses. Results depend on the calls
// only.
class DramModel {
 public:
  virtual ~DramModel() = default;
  virtual Cycles access(PhysAddr a, bool write, Cycles now) = 0;
  // The latency of a read that waits for nobody.
  virtual Cycles expected(RowOutcome row) const = 0;

  DramStats stats;
};

// Whole cycles that a time takes, rounded up.
constexpr Cycles cycles_of_picoseconds(std::uint64_t ps, std::uint64_t hz) {
  return static_cast<Cycles>((static_cast<unsigned __int128>(ps) * hz + 999'999'999'999u) / 1'000'000'000'000u);
}

class FixedDram final : public DramModel {
 public:
  FixedDram(const DramConfig& config, std::uint64_t hz);
  Cycles access(PhysAddr a, bool write, Cycles now) override;
  Cycles expected(RowOutcome) const override { return latency_; }

 private:
  Cycles latency_;
};

class BankedDram final : public DramModel {
 public:
  BankedDram(const DramConfig& config, std::uint64_t hz);
  Cycles access(PhysAddr a, bool write, Cycles now) override;
  Cycles expected(RowOutcome row) const override;

  struct Place {
    unsigned channel, bank;  // bank: over all channels and ranks
    std::uint64_t row;
  };
  Place place_of(PhysAddr a) const;

 private:
  struct Bank {
    std::uint64_t open_row = ~std::uint64_t{0};
    Cycles busy_until = 0;
  };
  struct Channel {
    Cycles bus_until = 0;
    Cycles last_asked = 0;
  };
  Cycles row_cycles(RowOutcome row) const;

  unsigned channel_bits_, column_bits_, bank_bits_;
  Cycles overhead_, cl_, rcd_, rp_, burst_;
  std::vector<Bank> banks_;
  std::vector<Channel> channels_;
};

struct DramRow {
  DramKind kind;
  std::string_view name;
  std::string_view doc;
  std::unique_ptr<DramModel> (*make)(const DramConfig& config, std::uint64_t hz);
};

std::span<const DramRow> dram_table();
// hz: of the core clock, which all cycles are counted in. Throws UserError for geometries that are not powers of
// two.
std::unique_ptr<DramModel> make_dram(const DramConfig& config, std::uint64_t hz);

}  // namespace xensim::memory
