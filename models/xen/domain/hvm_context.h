// The hardware state of a domain's vCPUs as Xen's tools carry it (XEN_DOMCTL_gethvmcontext and sethvmcontext): a
// sequence of records, each with a descriptor of type, instance and length, that a record END closes. Layouts:
// public/hvm/save.h and public/arch-x86/hvm/save.h.
//
// A PVH domain has the records HEADER, then CPU, LAPIC, LAPIC_REGS, MTRR, VMCE_VCPU and TSC_ADJUST for each vCPU;
// CPU only for those that are up, which is how the other end knows which are. PCI_IRQ, ISA_IRQ and PCI_LINK are
// there as Xen has them, and mean nothing. What guests register with Xen (areas, timers, event ports) is not part
// of it: a guest sets that up again after it was restored.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace xensim::xen {

class Hypervisor;
struct Domain;

// The domain does not run: it is paused or has shut down.
std::vector<std::uint8_t> save_hvm_context(Hypervisor& hv, Domain& d);

// Into a domain whose vCPUs have not run yet. 0; -EINVAL: the bytes make no sense, or no state that a vCPU may
// have; nothing has changed then; -ENODATA: they end too early. Records of kinds that the domain does not have
// give -EINVAL.
long load_hvm_context(Hypervisor& hv, Domain& d, std::span<const std::uint8_t> context);

}  // namespace xensim::xen
