// mem_access: a monitor in dom0 restricts what a guest may do with pages, and is told by the monitor ring
// (vm_event.h) of each access that it forbids. The access is held until the monitor answers; a page whose access
// is n2rwx tells once and goes on. Order of checks and errors: Xen 4.17, arch/x86/mm/mem_access.c,
// common/mem_access.c.
#pragma once

#include <cstdint>

#include "models/cpu/outcome.h"
#include "models/xen/mm/p2m.h"
#include "models/xen/public.h"

namespace xensim::xen {

class Hypervisor;
struct Arguments;
struct Domain;
struct Vcpu;

namespace mem_access {

// Does an access with this EPT-violation qualification break the rights?
bool violates(P2mAccess access, std::uint64_t qualification);
// The current vCPU made a forbidden access. true: it is dealt with for now (the vCPU waits for the monitor, or
// rights were widened); false: the access goes on to be handled as one that is allowed, or the domain has crashed.
bool check(Hypervisor& hv, Vcpu& v, Gfn gfn, const P2mEntry& e, const cpu::VmExitInfo& x);

// XENMEM_access_op_set_access on [first, first + nr), and on what new pages get; _get_access. access:
// XENMEM_access_*. start moves on; 1: to be continued.
long set(Hypervisor& hv, Domain& d, std::uint64_t first, std::uint32_t nr, std::uint32_t& start, unsigned access);
long set_default(Domain& d, unsigned access);
long get(Domain& d, std::uint64_t gfn, unsigned& access);
long get_default(const Domain& d, unsigned& access);

// XENMEM_access_op of a guest.
long access_op(Hypervisor& hv, Vcpu& v, const Arguments& args);

}  // namespace mem_access
}  // namespace xensim::xen
