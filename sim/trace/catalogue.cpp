#include "sim/trace/catalogue.h"

#include <algorithm>
#include <array>
#include <vector>

#include "sim/trace/events.h"

namespace xensim::trace {
namespace {

constexpr bool kTimed = true, kUntimed = false;

constexpr EventInfo kCatalogue[] = {
    {TRC_LOST_RECORDS, "lost_records", "gen", kTimed, "count v:vcpu q:first_tsc"},
    {TRC_TRACE_WRAP_BUFFER, "wrap_buffer", "gen", kUntimed, ""},
    {TRC_TRACE_CPU_CHANGE, "cpu_change", "gen", kUntimed, "pcpu bytes"},

    {TRC_SCHED_RUNSTATE_CHANGE, "runstate_change", "sched", kTimed, "v:vcpu"},
    {TRC_SCHED_CONTINUE_RUNNING, "continue_running", "sched", kTimed, "v:vcpu"},
    {TRC_SCHED_CLASS, "scheduler", "sched", kTimed, "a b c d e f g"},
    {TRC_SCHED_DOM_ADD, "dom_add", "sched", kTimed, "domid"},
    {TRC_SCHED_DOM_REM, "dom_rem", "sched", kTimed, "domid vcpu"},
    {TRC_SCHED_SLEEP, "sleep", "sched", kTimed, "domid vcpu"},
    {TRC_SCHED_WAKE, "wake", "sched", kTimed, "domid vcpu"},
    {TRC_SCHED_YIELD, "yield", "sched", kTimed, "domid vcpu"},
    {TRC_SCHED_BLOCK, "block", "sched", kTimed, "domid vcpu"},
    {TRC_SCHED_SHUTDOWN, "shutdown", "sched", kTimed, "domid vcpu reason"},
    {TRC_SCHED_CTL, "ctl", "sched", kTimed, ""},
    {TRC_SCHED_ADJDOM, "adjdom", "sched", kTimed, "domid"},
    {TRC_SCHED_SWITCH, "switch", "sched", kTimed, "prev_domid prev_vcpu next_domid next_vcpu"},
    {TRC_SCHED_S_TIMER_FN, "s_timer_fn", "sched", kTimed, ""},
    {TRC_SCHED_T_TIMER_FN, "t_timer_fn", "sched", kTimed, ""},
    {TRC_SCHED_DOM_TIMER_FN, "dom_timer_fn", "sched", kTimed, ""},
    {TRC_SCHED_SWITCH_INFPREV, "switch_infprev", "sched", kTimed, "domid vcpu ran_ns"},
    {TRC_SCHED_SWITCH_INFNEXT, "switch_infnext", "sched", kTimed, "domid vcpu waited_ns slice_ns"},
    {TRC_SCHED_SHUTDOWN_CODE, "shutdown_code", "sched", kTimed, "domid vcpu reason"},
    {TRC_SCHED_SWITCH_INFCONT, "switch_infcont", "sched", kTimed, "domid vcpu ran_ns slice_ns"},

    {TRC_DOM0_DOM_ADD, "domain_create", "dom0op", kTimed, "domid"},
    {TRC_DOM0_DOM_REM, "domain_destroy", "dom0op", kTimed, "domid"},

    {TRC_HVM_VMENTRY, "vmentry", "hvm", kTimed, ""},
    {TRC_HVM_VMENTRY | TRC_HVM_NESTEDFLAG, "nvmentry", "hvm", kTimed, ""},
    {TRC_HVM_VMEXIT, "vmexit", "hvm", kTimed, "reason eip"},
    {TRC_HVM_VMEXIT64, "vmexit", "hvm", kTimed, "reason q:rip"},
    {TRC_HVM_VMEXIT | TRC_HVM_NESTEDFLAG, "nvmexit", "hvm", kTimed, "reason eip"},
    {TRC_HVM_VMEXIT64 | TRC_HVM_NESTEDFLAG, "nvmexit", "hvm", kTimed, "reason q:rip"},
    {TRC_HVM_PF_XEN, "pf_xen", "hvm", kUntimed, "error_code va"},
    {TRC_HVM_PF_XEN64, "pf_xen", "hvm", kUntimed, "error_code q:va"},
    {TRC_HVM_PF_INJECT, "pf_inject", "hvm", kUntimed, "error_code cr2"},
    {TRC_HVM_PF_INJECT64, "pf_inject", "hvm", kUntimed, "error_code q:cr2"},
    {TRC_HVM_INJ_EXC, "inj_exc", "hvm", kUntimed, "vector error_code"},
    {TRC_HVM_INJ_VIRQ, "inj_virq", "hvm", kUntimed, "vector fake"},
    {TRC_HVM_REINJ_VIRQ, "reinj_virq", "hvm", kUntimed, "vector"},
    {TRC_HVM_IO_READ, "io_read", "hvm", kUntimed, "port size"},
    {TRC_HVM_IO_WRITE, "io_write", "hvm", kUntimed, "port size"},
    {TRC_HVM_CR_READ, "cr_read", "hvm", kUntimed, "cr value"},
    {TRC_HVM_CR_READ64, "cr_read", "hvm", kUntimed, "cr q:value"},
    {TRC_HVM_CR_WRITE, "cr_write", "hvm", kUntimed, "cr value"},
    {TRC_HVM_CR_WRITE64, "cr_write", "hvm", kUntimed, "cr q:value"},
    {TRC_HVM_DR_READ, "dr_read", "hvm", kUntimed, ""},
    {TRC_HVM_DR_WRITE, "dr_write", "hvm", kUntimed, ""},
    {TRC_HVM_MSR_READ, "msr_read", "hvm", kUntimed, "msr q:value"},
    {TRC_HVM_MSR_WRITE, "msr_write", "hvm", kUntimed, "msr q:value"},
    {TRC_HVM_CPUID, "cpuid", "hvm", kUntimed, "leaf subleaf eax ebx ecx edx"},
    {TRC_HVM_INTR, "intr", "hvm", kUntimed, "vector"},
    {TRC_HVM_NMI, "nmi", "hvm", kUntimed, ""},
    {TRC_HVM_SMI, "smi", "hvm", kUntimed, ""},
    {TRC_HVM_VMMCALL, "vmcall", "hvm", kUntimed, "hypercall"},
    {TRC_HVM_HLT, "hlt", "hvm", kUntimed, "has_work"},
    {TRC_HVM_INVLPG, "invlpg", "hvm", kUntimed, "is_invlpga va"},
    {TRC_HVM_INVLPG64, "invlpg", "hvm", kUntimed, "is_invlpga q:va"},
    {TRC_HVM_MCE, "mce", "hvm", kUntimed, ""},
    {TRC_HVM_IOPORT_READ, "ioport_read", "hvm", kUntimed, "port data"},
    {TRC_HVM_IOPORT_WRITE, "ioport_write", "hvm", kUntimed, "port data"},
    {TRC_HVM_IOMEM_READ, "iomem_read", "hvm", kUntimed, "gpa data"},
    {TRC_HVM_IOMEM_READ | TRC_64_FLAG, "iomem_read", "hvm", kUntimed, "q:gpa q:data"},
    {TRC_HVM_IOMEM_WRITE, "iomem_write", "hvm", kUntimed, "gpa data"},
    {TRC_HVM_IOMEM_WRITE | TRC_64_FLAG, "iomem_write", "hvm", kUntimed, "q:gpa q:data"},
    {TRC_HVM_CLTS, "clts", "hvm", kUntimed, ""},
    {TRC_HVM_LMSW, "lmsw", "hvm", kUntimed, "value"},
    {TRC_HVM_LMSW64, "lmsw", "hvm", kUntimed, "q:value"},
    {TRC_HVM_RDTSC, "rdtsc", "hvm", kUntimed, "q:tsc"},
    {TRC_HVM_INTR_WINDOW, "intr_window", "hvm", kUntimed, "vector source info"},
    {TRC_HVM_NPF, "npf", "hvm", kUntimed, "q:gpa q:mfn qualification p2m_type"},
    {TRC_HVM_REALMODE_EMULATE, "realmode_emulate", "hvm", kUntimed, ""},
    {TRC_HVM_TRAP, "trap", "hvm", kUntimed, "vector"},
    {TRC_HVM_TRAP_DEBUG, "trap_debug", "hvm", kUntimed, "qualification"},
    {TRC_HVM_VLAPIC, "vlapic", "hvm", kUntimed, ""},
    {TRC_HVM_XCR_READ64, "xcr_read", "hvm", kUntimed, "xcr q:value"},
    {TRC_HVM_XCR_WRITE64, "xcr_write", "hvm", kUntimed, "xcr q:value"},
    {TRC_HVM_EMUL_HPET_START_TIMER, "hpet_start_timer", "hvm", kTimed, "timer q:delta q:period"},
    {TRC_HVM_EMUL_PIT_START_TIMER, "pit_start_timer", "hvm", kTimed, "q:delta period"},
    {TRC_HVM_EMUL_RTC_START_TIMER, "rtc_start_timer", "hvm", kTimed, "q:delta q:period"},
    {TRC_HVM_EMUL_LAPIC_START_TIMER, "lapic_start_timer", "hvm", kTimed, "q:delta q:period irq"},
    {TRC_HVM_EMUL_HPET_STOP_TIMER, "hpet_stop_timer", "hvm", kTimed, "timer"},
    {TRC_HVM_EMUL_PIT_STOP_TIMER, "pit_stop_timer", "hvm", kTimed, ""},
    {TRC_HVM_EMUL_RTC_STOP_TIMER, "rtc_stop_timer", "hvm", kTimed, ""},
    {TRC_HVM_EMUL_LAPIC_STOP_TIMER, "lapic_stop_timer", "hvm", kTimed, ""},
    {TRC_HVM_EMUL_PIT_TIMER_CB, "pit_timer_cb", "hvm", kTimed, ""},
    {TRC_HVM_EMUL_LAPIC_TIMER_CB, "lapic_timer_cb", "hvm", kTimed, ""},
    {TRC_HVM_EMUL_PIC_INT_OUTPUT, "pic_int_output", "hvm", kTimed, "a b"},
    {TRC_HVM_EMUL_PIC_KICK, "pic_kick", "hvm", kTimed, ""},
    {TRC_HVM_EMUL_PIC_INTACK, "pic_intack", "hvm", kTimed, "a b"},
    {TRC_HVM_EMUL_PIC_POSEDGE, "pic_posedge", "hvm", kTimed, "irq"},
    {TRC_HVM_EMUL_PIC_NEGEDGE, "pic_negedge", "hvm", kTimed, "irq"},
    {TRC_HVM_EMUL_PIC_PEND_IRQ_CALL, "pic_pend_irq_call", "hvm", kTimed, "irq"},
    {TRC_HVM_EMUL_LAPIC_PIC_INTR, "lapic_pic_intr", "hvm", kTimed, "a b"},

    {TRC_MEM_PAGE_GRANT_MAP, "grant_map", "mem", kTimed, "domid"},
    {TRC_MEM_PAGE_GRANT_UNMAP, "grant_unmap", "mem", kTimed, "domid"},
    {TRC_MEM_PAGE_GRANT_TRANSFER, "grant_transfer", "mem", kTimed, "domid"},
    {TRC_MEM_SET_P2M_ENTRY, "set_p2m_entry", "mem", kUntimed, "q:gfn q:mfn p2m_type order_domid"},
    {TRC_MEM_DECREASE_RESERVATION, "decrease_reservation", "mem", kUntimed, "q:gfn order_domid pad"},
    {TRC_MEM_POD_POPULATE, "pod_populate", "mem", kUntimed, "q:gfn q:mfn order_domid pad"},
    {TRC_MEM_POD_ZERO_RECLAIM, "pod_zero_reclaim", "mem", kUntimed, "q:gfn q:mfn order_domid pad"},
    {TRC_MEM_POD_SUPERPAGE_SPLINTER, "pod_superpage_splinter", "mem", kUntimed, "q:gfn order_domid pad"},

    {TRC_PV_TRAP, "trap", "pv", kTimed, "eip trap"},
    {TRC_PV_TRAP | TRC_64_FLAG, "trap", "pv", kTimed, "q:rip trap"},
    {TRC_PV_PAGE_FAULT, "page_fault", "pv", kTimed, "eip va error_code"},
    {TRC_PV_PAGE_FAULT | TRC_64_FLAG, "page_fault", "pv", kTimed, "q:rip q:va error_code"},
    {TRC_PV_FORCED_INVALID_OP, "forced_invalid_op", "pv", kTimed, "eip"},
    {TRC_PV_FORCED_INVALID_OP | TRC_64_FLAG, "forced_invalid_op", "pv", kTimed, "q:rip"},
    {TRC_PV_EMULATE_PRIVOP, "emulate_privop", "pv", kTimed, "eip"},
    {TRC_PV_EMULATE_PRIVOP | TRC_64_FLAG, "emulate_privop", "pv", kTimed, "q:rip"},
    {TRC_PV_EMULATE_4GB, "emulate_4gb", "pv", kTimed, "eip"},
    {TRC_PV_EMULATE_4GB | TRC_64_FLAG, "emulate_4gb", "pv", kTimed, "q:rip"},
    {TRC_PV_MATH_STATE_RESTORE, "math_state_restore", "pv", kTimed, ""},
    {TRC_PV_PAGING_FIXUP, "paging_fixup", "pv", kTimed, "eip va"},
    {TRC_PV_PAGING_FIXUP | TRC_64_FLAG, "paging_fixup", "pv", kTimed, "q:rip q:va"},
    {TRC_PV_GDT_LDT_MAPPING_FAULT, "gdt_ldt_mapping_fault", "pv", kTimed, "eip offset"},
    {TRC_PV_GDT_LDT_MAPPING_FAULT | TRC_64_FLAG, "gdt_ldt_mapping_fault", "pv", kTimed, "q:rip q:offset"},
    {TRC_PV_PTWR_EMULATION, "ptwr_emulation", "pv", kTimed, "npte va eip"},
    {TRC_PV_PTWR_EMULATION | TRC_64_FLAG, "ptwr_emulation", "pv", kTimed, "q:npte q:va q:rip"},
    {TRC_PV_PTWR_EMULATION_PAE, "ptwr_emulation_pae", "pv", kTimed, "q:npte va eip"},
    {TRC_PV_PTWR_EMULATION_PAE | TRC_64_FLAG, "ptwr_emulation_pae", "pv", kTimed, "q:npte q:va q:rip"},
    {TRC_PV_HYPERCALL_V2, "hypercall", "pv", kTimed, "op a b c d e f"},
    {TRC_PV_HYPERCALL_SUBCALL, "hypercall_subcall", "pv", kTimed, "op a b c d e f"},

    {TRC_PM_FREQ_CHANGE, "freq_change", "hw", kTimed, "from to"},
    {TRC_PM_IDLE_ENTRY, "idle_entry", "hw", kTimed, "state t1 expected predicted"},
    {TRC_PM_IDLE_EXIT, "idle_exit", "hw", kTimed, "state t2 irq0 irq1 irq2 irq3"},
    {TRC_HW_IRQ_MOVE_CLEANUP_DELAY, "irq_move_cleanup_delay", "hw", kTimed, "irq vector pcpu"},
    {TRC_HW_IRQ_MOVE_CLEANUP, "irq_move_cleanup", "hw", kTimed, "irq vector pcpu"},
    {TRC_HW_IRQ_BIND_VECTOR, "irq_bind_vector", "hw", kTimed, "irq vector mask0 mask1 mask2 mask3"},
    {TRC_HW_IRQ_CLEAR_VECTOR, "irq_clear_vector", "hw", kTimed, "irq vector mask0 mask1 mask2 mask3"},
    {TRC_HW_IRQ_MOVE_FINISH, "irq_move_finish", "hw", kTimed, "irq vector pcpu"},
    {TRC_HW_IRQ_ASSIGN_VECTOR, "irq_assign_vector", "hw", kTimed, "irq vector mask0 mask1 mask2 mask3"},
    {TRC_HW_IRQ_UNMAPPED_VECTOR, "irq_unmapped_vector", "hw", kTimed, "vector"},
    {TRC_HW_IRQ_HANDLED, "irq_handled", "hw", kTimed, "irq in out"},

    {kEvtchnSend, "evtchn_send", "xensim", kTimed, "v:vcpu port remote_domid remote_port"},
    {kEvtchnDeliver, "evtchn_deliver", "xensim", kTimed, "v:vcpu port"},
    {kEvtchnUpcall, "evtchn_upcall", "xensim", kTimed, "v:vcpu vector"},
    {kIpiSend, "ipi_send", "xensim", kTimed, "target_pcpu vector"},
    {kIpiReceive, "ipi_receive", "xensim", kTimed, "source_pcpu vector"},
    {kP2mFault, "p2m_fault", "xensim", kTimed, "v:vcpu q:gfn qualification order"},
    {kHypercallEnter, "hypercall_enter", "xensim", kTimed, "v:vcpu op q:first_argument"},
    {kHypercallReturn, "hypercall_return", "xensim", kTimed, "v:vcpu op q:result"},
    {kTickle, "tickle", "xensim", kTimed, "target_pcpu"},
    {kTimerSet, "timer_set", "xensim", kTimed, "v:vcpu q:deadline_ns"},
    {kTimerFire, "timer_fire", "xensim", kTimed, "v:vcpu"},
    {kLockWait, "lock_wait", "xensim", kTimed, "lock q:cycles"},
    {kMigrate, "migrate", "xensim", kTimed, "v:vcpu from_pcpu to_pcpu"},
    {kCounterValue, "counter", "xensim", kTimed, "counter q:value"},
    {kMark, "mark", "xensim", kTimed, "mark"},
    {kLogDirty, "log_dirty", "xensim", kTimed, "domid op dirty"},
    {kPmlDrain, "pml_drain", "xensim", kTimed, "v:vcpu entries"},
    {kEptSync, "ept_sync", "xensim", kTimed, "domid pcpus"},
    {kShare, "share", "xensim", kTimed, "domid q:gfn references"},
    {kUnshare, "unshare", "xensim", kTimed, "domid q:gfn copied"},
    {kUnlistedExit, "unlisted_vmexit", "xensim", kTimed, "reason q:rip"},
};

// SDM 3, appendix C.
constexpr std::string_view kExitReasons[] = {"EXCEPTION_OR_NMI",
                                             "EXTERNAL_INTERRUPT",
                                             "TRIPLE_FAULT",
                                             "INIT",
                                             "SIPI",
                                             "IO_SMI",
                                             "OTHER_SMI",
                                             "INTERRUPT_WINDOW",
                                             "NMI_WINDOW",
                                             "TASK_SWITCH",
                                             "CPUID",
                                             "GETSEC",
                                             "HLT",
                                             "INVD",
                                             "INVLPG",
                                             "RDPMC",
                                             "RDTSC",
                                             "RSM",
                                             "VMCALL",
                                             "VMCLEAR",
                                             "VMLAUNCH",
                                             "VMPTRLD",
                                             "VMPTRST",
                                             "VMREAD",
                                             "VMRESUME",
                                             "VMWRITE",
                                             "VMXOFF",
                                             "VMXON",
                                             "CR_ACCESS",
                                             "DR_ACCESS",
                                             "IO_INSTRUCTION",
                                             "RDMSR",
                                             "WRMSR",
                                             "INVALID_GUEST_STATE",
                                             "MSR_LOADING",
                                             "UNKNOWN",
                                             "MWAIT",
                                             "MONITOR_TRAP_FLAG",
                                             "UNKNOWN",
                                             "MONITOR",
                                             "PAUSE",
                                             "MACHINE_CHECK_AT_ENTRY",
                                             "UNKNOWN",
                                             "TPR_BELOW_THRESHOLD",
                                             "APIC_ACCESS",
                                             "VIRTUALIZED_EOI",
                                             "GDTR_IDTR_ACCESS",
                                             "LDTR_TR_ACCESS",
                                             "EPT_VIOLATION",
                                             "EPT_MISCONFIGURATION",
                                             "INVEPT",
                                             "RDTSCP",
                                             "PREEMPTION_TIMER",
                                             "INVVPID",
                                             "WBINVD",
                                             "XSETBV",
                                             "APIC_WRITE",
                                             "RDRAND",
                                             "INVPCID",
                                             "VMFUNC",
                                             "ENCLS",
                                             "RDSEED",
                                             "PML_FULL",
                                             "XSAVES",
                                             "XRSTORS",
                                             "PCONFIG",
                                             "SPP",
                                             "UMWAIT",
                                             "TPAUSE",
                                             "LOADIWKEY"};

constexpr std::string_view kHypercalls[] = {"set_trap_table",
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
                                            "unknown",
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

// Events of the credit2 scheduler, by number (TRC_CSCHED2_* of Xen's sched/credit2.c).
constexpr unsigned kCredit2 = 1;
constexpr std::string_view kCredit2Events[] = {"",
                                               "tick",
                                               "runq_pos",
                                               "credit_burn",
                                               "credit_add",
                                               "tickle_check",
                                               "tickle",
                                               "credit_reset",
                                               "sched_tasklet",
                                               "update_load",
                                               "runq_assign",
                                               "update_unit_load",
                                               "update_runq_load",
                                               "tickle_new",
                                               "runq_max_weight",
                                               "migrate",
                                               "load_check",
                                               "load_balance",
                                               "",
                                               "picked_cpu",
                                               "runq_candidate",
                                               "schedule",
                                               "ratelimit",
                                               "runq_cand_chk"};

std::string hex(std::uint64_t v) {
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[v & 15]);
  while ((v >>= 4) != 0);
  return "0x" + digits;
}

std::string vcpu_name(VcpuId v) {
  return (v.domid == kIdleDomid ? std::string("idle") : "d" + std::to_string(v.domid)) + "v" +
         std::to_string(v.vcpu);
}

const std::vector<EventInfo>& sorted() {
  static const std::vector<EventInfo> events = [] {
    std::vector<EventInfo> e(std::begin(kCatalogue), std::end(kCatalogue));
    std::sort(e.begin(), e.end(), [](const EventInfo& a, const EventInfo& b) { return a.event < b.event; });
    return e;
  }();
  return events;
}

}  // namespace

std::span<const EventInfo> catalogue() { return kCatalogue; }

const EventInfo* find_event(std::uint32_t event) {
  if ((event & 0xfffff00f) == TRC_SCHED_RUNSTATE_CHANGE && (event & 0xc00) == 0) event = TRC_SCHED_RUNSTATE_CHANGE;
  if ((event & 0xfffff000) == TRC_SCHED_CLASS) event = TRC_SCHED_CLASS;
  const std::vector<EventInfo>& events = sorted();
  auto it = std::lower_bound(events.begin(), events.end(), event,
                             [](const EventInfo& i, std::uint32_t e) { return i.event < e; });
  return it != events.end() && it->event == event ? &*it : nullptr;
}

std::string describe(const Record& r) {
  const EventInfo* info = find_event(r.event);
  std::string text = info ? std::string(info->name) : "event " + hex(r.event);
  if (info && info->event == TRC_SCHED_RUNSTATE_CHANGE)
    text += " " + std::string(runstate_name((r.event >> 8) & 3)) + "->" +
            std::string(runstate_name((r.event >> 4) & 3));
  if (info && info->event == TRC_SCHED_CLASS) {
    const unsigned policy = (r.event & 0xe00) >> TRC_SCHED_ID_SHIFT, number = r.event & 0x1ff;
    if (policy == kCredit2 && number < std::size(kCredit2Events) && !kCredit2Events[number].empty())
      text = "csched2:" + std::string(kCredit2Events[number]);
    else
      text += " " + std::to_string(policy) + ":" + std::to_string(number);
  }
  std::string_view names = info ? info->words : std::string_view();
  for (unsigned i = 0; i < r.count;) {
    std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    text += " ";
    if (name.starts_with("q:") && i + 1 < r.count) {
      text += std::string(name.substr(2)) + "=" + hex(r.quad(i));
      i += 2;
      continue;
    }
    std::uint32_t w = r.words[i++];
    if (name.starts_with("v:"))
      text += vcpu_name(VcpuId::unpack(w));
    else if (name.empty())
      text += hex(w);
    else if (name == "reason" && info && (info->klass == "hvm" || info->event == kUnlistedExit))
      text += "reason=" + std::string(exit_reason_name(w));
    else if (name == "hypercall" || (name == "op" && info && info->klass == "xensim"))
      text += std::string(name) + "=" + std::string(hypercall_name(w));
    else
      text += std::string(name) + "=" + hex(w);
  }
  return text;
}

std::string_view runstate_name(unsigned state) {
  static constexpr std::string_view names[] = {"running", "runnable", "blocked", "offline"};
  return names[state & 3];
}

std::string_view exit_reason_name(std::uint32_t reason) {
  return reason < std::size(kExitReasons) ? kExitReasons[reason] : "UNKNOWN";
}

std::string_view hypercall_name(std::uint32_t op) {
  if (op >= 48 && op < 56) return "arch";
  return op < std::size(kHypercalls) ? kHypercalls[op] : "unknown";
}

}  // namespace xensim::trace
