// A virtual CPU: what Xen keeps per vCPU, as plain data. The architectural state that the VMCS covers is in the
// VMCS (in simulated memory); the rest is saved here while the vCPU is not on a pCPU.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/cpu/apic/local_apic.h"
#include "models/cpu/arch_state.h"
#include "models/cpu/outcome.h"
#include "models/cpu/timing/cpi_stack.h"
#include "models/xen/domain/model_program.h"
#include "models/xen/hvm/nested_vmx.h"
#include "models/xen/hvm/viridian.h"
#include "models/xen/public.h"
#include "models/xen/sched/policy.h"
#include "models/xen/timer.h"
#include "models/xen/vmexit/vmce.h"
#include "sim/base/types.h"
#include "sim/trace/record.h"

namespace xensim::xen {

struct Domain;

// IA32_MTRRCAP of every guest: 8 variable ranges, fixed ranges, write-combining.
inline constexpr std::uint64_t kMtrrCap = 0x508;

using trace::Runstate;

// Why a vCPU may not run (Xen's pause flags, _VPF_* of sched.h). Zero: runnable.
inline constexpr std::uint32_t kPauseBlocked = 1, kPauseBlockedInPoll = 2, kPauseDown = 4, kPausePaused = 8,
                               kPauseShutdown = 16, kPauseVmEvent = 1 << 12, kPausePagingRing = 1 << 13,
                               kPauseMonitorRing = 1 << 14, kPauseSharingRing = 1 << 15;

// A range of guest memory that Xen writes by itself (registered areas). It may cross a page; each part is pinned
// to the frame that it had at registration.
struct GuestArea {
  bool valid = false;
  PhysAddr first, second;
  unsigned first_bytes = 0;
};

// Registers that neither VMCS nor GPR save area of an exit covers.
struct GuestContext {
  cpu::ArchState st;  // GPRs, XMM, x87, CR2, DR0–3, DR6, syscall MSRs
};

// Counters of one vCPU, in units that their names say; registered with the run's statistics.
struct VcpuStats {
  std::uint64_t instructions = 0;
  std::uint64_t guest_cycles = 0;  // spent in VMX non-root operation
  // VM exits and hypercalls count when they are over: at VM entry, or when the vCPU becomes runnable after it
  // blocked or was preempted in one. (xenalyze counts the same way; the last exit of a vCPU that never comes back
  // is `open`.)
  std::uint64_t vm_exits = 0;
  std::array<std::uint64_t, 65> exits_by_reason{};
  std::array<std::uint64_t, 64> hypercalls{};
  std::uint64_t unknown_hypercalls = 0;
  std::uint64_t events_received = 0, events_sent = 0;
  std::uint64_t context_switches = 0, migrations = 0, wakes = 0, yields = 0;
  std::uint64_t interrupts_injected = 0, exceptions_injected = 0;
  std::uint64_t timer_fired = 0;
  cpu::CpiStack cpi;  // of the cycles spent on the vCPU's account while it was current
};

class Hypervisor;

// Carries the interprocessor interrupts of a vLAPIC to its domain.
class VlapicBus final : public cpu::ApicBus {
 public:
  VlapicBus(Hypervisor& hypervisor, Vcpu& vcpu) : hypervisor_(hypervisor), vcpu_(vcpu) {}
  void send_ipi(std::uint32_t from_apic_id, const cpu::IpiMessage& message) override;
  void eoi_broadcast(std::uint8_t vector) override;

 private:
  Hypervisor& hypervisor_;
  Vcpu& vcpu_;
};

// What a model program's vCPU is doing.
struct ModelState {
  std::vector<std::unique_ptr<ModelProgram>> programs;
  std::size_t current = 0;  // which program has the vCPU
  ModelAction action;       // in progress
  bool in_action = false;
  std::vector<Cycles> deadlines;  // of each program that blocks; kNever: waits for events only
  std::vector<bool> blocked, ended;
  TimerId timer{};
};

struct Vcpu {
  Vcpu(Hypervisor& hypervisor, Domain& d, unsigned vcpu_id, const cpu::LocalApicConfig& apic)
      : domain(d), id(vcpu_id), vlapic_bus(hypervisor, *this), vlapic(apic, vlapic_bus) {}
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  Domain& domain;
  const unsigned id;
  sched::UnitId unit = 0;
  sched::PcpuId processor = 0;  // the pCPU it runs on, ran on last, or is queued on

  std::vector<sched::PcpuId> hard_affinity, soft_affinity;  // ascending; the hard one is never empty

  std::uint32_t pause_flags = kPauseDown;
  unsigned vm_event_pauses = 0;  // requests that wait for an answer
  bool runnable() const { return pause_flags == 0; }
  bool asleep = true;   // the policy has been told that it may not run
  bool parked = false;  // runnable, but the policy does not let it run (Xen's _VPF_parked)
  // The runstate of one that may run but does not.
  Runstate waiting_runstate() const { return parked ? Runstate::kOffline : Runstate::kRunnable; }

  // Runstate accounting, in cycles of the TSC.
  Runstate runstate = Runstate::kOffline;
  Cycles runstate_entry = 0;
  std::array<Cycles, 4> runstate_time{};
  // What had passed when it ran for the first time: reports leave that out, as xenalyze does.
  std::array<Cycles, 4> runstate_time_before_first_run{};
  bool has_run = false;
  // The VM exit that is being handled, and the hypercall if it is one; −1: none.
  int open_exit = -1, open_hypercall = -1;
  // Entered the runnable state by preemption, not by a wake (for tests and the report).
  bool preempted = false;
  bool context_saved = true;  // false while its registers are in a pCPU's core

  // The engine: a binary on the core, or a model program (dom0).
  std::unique_ptr<ModelState> model;

  // Hardware virtualisation.
  PhysAddr vmcs{0};
  bool vmcs_launched = false;
  int vmcs_pcpu = -1;  // where the VMCS is active
  std::uint16_t vpid = 0;
  std::uint64_t tsc_offset = 0;            // added to the TSC by the hardware
  std::uint64_t tsc_adjust = 0;            // IA32_TSC_ADJUST
  std::uint64_t xcr0 = 0, xcr0_accum = 0;  // domain/xstate.h
  PhysAddr xsave_area{0};
  GuestContext context;
  Vmce vmce;
  VlapicBus vlapic_bus;
  cpu::LocalApic vlapic;
  // The run of hardware's own interruption info that an exit left to be injected again.
  std::uint32_t reinject_info = 0, reinject_error = 0, reinject_length = 0;
  // A #GP, #UD, … that a handler wants injected at the next entry.
  std::optional<cpu::Event> inject;
  bool nmi_pending = false;
  hvm::NestedVmx nested_vmx;
  hvm::ViridianVcpu viridian;
  bool waiting_for_sipi = false;
  bool in_multicall = false;
  domid_t holds_still = DOMID_INVALID;  // the domain that its domctl, not over yet, has paused
  bool initialised = false;

  // Guest-visible areas.
  PhysAddr vcpu_info;  // always valid: shared_info's slot, or what VCPUOP_register_vcpu_info named
  bool vcpu_info_registered = false;
  GuestArea runstate_area, time_area;
  std::uint32_t time_version = 0;
  bool time_written = false;  // vcpu_info (and the time area) hold the current stamp

  // Events.
  std::uint8_t upcall_vector = 0;
  std::array<std::uint32_t, 24> virq_port{};  // 0: not bound
  std::uint32_t poll_port = 0;                // SCHEDOP_poll: the port that ends it; 0: any

  // Timers.
  TimerId singleshot{}, periodic{}, poll{}, apic_timer{};
  Nanoseconds periodic_period = 0;
  Cycles periodic_last_event = 0;

  VcpuStats stats;
};

}  // namespace xensim::xen
