#include "models/cpu/timing/cpi_stack.h"

#include "sim/base/expects.h"

namespace xensim::cpu {

std::string_view name_of(CpiCategory c) {
  static constexpr std::array<std::string_view, kCpiCategories> kNames{
      "base",     "front_end", "branch",        "l1",         "l2",   "l3",    "remote_cache", "dram",
      "tlb_walk", "ept_walk",  "vm_transition", "hypervisor", "lock", "model", "idle"};
  const unsigned i = static_cast<unsigned>(c);
  expects(i < kCpiCategories);
  return kNames[i];
}

Cycles CpiStack::total() const {
  Cycles sum = 0;
  for (Cycles c : cycles) sum += c;
  return sum;
}

}  // namespace xensim::cpu
