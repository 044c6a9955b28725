#include "models/xen/path_cost.h"

namespace xensim::xen {

namespace {

// "capture": minimum of the exit or hypercall in the VT-x boot capture, less the common part (the exit with the
// smallest handler, XSETBV, is 1088 instructions from exit to entry, of which its handler is taken as 60).
// "guest": what guests/calls.c and guests/grants.c measured under a real Xen, less a hypercall that does not
// exist.
constexpr std::array<PathRow, kPaths> kTable{{
    {"vm_exit_common", 1028, "VM exit to handler and back to VM entry, tracing included",
     "capture: XSETBV 1088 - 60"},
    {"external_interrupt", 1480, "acknowledge and dispatch a host interrupt",
     "capture: EXTERNAL_INTERRUPT 2508 - 1028"},
    {"interrupt_window", 60, "close the interrupt window",
     "capture: PENDING_INTERRUPT 839, below the common part"},
    {"cpuid", 341, "guest policy look-up", "capture: CPUID 1369 - 1028"},
    {"hlt", 400, "HLT handler before the vCPU blocks",
     "uncalibrated: the capture's HLT includes the blocked time"},
    {"pause", 400, "PAUSE-loop exit before the yield", "uncalibrated: one sample in the capture"},
    {"io", 738, "port I/O to nowhere, no emulator in between", "capture: IO_INSTRUCTION 1766 - 1028"},
    {"msr_read", 273, "guest_rdmsr", "capture: MSR_READ 1301 - 1028"},
    {"msr_write", 328, "guest_wrmsr", "capture: MSR_WRITE 1356 - 1028"},
    {"cr_access", 548, "hvm_set_cr*", "capture: CR_ACCESS 1576 - 1028"},
    {"dr_access", 174, "debug register switch", "capture: DR_ACCESS 1202 - 1028"},
    {"xsetbv", 60, "XSETBV handler", "uncalibrated"},
    {"exception", 300, "exception intercept and re-injection", "uncalibrated"},
    {"ept_violation", 2400, "p2m look-up of an EPT violation",
     "uncalibrated: the capture's 52710 includes emulation"},
    {"emulate", 7551, "decode and emulate one instruction", "guest: load from a hole 9951 - 2400"},
    {"apic_access", 1900, "vLAPIC register access by emulation", "uncalibrated"},
    {"hypercall_common", 300, "hypercall dispatch", "capture: xen_version 1393 - 1028, less its body"},
    {"xen_version", 65, "XENVER_*", "capture: xen_version 1393 - 1028 - 300"},
    {"memory_op", 4771, "XENMEM_* without the per-page part",
     "guest: decrease_reservation of 1 page 13122 - 4449 - 3902"},
    {"memory_op_query", 3981, "XENMEM_* that only say a number", "guest: current_reservation"},
    {"populate_page", 7263, "copy in, allocate and map one extent", "guest: populate_physmap, a page more"},
    {"populate_frame", 436, "each further frame of an extent: owner, count, place in the physmap",
     "guest: populate_physmap of 2 MiB"},
    {"release_extent", 4449, "an extent of XENMEM_decrease_reservation beside its frames: copied in, flushed",
     "guest: a page more 8351 - 3902"},
    {"release_page", 3902, "take a frame out of the physmap and free it", "guest: decrease_reservation of 2 MiB"},
    {"add_to_physmap", 7123, "one frame of XENMEM_add_to_physmap*", "capture: memory_op 13222 - 1328 - 4771"},
    {"scrub_page", 640, "clear a dirty page of the heap", "uncalibrated: 512 stores and the loop"},
    {"p2m_lookup", 110, "a p2m look-up in a loop over guest frames", "uncalibrated"},
    {"pod_populate", 1400, "populate an entry on demand, without the search for a frame", "uncalibrated"},
    {"pod_zero_check_word", 3, "compare eight bytes of a page with zero", "uncalibrated"},
    {"grant_table_op", 11425, "GNTTABOP_query_size, setup_table, set_version, get_version",
     "capture: grant_table_op 12753 - 1328"},
    {"grant_map", 10917, "one element of GNTTABOP_map_grant_ref", "guest: a page more"},
    {"grant_unmap", 11297, "one element of GNTTABOP_unmap_grant_ref, INVEPT apart", "guest: a page more"},
    {"grant_copy", 9888, "one element of GNTTABOP_copy, the bytes apart",
     "guest: 64 bytes more 9896, less 8 for the bytes"},
    {"grant_transfer", 12000, "one element of GNTTABOP_transfer", "uncalibrated"},
    {"grant_swap", 10000, "one element of GNTTABOP_swap_grant_ref", "uncalibrated"},
    {"grant_cache_flush", 6000, "one element of GNTTABOP_cache_flush, the lines apart", "uncalibrated"},
    {"grant_version_frame", 3000, "clear one grant frame, and look at its entries", "uncalibrated"},
    {"vm_assist", 140, "VMASST_CMD_*", "capture: vm_assist 1468 - 1328"},
    {"vcpu_op", 55, "VCPUOP_* other than timers", "guest: is_up"},
    {"set_timer", 6071, "VCPUOP_set_singleshot_timer with timer programming", "capture: vcpu_op 7399 - 1328"},
    {"set_timer_op", 137, "set_timer_op with timer programming", "guest: set_timer_op"},
    {"event_channel_op", 4887, "EVTCHNOP_*, its structure copied in, other than send",
     "capture: set_priority 7198 - 983 for a deeper walk by then - 1328"},
    {"hvm_op", 4883, "HVMOP_*", "capture: hvm_op 6211 - 1328"},
    {"sched_op", 300, "SCHEDOP_* before the scheduler runs", "uncalibrated"},
    {"poll", 7710, "SCHEDOP_poll before the vCPU blocks, its structure and a port copied in",
     "guest: poll of a pending port 8010 - 300"},
    {"console_io", 500, "CONSOLEIO_*", "uncalibrated"},
    {"unknown_hypercall", 40, "-ENOSYS", "uncalibrated"},
    {"multicall_entry", 7917, "one call of a multicall: copy it in, dispatch, copy its result out",
     "guest: a call of xen_version more 7982 - 65"},
    {"control_op", 527,
     "domctl, sysctl or platform_op: copy in, checks, domain look-up, copy out; not what depends on size",
     "dom0 of Xen 4.17.5, half an instruction per TSC tick: (getvcpuinfo 4578 - xen_version 3654) / 2 + 65"},
    {"small_hypercall", 80, "xsm_op, physdev_op, xenpmu_op, dm_op, mmuext_op, hypfs_op as PVH guests get them",
     "uncalibrated"},
    {"event_send", 5063, "EVTCHNOP_send to a port that is pending", "capture: 6391 - 1328"},
    {"event_deliver", 60, "2-level: set the bits of an event", "uncalibrated"},
    {"event_fifo_deliver", 65, "FIFO: link an event",
     "capture: a send that wakes nobody 7439 - 7374 to a pending port"},
    {"event_bind", 5740, "bind a port, without the search, and copy the result back",
     "capture: bind_virq 13131 - 7374 + 5063 - 4 * 48 - 4887"},
    {"event_port_scan", 48, "look whether a port is free",
     "capture: three bind_ipi in a row, 13130, 13179, 13227"},
    {"event_close", 200, "close one port of a reset", "uncalibrated"},
    {"event_init_control", 9159, "EVTCHNOP_init_control, the first", "capture: 15374 - 1328 - 4887"},
    {"event_expand_array", 2285, "EVTCHNOP_expand_array with few ports", "capture: 9483 - 983 - 1328 - 4887"},
    {"interrupt_inject", 200, "vLAPIC scan and VM-entry event set-up", "uncalibrated"},
    {"schedule", 1200, "schedule() without the switch", "uncalibrated"},
    {"context_switch", 2600, "context_switch() with VMCS change", "uncalibrated"},
    {"xstate_save", 260, "XSAVES of a vCPU's x87, SSE and AVX state, its lines apart", "uncalibrated"},
    {"xstate_restore", 280, "XRSTORS of a vCPU's x87, SSE and AVX state, its lines apart", "uncalibrated"},
    {"wake", 1200, "vcpu_wake()", "uncalibrated"},
    {"tickle", 400, "runq_tickle()", "uncalibrated"},
    {"block", 300, "vcpu_block()", "uncalibrated"},
    {"timer_interrupt", 700, "one expiry in the timer softirq", "uncalibrated"},
    {"device_interrupt", 900, "an interrupt of dom0's network card, with its event", "uncalibrated"},
    {"timer_program", 150, "reprogram_timer()", "uncalibrated"},
    {"ipi", 120, "send_IPI_mask()", "uncalibrated"},
    {"model_hypercall", 1328, "dom0 enters and leaves Xen", "capture: common parts 1028 + 300"},
    {"invept", 150, "INVEPT before a VM entry", "uncalibrated"},
    {"ept_misconfiguration", 1200, "walk to a lazily changed EPT entry", "uncalibrated"},
    {"p2m_recalculate_table", 9000, "types of 512 EPT entries", "uncalibrated"},
    {"p2m_change_type", 900, "one page from log-dirty to read-write, and its bit", "uncalibrated"},
    {"shatter", 6000, "a large EPT entry becomes 512 smaller ones", "uncalibrated"},
    {"ept_scan_table", 1600, "512 EPT entries read for their dirty flags", "uncalibrated"},
    {"pml_full", 400, "page-modification log full, without its entries", "uncalibrated"},
    {"log_dirty_op", 3000, "XEN_DOMCTL_shadow_op without the bitmap", "uncalibrated"},
    {"log_dirty_leaf", 2500, "4 KiB of the dirty bitmap copied out and cleared", "uncalibrated"},
    {"nominate", 1500, "a page becomes sharable", "uncalibrated"},
    {"share_pages", 1800, "two nominated pages become one", "uncalibrated"},
    {"unshare", 2000, "a shared page gets a frame of its own, without the copy", "uncalibrated"},
    {"copy_page", 600, "4 KiB from frame to frame", "uncalibrated"},
    {"vm_event", 900, "a vm_event request put or a response taken", "uncalibrated"},
    {"mem_access", 700, "access rights of one page", "uncalibrated"},
}};

}  // namespace

std::span<const std::string_view> names_of(HypervisorTiming) {
  static constexpr std::array<std::string_view, 2> kNames{"costed", "free"};
  return kNames;
}

std::span<const PathRow, kPaths> path_table() { return kTable; }

PathCostConfig::PathCostConfig() {
  for (unsigned i = 0; i < kPaths; ++i) instructions[i] = kTable[i].instructions;
}

namespace {
struct Instructions {
  std::array<std::uint32_t, kPaths>& values;
};
void describe(Instructions& c, config::Visitor& v) {
  for (unsigned i = 0; i < kPaths; ++i)
    v(c.values[i],
      {kTable[i].name, "instructions", kTable[i].doc, kTable[i].source, config::between(0, 10'000'000)});
}
}  // namespace

void describe(PathCostConfig& c, config::Visitor& v) {
  v(c.timing, {"timing", "", "costed: paths take time; free: Xen takes none", "design"});
  v(c.cycles_per_100_instructions, {"cycles_per_100_instructions", "cycles",
                                    "CPI of Xen's own code, times 100, cache misses on charged lines apart",
                                    "uncalibrated", config::between(10, 10'000)});
  v(c.vm_exit_cycles,
    {"vm_exit_cycles", "cycles", "hardware part of a VM exit", "uncalibrated", config::between(0, 100'000)});
  v(c.vm_entry_cycles,
    {"vm_entry_cycles", "cycles", "hardware part of a VM entry", "uncalibrated", config::between(0, 100'000)});
  v(c.ipi_latency_cycles, {"ipi_latency_cycles", "cycles", "from ICR write to interrupt pending at the target",
                           "uncalibrated", config::between(1, 1'000'000)});
  v(c.copy_bytes_per_cycle, {"copy_bytes_per_cycle", "bytes", "how fast Xen moves bytes that L1 holds (REP MOVSB)",
                             "Intel optimization manual, 3.7.6: 32 with fast strings", config::between(1, 1024)});
  v(c.copy_misses_in_flight, {"copy_misses_in_flight", "count", "lines that a copy waits for at the same time",
                              "Intel optimization manual: 10 line fill buffers", config::between(1, 1024)});
  Instructions i{c.instructions};
  v(i, {"path_instructions", "", "instructions of each path", "docs/costs.md"});
}

void PathCost::charge(cpu::Pcpu& pcpu, Path path, std::span<const PhysAddr> lines,
                      std::span<const PhysAddr> written) {
  Use& u = use_[static_cast<unsigned>(path)];
  ++u.count;
  if (free()) return;
  Cycles n =
      std::uint64_t{config_.instructions[static_cast<unsigned>(path)]} * config_.cycles_per_100_instructions / 100;
  if (pcpu.core.timing != cpu::TimingKind::kFunctional) {
    for (PhysAddr a : lines)
      n += pcpu.core.caches.access(pcpu.index, a, memory::AccessKind::kLoad, pcpu.core.now + n).latency;
    for (PhysAddr a : written)
      n += pcpu.core.caches.access(pcpu.index, a, memory::AccessKind::kStore, pcpu.core.now + n).latency;
  }
  u.cycles += n;
  pcpu.core.advance(n, cpu::CpiCategory::kHypervisor);
}

void PathCost::charge_many(cpu::Pcpu& pcpu, Path path, std::uint64_t count) {
  Use& u = use_[static_cast<unsigned>(path)];
  u.count += count;
  if (free()) return;
  const Cycles n =
      count * config_.instructions[static_cast<unsigned>(path)] * config_.cycles_per_100_instructions / 100;
  u.cycles += n;
  pcpu.core.advance(n, cpu::CpiCategory::kHypervisor);
}

namespace {
constexpr std::uint64_t kLine = 64;
}

void PathCost::charge_copy(cpu::Pcpu& pcpu, PhysAddr to, PhysAddr from, std::uint64_t bytes) {
  if (free() || bytes == 0) return;
  Cycles n = (bytes + config_.copy_bytes_per_cycle - 1) / config_.copy_bytes_per_cycle;
  if (pcpu.core.timing != cpu::TimingKind::kFunctional) {
    Cycles waited = 0;
    const auto touch = [&](PhysAddr first, memory::AccessKind kind) {
      for (std::uint64_t a = first.value & ~(kLine - 1); a < first.value + bytes; a += kLine) {
        const memory::AccessResult r = pcpu.core.caches.access(pcpu.index, PhysAddr(a), kind, pcpu.core.now + n);
        if (r.level != memory::Level::kL1) waited += r.latency;
      }
    };
    touch(from, memory::AccessKind::kLoad);
    touch(to, memory::AccessKind::kStore);
    n += (waited + config_.copy_misses_in_flight - 1) / config_.copy_misses_in_flight;
  }
  pcpu.core.advance(n, cpu::CpiCategory::kHypervisor);
}

void PathCost::charge_lines(cpu::Pcpu& pcpu, PhysAddr first, std::uint64_t bytes) {
  if (free() || pcpu.core.timing == cpu::TimingKind::kFunctional) return;
  Cycles n = 0;
  for (std::uint64_t a = first.value & ~(kLine - 1); a < first.value + bytes; a += kLine)
    n += pcpu.core.caches.access(pcpu.index, PhysAddr(a), memory::AccessKind::kLoad, pcpu.core.now + n).latency;
  pcpu.core.advance(n, cpu::CpiCategory::kHypervisor);
}

void PathCost::charge_vm_exit(cpu::Pcpu& pcpu) {
  if (!free()) pcpu.core.advance(config_.vm_exit_cycles, cpu::CpiCategory::kVmTransition);
}

void PathCost::charge_vm_entry(cpu::Pcpu& pcpu) {
  if (!free()) pcpu.core.advance(config_.vm_entry_cycles, cpu::CpiCategory::kVmTransition);
}

// Also when paths are free: the wait is what keeps one pCPU from seeing another's future.
void PathCost::charge_lock_wait(cpu::Pcpu& pcpu, Cycles until) {
  if (until > pcpu.core.now) pcpu.core.advance(until - pcpu.core.now, cpu::CpiCategory::kLock);
}

}  // namespace xensim::xen
