// What the prompt shows of a halted machine, as text. Nothing is changed.
#pragma once

#include <string>

#include "models/xen/hypervisor.h"

namespace xensim::tool {

// A vCPU's registers as the guest would see them if it went on.
std::string show_registers(const xen::Hypervisor& hv, const xen::Vcpu& v);
// Where a guest's frames are: all mappings in runs, or those of [gfn, gfn + count).
std::string show_p2m(const xen::Domain& d);
std::string show_p2m(const xen::Domain& d, std::uint64_t gfn, std::uint64_t count);
// Event channels in use.
std::string show_events(const xen::Hypervisor& hv, const xen::Domain& d);
// What runs where, who waits, and the policy's own queues.
std::string show_run_queues(const xen::Hypervisor& hv);

}  // namespace xensim::tool
