// Log-dirty mode on a whole machine: dom0 switches it on for the guest `dirty`, takes the bitmap after each of the
// guest's rounds, and what it found is compared with what the guest printed.
#include <catch2/catch.hpp>
#include <set>
#include <sstream>

#include "models/machine/machine.h"

namespace xensim::machine {
namespace {

// Long enough for a round of write faults to be over when dom0 looks.
constexpr std::uint64_t kPeriod = 6'000'000;  // ns
constexpr unsigned kFirst = 6, kRounds = 4, kPages = 2048;

// dom0's part: on before the first round, a clean look half a period after each round, off after the last.
class Tracker final : public xen::ModelProgram {
 public:
  explicit Tracker(xen::Hypervisor& hypervisor) : hypervisor_(hypervisor) {}
  std::string_view name() const override { return "tracker"; }
  xen::ModelAction next(xen::Vcpu&, Cycles now) override {
    const Cycles due = hypervisor_.cycles((2 * (kFirst + step_) - 1) * kPeriod / 2);
    if (step_ > kRounds) return xen::ModelAction::exit();
    if (now < due) return xen::ModelAction::block(due);
    xen::Domain* d = hypervisor_.find_domain(1);
    REQUIRE(d);
    if (step_ == 0) {
      before = d->p2m->counts();
      REQUIRE(d->log_dirty->enable() == 0);
      mechanism = d->log_dirty->mechanism();
    } else {
      bitmaps.emplace_back(8192 / 8);
      xen::LogDirty::Report report;
      REQUIRE(d->log_dirty->clean(bitmaps.back(), 8192, report) == 0);
      dirty_counts.push_back(report.dirty_count);
    }
    if (++step_ > kRounds) {
      during = d->p2m->counts();
      stats = d->log_dirty->stats();
      exits = d->vcpus[0]->stats.exits_by_reason;
      REQUIRE(d->log_dirty->disable() == 0);
      CHECK(d->log_dirty->pool_pages() == 0);
    }
    return xen::ModelAction::hypercall();
  }

  std::vector<std::vector<std::uint8_t>> bitmaps;
  std::vector<std::uint32_t> dirty_counts;
  xen::P2m::Counts before, during;
  xen::LogDirtyMechanism mechanism{};
  xen::LogDirty::Stats stats;
  std::array<std::uint64_t, 65> exits{};

 private:
  xen::Hypervisor& hypervisor_;
  unsigned step_ = 0;
};

struct Run {
  explicit Run(xen::LogDirtyMechanism wanted, bool pml = true) {
    ScenarioConfig s;
    s.machine.cpu.pml = pml;
    s.machine.xen.log_dirty = wanted;
    s.timing = Timing::kFunctional;
    s.until = 300'000'000;
    const std::string guest = XENSIM_BINARY_DIR "/guests/dirty";
    s.domains.push_back(
        {"dirty.cfg", "name = \"dirty\"\ntype = \"pvh\"\nkernel = \"" + guest +
                          "\"\nmemory = 32\ncmdline = \"period_us=" + std::to_string(kPeriod / 1000) +
                          " first=" + std::to_string(kFirst) + " rounds=" + std::to_string(kRounds) +
                          " pages=" + std::to_string(kPages) + "\"\n"});
    machine = std::make_unique<Machine>("machine", s, check_domains(s), std::vector<CheckedVerb>{},
                                        std::make_unique<trace::Tracer>(),
                                        [this](domid_t, std::string_view text) { console += text; });
    auto program = std::make_unique<Tracker>(*machine->hypervisor);
    tracker = program.get();
    machine->hypervisor->add_program(*machine->hypervisor->find_domain(0)->vcpus[0], std::move(program));
    REQUIRE(machine->run() == RunEnd::kAllDomainsEnded);
    INFO(console);
    REQUIRE(console.find("dirty: ok") != std::string::npos);
    parse();
  }

  void parse() {
    std::istringstream lines(console);
    for (std::string line; std::getline(lines, line);) {
      unsigned long long a = 0, b = 0;
      if (std::sscanf(line.c_str(), "image: gfn %llx to %llx", &a, &b) == 2) image = {a, b};
      if (std::sscanf(line.c_str(), "region: gfn %llx to %llx", &a, &b) == 2) region = {a, b};
      if (line.rfind("round ", 0) != 0) continue;
      std::set<std::uint64_t> pages;
      const std::string digits = line.substr(line.rfind(' ') + 1);
      for (std::size_t i = 0; i < kPages; ++i) {
        const char c = digits.at(i / 4);
        if ((c <= '9' ? c - '0' : c - 'a' + 10) >> (i % 4) & 1) pages.insert(i);
      }
      rounds.push_back(pages);
    }
    REQUIRE(rounds.size() == kRounds);
    REQUIRE(region.second - region.first + 1 == kPages);
  }

  // Every page of the region that the guest wrote, and no other; elsewhere only what the guest's own code and Xen
  // can have written.
  void check_exact() const {
    REQUIRE(tracker->bitmaps.size() == kRounds);
    for (unsigned n = 0; n < kRounds; ++n) {
      std::set<std::uint64_t> found;
      std::uint32_t count = 0;
      for (std::uint64_t gfn = 0; gfn < 8192; ++gfn) {
        if (!(tracker->bitmaps[n][gfn / 8] >> (gfn % 8) & 1)) continue;
        ++count;
        if (gfn >= region.first && gfn <= region.second)
          found.insert(gfn - region.first);
        else
          CHECK((gfn >= image.first && gfn <= image.second));
      }
      INFO("round " << n);
      CHECK(found == rounds[n]);
      CHECK(rounds[n].size() > kPages / 8);
      // Special pages, above the bitmap, may be dirty, too.
      CHECK(tracker->dirty_counts[n] >= count);
      CHECK(tracker->dirty_counts[n] <= count + 4);
    }
  }

  std::string console;
  std::unique_ptr<Machine> machine;
  Tracker* tracker = nullptr;
  std::pair<std::uint64_t, std::uint64_t> image, region;
  std::vector<std::set<std::uint64_t>> rounds;
};

unsigned index(cpu::ExitReason r) { return static_cast<unsigned>(r); }

}  // namespace

TEST_CASE("Write protection finds exactly the pages that the guest wrote") {
  const Run r(xen::LogDirtyMechanism::kWriteProtect);
  CHECK(r.tracker->mechanism == xen::LogDirtyMechanism::kWriteProtect);
  r.check_exact();
  CHECK(r.tracker->stats.write_faults > 4 * kPages / 8);
  CHECK(r.tracker->stats.log_entries == 0);
  CHECK(r.tracker->exits[index(cpu::ExitReason::kPmlFull)] == 0);
}

TEST_CASE("The dirty flags of EPT find exactly the pages that the guest wrote") {
  const Run r(xen::LogDirtyMechanism::kEptDirtyFlags);
  CHECK(r.tracker->mechanism == xen::LogDirtyMechanism::kEptDirtyFlags);
  r.check_exact();
  CHECK(r.tracker->stats.tables_scanned > 0);
  CHECK(r.tracker->stats.log_entries == 0);
  // One for each large page that a write shattered.
  CHECK(r.tracker->stats.write_faults <= r.tracker->before.pages_2m);
  CHECK(r.tracker->exits[index(cpu::ExitReason::kPmlFull)] == 0);
}

TEST_CASE("Page-modification logging finds exactly the pages that the guest wrote") {
  const Run r(xen::LogDirtyMechanism::kPageModificationLog);
  CHECK(r.tracker->mechanism == xen::LogDirtyMechanism::kPageModificationLog);
  r.check_exact();
  std::size_t written = 0;
  for (const auto& pages : r.rounds) written += pages.size();
  CHECK(r.tracker->stats.log_entries >= written - 4);  // what a write fault shattered is not in the log
  CHECK(r.tracker->stats.write_faults <= r.tracker->before.pages_2m);
}

TEST_CASE("A machine without page-modification logging is asked for it, and uses write protection") {
  const Run r(xen::LogDirtyMechanism::kPageModificationLog, false);
  CHECK(r.tracker->mechanism == xen::LogDirtyMechanism::kWriteProtect);
  r.check_exact();
}

TEST_CASE("Large pages that were written while logged stay shattered, the others stay large") {
  const Run r(xen::LogDirtyMechanism::kPageModificationLog);
  // The region's four, and what holds the guest's image.
  CHECK(r.tracker->before.pages_2m > r.tracker->during.pages_2m);
  CHECK(r.tracker->during.pages_2m > 0);
  CHECK(r.tracker->before.pages_4k + 512 * r.tracker->before.pages_2m ==
        r.tracker->during.pages_4k + 512 * r.tracker->during.pages_2m);
}

}  // namespace xensim::machine
