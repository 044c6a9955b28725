// When a domain's EPT changes: which pCPUs drop what they cached of it, and what that costs (ept_sync_domain in
// Xen).
//
// The pCPUs whose registers hold a vCPU of the domain get an interprocessor interrupt, which makes a running guest
// exit, and the caller waits until all have taken it; each of them, and every other pCPU the domain comes to
// later, executes INVEPT before it enters the domain again.
//
// Order rule: translations are dropped at once on all pCPUs, so that none of them goes on with an old one after
// the caller's point in time; the interrupts and the INVEPTs are where the time goes.
#pragma once

#include "models/xen/domain/domain.h"

namespace xensim::xen {

class Hypervisor;
struct PcpuState;

namespace ept_sync {

// Charged to the pCPU that runs now.
void sync_domain(Hypervisor& hv, Domain& d);
// The pCPU is about to enter the domain.
void before_entry(Hypervisor& hv, PcpuState& c, Domain& d);

}  // namespace ept_sync
}  // namespace xensim::xen
