// __HYPERVISOR_sysctl: what a control domain asks of the whole machine. For callers without privilege the order of
// checks is what can be seen: the structure (-EFAULT), its version (-EACCES), the privilege (-EPERM); commands
// come after that. Here: Xen's console, domains, the scheduler and cpupools; what the host is, is in
// sysctl_host.cpp.
//
// There is one cpupool, which has all pCPUs, and no trace buffer of the guests': the run's trace is the
// simulator's.
#include <algorithm>
#include <string>

#include "models/xen/control/debug_keys.h"
#include "models/xen/control/domain_control.h"
#include "models/xen/hypercall/control.h"
#include "models/xen/hypercall/handlers.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

// Keys in one call; each prints a table.
constexpr std::uint32_t kMostKeys = 256;

// read_console_ring: indices count characters of what is there now.
long read_console(const ControlCall& c, xen_sysctl_readconsole& op) {
  std::string text;
  for (const std::string& line : c.hv.log) text += line + "\n";
  std::size_t at = op.incremental && op.index > 0 && op.index <= text.size() ? op.index : 0;
  const std::size_t n = std::min<std::size_t>(op.count, text.size() - at);
  if (n > 0 && !c.write(address_in(op.buffer), text.data() + at, n)) return -kEfault;
  at += n;
  op.count = static_cast<std::uint32_t>(n);
  op.index = static_cast<std::uint32_t>(at);
  if (op.clear) c.hv.log.clear();
  return 0;
}

long trace_buffers(xen_sysctl_tbuf_op& op) {
  switch (op.cmd) {
    case XEN_SYSCTL_TBUFOP_get_info:
      op.evt_mask = ~0u;
      op.buffer_mfn = 0;
      op.size = 0;
      return 0;
    case XEN_SYSCTL_TBUFOP_set_cpu_mask:
    case XEN_SYSCTL_TBUFOP_set_evt_mask:
    case XEN_SYSCTL_TBUFOP_disable:
      return 0;
    case XEN_SYSCTL_TBUFOP_set_size:
      return -kEnomem;
    default:  // enable: there are no buffers
      return -kEinval;
  }
}

long list_domains(const ControlCall& c, xen_sysctl_getdomaininfolist& op) {
  std::uint32_t n = 0;
  for (auto it = c.hv.domains.lower_bound(op.first_domain); it != c.hv.domains.end() && n < op.max_domains; ++it) {
    const xen_domctl_getdomaininfo info = control::domain_info(c.hv, *it->second);
    c.hv.cost.charge(*c.hv.here().pcpu, Path::kControlOp);
    if (!c.write(address_in(op.buffer) + n * sizeof info, info)) return -kEfault;
    ++n;
  }
  op.num_domains = n;
  return 0;
}

long press_keys(const ControlCall& c, const xen_sysctl_debug_keys& op) {
  for (std::uint32_t i = 0; i < std::min(op.nr_keys, kMostKeys); ++i) {
    char key = 0;
    if (!c.read(address_in(op.keys) + i, key)) return -kEfault;
    control::debug_keys(c.hv, std::string_view(&key, 1));
  }
  return 0;
}

long scheduler(const ControlCall& c, xen_sysctl_scheduler_op& op) {
  if (op.cmd != XEN_SYSCTL_SCHEDOP_putinfo && op.cmd != XEN_SYSCTL_SCHEDOP_getinfo) return -kEinval;
  if (op.cpupool_id != 0) return -kEsrch;
  if (op.sched_id != control::scheduler_id(c.hv) || c.hv.policy->name() != "credit2") return -kEinval;
  auto& us = op.u.sched_credit2.ratelimit_us;
  if (op.cmd == XEN_SYSCTL_SCHEDOP_putinfo)
    if (const long r = control::set_ratelimit(c.hv, us)) return r;
  us = static_cast<std::uint32_t>(c.hv.policy->ratelimit() / 1000);
  return 0;
}

long cpupool(const ControlCall& c, xen_sysctl_cpupool_op& op) {
  const std::size_t count = c.hv.pcpus.size();
  switch (op.op) {
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
      return op.cpupool_id == 0 ? -kEexist : -kEopnotsupp;
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
      return op.cpupool_id == 0 ? -kEbusy : -kEnoent;
    case XEN_SYSCTL_CPUPOOL_OP_INFO: {
      if (op.cpupool_id != 0) return -kEnoent;
      op.sched_id = control::scheduler_id(c.hv);
      op.n_dom = static_cast<std::uint32_t>(c.hv.domains.size());
      return write_bitmap(c, op.cpumap, Bits(count, true));
    }
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
      if (op.cpupool_id != 0) return -kEnoent;
      return op.cpu != XEN_SYSCTL_CPUPOOL_PAR_ANY && op.cpu >= count ? -kEinval : -kEnodev;
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
      if (op.cpupool_id != 0) return -kEnoent;
      return op.cpu != XEN_SYSCTL_CPUPOOL_PAR_ANY && op.cpu >= count ? -kEinval : -kEopnotsupp;
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: {
      const DomainLookup found = lookup_remote_domain(c.hv, c.caller(), static_cast<domid_t>(op.domid));
      if (!found) return found.error;
      return op.cpupool_id == 0 ? 0 : -kEnoent;
    }
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
      return write_bitmap(c, op.cpumap, Bits(count));
    default:
      return -kEnosys;
  }
}

// write_back is set where Xen copies the structure back, which is after success as a rule.
long operate(ControlCall& c, xen_sysctl& op) {
  c.write_back = true;
  switch (op.cmd) {
    case XEN_SYSCTL_readconsole:
      return read_console(c, op.u.readconsole);
    case XEN_SYSCTL_tbuf_op:
      return trace_buffers(op.u.tbuf_op);
    case XEN_SYSCTL_sched_id:
      op.u.sched_id.sched_id = control::scheduler_id(c.hv);
      return 0;
    case XEN_SYSCTL_getdomaininfolist:
      return list_domains(c, op.u.getdomaininfolist);
    case XEN_SYSCTL_debug_keys:
      return press_keys(c, op.u.debug_keys);
    case XEN_SYSCTL_scheduler_op:
      return scheduler(c, op.u.scheduler_op);
    case XEN_SYSCTL_cpupool_op:
      return cpupool(c, op.u.cpupool_op);
    case XEN_SYSCTL_cpu_hotplug:
      if (op.u.cpu_hotplug.op > XEN_SYSCTL_CPU_HOTPLUG_OFFLINE) return -kEopnotsupp;
      if (op.u.cpu_hotplug.cpu >= c.hv.pcpus.size()) return -kEinval;
      return op.u.cpu_hotplug.op == XEN_SYSCTL_CPU_HOTPLUG_ONLINE ? -kEexist : -kEopnotsupp;
    case XEN_SYSCTL_coverage_op:  // builds without them say so
    case XEN_SYSCTL_livepatch_op:
      return -kEopnotsupp;
    case XEN_SYSCTL_page_offline_op:
      return op.u.page_offline.end < op.u.page_offline.start ? -kEinval : -kEopnotsupp;
    case XEN_SYSCTL_psr_cmt_op:
    case XEN_SYSCTL_psr_alloc:
      return -kEnodev;
    default:
      if (const auto r = sysctl_on_host(c, op)) return *r;
      return -kEnosys;
  }
}

}  // namespace

long do_sysctl(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  xen_sysctl op;
  if (!hv.copy_from_guest(v, args.a[0], &op, sizeof op)) return -kEfault;
  if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) return -kEacces;
  if (const long refused = xsm::check(xsm::Action::kPriv, v.domain, nullptr)) return refused;
  ControlCall c{hv, v};
  const long result = operate(c, op);
  if (c.write_back && (result == 0 || result == -kEnobufs) && !hv.copy_to_guest(v, args.a[0], &op, sizeof op))
    return -kEfault;
  return result;
}

}  // namespace xensim::xen
