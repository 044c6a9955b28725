// Life of a domain: what XEN_DOMCTL_createdomain, _max_vcpus, _pausedomain, _unpausedomain and _destroydomain do,
// how it shuts down, and what is left when it is gone (nothing).
#include <algorithm>
#include <cstring>

#include "models/xen/domain/xstate.h"
#include "models/xen/event/two_level.h"
#include "models/xen/grant/operations.h"
#include "models/xen/hvm/platform.h"
#include "models/xen/hypercall/control_call.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/allocation.h"
#include "models/xen/mm/physmap.h"
#include "models/xen/mm/sharing.h"
#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::xen {

std::string_view name_of(ShutdownReason r) {
  switch (r) {
    case ShutdownReason::kPoweroff:
      return "poweroff";
    case ShutdownReason::kReboot:
      return "reboot";
    case ShutdownReason::kSuspend:
      return "suspend";
    case ShutdownReason::kCrash:
      return "crash";
    case ShutdownReason::kWatchdog:
      return "watchdog";
    case ShutdownReason::kSoftReset:
      return "soft_reset";
  }
  return "unknown";
}

Domain::Domain(domid_t domain_id, DomainKind k) : domid(domain_id), kind(k) {}
Domain::~Domain() = default;

Domain* Hypervisor::find_domain(domid_t domid) {
  const auto it = domains.find(domid);
  return it == domains.end() || it->second->dying ? nullptr : it->second.get();
}

domid_t Hypervisor::free_domid() {
  do
    last_free_domid_ =
        last_free_domid_ + 1u >= DOMID_FIRST_RESERVED ? 1 : static_cast<domid_t>(last_free_domid_ + 1);
  while (domains.contains(last_free_domid_));
  return last_free_domid_;
}

Mfn Hypervisor::allocate_xen_page(Domain& d) {
  const auto m = frames.allocate_xen();
  if (!m) throw std::bad_alloc();
  d.xen_pages.push_back(*m);
  return *m;
}

Domain& Hypervisor::create_domain(domid_t domid, DomainKind kind, const CreateParameters& parameters) {
  expects(!domains.contains(domid));
  auto owned = std::make_unique<Domain>(domid, kind);
  Domain& d = *owned;
  domains.emplace(domid, std::move(owned));
  d.name = parameters.name;
  d.role.control = d.role.hardware = domid == 0;
  d.scheduling = parameters.scheduling;
  d.emulation_flags = parameters.emulation_flags;
  d.nested_virt = parameters.nested_virt;
  d.max_pages = parameters.max_pages;
  d.created_at = now();
  d.pause_count = d.controller_pause_count = 1;
  d.shared_info = allocate_xen_page(d);
  frames.share_with_guest(d.shared_info, domid);
  d.shared = reinterpret_cast<shared_info_t*>(memory.host(address_of(d.shared_info)));
  d.events.abi = std::make_unique<event::TwoLevel>(*this, d);
  d.events.max_port = parameters.max_evtchn_port;
  d.guest_64bit = true;  // until the guest latches its own width
  init_wallclock(d);
  d.grants = std::make_unique<grant::GrantTable>(memory, frames, domid, parameters.grants);
  if (kind == DomainKind::kGuest) {
    d.p2m = std::make_unique<P2m>(memory, frames);
    d.log_dirty = std::make_unique<LogDirty>(*this, d);
    d.p2m->use_1gb = config.ept_1gb;
    d.p2m->use_2mb = config.ept_2mb;
    d.p2m->table_limit =
        paging_pages(parameters.max_vcpus, parameters.ram_pages ? parameters.ram_pages : parameters.max_pages);
    d.p2m->reserve_tables();
    d.msr_bitmap = allocate_xen_page(d);
    memory.fill(address_of(d.msr_bitmap), 0xff, kPageSize);
    d.cpuid = guest_policy(d);
    if (d.emulation_flags & XEN_X86_EMU_IOAPIC) {
      d.platform = std::make_unique<hvm::Platform>(*this, d);
      d.interrupt_lines = d.platform.get();
      d.hvm_params[HVM_PARAM_HPET_ENABLED] = 1;
    }
  }
  policy->set_domain(domid, d.scheduling, ns(now()));
  tracer.name_domain(domid, d.name);
  tracer.dom_add(active_->pcpu->index, now(), domid);

  std::uint64_t nodes = 0;
  std::vector<sched::PcpuId> all;
  for (const PcpuState& c : pcpus) all.push_back(c.pcpu->index);
  for (unsigned i = 0; i < parameters.max_vcpus; ++i) {
    cpu::LocalApicConfig apic;
    apic.apic_id = 2 * i;
    apic.bsp = i == 0;
    apic.timer_hz = 100'000'000;  // APIC_BUS_CYCLE_NS 10
    apic.tsc_hz = tsc_hz;
    d.vcpus.push_back(std::make_unique<Vcpu>(*this, d, i, apic));
    Vcpu& v = *d.vcpus.back();
    v.vcpu_info = address_of(d.shared_info) + 64 * std::min(i, 31u);
    v.runstate_entry = now();
    v.unit = static_cast<sched::UnitId>(units_.size());
    for (sched::UnitId u = 0; u < units_.size(); ++u)
      if (!units_[u]) {
        v.unit = u;
        break;
      }
    if (v.unit == units_.size()) units_.push_back(nullptr);
    units_[v.unit] = &v;
    sched::UnitInfo info;
    info.id = v.unit;
    info.domid = domid;
    info.vcpu = static_cast<std::uint16_t>(i);
    info.hard_affinity = i < parameters.hard_affinity.size() && !parameters.hard_affinity[i].empty()
                             ? parameters.hard_affinity[i]
                             : all;
    // Xen spreads new vCPUs over the pCPUs they may use, round robin.
    info.initial_pcpu = info.hard_affinity[(units_made_++) % info.hard_affinity.size()];
    v.processor = info.initial_pcpu;
    v.hard_affinity = info.hard_affinity;
    for (const sched::PcpuId p : v.hard_affinity) nodes |= std::uint64_t{1} << node_of(p);
    if (i < parameters.soft_affinity.size()) info.soft_affinity = parameters.soft_affinity[i];
    v.soft_affinity = info.soft_affinity.empty() ? all : info.soft_affinity;
    policy->add_unit(info, ns(now()));
    if (kind == DomainKind::kModel) {
      v.model = std::make_unique<ModelState>();
      v.pause_flags = i < parameters.vcpus ? kPausePaused : kPauseDown;
    } else {
      v.vlapic.reset();
      v.vpid = ++last_vpid_ == 0 ? ++last_vpid_ : last_vpid_;
      v.vmcs = address_of(allocate_xen_page(d));
      xstate::create(*this, v);
      init_vmcs(v);
      v.pause_flags = kPauseDown | kPausePaused;
    }
  }
  // Memory near the pCPUs it may use (domain_update_node_affinity).
  if (nodes != 0) d.node_affinity = nodes;
  if (domains_stats_) add_domain_stats(d);
  return d;
}

void Hypervisor::pause_domain(Domain& d) {
  if (d.pause_count++ > 0) return;
  for (auto& v : d.vcpus) {
    v->pause_flags |= kPausePaused;
    vcpu_sleep(*v);
  }
}

void Hypervisor::unpause_domain(Domain& d) {
  if (d.pause_count == 0 || --d.pause_count > 0) return;
  d.created_paused = false;
  d.creation_finished = true;
  for (auto& v : d.vcpus) {
    v->pause_flags &= ~kPausePaused;
    vcpu_wake(*v);
  }
}

void Hypervisor::vcpu_up(Vcpu& v) {
  v.pause_flags &= ~kPauseDown;
  vcpu_wake(v);
}

void Hypervisor::vcpu_down(Vcpu& v) {
  v.pause_flags |= kPauseDown;
  vcpu_sleep(v);
  for (const auto& other : v.domain.vcpus)
    if (!(other->pause_flags & kPauseDown)) return;
  // The last one is down: the guest has powered off (Xen's vcpu_check_shutdown and hvm_hlt).
  shutdown_domain(v.domain, ShutdownReason::kPoweroff);
}

namespace {

void stop_timers(Hypervisor& hv, Domain& d) {
  for (TimerId& w : d.watchdogs) hv.remove_timer(w);
  if (d.platform) d.platform->stop();
  for (auto& v : d.vcpus) {
    hvm::stop_synthetic_timers(hv, *v);
    for (TimerId* t : {&v->singleshot, &v->periodic, &v->poll, &v->apic_timer}) hv.remove_timer(*t);
  }
}

}  // namespace

void Hypervisor::shutdown_domain(Domain& d, ShutdownReason reason) {
  if (d.shutdown) return;
  d.shutdown = reason;
  d.ended_at = now();
  const unsigned cpu = active_->pcpu->index;
  tracer.shutdown(cpu, now(), {d.domid, 0}, static_cast<std::uint32_t>(reason));
  // One that has suspended may go on where it was: what its timers do meanwhile, it finds then.
  if (reason != ShutdownReason::kSuspend) stop_timers(*this, d);
  for (auto& v : d.vcpus) {
    ControlCall::let_go(*this, *v);
    v->pause_flags |= kPauseShutdown;
    vcpu_sleep(*v);
  }
  send_global_virq(VIRQ_DOM_EXC);
}

void Hypervisor::crash_domain(Domain& d, const std::string& why) {
  if (d.shutdown) return;
  d.crash_message = why;
  log.push_back("(XEN) domain_crash: " + d.name + " (d" + std::to_string(d.domid) + "): " + why);
  shutdown_domain(d, ShutdownReason::kCrash);
}

bool Hypervisor::populate(Domain& d, Gfn gfn, unsigned order) {
  const auto m = allocate_pages(*this, d, order);
  return m && physmap::add_page(*this, d, gfn.value, *m, order) == 0;
}

void Hypervisor::forget_areas(Domain& d, Mfn m) {
  for (const auto& v : d.vcpus)
    for (GuestArea* a : {&v->runstate_area, &v->time_area})
      if (a->valid && (mfn_of(a->first) == m || mfn_of(a->second) == m)) a->valid = false;
}

void Hypervisor::destroy_domain(domid_t domid) {
  const auto it = domains.find(domid);
  expects(it != domains.end());
  Domain& d = *it->second;
  d.dying = true;
  if (!d.shutdown) shutdown_domain(d, ShutdownReason::kPoweroff);
  stop_timers(*this, d);
  event::destroy(*this, d);
  for (auto& v : d.vcpus) {
    expects(v->runstate != Runstate::kRunning);
    policy->remove_unit(v->unit, ns(now()));
    units_[v->unit] = nullptr;
    for (PcpuState& c : pcpus) {
      if (c.loaded == v.get()) c.loaded = nullptr;
      if (c.xstate_of == v.get()) c.xstate_of = nullptr;
      if (v->vmcs_pcpu == static_cast<int>(c.pcpu->index)) expects(c.pcpu->core.vmx.vmclear(v->vmcs).ok());
    }
    tracer.dom_rem(active_->pcpu->index, now(), trace_id(*v));
  }
  policy->remove_domain(domid);
  grant::release_mappings(*this, d);
  if (d.p2m) {
    const std::uint64_t eptp = d.p2m->eptp();
    for (PcpuState& c : pcpus) c.pcpu->core.mmu.invept(1, eptp);
  }
  vm_event::cleanup(*this, d);
  if (d.log_dirty) d.log_dirty->disable();
  if (d.p2m) sharing->relinquish(d);
  d.p2m.reset();
  pod::empty_cache(d);
  for (auto& v : d.vcpus)
    if (v->vcpu_info_registered) frames.put_page(mfn_of(v->vcpu_info));
  frames.relinquish(domid);
  for (const Mfn m : d.xen_pages) frames.free_xen(m);
  // A device model outlives its domain; the number may be another's one day.
  for (auto& [other_id, other] : domains)
    if (other->role.target == domid) other->role.target = DOMID_INVALID;
  graveyard.push_back(std::move(it->second));
  domains.erase(it);
  send_global_virq(VIRQ_DOM_EXC);
  grant::retire_if_unused(*this, domid);
}

}  // namespace xensim::xen
