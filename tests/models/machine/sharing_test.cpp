// Page sharing on a whole machine: two domains run the guest `share`, dom0 merges what is equal between and within
// them, and the guests write to it.
#include <catch2/catch.hpp>
#include <map>

#include "models/dom0/memory_share.h"
#include "models/machine/machine.h"
#include "models/xen/mm/sharing.h"

namespace xensim::machine {
namespace {

// dom0's part: merges once, at a time when both guests wait.
class Merger final : public xen::ModelProgram {
 public:
  explicit Merger(xen::Hypervisor& hypervisor) : hypervisor_(hypervisor) {}
  std::string_view name() const override { return "memshare"; }
  xen::ModelAction next(xen::Vcpu&, Cycles now) override {
    const Cycles due = hypervisor_.cycles(40'000'000);
    if (now < due) return xen::ModelAction::block(due);
    if (done_) return xen::ModelAction::exit();
    done_ = true;
    for (const auto& [domid, d] : hypervisor_.domains)
      if (domid != 0) before += hypervisor_.frames.totals(domid).pages;
    result = dom0::share_memory(hypervisor_, {}, {1, 2});
    for (const auto& [domid, d] : hypervisor_.domains)
      if (domid != 0) after += hypervisor_.frames.totals(domid).pages;
    cow = hypervisor_.frames.totals(DOMID_COW).pages;
    saved = hypervisor_.sharing->saved_frames();
    CHECK(hypervisor_.sharing->audit() == 0);
    return xen::ModelAction::spend(result.cycles);
  }

  dom0::MemoryShareResult result;
  std::uint64_t before = 0, after = 0, cow = 0, saved = 0;

 private:
  xen::Hypervisor& hypervisor_;
  bool done_ = false;
};

struct Run {
  explicit Run(bool enabled) {
    ScenarioConfig s;
    s.machine.xen.mem_sharing = enabled;
    s.timing = Timing::kFunctional;
    s.until = 400'000'000;
    const std::string guest = XENSIM_BINARY_DIR "/guests/share";
    for (const char* name : {"one", "two"})
      s.domains.push_back({"share.cfg", "name = \"" + std::string(name) + "\"\ntype = \"pvh\"\nkernel = \"" +
                                            guest + "\"\nmemory = 16\ncmdline = \"pages=32 wait_ms=80\"\n"});
    machine = std::make_unique<Machine>("machine", s, check_domains(s), std::vector<CheckedVerb>{},
                                        std::make_unique<trace::Tracer>(),
                                        [this](domid_t domid, std::string_view text) { console[domid] += text; });
    auto program = std::make_unique<Merger>(*machine->hypervisor);
    merger = program.get();
    machine->hypervisor->add_program(*machine->hypervisor->find_domain(0)->vcpus[0], std::move(program));
    REQUIRE(machine->run() == RunEnd::kAllDomainsEnded);
    for (const domid_t domid : {domid_t{1}, domid_t{2}}) {
      INFO(console[domid]);
      CHECK(console[domid].find("share: ok") != std::string::npos);
    }
  }
  std::map<domid_t, std::string> console;
  std::unique_ptr<Machine> machine;
  Merger* merger = nullptr;
};

}  // namespace

TEST_CASE("Equal pages of two running guests are merged, each write breaks its own page out, and all add up") {
  const Run r(true);
  const Merger& m = *r.merger;
  CHECK(m.result.error == 0);
  // The 64 pages that are all alike, the 32 that both domains have, and what was never written.
  CHECK(m.result.shared >= 63 + 32);
  CHECK(m.saved == m.result.shared);
  // What the domains owned is theirs still, or DOMID_COW's, or saved.
  CHECK(m.before == m.after + m.cow + m.saved);
  const xen::Sharing& s = *r.machine->hypervisor->sharing;
  // Of the 64 pages that are alike all but the last are copied; of each pair of the others, one.
  CHECK(s.stats().unshared_by_copy >= 63 + 32);
  // Both domains are gone: nothing is shared any more.
  CHECK(s.shared_frames() == 0);
  CHECK(s.saved_frames() == 0);
  CHECK(r.machine->hypervisor->frames.totals(DOMID_COW) == xen::FrameTable::Totals{});
}

TEST_CASE("A Xen without sharing says so to the toolstack, and the guests find nothing shared") {
  const Run r(false);
  CHECK(r.merger->result.error == -xen::kEnosys);
  CHECK(r.merger->result.message.find("/xen/mem_sharing") != std::string::npos);
  CHECK(r.machine->hypervisor->sharing->stats().nominated == 0);
  CHECK(r.console.at(1).find("frames saved by sharing: 0") != std::string::npos);
}

}  // namespace xensim::machine
