// The null scheduler (sched=null): one unit per pCPU, for good. A unit that finds no free pCPU in its hard
// affinity waits until one is given up. After Xen's common/sched/null.c; the smallest policy, and the one to copy.
#pragma once

#include <deque>
#include <map>

#include "models/xen/sched/policy.h"

namespace xensim::xen::sched {

class NullPolicy final : public Policy {
 public:
  explicit NullPolicy(Tickler& tickler) : tickler_(tickler) {}

  std::string_view name() const override { return "null"; }
  std::string_view full_name() const override { return "null Scheduler"; }
  unsigned trace_id() const override { return 5; }

  void add_pcpu(PcpuId pcpu, Nanoseconds now) override;
  void remove_pcpu(PcpuId pcpu, Nanoseconds now) override;
  void set_domain(std::uint16_t, const DomainParameters&, Nanoseconds) override {}
  void remove_domain(std::uint16_t) override {}
  void add_unit(const UnitInfo& unit, Nanoseconds now) override;
  void remove_unit(UnitId unit, Nanoseconds now) override;
  PcpuId set_affinity(UnitId unit, std::vector<PcpuId> hard, std::vector<PcpuId> soft, Nanoseconds now) override;
  PcpuId wake(UnitId unit, Nanoseconds now) override;
  void sleep(UnitId unit, Nanoseconds now) override;
  void yield(UnitId, Nanoseconds) override {}
  Decision schedule(PcpuId pcpu, UnitId current, Nanoseconds now) override;
  std::string dump(Nanoseconds now) const override;

 private:
  struct Unit {
    UnitInfo info;
    bool runnable = false;
    bool assigned = false;
    PcpuId pcpu = 0;
  };
  void assign(Unit& unit, PcpuId pcpu);
  void give_up(PcpuId pcpu);
  bool try_assign(Unit& unit);

  Tickler& tickler_;
  std::map<PcpuId, UnitId> pcpus_;  // who has it; kIdle: free
  std::map<UnitId, Unit> units_;
  std::deque<UnitId> waiting_;
};

}  // namespace xensim::xen::sched
