// The core file of a domain, as on_crash="coredump-destroy" and libxc's xc_domain_dumpcore_via_callback() make it:
// an ELF file of type ET_CORE without program headers, whose sections are
//   .note.Xen         notes: none, header (how many vCPUs and pages), Xen's version, the format's version (0.1)
//   .xen_prstatus     struct vcpu_guest_context of each vCPU
//   .xen_shared_info  the page, if the domain has it in its memory
//   .xen_pages        the pages, from an offset that is a multiple of 4 KiB
//   .xen_pfn          which guest frame each of them is, ascending; all ones: none, the page is zero
// and .shstrtab at the end. The format is Xen's docs/misc/dump-core-format.txt.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

// Where the bytes go, in order.
using CoreSink = std::function<void(std::span<const std::uint8_t> bytes)>;

// The domain does not run. Returns how many bytes the file has. What libxc cannot map is not in it: the VGA hole,
// what lies between 0xf0000000 and 4 GiB, and pages that were never populated.
std::uint64_t write_core(xen::Hypervisor& hypervisor, xen::Domain& domain, const CoreSink& sink);

}  // namespace xensim::dom0
