#include "models/xen/sched/registry.h"

#include <array>
#include <string>
#include <vector>

#include "models/xen/sched/credit2.h"
#include "models/xen/sched/null.h"
#include "sim/base/error.h"

namespace xensim::xen::sched {

void describe(PoliciesConfig& c, config::Visitor& v) {
  v(c.credit2, {"credit2", "", "the credit2 scheduler", "Xen 4.17"});
  v(c.topology, {"topology", "", "which pCPUs share cores, sockets and nodes", "design"});
}

std::span<const PolicyRow> policies() {
  using Made = std::unique_ptr<Policy>;
  static constexpr std::array<PolicyRow, 2> kTable{{
      {"credit2",
       [](const PoliciesConfig& c, Tickler& t, std::uint64_t) -> Made {
         return std::make_unique<Credit2Policy>(c.credit2, c.topology, t);
       }},
      {"null",
       [](const PoliciesConfig&, Tickler& t, std::uint64_t) -> Made { return std::make_unique<NullPolicy>(t); }},
  }};
  return kTable;
}

std::unique_ptr<Policy> make_policy(std::string_view name, PoliciesConfig config, unsigned pcpus, Tickler& tickler,
                                    std::uint64_t seed) {
  config.topology.pcpus = pcpus;
  for (const PolicyRow& row : policies())
    if (row.name == name) return row.make(config, tickler, seed);
  std::string valid;
  for (const PolicyRow& row : policies()) valid += (valid.empty() ? "" : ", ") + std::string(row.name);
  throw UserError("/xen/sched", "no scheduler \"" + std::string(name) + "\"", "valid: " + valid);
}

}  // namespace xensim::xen::sched
