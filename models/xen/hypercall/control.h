// The control domain's hypercalls: domctl, sysctl, platform_op. Their structures are laid out alike for callers of
// both widths. Which domain may do what is checked in domctl.cpp, sysctl.cpp and platform.cpp, in Xen's order; the
// operations, which take a structure that passed all checks, are declared here.
#pragma once

#include "models/xen/hypervisor.h"

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

// The domain is null for commands that have none. write_back: the guest gets the structure back.
long domctl_operation(Hypervisor& hv, const Domain& caller, Domain* d, xen_domctl& op, bool& write_back);

}  // namespace xensim::xen
