// credit2's promises: shares by weight, caps, rate limit, affinity, wake-up latency, and that no work is lost.
#include "models/xen/sched/credit2.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "sim/base/error.h"
#include "tests/models/xen/sched/host.h"

using namespace xensim;
using namespace xensim::xen::sched;
using namespace xensim::xen::sched::test;

namespace {

constexpr Nanoseconds kSecond = 1000 * kMs;

Credit2Policy& credit2(Host& h) { return dynamic_cast<Credit2Policy&>(*h.policy); }

PoliciesConfig with_queues(RunQueueKind kind, unsigned most = 16) {
  PoliciesConfig c;
  c.credit2.runqueue = kind;
  c.credit2.max_pcpus_runqueue = most;
  return c;
}

unsigned count(const Host& h, Credit2Event e) {
  unsigned n = 0;
  for (const auto& r : h.records) n += r.event == static_cast<unsigned>(e);
  return n;
}

}  // namespace

TEST_CASE("weights 256 and 512 share one pCPU one to two") {
  Host h(1);
  h.domain(1, 256);
  h.domain(2, 512);
  const UnitId a = h.hog(1), b = h.hog(2);
  h.run_for(kSecond);
  CHECK(h.ran(a) + h.ran(b) == kSecond);
  CHECK(static_cast<double>(h.ran(b)) / static_cast<double>(h.ran(a)) == Approx(2.0).epsilon(0.02));
}

TEST_CASE("weights 1 to 8 share one pCPU in proportion over ten seconds") {
  Host h(1);
  h.domain(1, 100);
  h.domain(2, 300);
  h.domain(3, 800);
  const UnitId a = h.hog(1), b = h.hog(2), c = h.hog(3);
  h.run_for(10 * kSecond);
  CHECK(h.share(a, 10 * kSecond) == Approx(100.0 / 1200).epsilon(0.03));
  CHECK(h.share(b, 10 * kSecond) == Approx(300.0 / 1200).epsilon(0.03));
  CHECK(h.share(c, 10 * kSecond) == Approx(800.0 / 1200).epsilon(0.03));
}

TEST_CASE("a weight that changes while the domain runs changes its share") {
  Host h(1);
  h.domain(1, 256);
  h.domain(2, 256);
  const UnitId a = h.hog(1), b = h.hog(2);
  h.run_for(kSecond);
  CHECK(h.share(a, kSecond) == Approx(0.5).margin(0.02));
  h.domain(2, 768);
  const Nanoseconds before = h.ran(b);
  h.run_for(kSecond);
  CHECK(static_cast<double>(h.ran(b) - before) / static_cast<double>(kSecond) == Approx(0.75).margin(0.02));
}

// Nothing at all disturbs them here, so epochs fall into step; on a machine with a dom0 the shares are closer
// (tests/system/sharing_test.py).
TEST_CASE("three equal hogs on two pCPUs get two thirds each") {
  Host h(2);
  for (std::uint16_t d = 1; d <= 3; ++d) h.domain(d, 256), h.hog(d);
  h.run_for(kSecond);
  for (UnitId u = 0; u < 3; ++u) CHECK(h.share(u, kSecond) == Approx(2.0 / 3).epsilon(0.05));
}

TEST_CASE("a hog alone on its pCPU runs all the time, and schedule() is called about every 10 ms") {
  Host h(1);
  h.domain(1, 256);
  const UnitId a = h.hog(1);
  h.run_for(kSecond);
  CHECK(h.ran(a) == kSecond);
  CHECK(h.pcpu(0).schedules >= 90);
  CHECK(h.pcpu(0).schedules <= 120);
}

TEST_CASE("a cap of 25 or 50 percent holds on an idle host") {
  for (const unsigned cap : {25u, 50u}) {
    Host h(2);
    h.domain(1, 256, cap);
    const UnitId a = h.hog(1);
    h.run_for(kSecond);
    CHECK(h.share(a, kSecond) == Approx(cap / 100.0).margin(0.02));
  }
}

TEST_CASE("a unit whose domain has used up its cap is parked until the next period, and no longer") {
  Host h(1);
  h.domain(1, 256, 50);
  const UnitId a = h.hog(1);
  h.run_for(1 * kMs);
  CHECK(!h.unit(a).parked);
  Nanoseconds parked = 0;
  for (int i = 0; i < 1000; ++i) {
    h.run_for(1 * kMs);
    if (!h.unit(a).parked) continue;
    CHECK(h.unit(a).on < 0);
    parked += 1 * kMs;
  }
  CHECK(static_cast<double>(parked) / static_cast<double>(kSecond) == Approx(0.5).margin(0.03));
  h.domain(1, 256);  // lifting the cap lets it go on
  h.run_for(1 * kMs);
  CHECK(!h.unit(a).parked);
}

TEST_CASE("a cap is the domain's: two vCPUs of a domain capped at 100 percent share one pCPU's worth") {
  Host h(4);
  h.domain(1, 256, 100);
  const UnitId a = h.hog(1), b = h.hog(1);
  h.run_for(kSecond);
  CHECK(h.share(a, kSecond) + h.share(b, kSecond) == Approx(1.0).margin(0.02));
}

TEST_CASE("a capped domain does not slow an uncapped one below its share, and yields it the rest") {
  Host h(1);
  h.domain(1, 256, 25);
  h.domain(2, 256);
  const UnitId a = h.hog(1), b = h.hog(2);
  h.run_for(kSecond);
  CHECK(h.share(a, kSecond) == Approx(0.25).margin(0.02));
  CHECK(h.share(b, kSecond) == Approx(0.75).margin(0.02));
}

TEST_CASE("a cap can be set, changed and lifted while the domain runs") {
  Host h(1);
  h.domain(1, 256);
  const UnitId a = h.hog(1);
  Nanoseconds before = 0;
  const auto share = [&] {
    h.run_for(kSecond);
    const Nanoseconds ran = h.ran(a) - std::exchange(before, h.ran(a));
    return static_cast<double>(ran) / static_cast<double>(kSecond);
  };
  CHECK(share() == 1.0);
  h.domain(1, 256, 40);
  CHECK(share() == Approx(0.40).margin(0.02));
  h.domain(1, 256, 20);
  CHECK(share() == Approx(0.20).margin(0.02));
  h.domain(1, 256, 0);
  CHECK(share() == Approx(1.0).margin(0.001));
}

TEST_CASE("a unit that sleeps while it is parked stays asleep when the budget comes back") {
  Host h(1);
  h.domain(1, 256, 10);
  const UnitId a = h.hog(1);
  h.run_for(8 * kMs);
  REQUIRE(credit2(h).state_of(a).parked);
  h.sleep(a);
  h.run_for(30 * kMs);
  CHECK_FALSE(credit2(h).state_of(a).parked);
  const Nanoseconds ran = h.ran(a);
  CHECK(h.unit(a).on == -1);
  h.wake(a);
  h.run_for(5 * kMs);
  CHECK(h.ran(a) > ran);
}

TEST_CASE("nobody is preempted before the rate limit of 1 ms less its tolerance") {
  Host h(1);
  for (std::uint16_t d = 1; d <= 4; ++d) h.domain(d, 256);
  const UnitId a = h.hog(1), b = h.hog(2);
  h.sleeper(3, 50 * kUs, 130 * kUs);
  h.sleeper(4, 70 * kUs, 310 * kUs);
  h.run_for(kSecond);
  for (const UnitId u : {a, b}) {
    CHECK(h.unit(u).preempted > 0);
    CHECK(h.unit(u).shortest_run >= 1 * kMs);
  }
}

TEST_CASE("without a rate limit a unit that slept preempts at once") {
  PoliciesConfig c;
  c.credit2.ratelimit = 0;
  Host h(1, "credit2", c);
  h.domain(1, 256);
  h.domain(2, 256);
  h.hog(1);
  const UnitId s = h.sleeper(2, 100 * kUs, 3 * kMs);
  h.run_for(200 * kMs);
  CHECK(h.unit(s).longest_wait <= h.ipi_latency);
}

TEST_CASE("a unit with more credit preempts at once when the current one has run for the rate limit, not before") {
  for (const Nanoseconds ran : {999 * kUs, 1000 * kUs}) {
    Host h(1);
    h.domain(1, 256);
    h.domain(2, 256);
    const UnitId a = h.hog(1);
    const UnitId s = h.add(2);
    h.run_for(20 * kMs);  // past the boundary of an epoch: the sleeper has 10.5 ms, the hog less
    h.sleep(a);
    h.run_for(1 * kMs);
    h.wake(a);
    h.run_for(ran);
    h.wake(s);
    h.run_for(1 * kUs);
    CHECK((h.unit(s).on == 0) == (ran >= 1 * kMs));
  }
}

TEST_CASE("a unit that mostly sleeps gets what it wants among hogs, and waits for a slice at most") {
  Host h(1);
  for (std::uint16_t d = 1; d <= 3; ++d) h.domain(d, 256);
  h.hog(1);
  h.hog(2);
  const UnitId s = h.sleeper(3, 100 * kUs, 5 * kMs + 130 * kUs);
  h.run_for(5 * kSecond);
  CHECK(h.unit(s).longest_wait <= 10 * kMs);
  // It could wake every 5.23 ms; the mean wait is below the rate limit.
  CHECK(h.ran(s) > 100 * kUs * (5 * kSecond / (6230 * kUs)));
}

TEST_CASE("a wake-up takes an idle pCPU at once, its own if that idles") {
  Host h(4);
  h.domain(1, 256);
  h.domain(2, 256);
  h.hog(1);
  const UnitId s = h.sleeper(2, 200 * kUs, 1 * kMs);
  h.run_for(2 * kMs);
  const PcpuId home = credit2(h).state_of(s).pcpu;
  h.run_for(100 * kMs);
  CHECK(h.unit(s).longest_wait <= h.ipi_latency);
  CHECK(credit2(h).state_of(s).pcpu == home);
}

TEST_CASE("a waking unit with less credit than the current one does not preempt it") {
  Host h(1);
  h.domain(1, 256);
  h.domain(2, 256);
  const UnitId a = h.hog(1);
  h.run_for(9 * kMs);  // it has 1 ms of credit left
  h.sleep(a);
  h.run_for(1 * kMs);
  const UnitId b = h.hog(2);
  h.run_for(2 * kMs);
  h.wake(a);
  h.run_for(500 * kUs);
  CHECK(h.unit(b).on == 0);
  CHECK(h.unit(a).on == -1);
}

TEST_CASE("yield gives way to a waiting unit even within the rate limit") {
  Host h(1);
  h.domain(1, 256);
  h.domain(2, 256);
  const UnitId a = h.hog(1), b = h.hog(2);
  h.run_for(100 * kUs);
  REQUIRE(h.unit(a).on == 0);
  h.yield(a);
  h.run_for(1 * kUs);
  CHECK(h.unit(a).on == -1);
  CHECK(h.unit(b).on == 0);
}

TEST_CASE("yield with nobody waiting goes on") {
  Host h(1);
  h.domain(1, 256);
  const UnitId a = h.hog(1);
  h.run_for(100 * kUs);
  h.yield(a);
  h.run_for(1 * kUs);
  CHECK(h.unit(a).on == 0);
}

TEST_CASE("a wake-up that overtakes the descheduling of its unit is not lost") {
  Host h(1);
  h.domain(1, 256);
  const UnitId a = h.hog(1);
  h.run_for(10 * kUs);
  h.sleep(a);
  h.wake(a);
  h.run_for(10 * kUs);
  CHECK(h.unit(a).on == 0);
}

TEST_CASE("a soft affinity wins as long as its pCPU is free, and does not leave other pCPUs idle") {
  Host h(2);
  h.domain(1, 256);
  h.domain(2, 256);
  const UnitId a = h.hog(1, {0, 1}, {1});
  h.run_for(20 * kMs);
  CHECK(h.unit(a).on == 1);
  const UnitId b = h.hog(2, {1});
  h.run_for(100 * kMs);
  CHECK(h.share(b, 100 * kMs) > 0.9);
  CHECK(h.ran(a) >= 119 * kMs);
}

TEST_CASE("a running unit whose affinity changes leaves its pCPU at once") {
  Host h(2);
  h.domain(1, 256);
  const UnitId a = h.hog(1, {0});
  h.run_for(100 * kUs);
  REQUIRE(h.unit(a).on == 0);
  h.set_affinity(a, {1});
  h.run_for(3 * h.ipi_latency);
  CHECK(h.unit(a).on == 1);
}

TEST_CASE("a queued or sleeping unit whose affinity changes runs where it may") {
  Host h(2);
  h.domain(1, 256);
  h.domain(2, 256);
  h.hog(1, {0});
  const UnitId queued = h.hog(1, {0});
  const UnitId asleep = h.add(2, {0});
  h.run_for(100 * kUs);
  REQUIRE(h.unit(queued).on == -1);
  h.set_affinity(queued, {1});
  h.set_affinity(asleep, {1});
  h.run_for(3 * h.ipi_latency);
  CHECK(h.unit(queued).on == 1);
  h.wake(asleep);
  h.run_for(15 * kMs);
  CHECK(h.ran(asleep) > 0);
}

TEST_CASE("idle cores are used before idle threads of busy ones") {
  PoliciesConfig c;
  c.topology.threads_per_core = 2;
  Host h(4, "credit2", c);
  h.domain(1, 256);
  const UnitId a = h.hog(1);
  h.run_for(1 * kMs);
  const UnitId b = h.hog(1);
  h.run_for(1 * kMs);
  CHECK(h.unit(a).on / 2 != h.unit(b).on / 2);
}

TEST_CASE("to save power, threads of busy cores are used before idle cores") {
  PoliciesConfig c;
  c.topology.threads_per_core = 2;
  c.credit2.smt_power_savings = true;
  Host h(4, "credit2", c);
  h.domain(1, 256);
  const UnitId a = h.hog(1);
  h.run_for(1 * kMs);
  const UnitId b = h.hog(1);
  h.run_for(1 * kMs);
  CHECK(h.unit(a).on / 2 == h.unit(b).on / 2);
}

TEST_CASE("run queues follow the topology and the limit on their size") {
  const auto queues = [](unsigned pcpus, PoliciesConfig c) {
    Host h(pcpus, "credit2", c);
    const std::string text = h.policy->dump(0);
    return text.substr(0, text.find('\n'));
  };
  PoliciesConfig c;
  CHECK(queues(16, c) == "Active queues: 1");
  CHECK(queues(18, c) == "Active queues: 2");
  CHECK(queues(17, c) ==
        "Active queues: 3");  // as in Xen: two queues of half as many, rounded down, do not hold all
  CHECK(queues(4, with_queues(RunQueueKind::kCpu)) == "Active queues: 4");
  CHECK(queues(8, with_queues(RunQueueKind::kAll)) == "Active queues: 1");
  CHECK(queues(8, with_queues(RunQueueKind::kAll, 4)) == "Active queues: 2");
  c.topology.threads_per_core = 2;
  c.topology.pcpus_per_socket = 4;
  CHECK(queues(8, c) == "Active queues: 2");
  c.credit2.runqueue = RunQueueKind::kCore;
  CHECK(queues(8, c) == "Active queues: 4");
  c.credit2.runqueue = RunQueueKind::kNode;
  CHECK(queues(8, c) == "Active queues: 1");
  c.topology.pcpus_per_node = 4;
  CHECK(queues(8, c) == "Active queues: 2");
}

TEST_CASE("loads of two run queues are evened out") {
  Host h(4, "credit2", with_queues(RunQueueKind::kAll, 2));
  h.keep_records = true;
  h.domain(1, 256);
  std::vector<UnitId> units;
  for (unsigned i = 0; i < 4; ++i) units.push_back(h.hog(1, {0, 1}));
  for (const UnitId u : units) REQUIRE(credit2(h).state_of(u).queue == 0);
  h.run_for(100 * kMs);
  for (const UnitId u : units) h.set_affinity(u, {0, 1, 2, 3});
  h.run_for(3 * kSecond);
  std::array<int, 2> in_queue{};
  for (const UnitId u : units) ++in_queue[static_cast<unsigned>(credit2(h).state_of(u).queue)];
  CHECK(in_queue == std::array<int, 2>{2, 2});
}

TEST_CASE("a running unit is pulled over by balancing, and keeps running") {
  Host h(2, "credit2", with_queues(RunQueueKind::kCpu));
  h.keep_records = true;
  h.domain(1, 256);
  std::vector<UnitId> units;
  for (unsigned i = 0; i < 3; ++i) units.push_back(h.add(1));
  for (const UnitId u : units) h.wake(u);
  const UnitId late = h.add(1);
  h.run_for(kSecond);
  h.wake(late);
  h.run_for(5 * kSecond);
  CHECK(count(h, Credit2Event::kLoadBalance) > 0);
  for (const UnitId u : units) CHECK(h.ran(u) > 1500 * kMs);
  CHECK(h.ran(late) > 1500 * kMs);
}

TEST_CASE("a pCPU that comes later takes waiting work, and units wait for the first pCPU they may use") {
  Host late(2);
  late.domain(1, 256);
  late.remove_pcpu(1);
  const UnitId pinned = late.hog(1, {1});
  CHECK(credit2(late).state_of(pinned).queue == -1);
  const UnitId a = late.hog(1, {0, 1}), b = late.hog(1, {0, 1});
  late.run_for(5 * kMs);
  CHECK(late.ran(pinned) == 0);
  late.add_pcpu(1);
  late.run_for(200 * kMs);
  CHECK(late.ran(pinned) > 60 * kMs);
  CHECK(late.ran(a) + late.ran(b) + late.ran(pinned) > 400 * kMs);
}

TEST_CASE("a pCPU that goes leaves its units to others") {
  Host h(2);
  h.domain(1, 256, 150);
  const UnitId a = h.hog(1), b = h.hog(1);
  h.run_for(5 * kMs);
  h.remove_pcpu(static_cast<PcpuId>(h.unit(a).on));
  h.run_for(100 * kMs);
  CHECK(h.ran(a) > 40 * kMs);
  CHECK(h.ran(b) > 40 * kMs);
}

TEST_CASE("trace records have the words that xenalyze expects") {
  Host h(2, "credit2", with_queues(RunQueueKind::kCpu));
  h.keep_records = true;
  h.domain(7, 256, 60);
  h.domain(8, 300);
  for (unsigned i = 0; i < 3; ++i) h.hog(7), h.hog(8);
  h.sleeper(8, 100 * kUs, 4 * kMs);
  h.run_for(2 * kSecond);
  const std::map<unsigned, std::size_t> sizes{{2, 2},  {3, 4},  {5, 3},  {6, 1},  {7, 3},  {9, 0},  {10, 2},
                                              {11, 4}, {12, 6}, {13, 3}, {14, 1}, {15, 2}, {16, 2}, {17, 6},
                                              {19, 4}, {20, 3}, {21, 2}, {22, 2}, {23, 1}};
  for (const auto& r : h.records) {
    REQUIRE(sizes.contains(r.event));
    REQUIRE(sizes.at(r.event) == r.words.size());
  }
  for (const auto e : {Credit2Event::kCreditBurn, Credit2Event::kCreditReset, Credit2Event::kSchedule,
                       Credit2Event::kRunqCandidate, Credit2Event::kTickle, Credit2Event::kUpdateRunqLoad})
    CHECK(count(h, e) > 0);
}

TEST_CASE("a unit's name in a trace record has the vCPU low and the domain high") {
  Host h(1);
  h.keep_records = true;
  h.domain(7, 256);
  h.add(7);
  const UnitId second = h.add(7);
  h.records.clear();
  h.wake(second);
  const auto r = std::find_if(h.records.begin(), h.records.end(), [](const auto& x) { return x.event == 13; });
  REQUIRE(r != h.records.end());
  CHECK(r->words == std::vector<std::uint32_t>{7u << 16 | 1, 0, 10'000'000});
}

TEST_CASE("an idle candidate is traced as the idle domain's vCPU of the pCPU") {
  Host h(2);
  h.keep_records = true;
  h.domain(1, 256);
  const UnitId a = h.hog(1, {1});
  h.run_for(10 * kUs);
  h.sleep(a);
  h.records.clear();
  h.run_for(10 * kUs);
  const auto r = std::find_if(h.records.begin(), h.records.end(), [](const auto& x) { return x.event == 20; });
  REQUIRE(r != h.records.end());
  CHECK(r->words ==
        std::vector<std::uint32_t>{0x7fffu << 16 | 1, 0xffffffff, static_cast<std::uint32_t>(-10'000'001)});
}

TEST_CASE("more pCPUs than Xen knows, or a cap period shorter than a slice, is a user's error") {
  PoliciesConfig c;
  CHECK_THROWS_AS(Host(257, "credit2", c), UserError);
  c.credit2.cap_period = 400 * kUs;
  CHECK_THROWS_AS(Host(1, "credit2", c), UserError);
}
