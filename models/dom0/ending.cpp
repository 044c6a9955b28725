#include "models/dom0/ending.h"

#include <ctime>

#include "models/dom0/creation.h"
#include "models/xen/control/domain_control.h"
#include "sim/base/expects.h"

namespace xensim::dom0 {

using config::OnShutdown;
using xen::ModelAction;
using xen::ShutdownReason;
using State = DomainOutcome::State;

namespace {

// domain_kill waits until no vCPU of the domain is on a pCPU any more.
bool running(const xen::Domain& d) {
  for (const auto& v : d.vcpus)
    if (v->runstate == xen::Runstate::kRunning) return true;
  return false;
}

// Nor any of its stub domain, which goes with it.
xen::Domain* stub_domain_of(Toolstack& toolstack, domid_t domid) {
  for (const auto& [other, m] : toolstack.domains())
    if (m.stub_of == domid) return toolstack.hypervisor.find_domain(other);
  return nullptr;
}

bool running(Toolstack& toolstack, const xen::Domain& d) {
  const xen::Domain* stub = stub_domain_of(toolstack, d.domid);
  return running(d) || (stub && running(*stub));
}
constexpr Cycles kPoll = 1000;

void kill(Toolstack& toolstack, xen::Domain& d, State state) {
  const domid_t domid = d.domid;
  const std::size_t spec = toolstack.managed(domid)->spec;
  if (const xen::Domain* stub = stub_domain_of(toolstack, domid)) {
    const domid_t number = stub->domid;
    toolstack.xenstore.destroy(number);
    toolstack.hypervisor.destroy_domain(number);
    toolstack.domains().erase(number);
  }
  toolstack.console.release(domid);
  toolstack.xenstore.destroy(domid);
  toolstack.hypervisor.destroy_domain(domid);
  toolstack.domains().erase(domid);
  DomainOutcome& o = toolstack.outcome(spec);
  if (o.domid == domid) o.state = state;
  if (toolstack.on_end) toolstack.on_end(domid, o);
}

// Another control domain has destroyed it. xl's background process ends; what is in the store stays, as with
// libxl.
void forget(Toolstack& toolstack, domid_t domid) {
  DomainOutcome& o = toolstack.outcome(toolstack.managed(domid)->spec);
  toolstack.console.release(domid);
  toolstack.domains().erase(domid);
  if (o.domid != domid || o.state == State::kEnded) return;
  o.state = State::kEnded;
  o.why = "destroyed";
  if (toolstack.on_end) toolstack.on_end(domid, o);
}

OnShutdown action_for(const config::DomainConfig& c, ShutdownReason reason) {
  switch (reason) {
    case ShutdownReason::kPoweroff:
      return c.on_poweroff;
    case ShutdownReason::kReboot:
      return c.on_reboot;
    case ShutdownReason::kSuspend:
      return OnShutdown::kPreserve;
    case ShutdownReason::kCrash:
      return c.on_crash;
    case ShutdownReason::kWatchdog:
      return c.on_watchdog;
    case ShutdownReason::kSoftReset:
      return c.on_soft_reset;
  }
  return OnShutdown::kDestroy;
}

}  // namespace

ModelAction Destruction::next(xen::Vcpu&, Cycles) {
  xen::Domain* d = toolstack_.hypervisor.find_domain(domid_);
  if (!d && step_ != Step::kDone && toolstack_.managed(domid_)) forget(toolstack_, domid_);
  if (!d || step_ == Step::kDone) return ModelAction::exit();
  if (step_ == Step::kBegin) {
    step_ = Step::kQuiesce;
    toolstack_.hypervisor.pause_domain(*d);
    return ModelAction::spend(toolstack_.config.destroy_cycles);
  }
  if (running(toolstack_, *d)) return ModelAction::spend(kPoll);
  step_ = Step::kDone;
  DomainOutcome& o = toolstack_.outcome(toolstack_.managed(domid_)->spec);
  if (o.state != State::kEnded && o.domid == domid_) o.why = why_;
  kill(toolstack_, *d, State::kEnded);
  toolstack_.hypervisor.cost.charge(*toolstack_.hypervisor.here().pcpu, xen::Path::kModelHypercall);
  return ModelAction::spend(toolstack_.xenstore_time());
}

void record_end(DomainOutcome& o, const xen::Domain& d) {
  const ShutdownReason reason = *d.shutdown;
  o.why = std::string(xen::name_of(reason));
  if (!d.crash_message.empty()) o.why += ": " + d.crash_message;
  if (d.triple_fault) o.why += ": triple fault";
  o.crashed |= reason == ShutdownReason::kCrash || reason == ShutdownReason::kWatchdog || d.triple_fault;
}

// libxl_domain_preserve: the domain that stays is NAME-YYYYMMDDTHHMMZ from now on, and somebody else.
void Ending::preserve_under_new_name(ManagedDomain& m, Cycles now) {
  const auto seconds = static_cast<std::time_t>(toolstack_.wallclock(toolstack_.hypervisor.ns(now)));
  std::tm utc{};
  expects(gmtime_r(&seconds, &utc) != nullptr);
  char suffix[24];
  expects(std::strftime(suffix, sizeof suffix, "-%Y%m%dT%H%MZ", &utc) != 0);
  m.name += suffix;
  m.uuid = toolstack_.make_uuid();
  m.monitored = false;
  toolstack_.xenstore.rename(m.domid, m.name);
}

// How long it takes.
Cycles Ending::dump_core(xen::Domain& d) {
  if (!toolstack_.open_core) return 0;
  const CoreSink sink = toolstack_.open_core(toolstack_.managed(domid_)->name);
  return write_core(toolstack_.hypervisor, d, sink) / toolstack_.config.copy_bytes_per_cycle;
}

ModelAction Ending::act(Cycles now) {
  xen::Domain& d = *toolstack_.hypervisor.find_domain(domid_);
  ManagedDomain& m = *toolstack_.managed(domid_);
  DomainOutcome& o = toolstack_.outcome(spec_);
  record_end(o, d);
  Cycles time = 0;
  step_ = Step::kDone;
  switch (action_for(toolstack_.spec(spec_).config, *d.shutdown)) {
    case OnShutdown::kPreserve:
      toolstack_.console.release(domid_);
      m.monitored = m.ending = false;
      o.state = State::kEnded;
      if (toolstack_.on_end) toolstack_.on_end(domid_, o);
      break;
    case OnShutdown::kCoredumpDestroy:
      time = dump_core(d);
      [[fallthrough]];
    case OnShutdown::kDestroy:
      kill(toolstack_, d, State::kEnded);
      break;
    case OnShutdown::kCoredumpRestart:
      time = dump_core(d);
      [[fallthrough]];
    case OnShutdown::kRestart:
      kill(toolstack_, d, State::kWaiting);
      step_ = Step::kPause;
      break;
    case OnShutdown::kRenameRestart:
      toolstack_.console.release(domid_);
      preserve_under_new_name(m, now);
      m.ending = false;
      o.state = State::kWaiting;
      if (toolstack_.on_end) toolstack_.on_end(domid_, o);
      step_ = Step::kPause;
      break;
    case OnShutdown::kSoftReset:
      toolstack_.console.release(domid_);
      expects(xen::control::soft_reset(toolstack_.hypervisor, d) == 0);
      connect_domain(toolstack_, d);
      m.ending = false;
      break;
  }
  until_ = toolstack_.hypervisor.from_now(toolstack_.hypervisor.cycles(toolstack_.config.restart_delay));
  toolstack_.hypervisor.cost.charge(*toolstack_.hypervisor.here().pcpu, xen::Path::kModelHypercall);
  return ModelAction::spend(time + toolstack_.xenstore_time());
}

ModelAction Ending::next(xen::Vcpu& vcpu, Cycles now) {
  for (;;) switch (step_) {
      case Step::kBegin: {
        const ManagedDomain* m = toolstack_.managed(domid_);
        if (!m) return ModelAction::exit();  // xl destroy was there first
        spec_ = m->spec;
        step_ = Step::kQuiesce;
        return ModelAction::spend(toolstack_.config.destroy_cycles);
      }
      case Step::kQuiesce: {
        const xen::Domain* d = toolstack_.hypervisor.find_domain(domid_);
        if (!d && toolstack_.managed(domid_)) forget(toolstack_, domid_);
        if (!d) return ModelAction::exit();
        return running(toolstack_, *d) ? ModelAction::spend(kPoll) : act(now);
      }
      case Step::kPause:
        if (now < until_) return ModelAction::block(until_);
        creation_ = std::make_unique<Creation>(toolstack_, spec_, false, log_);
        step_ = Step::kCreate;
        break;
      case Step::kCreate:
        return creation_->next(vcpu, now);
      case Step::kDone:
        return ModelAction::exit();
    }
}

}  // namespace xensim::dom0
