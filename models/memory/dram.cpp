#include "models/memory/dram.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <string>

#include "models/memory/cache.h"
#include "sim/base/bits.h"
#include "sim/base/error.h"
#include "sim/base/expects.h"
#include "sim/stats/stats.h"

namespace xensim::memory {

void describe(DramConfig& c, config::Visitor& v) {
  constexpr std::string_view kGrade = "JEDEC JESD79-4B, DDR4-2666 19-19-19";
  v(c.kind, {"kind", "", "which model", "design"});
  v(c.channels, {"channels", "count", "memory channels", "design", config::power_of_two(1, 64)});
  v(c.ranks, {"ranks", "count", "ranks per channel", "design", config::power_of_two(1, 16)});
  v(c.banks,
    {"banks", "count", "banks per rank", "JEDEC JESD79-4B: 16 for x8 devices", config::power_of_two(1, 64)});
  v(c.row_bytes, {"row_bytes", "bytes", "of one row over the devices of a rank",
                  "JEDEC JESD79-4B: 1 KiB × 8 devices", config::power_of_two(64, 1 << 20)});
  v(c.overhead, {"overhead", "ps", "from the miss in the last cache to the first command, and back",
                 "uncalibrated: makes a read of a closed bank 80 ns from the core (7-cpu.com, Skylake-X)",
                 config::between(0, 10'000'000)});
  v(c.t_cl, {"t_cl", "ps", "column command to data", kGrade, config::between(0, 1'000'000)});
  v(c.t_rcd, {"t_rcd", "ps", "row command to column command", kGrade, config::between(0, 1'000'000)});
  v(c.t_rp, {"t_rp", "ps", "precharge to row command", kGrade, config::between(0, 1'000'000)});
  v(c.burst, {"burst", "ps", "64 bytes on the data bus", kGrade, config::between(0, 1'000'000)});
  v(c.fixed_latency, {"fixed_latency", "ps", "of every access, when kind is fixed", "uncalibrated",
                      config::between(0, 10'000'000)});
}

void register_stats(stats::Group& g, const DramStats& s) {
  g.add("reads", "lines", "read", &s.reads);
  g.add("writes", "lines", "written back", &s.writes);
  g.add("row_hits", "accesses", "found their row open", &s.row_hits);
  g.add("row_closed", "accesses", "found no row open in their bank", &s.row_closed);
  g.add("row_conflicts", "accesses", "found another row open in their bank", &s.row_conflicts);
  g.add("wait_cycles", "cycles", "that accesses waited for banks and buses", &s.wait_cycles);
}

FixedDram::FixedDram(const DramConfig& config, std::uint64_t hz)
    : latency_(cycles_of_picoseconds(config.fixed_latency, hz)) {}

Cycles FixedDram::access(PhysAddr, bool write, Cycles) {
  ++(write ? stats.writes : stats.reads);
  return latency_;
}

BankedDram::BankedDram(const DramConfig& c, std::uint64_t hz)
    : overhead_(cycles_of_picoseconds(c.overhead, hz)),
      cl_(cycles_of_picoseconds(c.t_cl, hz)),
      rcd_(cycles_of_picoseconds(c.t_rcd, hz)),
      rp_(cycles_of_picoseconds(c.t_rp, hz)),
      burst_(cycles_of_picoseconds(c.burst, hz)) {
  const std::string place = "/memory/dram";
  for (auto [name, value] :
       {std::pair{"channels", std::uint64_t{c.channels}}, std::pair{"ranks", std::uint64_t{c.ranks}},
        std::pair{"banks", std::uint64_t{c.banks}}, std::pair{"row_bytes", c.row_bytes}})
    if (!is_power_of_two(value))
      throw UserError(place + "/" + name, std::to_string(value) + " is not a power of two");
  if (c.row_bytes < kLineBytes) throw UserError(place + "/row_bytes", "a row holds at least one line of 64 bytes");
  channel_bits_ = static_cast<unsigned>(std::countr_zero(c.channels));
  column_bits_ = static_cast<unsigned>(std::countr_zero(c.row_bytes)) - kLineShift;
  bank_bits_ = static_cast<unsigned>(std::countr_zero(c.ranks * c.banks));
  banks_.resize(std::size_t{1} << (channel_bits_ + bank_bits_));
  channels_.resize(c.channels);
}

BankedDram::Place BankedDram::place_of(PhysAddr a) const {
  const std::uint64_t line = a.value >> kLineShift;
  const std::uint64_t channel = line & ((std::uint64_t{1} << channel_bits_) - 1);
  const std::uint64_t above = line >> (channel_bits_ + column_bits_);
  const std::uint64_t bank = above & ((std::uint64_t{1} << bank_bits_) - 1);
  return {static_cast<unsigned>(channel), static_cast<unsigned>(channel << bank_bits_ | bank),
          above >> bank_bits_};
}

Cycles BankedDram::row_cycles(RowOutcome row) const {
  return row == RowOutcome::kHit ? 0 : row == RowOutcome::kClosed ? rcd_ : rp_ + rcd_;
}

Cycles BankedDram::expected(RowOutcome row) const { return overhead_ + row_cycles(row) + cl_ + burst_; }

Cycles BankedDram::access(PhysAddr a, bool write, Cycles now) {
  const Place p = place_of(a);
  Bank& bank = banks_[p.bank];
  const RowOutcome row = bank.open_row == p.row               ? RowOutcome::kHit
                         : bank.open_row == ~std::uint64_t{0} ? RowOutcome::kClosed
                                                              : RowOutcome::kConflict;
  ++(write ? stats.writes : stats.reads);
  ++(row == RowOutcome::kHit      ? stats.row_hits
     : row == RowOutcome::kClosed ? stats.row_closed
                                  : stats.row_conflicts);
  bank.open_row = p.row;
  Channel& channel = channels_[p.channel];
  if (now < channel.last_asked) return expected(row);

  channel.last_asked = now;
  const Cycles start = std::max(now, bank.busy_until);
  const Cycles column = start + row_cycles(row);
  const Cycles data = std::max(column + cl_, channel.bus_until);
  bank.busy_until = column + burst_;
  channel.bus_until = data + burst_;
  const Cycles latency = overhead_ + (data + burst_ - now);
  stats.wait_cycles += latency - expected(row);
  return latency;
}

namespace {

template <class T>
std::unique_ptr<DramModel> make(const DramConfig& config, std::uint64_t hz) {
  return std::make_unique<T>(config, hz);
}

constexpr DramRow kTable[] = {
    {DramKind::kFixed, "fixed", "every access takes the same time", make<FixedDram>},
    {DramKind::kBanked, "banked", "channels, ranks and banks with open rows", make<BankedDram>},
};
constexpr std::string_view kNames[] = {kTable[0].name, kTable[1].name};
static_assert(std::size(kTable) == static_cast<unsigned>(DramKind::kCount) && kTable[0].kind == DramKind::kFixed &&
              kTable[1].kind == DramKind::kBanked);

}  // namespace

std::span<const DramRow> dram_table() { return kTable; }
std::span<const std::string_view> names_of(DramKind) { return kNames; }

std::unique_ptr<DramModel> make_dram(const DramConfig& config, std::uint64_t hz) {
  expects(config.kind < DramKind::kCount);
  return kTable[static_cast<unsigned>(config.kind)].make(config, hz);
}

}  // namespace xensim::memory
