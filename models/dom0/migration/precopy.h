// When live migration stops copying while the domain runs: libxc's policy (simple_precopy_policy in xg_sr_save.c
// of Xen 4.17). A round of all pages, then rounds of what was written since; the domain is suspended after the
// round that had fewer pages than the threshold, or after as many rounds as are allowed.
#pragma once

#include <cstdint>

#include "sim/config/param.h"

namespace xensim::dom0 {

struct MigrationConfig {
  std::uint32_t max_iterations = 5;
  std::uint32_t dirty_threshold = 50;
  std::uint64_t child_timeout = 2'000'000'000;  // ns
};
void describe(MigrationConfig& c, config::Visitor& v);

class Precopy {
 public:
  explicit Precopy(const MigrationConfig& config) : config_(config) {}

  // A round is over: is there to be another, for which the dirty pages must be asked for?
  bool another() {
    ++rounds_;
    return !last_ && rounds_ < config_.max_iterations;
  }
  // So many pages are dirty, and will be sent in any case.
  void found(std::uint64_t dirty) { last_ = dirty < config_.dirty_threshold; }
  std::uint32_t rounds() const { return rounds_; }

 private:
  const MigrationConfig config_;
  std::uint32_t rounds_ = 0;
  bool last_ = false;
};

}  // namespace xensim::dom0
