#include "models/xen/sched/null.h"

#include <algorithm>

namespace xensim::xen::sched {

void NullPolicy::assign(Unit& unit, PcpuId pcpu) {
  unit.assigned = true;
  unit.pcpu = pcpu;
  pcpus_[pcpu] = unit.info.id;
  tickler_.tickle(pcpu);
}

bool NullPolicy::try_assign(Unit& unit) {
  const auto& allowed = unit.info.hard_affinity;
  const auto is_free = [&](PcpuId p) {
    const auto it = pcpus_.find(p);
    return it != pcpus_.end() && it->second == kIdle;
  };
  if (std::binary_search(allowed.begin(), allowed.end(), unit.info.initial_pcpu) &&
      is_free(unit.info.initial_pcpu)) {
    assign(unit, unit.info.initial_pcpu);
    return true;
  }
  for (const PcpuId p : allowed)
    if (is_free(p)) {
      assign(unit, p);
      return true;
    }
  return false;
}

// A pCPU became free: the first waiting unit that may use it gets it.
void NullPolicy::give_up(PcpuId pcpu) {
  pcpus_[pcpu] = kIdle;
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    Unit& unit = units_.at(*it);
    if (!std::binary_search(unit.info.hard_affinity.begin(), unit.info.hard_affinity.end(), pcpu)) continue;
    waiting_.erase(it);
    assign(unit, pcpu);
    return;
  }
}

void NullPolicy::add_pcpu(PcpuId pcpu, Nanoseconds) { give_up(pcpu); }

void NullPolicy::remove_pcpu(PcpuId pcpu, Nanoseconds) {
  if (const UnitId u = pcpus_[pcpu]; u != kIdle) {
    units_.at(u).assigned = false;
    waiting_.push_back(u);
  }
  pcpus_.erase(pcpu);
}

void NullPolicy::add_unit(const UnitInfo& info, Nanoseconds) {
  Unit& unit = units_[info.id];
  unit = Unit{info, false, false, 0};
  if (!try_assign(unit)) waiting_.push_back(info.id);
}

void NullPolicy::remove_unit(UnitId id, Nanoseconds) {
  const auto it = units_.find(id);
  const bool assigned = it->second.assigned;
  const PcpuId pcpu = it->second.pcpu;
  std::erase(waiting_, id);
  units_.erase(it);
  if (assigned) give_up(pcpu);
}

PcpuId NullPolicy::set_affinity(UnitId id, std::vector<PcpuId> hard, std::vector<PcpuId> soft, Nanoseconds) {
  Unit& unit = units_.at(id);
  unit.info.hard_affinity = std::move(hard);
  unit.info.soft_affinity = std::move(soft);
  if (!unit.assigned ||
      std::binary_search(unit.info.hard_affinity.begin(), unit.info.hard_affinity.end(), unit.pcpu)) {
    // One that waits may use a pCPU now that it could not before.
    if (!unit.assigned && try_assign(unit)) std::erase(waiting_, id);
    return unit.pcpu;
  }
  unit.assigned = false;
  const PcpuId old = unit.pcpu;
  if (!try_assign(unit)) waiting_.push_back(id);
  tickler_.tickle(old);
  give_up(old);
  return unit.pcpu;
}

PcpuId NullPolicy::wake(UnitId id, Nanoseconds) {
  Unit& unit = units_.at(id);
  unit.runnable = true;
  if (unit.assigned) tickler_.tickle(unit.pcpu);
  return unit.assigned ? unit.pcpu : unit.info.initial_pcpu;
}

void NullPolicy::sleep(UnitId id, Nanoseconds) { units_.at(id).runnable = false; }

Decision NullPolicy::schedule(PcpuId pcpu, UnitId, Nanoseconds) {
  const UnitId u = pcpus_.at(pcpu);
  if (u == kIdle || !units_.at(u).runnable) return {};
  // The unit may still be current on a pCPU that it was moved from; that one lets go first.
  for (const auto& [other, owner] : pcpus_)
    if (other != pcpu && tickler_.current(other) == u) return {};
  return {u, std::nullopt, false};
}

std::string NullPolicy::dump(Nanoseconds) const {
  std::string out;
  for (const auto& [pcpu, unit] : pcpus_)
    out += "CPU[" + std::to_string(pcpu) + "] " + (unit == kIdle ? "free" : "unit " + std::to_string(unit)) + "\n";
  out += "Waitqueue: " + std::to_string(waiting_.size()) + "\n";
  return out;
}

}  // namespace xensim::xen::sched
