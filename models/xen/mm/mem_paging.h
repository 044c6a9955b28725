// Paging of a guest by dom0: a pager nominates a page (the guest may touch it no more, its content can be saved),
// evicts it (the frame is free), and brings it back when a request on the paging ring (vm_event.h) says that the
// guest wants it. A vCPU that touches such a page waits for the pager's answer.
//
// p2m types: nominated kRamPagingOut, evicted kRamPaged, asked for kRamPagingIn. Order of checks and errors:
// Xen 4.17, arch/x86/mm/mem_paging.c.
#pragma once

#include <cstdint>
#include <span>

#include "models/xen/public.h"
#include "sim/base/types.h"

struct vm_event_st;

namespace xensim::xen {

class Hypervisor;
struct Arguments;
struct Domain;
struct Vcpu;

namespace mem_paging {

// XENMEM_paging_op_*. prepare: content is 4 KiB, or empty for a page that was never evicted.
long nominate(Hypervisor& hv, Domain& d, Gfn gfn);
long evict(Hypervisor& hv, Domain& d, Gfn gfn);
long prepare(Hypervisor& hv, Domain& d, Gfn gfn, std::span<const std::uint8_t> content);

// Somebody wants the page: asks the pager for it; a vCPU of the domain's own is paused until it answers.
void populate(Hypervisor& hv, Domain& d, Gfn gfn);
// The guest gives up a page that is paged out, or on its way in: it goes from the p2m, and the pager is told.
long free_page(Hypervisor& hv, Domain& d, Gfn gfn);
// The pager's answer.
void resumed(Hypervisor& hv, Domain& d, const vm_event_st& response);

// XENMEM_paging_op of a guest.
long paging_op(Hypervisor& hv, Vcpu& v, const Arguments& args);

}  // namespace mem_paging
}  // namespace xensim::xen
