// The control domain's hypercalls: domctl, sysctl, platform_op. Their structures are laid out alike for callers of
// both widths. Which domain may do what is checked in domctl.cpp, sysctl.cpp and platform.cpp, in Xen's order; the
// operations, which take a structure that passed all checks, are declared here.
#pragma once

#include "models/xen/hypercall/control_call.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>
#include <xen/vm_event.h>
#pragma GCC diagnostic pop

namespace xensim::xen {

// The domain becomes the target's device model (XEN_DOMCTL_set_target).
long set_target(Hypervisor& hv, const Domain& caller, Domain& d, domid_t target);

// By topic. nullopt: the command is another topic's. The domain is null for commands that have none.
std::optional<long> domctl_on_life(ControlCall& c, Domain* d, xen_domctl& op);
std::optional<long> domctl_on_vcpu(ControlCall& c, Domain& d, xen_domctl& op);
std::optional<long> domctl_on_memory(ControlCall& c, Domain& d, xen_domctl& op);
std::optional<long> domctl_on_device(ControlCall& c, Domain* d, xen_domctl& op);
std::optional<long> domctl_on_policy(ControlCall& c, Domain& d, xen_domctl& op);

// What the host is: physinfo, topology, features.
std::optional<long> sysctl_on_host(ControlCall& c, xen_sysctl& op);

// Leaves and MSRs of a CPUID policy as the tools have them (xen_cpuid_leaf_t, xen_msr_entry_t): 0, -ENOBUFS,
// -EFAULT. A null handle asks for the most entries that there can be.
long write_cpu_policy(const ControlCall& c, const cpu::CpuidPolicy& policy, std::uint64_t leaves,
                      std::uint32_t& leaf_count, std::uint64_t msrs, std::uint32_t& msr_count);

}  // namespace xensim::xen
