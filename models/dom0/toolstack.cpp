#include "models/dom0/toolstack.h"

#include <algorithm>
#include <new>

#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::dom0 {

using xen::ModelAction;
using State = DomainOutcome::State;

void describe(ToolstackConfig& c, config::Visitor& v) {
  v(c.create_cycles, {"create_cycles", "cycles", "xl's own time to create a domain", "uncalibrated",
                      config::between(0, 1'000'000'000'000)});
  v(c.destroy_cycles, {"destroy_cycles", "cycles", "xl's own time to destroy a domain", "uncalibrated",
                       config::between(0, 1'000'000'000'000)});
  v(c.copy_bytes_per_cycle,
    {"copy_bytes_per_cycle", "bytes", "speed of copying images", "uncalibrated", config::between(1, 1024)});
  v(c.extents_per_call, {"extents_per_call", "count", "extents in one populate_physmap hypercall", "uncalibrated",
                         config::between(1, 65536)});
}

Toolstack::Toolstack(xen::Hypervisor& hypervisor, const ToolstackConfig& config, ConsoleDaemon& console,
                     std::vector<DomainSpec> specs, std::uint32_t dom_exc_port)
    : hypervisor_(hypervisor),
      config_(config),
      console_(console),
      specs_(std::move(specs)),
      outcomes_(specs_.size()),
      dom_exc_port_(dom_exc_port) {}

bool Toolstack::all_ended() const {
  return std::all_of(outcomes_.begin(), outcomes_.end(),
                     [](const DomainOutcome& o) { return o.state == State::kEnded; });
}

xen::Domain& Toolstack::domain() {
  xen::Domain* d = hypervisor_.find_domain(outcomes_[current_].domid);
  expects(d != nullptr);
  return *d;
}

ModelAction Toolstack::next(xen::Vcpu& vcpu, Cycles) {
  switch (step_) {
    case Step::kPopulate:
      return populate();
    case Step::kFill:
      return fill();
    case Step::kStart:
      return start(vcpu);
    case Step::kQuiesce:
      return finish_end();
    case Step::kIdle:
      break;
  }
  hypervisor_.model_take_event(vcpu.domain, dom_exc_port_);
  if (find_ended()) {
    step_ = Step::kQuiesce;
    return ModelAction::spend(config_.destroy_cycles);
  }
  for (std::size_t i = 0; i < specs_.size(); ++i)
    if (outcomes_[i].state == State::kWaiting) return create(i);
  return ModelAction::block();
}

ModelAction Toolstack::create(std::size_t i) {
  current_ = i;
  DomainOutcome& o = outcomes_[i];
  o.domid = next_domid_++;
  o.state = State::kBuilding;
  ++o.instances;
  try {
    hypervisor_.create_domain(o.domid, xen::DomainKind::kPvh, specs_[i].parameters);
  } catch (const std::bad_alloc&) {
    throw UserError(specs_[i].name, "the machine has no memory left for Xen's own pages of the domain",
                    "raise /machine/memory/size or lower maxmem of the other domains");
  }
  if (on_create) on_create(o.domid, specs_[i].name);
  extents_ = xen::extents_of(specs_[i].plan, hypervisor_.config.ept_1gb, hypervisor_.config.ept_2mb);
  next_extent_ = 0;
  step_ = Step::kPopulate;
  return ModelAction::spend(config_.create_cycles);
}

// One populate_physmap hypercall of a batch of extents. An extent that finds no contiguous memory is tried as
// smaller ones, as libxenguest does.
ModelAction Toolstack::populate() {
  xen::Domain& d = domain();
  if (next_extent_ == 0) {
    const long r = xen::reserve_memory(hypervisor_, d, specs_[current_].plan);
    if (r == -xen::kErestart) return ModelAction::hypercall();
    if (r != 0)
      throw UserError(specs_[current_].name, "the machine has not as much memory left",
                      "raise /memory/size or lower memory");
  }
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, xen::Path::kMemoryOp);
  std::uint64_t done = 0;
  while (next_extent_ < extents_.size() && done < config_.extents_per_call) {
    if (done > 0 && hypervisor_.hypercall_preempted()) break;
    const xen::Extent e = extents_[next_extent_];
    if (xen::place_extent(hypervisor_, d, e)) {
      ++next_extent_;
      ++done;
      continue;
    }
    if (e.order == 0)
      throw UserError(specs_[current_].name, "the machine ran out of memory while the domain was built",
                      "raise /memory/size or lower memory");
    std::vector<xen::Extent> smaller;
    const unsigned order = e.order - 9;
    for (std::uint64_t k = 0; k < 512; ++k) smaller.push_back({e.gfn + (k << order), order, e.on_demand});
    extents_.erase(extents_.begin() + static_cast<std::ptrdiff_t>(next_extent_));
    extents_.insert(extents_.begin() + static_cast<std::ptrdiff_t>(next_extent_), smaller.begin(), smaller.end());
  }
  if (next_extent_ == extents_.size()) step_ = Step::kFill;
  return ModelAction::hypercall();
}

ModelAction Toolstack::fill() {
  const xen::BuildPlan& plan = specs_[current_].plan;
  xen::fill_pvh(hypervisor_, domain(), plan);
  std::uint64_t bytes = 0;
  for (const xen::LoadedRange& r : plan.ranges) bytes += r.memory_size;
  step_ = Step::kStart;
  return ModelAction::spend(bytes / config_.copy_bytes_per_cycle);
}

ModelAction Toolstack::start(xen::Vcpu& vcpu) {
  xen::Domain& d = domain();
  std::uint32_t store = 0, console = 0, local = 0;
  expects(hypervisor_.evtchn_alloc_unbound(d, 0, store) == 0);
  expects(hypervisor_.evtchn_alloc_unbound(d, 0, console) == 0);
  d.hvm_params[HVM_PARAM_STORE_EVTCHN] = store;
  d.hvm_params[HVM_PARAM_CONSOLE_EVTCHN] = console;
  expects(hypervisor_.evtchn_bind_interdomain(vcpu.domain, d.domid, console, local) == 0);
  const auto ring = hypervisor_.ram_frame(d, xen::special_gfn(xen::kSpecialConsole));
  expects(ring.has_value());
  console_.introduce(d.domid, *ring, local);
  outcomes_[current_].state = State::kRunning;
  step_ = Step::kIdle;
  hypervisor_.unpause_domain(d);
  return ModelAction::hypercall();
}

bool Toolstack::find_ended() {
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (outcomes_[i].state != State::kRunning) continue;
    const xen::Domain* d = hypervisor_.find_domain(outcomes_[i].domid);
    if (!d || !d->shutdown) continue;
    current_ = i;
    return true;
  }
  return false;
}

ModelAction Toolstack::finish_end() {
  xen::Domain& d = domain();
  // domain_kill waits until no vCPU of the domain is on a pCPU any more.
  for (const auto& v : d.vcpus)
    if (v->runstate == xen::Runstate::kRunning) return ModelAction::spend(1000);
  step_ = Step::kIdle;
  DomainOutcome& o = outcomes_[current_];
  const DomainSpec& spec = specs_[current_];
  const xen::ShutdownReason reason = *d.shutdown;
  o.why = std::string(xen::name_of(reason));
  if (!d.crash_message.empty()) o.why += ": " + d.crash_message;
  if (d.triple_fault) o.why += ": triple fault";
  o.crashed |= reason == xen::ShutdownReason::kCrash || reason == xen::ShutdownReason::kWatchdog || d.triple_fault;
  const AfterShutdown action = reason == xen::ShutdownReason::kPoweroff    ? spec.on_poweroff
                               : reason == xen::ShutdownReason::kReboot    ? spec.on_reboot
                               : reason == xen::ShutdownReason::kCrash     ? spec.on_crash
                               : reason == xen::ShutdownReason::kWatchdog  ? spec.on_watchdog
                               : reason == xen::ShutdownReason::kSoftReset ? spec.on_soft_reset
                                                                           : AfterShutdown::kPreserve;
  console_.release(d.domid);
  const domid_t domid = d.domid;
  const bool again = action == AfterShutdown::kRestart || action == AfterShutdown::kRenameRestart;
  const bool keep = action == AfterShutdown::kPreserve || action == AfterShutdown::kRenameRestart;
  if (!keep) hypervisor_.destroy_domain(domid);
  o.state = again ? State::kWaiting : State::kEnded;
  if (on_end) on_end(domid, o);
  return ModelAction::hypercall();
}

}  // namespace xensim::dom0
