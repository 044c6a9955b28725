#include "models/xen/hypervisor.h"

#include <algorithm>

#include "models/xen/hvm/platform.h"
#include "models/xen/mm/ept_sync.h"
#include "models/xen/mm/sharing.h"
#include "sim/base/error.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

constexpr std::uint32_t kMsrTscDeadline = 0x6e0, kMsrApicBase = 0x1b, kMsrX2apicEoi = 0x80b, kMsrX2apicSvr = 0x80f,
                        kMsrX2apicLvtTimer = 0x832;
constexpr std::uint64_t kLvtTscDeadlineMode = 2u << 17;

}  // namespace

void describe(HypervisorConfig& c, config::Visitor& v) {
  v(c.scheduler, {"sched", "", "scheduler, as on Xen's command line: credit2 or null", "Xen 4.17's default"});
  v(c.schedulers, {"schedulers", "", "parameters of the schedulers", "Xen 4.17"});
  v(c.dom0_memory,
    {"dom0_mem", "bytes", "memory that dom0 keeps", "design", config::multiple_of(4096, 1 << 20, 1ull << 40)});
  v(c.xen_memory,
    {"xen_mem", "bytes", "memory of Xen itself", "design", config::multiple_of(4096, 8 << 20, 1ull << 36)});
  v(c.boot_scrub,
    {"bootscrub", "",
     "when free memory is cleared first: on: before the run begins; idle: by idle pCPUs, from then on; "
     "off: never",
     "design (Xen: idle, long over when a run begins)"});
  v(c.scrub_domheap,
    {"scrub_domheap", "", "what a living domain gives back is cleared, too, as a dead one's memory is",
     "design (Xen: off, so that the next domain can read it)"});
  v(c.wallclock_seconds, {"wallclock", "s", "wall-clock time at reset, seconds since 1970", "design"});
  v(c.verbose_debug,
    {"verbose_debug", "", "as a debug build of Xen: guests may write to Xen's console (CONSOLEIO_write)",
     "Xen: CONFIG_VERBOSE_DEBUG=n"});
  v(c.ept_1gb, {"ept_1gb", "", "use 1 GiB EPT entries", "Xen: hap_1gb"});
  v(c.ept_2mb, {"ept_2mb", "", "use 2 MiB EPT entries", "Xen: hap_2mb"});
  v(c.ept_ad, {"ept_ad", "", "use EPT accessed and dirty flags, where log-dirty mode needs them", "Xen: ept=ad"});
  v(c.ept_coalesce, {"ept_coalesce", "", "join shattered EPT entries when log-dirty mode ends",
                     "Xen 4.17 does not: they stay shattered"});
  v(c.log_dirty, {"log_dirty", "",
                  "how log-dirty mode finds writes: write-protect, ept-d (dirty flags of EPT), pml "
                  "(page-modification log); without "
                  "what it needs: write-protect",
                  "Xen 4.17: ept=pml, else write protection; never ept-d"});
  v(c.mem_sharing, {"mem_sharing", "", "page sharing (CONFIG_MEM_SHARING): XENMEM_sharing_op",
                    "Xen: CONFIG_MEM_SHARING=n, as in Debian's build"});
  v(c.mem_paging, {"mem_paging", "", "paging of guests by dom0 (CONFIG_MEM_PAGING): XENMEM_paging_op",
                   "Xen: CONFIG_MEM_PAGING=n, as in Debian's build"});
  v(c.ple, {"ple", "", "PAUSE-loop exiting", "Xen: VMX default"});
  v(c.ple_gap, {"ple_gap", "cycles", "PAUSE-loop gap", "Xen: ple_gap=128"});
  v(c.ple_window, {"ple_window", "cycles", "PAUSE-loop window", "Xen: ple_window=4096"});
  v(c.domain_pirqs, {"domain_pirqs", "count", "physical interrupts that a domain can bind to event channels",
                     "Xen: 24 GSIs and extra_guest_irqs=32"});
  describe(c.grants, v);
  v(c.path_cost, {"path_cost", "", "what Xen's own code costs", "docs/costs.md"});
}

std::string command_line(const HypervisorConfig& c) {
  return "dom0_mem=" + std::to_string(c.dom0_memory >> 20) + "M sched=" + c.scheduler + " ";
}

Hypervisor::Hypervisor(const HypervisorConfig& cfg, memory::PhysicalMemory& mem,
                       std::vector<std::unique_ptr<cpu::Pcpu>>& cpus, trace::Tracer& t, std::uint64_t seed)
    : config(cfg),
      memory(mem),
      tracer(t),
      frames(mem, heap),
      sharing(std::make_unique<Sharing>(*this)),
      cost(cfg.path_cost),
      policy(sched::make_policy(cfg.scheduler, cfg.schedulers, static_cast<unsigned>(cpus.size()), *this, seed)),
      tsc_hz(cpus.front()->core.config.tsc_hz) {
  // Xen itself sits in the first megabytes; the rest is the heap's. Frame 0 is nobody's, so that 0 is never a
  // frame.
  const std::uint64_t first = config.xen_memory >> kPageShift;
  if (first + (config.dom0_memory >> kPageShift) >= mem.size() >> kPageShift)
    throw UserError("/memory/size", "the machine has too little memory for Xen and dom0",
                    "give it more, or lower /xen/dom0_mem");
  frames.scrub_domheap = config.scrub_domheap;
  frames.reserve(Mfn(0), first);
  frames.on_release = [this](domid_t owner, Mfn m) {
    if (Domain* d = find_domain(owner)) forget_areas(*d, m);
  };
  pcpus.resize(cpus.size());
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    pcpus[i].pcpu = cpus[i].get();
    pcpus[i].percpu = PhysAddr((1 + 16 * i) << kPageShift);
    cpus[i]->software = this;
    cpus[i]->core.native_root = true;
  }
  io_bitmaps_ = PhysAddr((first - 2) << kPageShift);
  memory.fill(io_bitmaps_, 0xff, 2 * kPageSize);
  for (const std::uint16_t port : kDirectPorts) {
    const PhysAddr byte = io_bitmaps_ + port / 8;
    memory.write<std::uint8_t>(byte,
                               static_cast<std::uint8_t>(memory.read<std::uint8_t>(byte) & ~(1u << port % 8)));
  }
  active_ = &pcpus[0];
  wallclock_seconds = config.wallclock_seconds;
  boot_heap();
}

// What goes with the domains is no news to them.
Hypervisor::~Hypervisor() { frames.on_release = nullptr; }

std::span<const std::string_view> names_of(BootScrub) {
  static constexpr std::array<std::string_view, 3> kNames{"off", "on", "idle"};
  return kNames;
}

// RAM above Xen's own becomes the heap's, in the nodes that the machine says: each has the next part of RAM, and
// the next pCPUs.
void Hypervisor::boot_heap() {
  constexpr std::uint64_t kHoleStart = memory::PhysicalMemory::kHoleStart >> kPageShift,
                          kHoleEnd = memory::PhysicalMemory::kHoleEnd >> kPageShift;
  const std::uint64_t end = memory.end().value >> kPageShift;
  node_of_pcpu_.assign(pcpus.size(), 0);
  std::vector<Heap::Range> ranges;
  std::uint64_t at = 0;
  std::size_t cpu = 0;
  for (unsigned n = 0; n < config.nodes.size(); ++n) {
    for (std::uint64_t left = config.nodes[n].size >> kPageShift; left > 0;) {
      if (at == kHoleStart) at = kHoleEnd;
      const std::uint64_t count = std::min(left, (at < kHoleStart ? kHoleStart : end) - at);
      ranges.push_back({Mfn(at), count, n});
      at += count;
      left -= count;
    }
    for (std::uint32_t i = 0; i < config.nodes[n].cpus; ++i) node_of_pcpu_[cpu++] = n;
  }
  if (!ranges.empty()) heap.set_nodes(std::move(ranges));
  const std::uint64_t first = config.xen_memory >> kPageShift;
  const bool dirty = config.boot_scrub == BootScrub::kIdle;
  heap.add(Mfn(first), std::min(end, kHoleStart) - first, dirty);
  if (end > kHoleEnd) heap.add(Mfn(kHoleEnd), end - kHoleEnd, dirty);
}

// The idle loop's work, if there is any: clears a few dirty pages of the pCPU's node, or of one without pCPUs
// (scrub_free_pages).
bool Hypervisor::scrub_when_idle(PcpuState& c) {
  const unsigned own = node_of(c.pcpu->index);
  for (unsigned i = 0; i < heap.nodes(); ++i) {
    const unsigned node = (own + i) % heap.nodes();
    if (heap.dirty_pages(node) == 0) continue;
    if (node != own && std::find(node_of_pcpu_.begin(), node_of_pcpu_.end(), node) != node_of_pcpu_.end())
      continue;
    cost.charge_many(*c.pcpu, Path::kScrubPage, frames.scrub(node));
    return true;
  }
  return false;
}

// Xen's start on one pCPU: VMX on, APIC on, the idle vCPU runs. The boot itself is not a hot path and takes no
// time.
void Hypervisor::boot_pcpu(PcpuState& c) {
  c.booted = true;
  cpu::Pcpu& p = *c.pcpu;
  p.core.st.activity = cpu::Activity::kActive;
  p.core.st.cr0 |= cpu::kCr0Pe | cpu::kCr0Ne | cpu::kCr0Pg | cpu::kCr0Wp;
  p.core.st.cr4 |= cpu::kCr4Pae | cpu::kCr4Vmxe;
  p.core.st.efer |= cpu::kEferLme | cpu::kEferLma | cpu::kEferNxe | cpu::kEferSce;
  const PhysAddr vmxon_region = c.percpu + kPageSize;
  std::uint64_t basic = 0;
  p.core.vmx.capability_msr(0x480, basic);
  memory.write<std::uint32_t>(vmxon_region, static_cast<std::uint32_t>(basic & 0x7fffffff));
  p.core.st.msr.feature_control = 5;
  expects(p.core.vmx.vmxon(vmxon_region).ok());
  std::uint64_t base = 0;
  p.apic.msr_read(kMsrApicBase, p.core.now, base);
  p.apic.msr_write(kMsrApicBase, base | 1u << 11, p.core.now);
  p.apic.msr_write(kMsrApicBase, base | 3u << 10, p.core.now);
  p.apic.msr_write(kMsrX2apicSvr, 0x1ff, p.core.now);
  p.apic.msr_write(kMsrX2apicLvtTimer, kLvtTscDeadlineMode | kLocalTimerVector, p.core.now);
  tracer.start(p.index, p.core.now);
  c.idle_runstate_entry = p.core.now;
  policy->add_pcpu(p.index, ns(p.core.now));
}

Cycles Hypervisor::run(cpu::Pcpu& pcpu, Cycles until) {
  stand_at(pcpu);
  PcpuState& c = here();
  if (!c.booted) boot_pcpu(c);
  for (;;) {
    if (!events_seen_.empty())
      for (const Vcpu* v : std::exchange(events_seen_, {})) on_happening(Happening::kEvent, *v);
    pcpu.take_due();
    if (c.in_guest) {
      if (pcpu.core.now >= until) return pcpu.core.now;
      const Cycles budget = std::min({until, pcpu.next_deadline(), pcpu.core.vmx.preemption_deadline});
      const cpu::StopReason stop = pcpu.core.run(budget);
      if (stop == cpu::StopReason::kVmExit) {
        c.in_guest = false;
        Vcpu& v = *c.current;
        account_guest(c, v);
        if (on_happening) on_happening(Happening::kVmExit, v);
        handle_exit(c, v);
      } else if (stop == cpu::StopReason::kWait) {
        return pcpu.core.now;
      } else {
        expects(stop == cpu::StopReason::kBudget);
        if (pcpu.core.instructions >= pcpu.core.instruction_limit) return pcpu.core.now;
      }
      continue;
    }
    handle_host_interrupts(c);
    do_timers(c);
    while (c.schedule_pending) schedule(c);
    program_timer(c);
    if (pcpu.core.now >= until) return pcpu.core.now;
    if (!c.current) {
      if (scrub_when_idle(c)) continue;
      const Cycles next = pcpu.next_deadline();
      if (next > until) return next;
      if (next > pcpu.core.now) pcpu.core.advance(next - pcpu.core.now, cpu::CpiCategory::kIdle);
    } else if (c.current->model) {
      const Cycles next = run_model(c, *c.current, until);
      if (next >= until) return next;
    } else {
      enter_guest(c, *c.current);
    }
  }
}

// Interrupts that arrive while Xen runs: they are taken at once, as Xen does with interrupts enabled.
void Hypervisor::handle_host_interrupts(PcpuState& c) {
  cpu::Pcpu& p = *c.pcpu;
  p.take_due();
  while (p.apic.deliverable() >= 0) {
    const std::uint8_t vector = p.apic.acknowledge();
    handle_host_vector(c, vector);
    p.take_due();
  }
}

void Hypervisor::handle_host_vector(PcpuState& c, std::uint8_t vector) {
  cpu::Pcpu& p = *c.pcpu;
  p.apic.msr_write(kMsrX2apicEoi, 0, p.core.now);
  if (vector == kEventCheckVector) {
    tracer.ipi_receive(p.index, p.core.now, p.index, vector);
    c.schedule_pending |= c.tickled;
    c.tickled = false;
  } else if (vector == kInvalidateEptVector) {
    tracer.ipi_receive(p.index, p.core.now, p.index, vector);
  } else if (vector == kNetworkVector) {
    const Cycles in = p.core.now;
    cost.charge(p, Path::kDeviceInterrupt);
    if (on_network_interrupt) on_network_interrupt();
    tracer.irq_handled(p.index, p.core.now, vector, in, p.core.now);
  } else if (vector == kLocalTimerVector) {
    c.programmed = kNever;  // it has fired; program_timer() sets the next
  }
}

void Hypervisor::do_timers(PcpuState& c) {
  while (c.timers.due(now())) {
    cost.charge(*c.pcpu, Path::kTimerInterrupt);
    fire(c, c.timers.pop());
  }
}

// Programs the pCPU's APIC timer for the head of its queue.
void Hypervisor::program_timer(PcpuState& c) {
  const Cycles next = c.timers.next();
  if (next == c.programmed) return;
  c.programmed = next;
  c.pcpu->apic.msr_write(kMsrTscDeadline, next == kNever ? 0 : std::max(next, now() + 1), now());
}

void Hypervisor::fire(PcpuState& c, const TimerEntry& e) {
  const bool of_vcpu = e.action != TimerAction::kSchedule && e.action != TimerAction::kPolicy &&
                       e.action != TimerAction::kWatchdog && e.action != TimerAction::kPlatform &&
                       e.action != TimerAction::kViridian;
  Vcpu* v = of_vcpu ? vcpu_of(static_cast<sched::UnitId>(e.data)) : nullptr;
  expects(!of_vcpu || v);
  switch (e.action) {
    case TimerAction::kSchedule:
      c.slice = {};
      tracer.s_timer_fn(c.pcpu->index, now());
      raise_schedule(c);
      break;
    case TimerAction::kSingleshot:
      v->singleshot = {};
      ++v->stats.timer_fired;
      tracer.timer_fire(c.pcpu->index, now(), trace_id(*v));
      send_vcpu_virq(*v, VIRQ_TIMER);
      break;
    case TimerAction::kPeriodic:
      v->periodic = {};
      periodic_timer_work(*v);
      break;
    case TimerAction::kPoll:
      v->poll = {};
      if (v->pause_flags & kPauseBlockedInPoll) {
        v->pause_flags &= ~(kPauseBlockedInPoll | kPauseBlocked);
        v->poll_port = 0;
        vcpu_wake(*v);
      }
      break;
    case TimerAction::kVlapic:
      v->apic_timer = {};
      if (v->vlapic.timer_expire(guest_tsc(*v, now()))) {
        tracer.lapic_timer_fire(c.pcpu->index, now());
        vcpu_kick(*v);
      }
      arm_vlapic_timer(*v);
      break;
    case TimerAction::kPolicy: {
      policy_timers_.erase(e.data);
      sched_lock_.acquire(cost, *c.pcpu);
      policy->timer(e.data, ns(now()));
      sched_lock_.release(*c.pcpu);
      break;
    }
    case TimerAction::kWatchdog: {
      Domain* d = find_domain(static_cast<domid_t>(e.data >> 8));
      if (!d) break;
      d->watchdogs[e.data & 0xff] = {};
      shutdown_domain(*d, ShutdownReason::kWatchdog);
      break;
    }
    case TimerAction::kPlatform:
      if (Domain* d = find_domain(static_cast<domid_t>(e.data >> 8)); d && d->platform)
        d->platform->timer_fired(e.data & 0xff);
      break;
    case TimerAction::kViridian:
      if (Domain* d = find_domain(static_cast<domid_t>(e.data >> 16)))
        hvm::synthetic_timer_fired(*this, *d->vcpus[e.data >> 8 & 0xff], e.data & 0xff);
      break;
    case TimerAction::kModel:
      v->model->timer = {};
      vcpu_unblock(*v);
      break;
  }
}

TimerId Hypervisor::add_timer(sched::PcpuId pcpu, Cycles deadline, TimerAction action, std::uint64_t data) {
  PcpuState& target = pcpus[pcpu];
  const Cycles before = target.timers.next();
  const TimerId id = target.timers.add(pcpu, deadline, {action, data});
  // A remote pCPU must program its APIC timer anew (TIMER_SOFTIRQ by IPI).
  if (&target != active_ && deadline < before) send_host_ipi(pcpu, kEventCheckVector);
  return id;
}

void Hypervisor::remove_timer(TimerId& id) {
  if (id.pending()) pcpus[id.pcpu].timers.remove(id);
  id = {};
}

void Hypervisor::send_host_ipi(sched::PcpuId target, std::uint8_t vector) {
  cost.charge(*active_->pcpu, Path::kIpi);
  tracer.ipi_send(active_->pcpu->index, now(), target, vector);
  cpu::IpiMessage m;
  m.vector = vector;
  pcpus[target].pcpu->post(now() + config.path_cost.ipi_latency_cycles, m);
}

void Hypervisor::account_guest(PcpuState& c, Vcpu& v) {
  cpu::Core& core = c.pcpu->core;
  v.stats.instructions += core.instructions - c.instructions_mark;
  c.instructions_mark = core.instructions;
  v.stats.guest_cycles += core.now - c.guest_since;
}

void Hypervisor::load_context(PcpuState& c, Vcpu& v) {
  if (c.loaded == &v) return;
  save_context(c);
  if (!v.context_saved)  // its registers are still in the pCPU it ran on last, which has been idle since
    for (PcpuState& other : pcpus)
      if (other.loaded == &v) save_context(other);
  cpu::Core& core = c.pcpu->core;
  core.st = v.context.st;
  core.st.gpr[cpu::kZeroReg] = 0;
  if (v.vmcs_pcpu != static_cast<int>(c.pcpu->index)) {
    // Xen clears the VMCS on the pCPU it was active on (an IPI there, vmx_clear_vmcs) before it loads it here, and
    // gives the vCPU a new VPID (hvm_asid_flush_vcpu): translations from its last time here are out of date.
    if (v.vmcs_pcpu >= 0) expects(pcpus[static_cast<unsigned>(v.vmcs_pcpu)].pcpu->core.vmx.vmclear(v.vmcs).ok());
    v.vmcs_launched = false;
    core.mmu.invvpid(1, v.vpid, LinearAddr(0));
    v.vmcs_pcpu = static_cast<int>(c.pcpu->index);
  }
  expects(core.vmx.vmptrld(v.vmcs).ok());
  c.loaded = &v;
  v.context_saved = false;
}

void Hypervisor::save_context(PcpuState& c) {
  if (!c.loaded) return;
  c.loaded->context.st = c.pcpu->core.st;
  c.loaded->context_saved = true;
  c.loaded = nullptr;
}

void Hypervisor::enter_guest(PcpuState& c, Vcpu& v) {
  load_context(c, v);
  prepare_injection(c, v);
  if (c.schedule_pending || !c.current) return;
  update_time_info(v);
  ept_sync::before_entry(*this, c, v.domain);
  cpu::Core& core = c.pcpu->core;
  close_exit(v);
  tracer.vmentry(c.pcpu->index, now());
  cost.charge_vm_entry(*c.pcpu);
  bool entered = false;
  c.instructions_mark = core.instructions;
  c.guest_since = core.now;
  const cpu::VmxResult r = core.vmx.enter(!v.vmcs_launched, entered);
  if (!r.ok()) {
    crash_domain(v.domain, "VM entry failed: VM-instruction error " + std::to_string(r.error));
    return;
  }
  if (!entered) {
    if (core.vm_exit.reason >> 31) {
      crash_domain(v.domain, "VM entry failed: invalid guest state, exit reason " +
                                 std::to_string(core.vm_exit.reason & 0xffff) + ", qualification " +
                                 std::to_string(core.vm_exit.qualification));
    } else {
      v.vmcs_launched = true;
      account_guest(c, v);
      handle_exit(c, v);
    }
    return;
  }
  v.vmcs_launched = true;
  c.in_guest = true;
}

}  // namespace xensim::xen
