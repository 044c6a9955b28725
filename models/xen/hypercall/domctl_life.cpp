// Domctls on a domain as a whole: it is made, paused, told about, destroyed, and gets what it is known by
// (common/domctl.c and common/domain.c of Xen 4.17).
#include <algorithm>
#include <new>

#include "models/xen/control/domain_control.h"
#include "models/xen/hypercall/control.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

constexpr unsigned kMostVcpus = 128;  // HVM_MAX_VCPUS
constexpr std::uint64_t kPagesPerStretch = 512;

// sanitise_domain_config, arch_sanitise_domain_config and what domain_create finds out: this Xen has neither PV
// guests, nor shadow paging, IOMMU, vPMU and vmtrace.
long check_creation(const Hypervisor& hv, const xen_domctl_createdomain& c) {
  constexpr std::uint32_t kKnown = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_s3_integrity |
                                   XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_iommu |
                                   XEN_DOMCTL_CDF_nested_virt | XEN_DOMCTL_CDF_vpmu;
  const bool hvm = c.flags & XEN_DOMCTL_CDF_hvm, hap = c.flags & XEN_DOMCTL_CDF_hap;
  if ((c.flags & ~kKnown) || (c.grant_opts & ~std::uint32_t{XEN_DOMCTL_GRANT_version_mask})) return -kEinval;
  if (c.max_vcpus < 1 || !hvm) return -kEinval;
  if (c.flags & (XEN_DOMCTL_CDF_iommu | XEN_DOMCTL_CDF_vpmu) || c.iommu_opts || c.vmtrace_size) return -kEinval;
  if (c.max_vcpus > kMostVcpus || c.flags & XEN_DOMCTL_CDF_s3_integrity) return -kEinval;
  if (c.flags & XEN_DOMCTL_CDF_nested_virt && !hap) return -kEinval;
  if (c.arch.misc_flags & ~std::uint32_t{XEN_X86_MSR_RELAXED}) return -kEinval;
  if (c.arch.emulation_flags & ~std::uint32_t{XEN_X86_EMU_ALL}) return -kEinval;
  // The devices of PVH guests, or those of HVM guests.
  constexpr std::uint32_t kHvmDevices = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
  if (c.arch.emulation_flags != XEN_X86_EMU_LAPIC && c.arch.emulation_flags != kHvmDevices) return -kEopnotsupp;
  if (!hap) return -kEopnotsupp;
  const unsigned version = c.grant_opts & XEN_DOMCTL_GRANT_version_mask;
  const grant::Config& most = hv.config.grants;
  if (version == 0 || version > most.max_version) return -kEinval;
  if (c.max_grant_frames == 0 || c.max_grant_frames > static_cast<std::int64_t>(most.max_frames) ||
      c.max_maptrack_frames > static_cast<std::int64_t>(most.max_maptrack_frames))
    return -kEinval;
  return c.cpupool_id == 0 ? 0 : -kEsrch;
}

// A PVH or HVM domain without memory, paused. Its vCPUs come with it, and are seen from XEN_DOMCTL_max_vcpus on.
long create(ControlCall& c, xen_domctl& op) {
  const xen_domctl_createdomain& from = op.u.createdomain;
  domid_t domid = op.domain;
  if (domid == 0 || domid >= DOMID_FIRST_RESERVED)
    domid = c.hv.free_domid();
  else if (c.hv.domains.contains(domid))
    return -kEexist;
  if (const long r = check_creation(c.hv, from)) return r;
  const grant::Config& most = c.hv.config.grants;
  CreateParameters parameters;
  parameters.name = "domain-" + std::to_string(domid);
  parameters.vcpus = 0;
  parameters.max_vcpus = from.max_vcpus;
  parameters.max_evtchn_port = std::min<std::uint32_t>(from.max_evtchn_port, 0x7fffffff);
  parameters.grants.max_frames =
      from.max_grant_frames < 0 ? most.max_frames : static_cast<unsigned>(from.max_grant_frames);
  parameters.grants.max_maptrack_frames =
      from.max_maptrack_frames < 0 ? most.max_maptrack_frames : static_cast<unsigned>(from.max_maptrack_frames);
  parameters.grants.max_version = from.grant_opts & XEN_DOMCTL_GRANT_version_mask;
  parameters.emulation_flags = from.arch.emulation_flags;
  parameters.nested_virt = from.flags & XEN_DOMCTL_CDF_nested_virt;
  // Its pages of Xen's: paging pool, VMCSs, shared info, grants.
  const std::uint64_t need = paging_pages(parameters.max_vcpus, 0) + 2 * parameters.max_vcpus + 64;
  if (c.hv.heap.free_pages() < need + c.hv.frames.claimed()) return -kEnomem;
  Domain& d = c.hv.create_domain(domid, DomainKind::kGuest, parameters);
  // The pages of its pool, and those of Xen's that are zeroed.
  cpu::Pcpu& p = *c.hv.here().pcpu;
  c.hv.cost.charge_many(p, Path::kPopulateFrame, d.p2m->table_limit);
  c.hv.cost.charge_many(p, Path::kScrubPage, d.xen_pages.size());
  d.vcpus_made = false;
  d.role.xenstore = from.flags & XEN_DOMCTL_CDF_xs_domain;
  std::copy(std::begin(from.handle), std::end(from.handle), d.uuid.begin());
  op.domain = domid;
  c.write_back = true;
  return 0;
}

long make_vcpus(const ControlCall& c, Domain& d, std::uint32_t max) {
  if (&d == &c.caller() || max != d.vcpus.size()) return -kEinval;
  d.vcpus_made = true;
  return 0;
}

long destroy(ControlCall& c, Domain& d) {
  if (&d == &c.caller()) return -kEinval;
  if (d.kind != DomainKind::kGuest) return -kEperm;  // the model of dom0 outlives the run, unlike Xen's
  if (!c.hold_still(d)) return 0;
  // Its memory goes a stretch at a time, as in Xen.
  const std::uint64_t pages = c.hv.frames.totals(d.domid).pages;
  const std::uint64_t stretch = std::min(pages - std::min(pages, d.relinquished), kPagesPerStretch);
  c.hv.cost.charge_many(*c.hv.here().pcpu, Path::kReleasePage, stretch);
  d.relinquished += stretch;
  if (d.relinquished < pages) return c.repeat();
  c.vcpu.holds_still = DOMID_INVALID;
  c.hv.destroy_domain(d.domid);
  return 0;
}

// XEN_DOMCTL_getdomaininfo tells of the domain, or of the next above if there is none of that number.
long tell(ControlCall& c, const Domain* d, xen_domctl& op) {
  if (!d) {
    if (op.domain >= DOMID_FIRST_RESERVED) return -kEinval;
    const auto next = c.hv.domains.lower_bound(op.domain);
    if (next == c.hv.domains.end()) return -kEsrch;
    d = next->second.get();
  }
  op.u.getdomaininfo = control::domain_info(c.hv, *d);
  op.domain = d->domid;
  c.write_back = true;
  return 0;
}

long scheduler(ControlCall& c, Domain& d, xen_domctl_scheduler_op& s) {
  c.write_back = true;
  if (s.sched_id != control::scheduler_id(c.hv)) return -kEinval;
  const bool credit2 = c.hv.policy->name() == "credit2";
  switch (s.cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
      if (!credit2) return 0;
      s.u.credit2.weight = static_cast<std::uint16_t>(d.scheduling.weight);
      s.u.credit2.cap = static_cast<std::uint16_t>(d.scheduling.cap);
      return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo:
      return credit2 ? control::set_scheduling(c.hv, d, s.u.credit2.weight, s.u.credit2.cap) : 0;
    case XEN_DOMCTL_SCHEDOP_putvcpuinfo:
    case XEN_DOMCTL_SCHEDOP_getvcpuinfo:
      return credit2 ? -kEinval : 0;
    default:
      return -kEinval;
  }
}

long set_virq_handler(const ControlCall& c, const Domain& d, std::uint32_t virq) {
  if (virq >= NR_VIRQS || !event::virq_is_global(virq)) return -kEinval;
  c.hv.global_virq_handlers[virq] = d.domid;
  return 0;
}

long tsc_info(ControlCall& c, Domain& d, xen_domctl_tsc_info& t, bool set) {
  constexpr std::uint32_t kDefault = 0, kAlwaysEmulate = 1, kNeverEmulate = 2;
  const auto khz = static_cast<std::uint32_t>(c.hv.tsc_hz / 1000);
  if (&d == &c.caller()) return -kEinval;
  if (set) {
    if (t.tsc_mode > kNeverEmulate) return -kEinval;
    // RDTSC is never emulated here.
    if (t.tsc_mode == kAlwaysEmulate || (t.tsc_mode == kDefault && t.gtsc_khz != 0 && t.gtsc_khz != khz))
      return -kEopnotsupp;
    d.tsc_mode = t.tsc_mode;
    d.tsc_incarnation = t.incarnation + 1;
    return 0;
  }
  t.tsc_mode = d.tsc_mode;
  t.incarnation = d.tsc_incarnation;
  t.gtsc_khz = d.tsc_mode == kNeverEmulate ? 0 : khz;
  t.elapsed_nsec = d.tsc_mode == kNeverEmulate ? 0 : c.hv.ns(c.hv.now());
  c.write_back = true;
  return 0;
}

}  // namespace

long set_target(Hypervisor& hv, const Domain& caller, Domain& d, domid_t target) {
  const DomainLookup e = lookup_domain_by_id(hv, target);
  if (!e) return e.error;
  if (e.domain == &d || d.role.target != DOMID_INVALID) return -kEinval;
  if (e.domain->kind != DomainKind::kGuest) return -kEopnotsupp;
  if (const long refused = xsm::check(xsm::Action::kPriv, caller, nullptr)) return refused;
  d.role.target = target;
  return 0;
}

std::optional<long> domctl_on_life(ControlCall& c, Domain* d, xen_domctl& op) {
  const bool own = d == &c.caller();
  switch (op.cmd) {
    case XEN_DOMCTL_createdomain:
      return create(c, op);
    case XEN_DOMCTL_max_vcpus:
      return make_vcpus(c, *d, op.u.max_vcpus.max);
    case XEN_DOMCTL_destroydomain:
      return destroy(c, *d);
    case XEN_DOMCTL_pausedomain:
      return control::pause(c.hv, c.caller(), *d);
    case XEN_DOMCTL_unpausedomain:
      return control::unpause(c.hv, *d);
    case XEN_DOMCTL_resumedomain:
      if (own) return -kEinval;
      control::resume(c.hv, *d);
      return 0;
    case XEN_DOMCTL_soft_reset:
      return own || d->kind != DomainKind::kGuest ? -kEinval : control::soft_reset(c.hv, *d);
    case XEN_DOMCTL_getdomaininfo:
      return tell(c, d, op);
    case XEN_DOMCTL_scheduler_op:
      return scheduler(c, *d, op.u.scheduler_op);
    case XEN_DOMCTL_setdomainhandle:
      std::copy(std::begin(op.u.setdomainhandle.handle), std::end(op.u.setdomainhandle.handle), d->uuid.begin());
      return 0;
    case XEN_DOMCTL_setdebugging:
      if (own) return -kEinval;
      d->debugger_attached = op.u.setdebugging.enable != 0;
      return 0;
    case XEN_DOMCTL_settimeoffset:
      d->time_offset_seconds = op.u.settimeoffset.time_offset_seconds;
      c.hv.init_wallclock(*d);
      return 0;
    case XEN_DOMCTL_set_target:
      return set_target(c.hv, c.caller(), *d, static_cast<domid_t>(op.u.set_target.target));
    case XEN_DOMCTL_subscribe:
      d->suspend_port = op.u.subscribe.port;
      return 0;
    case XEN_DOMCTL_set_virq_handler:
      return set_virq_handler(c, *d, op.u.set_virq_handler.virq);
    case XEN_DOMCTL_gettscinfo:
    case XEN_DOMCTL_settscinfo:
      return tsc_info(c, *d, op.u.tsc_info, op.cmd == XEN_DOMCTL_settscinfo);
    default:
      return std::nullopt;
  }
}

}  // namespace xensim::xen
