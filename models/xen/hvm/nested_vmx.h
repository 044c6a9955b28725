// The VMX instructions of a guest to which VMX is offered (nestedhvm=1), as Xen 4.17's vvmx.c carries them out:
// VMXON, VMXOFF, VMPTRLD, VMPTRST, VMCLEAR, VMREAD, VMWRITE, INVEPT, INVVPID, and the capability MSRs. A guest's
// VMCS is a page of its own memory; what VMWRITE puts there, VMREAD gives back.
//
// VMLAUNCH and VMRESUME check what Xen checks before it merges the two VMCSs. The merge, and so a guest of the
// guest, is not modelled: a guest that gets that far is crashed, with a message that says so.
#pragma once

#include <cstdint>

namespace xensim::cpu {
enum class ExitReason : std::uint16_t;
}

namespace xensim::xen {
class Hypervisor;
struct Domain;
struct Vcpu;
}  // namespace xensim::xen

namespace xensim::xen::hvm {

struct NestedVmx {
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  std::uint64_t vmxon_region = kNone;  // guest-physical
  std::uint64_t current = kNone;       // the guest's current VMCS
  bool in_vmx() const { return vmxon_region != kNone; }
};

// A VM exit for a VMX instruction of the vCPU that runs here. Advances RIP, or injects an exception.
void handle_vmx_instruction(Hypervisor& hv, Vcpu& v, cpu::ExitReason reason);

// IA32_VMX_BASIC … IA32_VMX_VMFUNC. false: #GP.
bool read_vmx_msr(const Hypervisor& hv, const Vcpu& v, std::uint32_t msr, std::uint64_t& value);

}  // namespace xensim::xen::hvm
