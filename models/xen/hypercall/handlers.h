// Hypercall handlers that are functions of their own, and the table that dispatch.cpp looks numbers up in. A
// handler takes the calling vCPU, which is current, and its arguments; it returns what the guest finds in RAX.
#pragma once

#include <cstdint>

#include "models/xen/hypercall/arguments.h"
#include "models/xen/path_cost.h"

namespace xensim::xen {

using HypercallHandler = long (*)(Hypervisor&, Vcpu&, const Arguments&);

long do_multicall(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_domctl(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_sysctl(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_platform_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_mmuext_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_xsm_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_physdev_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_xenpmu_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_dm_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_hypfs_op(Hypervisor& hv, Vcpu& v, const Arguments& args);
long do_paging_domctl_cont(Hypervisor& hv, Vcpu& v, const Arguments& args);

}  // namespace xensim::xen
