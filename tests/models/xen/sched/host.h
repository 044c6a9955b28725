// A host without a machine, for scheduling policies: pCPUs, units with simple loads, and time that jumps from
// event to event. It does what the scheduler core does (calls schedule() when a pCPU was tickled or its slice
// ended, and on every sleep and yield of a current unit), and checks the policy's promises at each decision.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/xen/sched/registry.h"

namespace xensim::xen::sched::test {

inline constexpr Nanoseconds kUs = 1000, kMs = 1'000'000, kForever = std::numeric_limits<Nanoseconds>::max();

class Host final : public Tickler {
 public:
  struct TestUnit {
    UnitInfo info;
    bool runnable = false;
    bool parked = false;           // runnable, but its domain's cap is used up
    int on = -1;                   // pCPU that runs it
    Nanoseconds ran = 0;           // in all
    Nanoseconds since = 0;         // running since
    Nanoseconds burst = kForever;  // runs for this long, then sleeps…
    Nanoseconds pause = kForever;  // …for this long, then wakes
    Nanoseconds left = kForever;   // of the burst
    Nanoseconds wakes_at = kForever;
    Nanoseconds woken_at = kForever;
    Nanoseconds longest_wait = 0;         // from wake to run
    unsigned preempted = 0;               // times it lost its pCPU while runnable
    Nanoseconds shortest_run = kForever;  // of those times
  };
  struct TestPcpu {
    bool present = false;
    UnitId current = kIdle;
    Nanoseconds slice_end = kForever;
    Nanoseconds tickle_at = kForever;
    Nanoseconds idle_wrongly_since = kForever;
    unsigned schedules = 0;
  };
  struct Record {
    unsigned event;
    std::vector<std::uint32_t> words;
  };

  explicit Host(unsigned pcpus, const std::string& policy_name = "credit2", PoliciesConfig config = {})
      : policy(make_policy(policy_name, config, pcpus, *this, 1)), pcpus_(pcpus) {
    for (PcpuId p = 0; p < pcpus; ++p) add_pcpu(p);
  }

  std::unique_ptr<Policy> policy;
  Nanoseconds now = 0;
  Nanoseconds ipi_latency = 1 * kUs;
  Nanoseconds skew = 0;                // how far pCPUs' clocks are apart, as by a quantum
  Nanoseconds longest_wrong_idle = 0;  // a pCPU idled although a unit that may use it waited
  bool keep_records = false;
  std::vector<Record> records;
  std::function<void(PcpuId, unsigned, std::span<const std::uint32_t>)> on_trace;
  // Who waits legitimately (parked by its cap).
  std::function<bool(UnitId)> excused = [](UnitId) { return false; };

  void add_pcpu(PcpuId p) {
    here_ = p;
    pcpus_[p].present = true;
    policy->add_pcpu(p, now);
  }
  void remove_pcpu(PcpuId p) {
    stop(p);
    here_ = p;
    pcpus_[p] = {};
    policy->remove_pcpu(p, now);
  }
  std::vector<PcpuId> all_pcpus() const {
    std::vector<PcpuId> all;
    for (PcpuId p = 0; p < pcpus_.size(); ++p) all.push_back(p);
    return all;
  }
  void domain(std::uint16_t domid, unsigned weight, unsigned cap = 0) {
    policy->set_domain(domid, {weight, cap}, now);
  }
  UnitId add(std::uint16_t domid, std::vector<PcpuId> hard = {}, std::vector<PcpuId> soft = {}) {
    const auto id = static_cast<UnitId>(units_.size());
    TestUnit u;
    u.info = {id, domid, 0, hard.empty() ? all_pcpus() : hard, std::move(soft), 0};
    for (const TestUnit& o : units_)
      u.info.vcpu = static_cast<std::uint16_t>(u.info.vcpu + (o.info.domid == domid));
    u.info.initial_pcpu = u.info.hard_affinity.front();
    units_.push_back(u);
    policy->add_unit(u.info, now);
    return id;
  }
  // Never sleeps.
  UnitId hog(std::uint16_t domid, std::vector<PcpuId> hard = {}, std::vector<PcpuId> soft = {}) {
    const UnitId id = add(domid, std::move(hard), std::move(soft));
    wake(id);
    return id;
  }
  // Runs for burst, sleeps for pause, and so on; wakes first after `pause`.
  UnitId sleeper(std::uint16_t domid, Nanoseconds burst, Nanoseconds pause, std::vector<PcpuId> hard = {}) {
    const UnitId id = add(domid, std::move(hard));
    TestUnit& u = units_[id];
    u.burst = u.left = burst;
    u.pause = pause;
    u.wakes_at = now + pause;
    return id;
  }
  void wake(UnitId id) {
    TestUnit& u = units_[id];
    u.wakes_at = kForever;
    if (u.runnable) return;
    u.runnable = true;
    u.woken_at = now;
    u.left = u.burst;
    here_ = u.on >= 0 ? static_cast<PcpuId>(u.on) : 0;
    policy->wake(id, clock(here_));
  }
  void sleep(UnitId id) {
    TestUnit& u = units_[id];
    if (!u.runnable) return;
    u.runnable = false;
    if (u.pause != kForever) u.wakes_at = now + u.pause;
    policy->sleep(id, clock(u.on >= 0 ? static_cast<PcpuId>(u.on) : 0));
    if (u.on >= 0) pcpus_[static_cast<PcpuId>(u.on)].tickle_at = now;
  }
  void yield(UnitId id) {
    REQUIRE(units_[id].on >= 0);
    policy->yield(id, clock(static_cast<PcpuId>(units_[id].on)));
    pcpus_[static_cast<PcpuId>(units_[id].on)].tickle_at = now;
  }
  void set_affinity(UnitId id, std::vector<PcpuId> hard, std::vector<PcpuId> soft = {}) {
    units_[id].info.hard_affinity = hard;
    policy->set_affinity(id, std::move(hard), std::move(soft), now);
  }
  void remove(UnitId id) {
    sleep(id);
    run_for(2 * ipi_latency);
    REQUIRE(units_[id].on < 0);
    units_[id].wakes_at = kForever;
    policy->remove_unit(id, now);
  }

  TestUnit& unit(UnitId id) { return units_[id]; }
  TestPcpu& pcpu(PcpuId id) { return pcpus_[id]; }
  Nanoseconds ran(UnitId id) const {
    const TestUnit& u = units_[id];
    return u.ran + (u.on >= 0 ? now - u.since : 0);
  }
  double share(UnitId id, Nanoseconds over) const {
    return static_cast<double>(ran(id)) / static_cast<double>(over);
  }

  void run_for(Nanoseconds duration) { run_until(now + duration); }
  void run_until(Nanoseconds end) {
    for (;;) {
      const Nanoseconds next = next_event();
      if (next > end) break;
      now = next;
      step();
      watch_idle();
    }
    now = end;
  }

  // What was decided so far, for comparing runs.
  std::uint64_t digest() const { return digest_; }

  // --- Tickler.
  void tickle(PcpuId p) override {
    REQUIRE(p < pcpus_.size());
    REQUIRE(pcpus_[p].present);
    pcpus_[p].tickle_at = std::min(pcpus_[p].tickle_at, p == here_ ? now : now + ipi_latency);
  }
  void set_timer(std::uint64_t token, Nanoseconds when, PcpuId p) override {
    REQUIRE(p < pcpus_.size());
    timers_[token] = when;
  }
  void stop_timer(std::uint64_t token) override { timers_.erase(token); }
  UnitId current(PcpuId p) const override { return pcpus_[p].current; }
  void park(UnitId u, bool parked) override {
    REQUIRE(units_.at(u).parked != parked);
    units_.at(u).parked = parked;
  }
  void trace(PcpuId, unsigned event, std::span<const std::uint32_t> words) override {
    if (on_trace) on_trace(here_, event, words);
    if (keep_records) records.push_back({event, {words.begin(), words.end()}});
    mix(event);
    for (const std::uint32_t w : words) mix(w);
  }

 private:
  Nanoseconds clock(PcpuId p) const { return now + skew * (p % 3); }
  void mix(std::uint64_t v) { digest_ = (digest_ ^ v) * 0x100000001b3ull; }

  Nanoseconds next_event() const {
    Nanoseconds t = kForever;
    for (const TestPcpu& p : pcpus_) t = std::min({t, p.slice_end, p.tickle_at});
    for (const auto& [token, when] : timers_) t = std::min(t, when);
    for (const TestUnit& u : units_) {
      t = std::min(t, u.wakes_at);
      if (u.on >= 0 && u.runnable && u.left != kForever) t = std::min(t, u.since + u.left);
    }
    return std::max(t, now);
  }

  void step() {
    for (auto it = timers_.begin(); it != timers_.end();) {
      if (it->second > now) {
        ++it;
        continue;
      }
      const std::uint64_t token = it->first;
      timers_.erase(it);
      policy->timer(token, now);
      it = timers_.upper_bound(token);
    }
    for (UnitId id = 0; id < units_.size(); ++id)
      if (units_[id].wakes_at <= now) wake(id);
    for (UnitId id = 0; id < units_.size(); ++id) {
      const TestUnit& u = units_[id];
      if (u.on >= 0 && u.runnable && u.left != kForever && u.since + u.left <= now) sleep(id);
    }
    for (PcpuId p = 0; p < pcpus_.size(); ++p)
      for (unsigned again = 0; std::min(pcpus_[p].tickle_at, pcpus_[p].slice_end) <= now; ++again) {
        REQUIRE(again < 10);
        schedule(p);
      }
  }

  // What ran on p stops doing so.
  void stop(PcpuId p) {
    const UnitId id = pcpus_[p].current;
    if (id == kIdle) return;
    TestUnit& u = units_[id];
    const Nanoseconds stretch = now - u.since;
    u.ran += stretch;
    if (u.left != kForever) u.left -= std::min(stretch, u.left);
    u.on = -1;
    if (u.runnable) {
      ++u.preempted;
      u.shortest_run = std::min(u.shortest_run, stretch);
    }
    pcpus_[p].current = kIdle;
  }

  void schedule(PcpuId p) {
    TestPcpu& c = pcpus_[p];
    c.tickle_at = c.slice_end = kForever;
    ++c.schedules;
    here_ = p;
    const Decision d = policy->schedule(p, c.current, clock(p));
    mix(now), mix(p), mix(d.next), mix(d.slice.value_or(0));
    c.slice_end = d.slice ? now + *d.slice : kForever;
    if (d.next == c.current) return;
    stop(p);
    if (d.next == kIdle) return;
    REQUIRE(d.next < units_.size());
    TestUnit& u = units_[d.next];
    const auto& hard = u.info.hard_affinity;
    REQUIRE(u.runnable);
    REQUIRE(u.on == -1);
    REQUIRE(std::find(hard.begin(), hard.end(), p) != hard.end());
    u.on = static_cast<int>(p);
    u.since = now;
    if (u.woken_at != kForever) u.longest_wait = std::max(u.longest_wait, now - u.woken_at);
    u.woken_at = kForever;
    c.current = d.next;
  }

  void watch_idle() {
    for (PcpuId p = 0; p < pcpus_.size(); ++p) {
      TestPcpu& c = pcpus_[p];
      bool wrong = false;
      if (c.present && c.current == kIdle)
        for (UnitId id = 0; id < units_.size() && !wrong; ++id) {
          const auto& hard = units_[id].info.hard_affinity;
          wrong = units_[id].runnable && units_[id].on < 0 && !excused(id) &&
                  std::find(hard.begin(), hard.end(), p) != hard.end();
        }
      if (wrong && c.idle_wrongly_since == kForever) c.idle_wrongly_since = now;
      if (c.idle_wrongly_since != kForever)
        longest_wrong_idle = std::max(longest_wrong_idle, now - c.idle_wrongly_since);
      if (!wrong) c.idle_wrongly_since = kForever;
    }
  }

  std::vector<TestPcpu> pcpus_;
  std::vector<TestUnit> units_;
  std::map<std::uint64_t, Nanoseconds> timers_;
  PcpuId here_ = 0;  // whose software runs
  std::uint64_t digest_ = 0xcbf29ce484222325ull;
};

}  // namespace xensim::xen::sched::test
