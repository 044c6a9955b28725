// What the modelled Xen counts, as statistics: per pCPU, per domain and vCPU, per path.
#include <string>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

std::string exit_name(unsigned reason) {
  static constexpr std::array<const char*, 65> kNames = [] {
    std::array<const char*, 65> n{};
    n[0] = "exception_or_nmi", n[1] = "external_interrupt", n[2] = "triple_fault", n[7] = "interrupt_window";
    n[8] = "nmi_window", n[9] = "task_switch", n[10] = "cpuid", n[12] = "hlt", n[13] = "invd", n[14] = "invlpg";
    n[15] = "rdpmc", n[16] = "rdtsc", n[18] = "vmcall", n[28] = "cr_access", n[29] = "mov_dr", n[30] = "io";
    n[31] = "msr_read", n[32] = "msr_write", n[36] = "mwait", n[39] = "monitor", n[40] = "pause";
    n[44] = "apic_access", n[48] = "ept_violation", n[49] = "ept_misconfiguration", n[52] = "preemption_timer";
    n[51] = "rdtscp", n[53] = "invvpid", n[54] = "wbinvd", n[55] = "xsetbv", n[62] = "pml_full";
    n[19] = "vmclear", n[20] = "vmlaunch", n[21] = "vmptrld", n[22] = "vmptrst", n[23] = "vmread";
    n[24] = "vmresume", n[25] = "vmwrite", n[26] = "vmxoff", n[27] = "vmxon", n[46] = "gdtr_idtr_access";
    n[47] = "ldtr_tr_access", n[50] = "invept", n[57] = "rdrand", n[58] = "invpcid", n[61] = "rdseed";
    return n;
  }();
  return reason < kNames.size() && kNames[reason] ? kNames[reason] : "reason_" + std::to_string(reason);
}

std::string hypercall_name(unsigned number) {
  static constexpr std::array<const char*, 43> kNames = {"set_trap_table",
                                                         "mmu_update",
                                                         "set_gdt",
                                                         "stack_switch",
                                                         "set_callbacks",
                                                         "fpu_taskswitch",
                                                         "sched_op_compat",
                                                         "platform_op",
                                                         "set_debugreg",
                                                         "get_debugreg",
                                                         "update_descriptor",
                                                         nullptr,
                                                         "memory_op",
                                                         "multicall",
                                                         "update_va_mapping",
                                                         "set_timer_op",
                                                         "event_channel_op_compat",
                                                         "xen_version",
                                                         "console_io",
                                                         "physdev_op_compat",
                                                         "grant_table_op",
                                                         "vm_assist",
                                                         "update_va_mapping_otherdomain",
                                                         "iret",
                                                         "vcpu_op",
                                                         "set_segment_base",
                                                         "mmuext_op",
                                                         "xsm_op",
                                                         "nmi_op",
                                                         "sched_op",
                                                         "callback_op",
                                                         "xenoprof_op",
                                                         "event_channel_op",
                                                         "physdev_op",
                                                         "hvm_op",
                                                         "sysctl",
                                                         "domctl",
                                                         "kexec_op",
                                                         "tmem_op",
                                                         "argo_op",
                                                         "xenpmu_op",
                                                         "dm_op",
                                                         "hypfs_op"};
  return number < kNames.size() && kNames[number] ? kNames[number] : "hypercall_" + std::to_string(number);
}

void add_cpi(stats::Group& g, const cpu::CpiStack& cpi) {
  stats::Group& stack = g.group("cpi_stack", "where the cycles went; the sum is the time on a pCPU");
  for (unsigned i = 0; i < cpu::kCpiCategories; ++i)
    stack.add(cpu::name_of(static_cast<cpu::CpiCategory>(i)), "cycles", "", &cpi.cycles[i]);
}

}  // namespace

// What still runs has used its pCPU up to now.
void Hypervisor::finish(Cycles end) {
  end_ = end;
  for (PcpuState& c : pcpus) {
    if (!c.current) continue;
    if (c.in_guest) account_guest(c, *c.current);
    c.current->stats.cpi += c.pcpu->core.cpi - c.cpi_mark;
    c.cpi_mark = c.pcpu->core.cpi;
  }
}

void Hypervisor::add_stats(stats::Group& root) {
  domains_stats_ = &root.group("domain", "by domain id");
  for (PcpuState& c : pcpus) {
    stats::Group& g = root.group("pcpu", c.pcpu->index);
    g.add("cycles", "cycles", "local time", &c.pcpu->core.now);
    g.add("instructions", "instructions", "guest instructions retired", &c.pcpu->core.instructions);
    g.add("schedules", "count", "calls of schedule()", &c.schedules);
    g.add("context_switches", "count", "changes of the current vCPU", &c.context_switches);
    g.add("ipis_received", "count", "interprocessor interrupts taken", &c.pcpu->ipis_received);
    g.add("idle_cycles", "cycles", "runstate time running of the idle vCPU", [this, &c] {
      const Cycles more =
          c.idle_runstate == Runstate::kRunning && end_ > c.idle_runstate_entry ? end_ - c.idle_runstate_entry : 0;
      return c.idle_time[0] + more;
    });
    add_cpi(g, c.pcpu->core.cpi);
  }
  stats::Group& paths = root.group("path", "Xen's paths: how often, and cycles charged");
  for (unsigned i = 0; i < kPaths; ++i) {
    const PathRow& row = path_table()[i];
    stats::Group& g = paths.group(row.name, row.doc);
    const PathCost::Use& u = cost.use(static_cast<Path>(i));
    g.add("count", "count", "times taken", &u.count);
    g.add("cycles", "cycles", "charged", &u.cycles);
  }
  stats::Group& lock = root.group("lock", "Xen's locks").group("sched", "run queues");
  lock.add("acquired", "count", "times taken", &sched_lock_.acquired);
  lock.add("contended", "count", "times a pCPU had to wait", &sched_lock_.contended);
  stats::Group& heap_stats = root.group("heap", "Xen's page heap");
  heap_stats.add("total_pages", "pages", "pages given to the heap", [this] { return heap.total_pages(); });
  heap_stats.add("free_pages", "pages", "pages free at the end", [this] { return heap.free_pages(); });
  heap_stats.add("claimed_pages", "pages", "claimed and not allocated yet", [this] { return frames.claimed(); });
  heap_stats.add("dirty_pages", "pages", "free, to be cleared", [this] {
    std::uint64_t n = 0;
    for (unsigned node = 0; node < heap.nodes(); ++node) n += heap.dirty_pages(node);
    return n;
  });
  if (heap.nodes() > 1)
    for (unsigned node = 0; node < heap.nodes(); ++node) {
      stats::Group& s = heap_stats.group("node", node);
      s.add("total_pages", "pages", "", [this, node] { return heap.total_pages(node); });
      s.add("free_pages", "pages", "", [this, node] { return heap.free_pages(node); });
    }
  for (auto& [domid, d] : domains) add_domain_stats(*d);
}

namespace {

void add_mm_stats(stats::Group& domain, Domain& d) {
  stats::Group& g = domain.group("mm", "its memory management");
  g.add("ept_syncs", "count", "changes of its EPT that were made known to pCPUs", &d.mm_stats.ept_syncs);
  g.add("ept_sync_ipis", "count", "interrupts that took", &d.mm_stats.ept_sync_ipis);
  g.add("recalculated_tables", "count", "EPT tables changed lazily", &d.mm_stats.recalculated_tables);
  g.add("over_maximum", "extents", "not given, being above what it may have", &d.mm_stats.over_maximum);
  g.add("out_of_memory", "extents", "not given, there being none free", &d.mm_stats.out_of_memory);
  g.add("shared_pages", "pages", "guest frames that are shared", &d.shared_pages);
  g.add("paged_pages", "pages", "guest frames that dom0 paged out", &d.paged_pages);
  stats::Group& l = g.group("log_dirty", "log-dirty mode");
  const LogDirty::Stats& s = d.log_dirty->stats();
  l.add("write_faults", "count", "pages found by a write fault", &s.write_faults);
  l.add("log_entries", "count", "pages found in page-modification logs", &s.log_entries);
  l.add("log_drains", "count", "times that a log was emptied", &s.log_drains);
  l.add("tables_scanned", "count", "EPT tables read for dirty flags", &s.tables_scanned);
  l.add("looks", "count", "times the bitmap was asked for", &s.looks);
  l.add("failed_allocations", "count", "marks lost for want of a page", &s.failed_allocations);
}

}  // namespace

void Hypervisor::add_domain_stats(Domain& d) {
  // A control domain may give a number a second time: the last domain counts.
  domains_stats_->remove(std::to_string(d.domid));
  stats::Group& g = domains_stats_->group(std::to_string(d.domid), "a domain");
  g.add_text("name", "its name", [&d] { return d.name; });
  g.add_text("end", "how it ended", [&d] {
    if (!d.shutdown) return std::string("runs");
    return std::string(name_of(*d.shutdown)) + (d.crash_message.empty() ? "" : ": " + d.crash_message);
  });
  g.add("created", "cycles", "when it was created", &d.created_at);
  g.add("ended", "cycles", "when it shut down", &d.ended_at);
  stats::Group& memory_stats = g.group("memory", "its memory at the end, and what populate-on-demand did");
  memory_stats.add("pages", "pages", "that it has", [this, &d] { return frames.totals(d.domid).pages; });
  memory_stats.add("max_pages", "pages", "that it may have", &d.max_pages);
  memory_stats.add("pod_entries", "pages", "not populated yet", &d.pod.entries);
  memory_stats.add("pod_cache", "pages", "in the populate-on-demand cache", &d.pod.count);
  memory_stats.add("pod_populated", "pages", "by demand faults", &d.pod.populated);
  memory_stats.add("pod_zero_reclaimed", "pages", "taken back because they were zero", &d.pod.zero_reclaimed);
  memory_stats.add("pod_splintered", "count", "2 MiB entries broken for want of a 2 MiB block", &d.pod.splintered);
  memory_stats.add("pod_sweeps", "count", "emergency sweeps for zero pages", &d.pod.sweeps);
  if (d.log_dirty) add_mm_stats(g, d);
  if (d.grants) {
    stats::Group& s = g.group("grant", "what it did with grants of others, and what is left of it");
    const grant::Stats& c = d.grants->stats;
    s.add("maps", "count", "", &c.maps);
    s.add("unmaps", "count", "", &c.unmaps);
    s.add("copies", "count", "", &c.copies);
    s.add("copied_bytes", "bytes", "", &c.copied_bytes);
    s.add("transfers", "count", "", &c.transfers);
    s.add("failures", "count", "operations with a status other than GNTST_okay", &c.failures);
    s.add("frames", "frames", "of its table", [&d] { return std::uint64_t{d.grants->frames()}; });
    s.add("mapped", "count", "handles in use", [&d] { return d.grants->maptrack.in_use(); });
    s.add("pinned", "count", "entries of its own that are in use", [&d] { return d.grants->pinned(); });
  }
  for (auto& owned : d.vcpus) {
    Vcpu& v = *owned;
    stats::Group& s = g.group("vcpu", v.id);
    const VcpuStats& c = v.stats;
    s.add("instructions", "instructions", "retired", &c.instructions);
    s.add("guest_cycles", "cycles", "in VMX non-root operation", &c.guest_cycles);
    s.add_ratio("cpi", "cycles/instruction", "guest cycles per instruction", [&c] {
      return stats::Ratio{c.guest_cycles, c.instructions, 3};
    });
    static constexpr const char* kStates[] = {"running", "runnable", "blocked", "offline"};
    stats::Group& run =
        s.group("runstate", "time in each runstate from its first run on; runnable is time stolen");
    for (unsigned i = 0; i < 4; ++i)
      run.add(kStates[i], "cycles", "", [this, &v, i] { return reported_times(v)[i]; });
    s.add("wakes", "count", "", &c.wakes);
    s.add("context_switches", "count", "times it was switched out", &c.context_switches);
    s.add("migrations", "count", "times it came to another pCPU", &c.migrations);
    s.add("yields", "count", "", &c.yields);
    s.add("events_sent", "count", "EVTCHNOP_send", &c.events_sent);
    s.add("events_received", "count", "events for its ports", &c.events_received);
    s.add("timer_fired", "count", "its Xen timers that fired", &c.timer_fired);
    s.add("interrupts_injected", "count", "", &c.interrupts_injected);
    s.add("exceptions_injected", "count", "by Xen", &c.exceptions_injected);
    s.add("vm_exits", "count", "", &c.vm_exits);
    stats::Group& exits = s.group("exit", "VM exits by basic reason");
    for (unsigned i = 0; i < c.exits_by_reason.size(); ++i)
      exits.add(exit_name(i), "count", "", &c.exits_by_reason[i]);
    s.add_text("open_exit", "the VM exit from which it did not come back by the end of the run", [&v] {
      return v.open_exit < 0 ? std::string("none") : exit_name(static_cast<unsigned>(v.open_exit));
    });
    stats::Group& calls = s.group("hypercall", "by number");
    for (unsigned i = 0; i < c.hypercalls.size(); ++i) calls.add(hypercall_name(i), "count", "", &c.hypercalls[i]);
    s.add("enosys", "count", "hypercalls that Xen answered with -ENOSYS", &c.unknown_hypercalls);
    add_cpi(s, c.cpi);
  }
}

}  // namespace xensim::xen
