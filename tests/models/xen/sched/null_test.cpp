// The null scheduler, and the table of policies.
#include "models/xen/sched/null.h"

#include <catch2/catch.hpp>

#include "sim/base/error.h"
#include "tests/models/xen/sched/host.h"

using namespace xensim;
using namespace xensim::xen::sched;
using namespace xensim::xen::sched::test;

TEST_CASE("null gives each unit a pCPU of its own") {
  Host h(3, "null");
  for (std::uint16_t d = 1; d <= 3; ++d) h.hog(d);
  h.run_for(50 * kMs);
  for (UnitId u = 0; u < 3; ++u) CHECK(h.ran(u) >= 50 * kMs - 2 * h.ipi_latency);
  CHECK(h.unit(0).on != h.unit(1).on);
  CHECK(h.unit(1).on != h.unit(2).on);
}

TEST_CASE("null never slices: a running unit is not called back") {
  Host h(1, "null");
  h.hog(1);
  h.run_for(1000 * kMs);
  CHECK(h.pcpu(0).schedules <= 2);
}

TEST_CASE("null lets a unit without a pCPU wait until one is given up") {
  Host h(1, "null");
  const UnitId a = h.hog(1), b = h.hog(2);
  h.run_for(10 * kMs);
  CHECK(h.ran(b) == 0);
  h.remove(a);
  h.run_for(10 * kMs);
  CHECK(h.ran(b) > 9 * kMs);
}

TEST_CASE("null keeps a sleeping unit's pCPU free for it") {
  Host h(1, "null");
  const UnitId a = h.sleeper(1, 1 * kMs, 1 * kMs);
  const UnitId b = h.hog(2);
  h.run_for(100 * kMs);
  CHECK(h.ran(a) > 45 * kMs);
  CHECK(h.ran(b) == 0);
  CHECK(h.unit(a).longest_wait <= h.ipi_latency);
}

TEST_CASE("null respects hard affinity, and moves a unit when it changes") {
  Host h(2, "null");
  const UnitId a = h.hog(1, {1});
  h.run_for(1 * kMs);
  CHECK(h.unit(a).on == 1);
  h.set_affinity(a, {0});
  h.run_for(1 * kMs);
  CHECK(h.unit(a).on == 0);
}

TEST_CASE("policies are made by name, and a wrong name lists the right ones") {
  Host h(1, "null");
  CHECK(h.policy->name() == "null");
  CHECK(Host(1, "credit2").policy->name() == "credit2");
  CHECK_THROWS_WITH(Host(1, "credit3"), Catch::Contains("credit2, null"));
}
