// What the toolstack may have done to a domain: the bodies of XEN_DOMCTL_pausedomain, _unpausedomain, _max_mem,
// _setvcpuaffinity, _scheduler_op, _sendtrigger, _soft_reset, _resumedomain, _getdomaininfo and _getvcpuinfo, and
// of XEN_SYSCTL_scheduler_op. Checks, their order and their errors are Xen 4.17's; who may call is the caller's
// affair (xsm), and so is the time it takes. Results are 0 or -errno.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/xen/hypervisor.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/domctl.h>
#include <xen/sysctl.h>
#pragma GCC diagnostic pop

namespace xensim::xen::control {

// The toolstack's pauses nest, up to 255. A domain is created with one. caller: the domain that asks, which cannot
// pause itself.
long pause(Hypervisor& hv, const Domain& caller, Domain& d);
long unpause(Hypervisor& hv, Domain& d);

// Limits what it may own from now on; what it owns already stays.
long max_mem(Domain& d, std::uint64_t kib);

// Allowed and preferred pCPUs; nullopt: unchanged. pCPUs that the host lacks are ignored; -EINVAL: no such vCPU,
// or no pCPU left to run on; none need be preferred.
using Cpus = std::vector<sched::PcpuId>;
long set_affinity(Hypervisor& hv, Domain& d, unsigned vcpu, std::optional<Cpus> hard, std::optional<Cpus> soft);

// XEN_SCHEDULER_* of the policy.
std::uint32_t scheduler_id(const Hypervisor& hv);
// weight 0: unchanged; it is set even if the cap is refused. Under a policy that has neither, nothing happens.
long set_scheduling(Hypervisor& hv, Domain& d, unsigned weight, unsigned cap);
long set_ratelimit(Hypervisor& hv, std::uint64_t us);

// trigger: XEN_DOMCTL_SENDTRIGGER_*.
long send_trigger(Hypervisor& hv, Domain& d, std::uint32_t trigger, std::uint32_t vcpu);

// A domain that has shut down goes on where it was (after a suspend that was given up, and after a soft reset).
void resume(Hypervisor& hv, Domain& d);
// Forgets event channels and registered areas, and resumes. -EINVAL unless every vCPU has stopped.
long soft_reset(Hypervisor& hv, Domain& d);

// Times up to now, in ns.
xen_domctl_getdomaininfo domain_info(const Hypervisor& hv, const Domain& d);
long vcpu_info(const Hypervisor& hv, const Domain& d, xen_domctl_getvcpuinfo& info);

// struct vcpu_guest_context of an HVM vCPU that does not run: general registers, selectors, control and debug
// registers (arch_get_info_guest). The registers of whoever runs here are to be loaded again.
vcpu_guest_context_t guest_context(Hypervisor& hv, Vcpu& v);

}  // namespace xensim::xen::control
