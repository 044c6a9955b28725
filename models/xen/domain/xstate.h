// A guest's extended state (x87, SSE, AVX): XCR0, the save area that each vCPU has, and what a switch of it costs
// (arch/x86/xstate.c and i387.c of Xen 4.17, eager FPU).
//
// The registers themselves are in the vCPU's context like all others. XCR0 and XCR0_ACCUM, every component that
// the guest has ever enabled, are kept as Xen keeps them: zero until the guest's first XSETBV, while the processor
// has x87 and SSE in XCR0. A switch to idle leaves the state in the registers; the next vCPU that runs there, or
// its own return elsewhere, makes Xen save it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/cpu/cpuid.h"
#include "sim/base/types.h"

namespace xensim::xen {

class Hypervisor;
struct Domain;
struct PcpuState;
struct Vcpu;

namespace xstate {

// The components that the processor has and Xen uses.
std::uint64_t supported(const Hypervisor& hv);
// What XCR0 is while the vCPU runs.
std::uint64_t loaded_xcr0(const Hypervisor& hv, const Vcpu& v);

// What a new vCPU gets.
void create(Hypervisor& hv, Vcpu& v);
// The guest's XSETBV (handle_xsetbv): 0 or a negative errno. Its registers are on the core.
long set_xcr0(PcpuState& c, Vcpu& v, std::uint32_t index, std::uint64_t value);
// The pCPU goes on with this vCPU; null: idle.
void charge_switch(Hypervisor& hv, PcpuState& c, Vcpu* next);

// The save area in the standard form (expand_xsave_states), of the components in XCR0_ACCUM.
std::vector<std::uint8_t> image(Hypervisor& hv, Vcpu& v);
// May such state be loaded (validate_xstate)? The area is at least the legacy region and the header.
long validate(const Hypervisor& hv, const Domain& d, std::uint64_t xcr0, std::uint64_t accumulated,
              std::span<const std::uint8_t> area);
// Loads it; it has been validated, and has the size for `accumulated`.
void load(Hypervisor& hv, Vcpu& v, std::uint64_t xcr0, std::uint64_t accumulated,
          std::span<const std::uint8_t> area);

// Leaf 0xd as the other features of a policy have it (recalculate_xstate).
void recalculate(cpu::CpuidPolicy& policy);

}  // namespace xstate
}  // namespace xensim::xen
