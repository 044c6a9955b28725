// Microsoft's hypervisor interface ("viridian"), as Xen 4.17 offers it to HVM guests by HVM_PARAM_VIRIDIAN: its
// CPUID leaves (Xen's own move to 0x40000100), its MSRs, the reference TSC page, synthetic timers and their
// messages. Its hypercalls are not modelled: the page that a guest asks for gives the status "invalid hypercall
// code".
#pragma once

#include <array>
#include <cstdint>

#include "models/cpu/cpuid.h"
#include "models/xen/timer.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
struct Vcpu;
}  // namespace xensim::xen

namespace xensim::xen::hvm {

struct ViridianDomain {
  std::uint64_t guest_os_id = 0, hypercall_gpa = 0, reference_tsc = 0;
};

struct SyntheticTimer {
  std::uint64_t config = 0, count = 0;
  std::int64_t expiration = 0;  // in 100 ns of reference time
  bool started = false, message_waits = false;
  TimerId timer{};
};

struct ViridianVcpu {
  std::uint64_t vp_assist = 0, scontrol = 0, siefp = 0, simp = 0;
  std::array<std::uint64_t, 16> sint{};
  std::array<std::uint64_t, 5> crash{};
  std::array<SyntheticTimer, 4> timers{};
  ViridianVcpu() { sint.fill(std::uint64_t{1} << 16); }  // masked
};

bool viridian_enabled(const Domain& d);
// leaf: below 0x40000100.
cpu::CpuidRegisters viridian_leaf(const Domain& d, std::uint32_t leaf);
constexpr bool viridian_msr(std::uint32_t msr) { return msr >= 0x40000000 && msr <= 0x400001ff; }
// Of a domain that has it, for a viridian_msr(). false: #GP.
bool read_viridian_msr(Hypervisor& hv, Vcpu& v, std::uint32_t msr, std::uint64_t& value);
bool write_viridian_msr(Hypervisor& hv, Vcpu& v, std::uint32_t msr, std::uint64_t value);
// Before a VM entry: messages that waited for room, and timers that have expired.
void synthetic_timer_fired(Hypervisor& hv, Vcpu& v, unsigned timer);
// The vCPU is destroyed, or its domain.
void stop_synthetic_timers(Hypervisor& hv, Vcpu& v);

}  // namespace xensim::xen::hvm
