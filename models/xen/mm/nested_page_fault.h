// EPT violations and misconfigurations of pages that are memory: log-dirty, sharing, paging, access rights, and
// accesses whose right has been restored meanwhile (hvm_hap_nested_page_fault and ept_handle_misconfig in Xen).
// What is no memory is emulated (models/xen/vmexit/ept.cpp).
#pragma once

#include "models/cpu/outcome.h"
#include "models/xen/domain/domain.h"

namespace xensim::xen {

class Hypervisor;

// Of the current vCPU, after physmap::get() for the access. false: the page is not memory, or the access is not to
// be allowed.
bool handle_memory_fault(Hypervisor& hv, Vcpu& v, const cpu::VmExitInfo& x);
// false: the entry is wrong for no reason of ours.
bool handle_misconfiguration(Hypervisor& hv, Vcpu& v, Gfn gfn);

}  // namespace xensim::xen
