#include "models/xen/control/domain_control.h"

#include <algorithm>
#include <cstring>

#include "models/cpu/isa/fxsave.h"

namespace xensim::xen::control {

namespace {

constexpr std::uint32_t kMostPauses = 255;

// What Xen had pinned in the guest's memory for this vCPU.
void forget_areas(Vcpu& v) {
  v.runstate_area.valid = v.time_area.valid = false;
  v.vcpu_info = address_of(v.domain.shared_info) + 64 * std::min(v.id, 31u);
  v.vcpu_info_registered = false;
  v.time_written = false;
}

Cpus present(const Hypervisor& hv, const Cpus& wanted) {
  Cpus out;
  for (const PcpuState& c : hv.pcpus)
    if (std::find(wanted.begin(), wanted.end(), c.pcpu->index) != wanted.end()) out.push_back(c.pcpu->index);
  return out;
}

}  // namespace

long pause(Hypervisor& hv, const Domain& caller, Domain& d) {
  if (&caller == &d) return -kEinval;
  if (d.controller_pause_count == kMostPauses) return -kEoverflow;
  ++d.controller_pause_count;
  hv.pause_domain(d);
  return 0;
}

long unpause(Hypervisor& hv, Domain& d) {
  if (d.controller_pause_count == 0) return -kEinval;
  --d.controller_pause_count;
  hv.unpause_domain(d);
  return 0;
}

long max_mem(Domain& d, std::uint64_t kib) {
  d.max_pages = std::min<std::uint64_t>(kib >> 2, 0xffffffff);
  return 0;
}

long set_affinity(Hypervisor& hv, Domain& d, unsigned vcpu, std::optional<Cpus> hard, std::optional<Cpus> soft) {
  if (vcpu >= d.vcpus.size()) return -kEinval;
  Vcpu& v = *d.vcpus[vcpu];
  if (hard) {
    hard = present(hv, *hard);
    if (hard->empty()) return -kEinval;
    hv.set_affinity(v, *hard, v.soft_affinity);
  }
  if (soft) {
    soft = present(hv, *soft);
    hv.set_affinity(v, v.hard_affinity, *soft);
  }
  return 0;
}

std::uint32_t scheduler_id(const Hypervisor& hv) {
  return hv.policy->name() == "credit2" ? XEN_SCHEDULER_CREDIT2 : XEN_SCHEDULER_NULL;
}

long set_scheduling(Hypervisor& hv, Domain& d, unsigned weight, unsigned cap) {
  if (hv.policy->name() != "credit2") return 0;
  sched::DomainParameters p = d.scheduling;
  if (weight != 0) p.weight = weight;
  const bool possible = cap <= 100 * d.vcpus.size();
  if (possible) p.cap = cap;
  hv.set_scheduling(d, p);
  return possible ? 0 : -kEinval;
}

long set_ratelimit(Hypervisor& hv, std::uint64_t us) {
  if (us != 0 && (us > XEN_SYSCTL_SCHED_RATELIMIT_MAX || us < XEN_SYSCTL_SCHED_RATELIMIT_MIN)) return -kEinval;
  if (hv.policy->ratelimit() == 0 && us != 0) hv.log.emplace_back("(XEN) Enabling context switch rate limiting");
  if (hv.policy->ratelimit() != 0 && us == 0) hv.log.emplace_back("(XEN) Disabling context switch rate limiting");
  hv.policy->set_ratelimit(us * 1000);
  return 0;
}

long send_trigger(Hypervisor& hv, Domain& d, std::uint32_t trigger, std::uint32_t vcpu) {
  if (vcpu >= d.vcpus.size()) return -kEsrch;
  Vcpu& v = *d.vcpus[vcpu];
  switch (trigger) {
    case XEN_DOMCTL_SENDTRIGGER_NMI:
      if (!v.nmi_pending) {
        v.nmi_pending = true;
        hv.vcpu_kick(v);
      }
      return 0;
    case XEN_DOMCTL_SENDTRIGGER_POWER:
    case XEN_DOMCTL_SENDTRIGGER_SLEEP:
      // A PVH domain has no PM timer block and thus no button: Xen accepts and nothing happens.
      return d.kind == DomainKind::kGuest ? 0 : -kEinval;
    default:
      return -kEnosys;
  }
}

void resume(Hypervisor& hv, Domain& d) {
  if (!d.shutdown) return;
  d.shutdown.reset();
  d.shutdown_code = ~0u;
  d.ended_at = 0;
  for (auto& v : d.vcpus) {
    v->pause_flags &= ~kPauseShutdown;
    hv.vcpu_wake(*v);
  }
}

long soft_reset(Hypervisor& hv, Domain& d) {
  if (!d.shutdown) return -kEinval;
  while (event::reset(hv, d, true, d.events.next_reset != 0) == -kErestart) continue;
  for (auto& v : d.vcpus) forget_areas(*v);
  resume(hv, d);
  return 0;
}

xen_domctl_getdomaininfo domain_info(const Hypervisor& hv, const Domain& d) {
  xen_domctl_getdomaininfo i;
  std::memset(&i, 0, sizeof i);
  i.domain = d.domid;
  i.max_vcpu_id =
      d.vcpus.empty() || !d.vcpus_made ? XEN_INVALID_MAX_VCPU_ID : static_cast<std::uint32_t>(d.vcpus.size() - 1);
  std::uint32_t of_vcpus = XEN_DOMINF_blocked;
  Cycles ran = 0;
  for (const auto& v : d.vcpus) {
    ran += hv.runstate_times(*v, hv.now())[static_cast<unsigned>(Runstate::kRunning)];
    if (v->pause_flags & kPauseDown) continue;
    ++i.nr_online_vcpus;
    if (!(v->pause_flags & kPauseBlocked)) of_vcpus &= ~static_cast<std::uint32_t>(XEN_DOMINF_blocked);
    if (v->runstate == Runstate::kRunning) of_vcpus |= XEN_DOMINF_running;
  }
  i.cpu_time = hv.ns(ran);
  i.flags = i.nr_online_vcpus ? of_vcpus : 0;
  if (d.dying) i.flags |= XEN_DOMINF_dying;
  if (d.controller_pause_count > 0) i.flags |= XEN_DOMINF_paused;
  if (d.debugger_attached) i.flags |= XEN_DOMINF_debugged;
  if (d.role.xenstore) i.flags |= XEN_DOMINF_xs_domain;
  if (d.kind == DomainKind::kGuest) {
    i.flags |= XEN_DOMINF_hvm_guest | XEN_DOMINF_hap;
    i.arch_config.emulation_flags = d.emulation_flags;
  }
  i.gpaddr_bits = static_cast<std::uint8_t>(hv.pcpus.front().pcpu->core.config.physical_bits);
  if (d.shutdown) {
    i.flags |= XEN_DOMINF_shutdown;
    i.flags |= static_cast<std::uint32_t>(*d.shutdown) << XEN_DOMINF_shutdownshift;
  } else {
    i.flags |= d.shutdown_code << XEN_DOMINF_shutdownshift;
  }
  i.tot_pages = hv.frames.totals(d.domid).pages;
  i.shr_pages = d.shared_pages;
  i.paged_pages = d.paged_pages;
  i.max_pages = d.max_pages;
  i.outstanding_pages = hv.frames.claim_of(d.domid);
  i.shr_pages = d.shared_pages;
  i.paged_pages = d.paged_pages;
  i.shared_info_frame = hv.frames.gfn_of(d.shared_info);
  std::copy(d.uuid.begin(), d.uuid.end(), i.handle);
  return i;
}

long vcpu_info(const Hypervisor& hv, const Domain& d, xen_domctl_getvcpuinfo& info) {
  if (info.vcpu >= d.vcpus.size()) return -kEinval;
  const Vcpu& v = *d.vcpus[info.vcpu];
  info.online = !(v.pause_flags & kPauseDown);
  info.blocked = (v.pause_flags & kPauseBlocked) != 0;
  info.running = v.runstate == Runstate::kRunning;
  info.cpu_time = hv.ns(hv.runstate_times(v, hv.now())[static_cast<unsigned>(Runstate::kRunning)]);
  info.cpu = v.processor;
  return 0;
}

vcpu_guest_context_t guest_context(Hypervisor& hv, Vcpu& v) {
  const cpu::ArchState st = hv.vcpu_state(v);
  vcpu_guest_context_t g{};
  static_assert(sizeof g.fpu_ctxt == cpu::isa::kFxsaveBytes);
  cpu::isa::store_fxsave_image(st, true, 16, reinterpret_cast<std::uint8_t*>(&g.fpu_ctxt));
  g.flags = VGCF_i387_valid | (v.pause_flags & kPauseDown ? 0 : VGCF_online);
  auto& r = g.user_regs;
  r.rax = st.gpr[cpu::kRax], r.rbx = st.gpr[cpu::kRbx], r.rcx = st.gpr[cpu::kRcx], r.rdx = st.gpr[cpu::kRdx];
  r.rsi = st.gpr[cpu::kRsi], r.rdi = st.gpr[cpu::kRdi], r.rbp = st.gpr[cpu::kRbp], r.rsp = st.gpr[cpu::kRsp];
  r.r8 = st.gpr[8], r.r9 = st.gpr[9], r.r10 = st.gpr[10], r.r11 = st.gpr[11];
  r.r12 = st.gpr[12], r.r13 = st.gpr[13], r.r14 = st.gpr[14], r.r15 = st.gpr[15];
  r.rip = st.rip, r.rflags = st.rflags;
  r.cs = st.seg[cpu::kCs].selector, r.ss = st.seg[cpu::kSs].selector, r.ds = st.seg[cpu::kDs].selector;
  r.es = st.seg[cpu::kEs].selector, r.fs = st.seg[cpu::kFs].selector, r.gs = st.seg[cpu::kGs].selector;
  for (unsigned i : {0u, 1u, 2u, 3u, 6u, 7u}) g.debugreg[i] = st.dr[i];
  g.ctrlreg[0] = st.cr0, g.ctrlreg[2] = st.cr2, g.ctrlreg[3] = st.cr3, g.ctrlreg[4] = st.cr4;
  g.fs_base = st.seg[cpu::kFs].base;
  const bool kernel = (r.cs & 3) == 0;
  g.gs_base_kernel = kernel ? st.seg[cpu::kGs].base : st.msr.kernel_gs_base;
  g.gs_base_user = kernel ? st.msr.kernel_gs_base : st.seg[cpu::kGs].base;
  return g;
}

}  // namespace xensim::xen::control
