#include "models/xen/path_cost.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "tests/models/xen/fixture.h"

namespace xensim::xen {
namespace {

TEST_CASE("Every path has a row with a name of its own, a cost, a meaning and a source") {
  std::set<std::string> names;
  for (const PathRow& row : path_table()) {
    CHECK(names.insert(std::string(row.name)).second);
    CHECK(row.instructions > 0);
    CHECK_FALSE(row.doc.empty());
    CHECK_FALSE(row.source.empty());
  }
  CHECK(names.size() == kPaths);
}

TEST_CASE("A path costs its instructions at the configured rate, to the cycle") {
  Bench b;
  PathCostConfig config;
  config.cycles_per_100_instructions = 150;
  config.instructions[static_cast<unsigned>(Path::kCpuid)] = 341;
  PathCost cost(config);
  cpu::Pcpu& p = *b.pcpus[0];
  const Cycles before = p.core.now;
  cost.charge(p, Path::kCpuid);
  CHECK(p.core.now - before == 511);  // 341 × 1.5, rounded down
  CHECK(cost.use(Path::kCpuid).count == 1);
  CHECK(cost.use(Path::kCpuid).cycles == 511);
}

TEST_CASE("Charging n times counts n times") {
  Bench b;
  PathCost cost{PathCostConfig{}};
  cpu::Pcpu& p = *b.pcpus[0];
  const Cycles before = p.core.now;
  cost.charge_many(p, Path::kPopulatePage, 5);
  CHECK(cost.use(Path::kPopulatePage).count == 5);
  CHECK(cost.use(Path::kPopulatePage).cycles == p.core.now - before);
  CHECK(p.core.now - before == 5 * 7263);
}

TEST_CASE("Under free timing no path takes time, and each is still counted") {
  Bench b;
  PathCostConfig config;
  config.timing = HypervisorTiming::kFree;
  PathCost cost(config);
  cpu::Pcpu& p = *b.pcpus[0];
  const Cycles before = p.core.now;
  cost.charge(p, Path::kSchedule);
  cost.charge_vm_exit(p);
  cost.charge_vm_entry(p);
  CHECK(p.core.now == before);
  CHECK(cost.use(Path::kSchedule).count == 1);
}

TEST_CASE("A lock moves whoever comes while it is held to its release, and nobody else") {
  Bench b;
  PathCost cost{PathCostConfig{}};
  SpinLock lock;
  cpu::Pcpu &first = *b.pcpus[0], &second = *b.pcpus[1];
  first.core.advance(1000, cpu::CpiCategory::kHypervisor);
  lock.acquire(cost, first);
  first.core.advance(500, cpu::CpiCategory::kHypervisor);
  lock.release(first);
  REQUIRE(second.core.now < first.core.now);
  lock.acquire(cost, second);
  CHECK(second.core.now == first.core.now);
  CHECK(lock.contended == 1);
  lock.release(second);
  lock.acquire(cost, first);
  CHECK(lock.contended == 1);
  CHECK(lock.acquired == 3);
}

}  // namespace
}  // namespace xensim::xen
