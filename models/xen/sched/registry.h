// The table of scheduling policies: name → maker. A new policy is one file and one row in registry.cpp.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "models/xen/sched/policy.h"

namespace xensim::xen::sched {

struct PolicyRow {
  std::string_view name;
  std::unique_ptr<Policy> (*make)(Tickler& tickler, std::uint64_t seed);
};

std::span<const PolicyRow> policies();

// Throws UserError naming the nearest valid name.
std::unique_ptr<Policy> make_policy(std::string_view name, Tickler& tickler, std::uint64_t seed);

}  // namespace xensim::xen::sched
