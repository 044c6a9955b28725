// libxc's policy: when live migration suspends the domain.
#include "models/dom0/migration/precopy.h"

#include <catch2/catch.hpp>

namespace xensim::dom0 {
namespace {

// Rounds while the domain runs, if `dirty` pages are found after each.
unsigned rounds(std::uint64_t dirty, MigrationConfig config = {}) {
  Precopy policy(config);
  while (policy.another()) policy.found(dirty);
  return policy.rounds();
}

TEST_CASE("a domain that writes a lot is suspended after five rounds") { CHECK(rounds(1000) == 5); }

TEST_CASE("fewer pages than the threshold are sent while it runs, and then it is suspended") {
  CHECK(rounds(49) == 2);
  CHECK(rounds(50) == 5);
}

TEST_CASE("a domain that writes nothing has one more round, of nothing") { CHECK(rounds(0) == 2); }

TEST_CASE("iterations and threshold are what the configuration says") {
  CHECK(rounds(1000, {.max_iterations = 1}) == 1);
  CHECK(rounds(1000, {.max_iterations = 7}) == 7);
  CHECK(rounds(0, {.dirty_threshold = 0}) == 5);
  CHECK(rounds(999, {.dirty_threshold = 1000}) == 2);
}

}  // namespace
}  // namespace xensim::dom0
