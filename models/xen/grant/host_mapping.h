// Where a granted frame appears in the domain that maps it: in its p2m, or, for a model of dom0, at an address of
// its own (create_grant_host_mapping and replace_grant_host_mapping of Xen's asm-x86/grant_table.h).
#pragma once

#include <cstdint>

#include "models/xen/public.h"
#include "sim/base/types.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
}  // namespace xensim::xen

namespace xensim::xen::grant {

// GNTST_okay or GNTST_general_error. A guest that maps over a grant of its own is crashed.
std::int16_t create_host_mapping(Hypervisor& hv, Domain& d, std::uint64_t address, Mfn frame, std::uint32_t flags);
// Unmaps it if it is there; with new_address, what is mapped at that one comes in its place (dom0 only).
std::int16_t replace_host_mapping(Hypervisor& hv, Domain& d, std::uint64_t address, Mfn frame,
                                  std::uint64_t new_address, std::uint32_t flags);

}  // namespace xensim::xen::grant
