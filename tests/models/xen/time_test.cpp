#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

vcpu_time_info_t stamp_of(const Bench& b, const Vcpu& v) {
  vcpu_time_info_t t;
  std::memcpy(&t, b.memory.host(v.vcpu_info) + 32, sizeof t);
  return t;
}

// What a guest computes from the stamp: public/xen.h.
std::uint64_t system_time(const vcpu_time_info_t& t, std::uint64_t tsc) {
  std::uint64_t delta = tsc - t.tsc_timestamp;
  delta = t.tsc_shift < 0 ? delta >> -t.tsc_shift : delta << t.tsc_shift;
  return t.system_time +
         static_cast<std::uint64_t>(static_cast<unsigned __int128>(delta) * t.tsc_to_system_mul >> 32);
}

TEST_CASE("A guest's clock is within one part in 10^9 of the TSC's, at any frequency") {
  for (const std::uint64_t hz : {1'000'000ull, 33'333'333ull, 999'999'999ull, 1'000'000'000ull, 1'000'000'001ull,
                                 1'999'999'999ull, 2'000'000'000ull, 2'000'000'001ull, 2'400'000'000ull,
                                 3'141'592'653ull, 4'000'000'001ull, 10'000'000'000ull}) {
    Bench b(hz);
    Domain& d = b.guest(1);
    b.hv->update_time_info(*d.vcpus[0]);
    const vcpu_time_info_t t = stamp_of(b, *d.vcpus[0]);
    CHECK(t.version % 2 == 0);
    CHECK(t.version != 0);
    for (const std::uint64_t seconds : {1ull, 60ull}) {
      const std::uint64_t ns = system_time(t, t.tsc_timestamp + seconds * hz) - t.system_time;
      const double error = std::fabs(static_cast<double>(ns) - 1e9 * static_cast<double>(seconds));
      CHECK(error <= static_cast<double>(seconds) + 1);
    }
  }
}

TEST_CASE("Cycles and nanoseconds convert without drift, and cycles() is the first cycle that ns() reaches") {
  Bench b(2'400'000'000);
  CHECK(b.hv->ns(2'400'000'000) == 1'000'000'000);
  CHECK(b.hv->ns(12) == 5);
  for (const Nanoseconds n : {0ull, 1ull, 2ull, 5ull, 999'999'999ull, 86'400'000'000'000ull}) {
    const Cycles c = b.hv->cycles(n);
    CHECK(b.hv->ns(c) >= n);
    if (c > 0) CHECK(b.hv->ns(c - 1) < n);
  }
  CHECK(b.hv->cycles(~Nanoseconds{0}) == kNever);
}

TEST_CASE("Time beyond what can be counted is never, not the past") {
  Bench b;
  CHECK(b.hv->from_now(kNever) == kNever);
  CHECK(b.hv->from_now(kNever - 1) >= kNever - 1);
  CHECK(b.hv->from_now(5) == b.hv->now() + 5);
}

TEST_CASE("A periodic timer whose next tick is beyond what can be counted never comes due") {
  Bench b;
  Vcpu& v = *b.guest(1).vcpus[0];
  v.runstate = Runstate::kRunning;
  b.hv->set_periodic_timer(v, (std::uint64_t{1} << 62) - 1);
  CHECK_FALSE(b.hv->pcpus[v.processor].timers.due(b.hv->now()));
  CHECK(v.stats.timer_fired == 0);
  b.hv->set_periodic_timer(v, 0);
  v.runstate = Runstate::kOffline;
}

TEST_CASE("The wall clock of shared_info is the configured one") {
  Bench b;
  const Domain& d = b.guest(1);
  CHECK(d.shared->wc_sec == b.hv->config.wallclock_seconds);
  CHECK(d.shared->wc_version % 2 == 0);
}

}  // namespace
}  // namespace xensim::xen
