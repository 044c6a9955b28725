// The table of scheduling policies: name → maker. A new policy is one file and one row in registry.cpp.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "models/xen/sched/credit2_config.h"
#include "models/xen/sched/policy.h"
#include "models/xen/sched/topology.h"

namespace xensim::xen::sched {

// The parameters of all policies, and what they are told of the host.
struct PoliciesConfig {
  Credit2Config credit2;
  HostTopology topology;
};
void describe(PoliciesConfig& c, config::Visitor& v);

struct PolicyRow {
  std::string_view name;
  std::unique_ptr<Policy> (*make)(const PoliciesConfig& config, Tickler& tickler, std::uint64_t seed);
};

std::span<const PolicyRow> policies();

// pcpus: how many the host has. Throws UserError naming the valid names.
std::unique_ptr<Policy> make_policy(std::string_view name, PoliciesConfig config, unsigned pcpus, Tickler& tickler,
                                    std::uint64_t seed);

}  // namespace xensim::xen::sched
