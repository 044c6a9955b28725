#include "models/xen/sched/registry.h"

#include <array>
#include <string>
#include <vector>

#include "models/xen/sched/null.h"
#include "sim/base/error.h"
#include "sim/base/suggest.h"

namespace xensim::xen::sched {

std::span<const PolicyRow> policies() {
  static constexpr std::array<PolicyRow, 1> kTable{{
      {"null", [](Tickler& t, std::uint64_t) -> std::unique_ptr<Policy> { return std::make_unique<NullPolicy>(t); }},
  }};
  return kTable;
}

std::unique_ptr<Policy> make_policy(std::string_view name, Tickler& tickler, std::uint64_t seed) {
  for (const PolicyRow& row : policies())
    if (row.name == name) return row.make(tickler, seed);
  std::string valid;
  for (const PolicyRow& row : policies()) valid += (valid.empty() ? "" : ", ") + std::string(row.name);
  throw UserError("/xen/sched", "no scheduler \"" + std::string(name) + "\"", "valid: " + valid);
}

}  // namespace xensim::xen::sched
