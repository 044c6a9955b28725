// The engine of vCPUs that run model programs: a little kernel that gives the vCPU to one program after another,
// blocks when all wait, and wakes them when an event arrives or their time has come.
#include <algorithm>

#include "models/xen/event/two_level.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

void Hypervisor::add_program(Vcpu& v, std::unique_ptr<ModelProgram> program) {
  v.model->programs.push_back(std::move(program));
  v.model->blocked.push_back(false);
  v.model->ended.push_back(false);
  v.model->deadlines.push_back(kNever);
}

bool Hypervisor::model_take_event(Domain& d, std::uint32_t port) {
  if (!port_pending(d, port)) return false;
  d.events.abi->clear_pending(port);
  return true;
}

namespace {

// Programs that wait for what has happened go on. events: an upcall arrived.
void wake_programs(ModelState& m, Cycles now, bool events) {
  for (std::size_t i = 0; i < m.programs.size(); ++i)
    if (m.blocked[i] && (events || m.deadlines[i] <= now)) {
      m.blocked[i] = false;
      m.deadlines[i] = kNever;
    }
}

}  // namespace

Cycles Hypervisor::run_model(PcpuState& c, Vcpu& v, Cycles until) {
  ModelState& m = *v.model;
  cpu::Pcpu& p = *c.pcpu;
  while (now() < until && !c.schedule_pending && events_seen_.empty()) {
    if (p.next_deadline() <= now()) return now();
    const bool events = upcall_pending(v);
    if (events) {
      memory.write<std::uint8_t>(v.vcpu_info, 0);
      memory.write<std::uint64_t>(v.vcpu_info + event::selector_offset(v.domain), 0);
    }
    wake_programs(m, now(), events);

    if (m.in_action) {
      const Cycles step = std::min(m.action.cycles, std::min(until, p.next_deadline()) - now());
      p.core.advance(step, cpu::CpiCategory::kModel);
      m.action.cycles -= step;
      m.in_action = m.action.cycles > 0;
      continue;
    }
    std::size_t i = 0;
    for (; i < m.programs.size(); ++i) {
      const std::size_t k = (m.current + 1 + i) % m.programs.size();
      if (!m.blocked[k] && !m.ended[k]) {
        m.current = k;
        break;
      }
    }
    if (i == m.programs.size()) {
      Cycles deadline = kNever;
      for (const Cycles d : m.deadlines) deadline = std::min(deadline, d);
      cost.charge(p, Path::kModelHypercall);
      cost.charge(p, Path::kSchedOp);
      if (upcall_pending(v)) continue;
      remove_timer(m.timer);
      if (deadline != kNever) m.timer = add_timer(p.index, std::max(deadline, now()), TimerAction::kModel, v.unit);
      vcpu_block(v);
      return now();
    }
    start_action(v, m.programs[m.current]->next(v, now()));
  }
  return now();
}

void Hypervisor::start_action(Vcpu& v, ModelAction action) {
  ModelState& m = *v.model;
  cpu::Pcpu& p = *active_->pcpu;
  if (p.core.timing != cpu::TimingKind::kFunctional)
    for (const PhysAddr a : action.touches)
      p.core.advance(p.core.caches.access(p.index, a, memory::AccessKind::kLoad, now()).latency,
                     cpu::CpiCategory::kModel);
  switch (action.kind) {
    case ModelAction::Kind::kSpend:
      m.action = std::move(action);
      m.in_action = m.action.cycles > 0;
      break;
    case ModelAction::Kind::kHypercall:
      cost.charge(p, Path::kModelHypercall);
      break;
    case ModelAction::Kind::kBlock:
      m.blocked[m.current] = true;
      m.deadlines[m.current] = action.deadline;
      break;
    case ModelAction::Kind::kYield:
      cost.charge(p, Path::kModelHypercall);
      yield(v);
      break;
    case ModelAction::Kind::kExit:
      m.ended[m.current] = true;
      m.deadlines[m.current] = kNever;
      break;
  }
}

}  // namespace xensim::xen
