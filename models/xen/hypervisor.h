// The modelled Xen: what runs in VMX root operation on every pCPU.
//
// How it works. run() is a pCPU's life: take interrupts, do softirqs (timers, schedule), then either idle, or
// advance a model program, or enter the guest and handle the VM exit that ends the stretch. Everything costs
// cycles through PathCost on the pCPU that does it, and hot paths emit trace records at that pCPU's local time.
//
// Where things are: hypervisor.cpp (life of a pCPU), schedule.cpp (scheduler core: runstates, wake, block,
// switch), domains.cpp (life of a domain), time.cpp (timers, pvclock, runstate areas), guest_memory.cpp (copies
// from and to guests), vmexit/ (one file per group of exit reasons), hypercall/ (one file per hypercall), event/,
// mm/, domain/ (structures, PVH builder), sched/ (policies).
//
// Order rules. All pCPUs share this object; they run one after the other, each up to a quantum ahead. Where one
// pCPU's path must see another's result no earlier than it happened (run queues), a SpinLock moves the later one's
// time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/cpu/pcpu.h"
#include "models/xen/domain/domain.h"
#include "models/xen/mm/frame_table.h"
#include "models/xen/mm/heap.h"
#include "models/xen/path_cost.h"
#include "models/xen/public.h"
#include "models/xen/sched/policy.h"
#include "models/xen/sched/registry.h"
#include "models/xen/timer.h"
#include "sim/stats/stats.h"
#include "sim/trace/tracer.h"

namespace xensim::xen {

// Host vectors (Xen's asm-x86/irq-vectors.h).
inline constexpr std::uint8_t kLocalTimerVector = 0xfa, kInvalidateEptVector = 0xfb, kEventCheckVector = 0xfc;
// One of those that Xen hands out to devices: dom0's network card.
inline constexpr std::uint8_t kNetworkVector = 0x31;

// When the heap's pages are cleared first (bootscrub=).
enum class BootScrub : std::uint8_t { kOff, kOn, kIdle };
std::span<const std::string_view> names_of(BootScrub);

struct NumaNode {
  std::uint64_t size = 0;  // bytes of RAM
  std::uint32_t cpus = 0;
};

struct HypervisorConfig {
  std::string scheduler = "credit2";
  sched::PoliciesConfig schedulers;
  std::uint64_t dom0_memory = 256ull << 20;
  std::uint64_t xen_memory = 32ull << 20;
  BootScrub boot_scrub = BootScrub::kOn;
  bool scrub_domheap = true;
  std::vector<NumaNode> nodes;                      // the machine's; none: one node
  std::uint32_t wallclock_seconds = 1'767'225'600;  // 2026-01-01 00:00:00 UTC
  bool verbose_debug = false;
  bool ept_1gb = true, ept_2mb = true, ept_ad = true, ple = true;
  std::uint32_t ple_gap = 128, ple_window = 4096;
  LogDirtyMechanism log_dirty = LogDirtyMechanism::kPageModificationLog;
  bool ept_coalesce = false;
  bool mem_sharing = false, mem_paging = false;
  std::uint32_t domain_pirqs = 56;
  grant::Config grants;
  PathCostConfig path_cost;
};
void describe(HypervisorConfig& c, config::Visitor& v);
// What it would be on Xen's command line.
std::string command_line(const HypervisorConfig& c);

struct Arguments;
class Sharing;

// Per pCPU, Xen's side.
struct PcpuState {
  cpu::Pcpu* pcpu = nullptr;
  Vcpu* current = nullptr;    // nullptr: idle
  Vcpu* loaded = nullptr;     // whose registers the core holds
  Vcpu* xstate_of = nullptr;  // whose extended state Xen has left in the registers
  bool in_guest = false;
  bool booted = false;
  bool schedule_pending = false;  // SCHEDULE_SOFTIRQ
  bool tickled = false;           // another pCPU asked for schedule() here; the IPI is on its way
  Runstate idle_runstate = Runstate::kRunning;
  Cycles idle_runstate_entry = 0;
  std::array<Cycles, 4> idle_time{};
  Cycles current_since = 0;
  Cycles guest_since = 0;  // when the guest was entered last
  cpu::CpiStack cpi_mark;  // core's stack when `current` started
  std::uint64_t instructions_mark = 0;
  TimerQueue timers;
  TimerId slice{};
  Cycles programmed = kNever;  // what the APIC timer is set to
  PhysAddr percpu{0};          // this pCPU's data in Xen's memory
  std::uint64_t schedules = 0, context_switches = 0;
};

// What a domain is created from (XEN_DOMCTL_createdomain and what the toolstack sets next).
struct CreateParameters {
  std::string name;
  unsigned vcpus = 1, max_vcpus = 1;
  sched::DomainParameters scheduling;
  std::vector<std::vector<sched::PcpuId>> hard_affinity;  // per vCPU; empty: all pCPUs
  std::vector<std::vector<sched::PcpuId>> soft_affinity;  // likewise
  std::uint64_t max_pages = 0;
  std::uint64_t ram_pages = 0;  // that its physmap has room for, by which its paging pool is sized; 0: max_pages
  std::uint32_t max_evtchn_port = 1023;
  grant::Limits grants;
  std::uint32_t emulation_flags = XEN_X86_EMU_LAPIC;  // the devices that Xen emulates; those of PVH
  bool nested_virt = false;
};

class Hypervisor final : public cpu::RootSoftware, public sched::Tickler {
 public:
  Hypervisor(const HypervisorConfig& config, memory::PhysicalMemory& memory,
             std::vector<std::unique_ptr<cpu::Pcpu>>& pcpus, trace::Tracer& tracer, std::uint64_t seed);
  ~Hypervisor() override;

  // --- The machine as Xen sees it.
  const HypervisorConfig config;
  memory::PhysicalMemory& memory;
  trace::Tracer& tracer;
  Heap heap;
  FrameTable frames;
  const std::unique_ptr<Sharing> sharing;
  PathCost cost;
  std::unique_ptr<sched::Policy> policy;
  std::vector<PcpuState> pcpus;
  std::map<domid_t, std::unique_ptr<Domain>> domains;  // ascending domid
  std::uint64_t tsc_hz;
  // Console output of Xen itself (xl dmesg); one entry per line.
  std::vector<std::string> log;
  // Guests' CONSOLEIO_write and port 0xe9 lines go here: (domain, text).
  std::function<void(Domain&, std::string_view)> on_guest_console_io;
  // dom0's network card has interrupted; gives dom0 the event.
  std::function<void()> on_network_interrupt;

  // --- RootSoftware.
  Cycles run(cpu::Pcpu& pcpu, Cycles until) override;
  std::uint64_t mmio_read(cpu::Pcpu& pcpu, PhysAddr a, unsigned size) override;
  void mmio_write(cpu::Pcpu& pcpu, PhysAddr a, unsigned size, std::uint64_t value) override;
  std::uint32_t io_read(cpu::Pcpu& pcpu, std::uint16_t port, unsigned size) override;
  void io_write(cpu::Pcpu& pcpu, std::uint16_t port, unsigned size, std::uint32_t value) override;

  // --- Time.
  Nanoseconds ns(Cycles c) const {
    return static_cast<Nanoseconds>(static_cast<unsigned __int128>(c) * 1'000'000'000u / tsc_hz);
  }
  // A time stamp that far in the future; kNever if it is beyond what time can count.
  Cycles from_now(Cycles span) const { return span > kNever - now() ? kNever : now() + span; }
  // The first cycle at which ns(cycle) ≥ n.
  Cycles cycles(Nanoseconds n) const {
    const unsigned __int128 c = (static_cast<unsigned __int128>(n) * tsc_hz + 999'999'999u) / 1'000'000'000u;
    return c >> 63 ? kNever : static_cast<Cycles>(c);
  }
  // What happens next happens on this pCPU, at its local time: for who acts between two stretches of run().
  void stand_at(const cpu::Pcpu& pcpu) { active_ = &pcpus[pcpu.index]; }
  // Local time of the pCPU whose software runs at the moment.
  Cycles now() const { return active_->pcpu->core.now; }
  PcpuState& here() { return *active_; }
  unsigned node_of(sched::PcpuId p) const { return node_of_pcpu_[p]; }
  TimerId add_timer(sched::PcpuId pcpu, Cycles deadline, TimerAction action, std::uint64_t data);
  void remove_timer(TimerId& id);
  // An interrupt for Xen on another pCPU.
  void send_host_ipi(sched::PcpuId target, std::uint8_t vector);
  // A vCPU's TSC at a core time.
  std::uint64_t guest_tsc(const Vcpu& v, Cycles at) const { return at + v.tsc_offset; }

  // --- Domains (domains.cpp). The functions are domctls; their caller charges time.
  Domain& create_domain(domid_t domid, DomainKind kind, const CreateParameters& parameters);
  void destroy_domain(domid_t domid);
  void pause_domain(Domain& d);
  void unpause_domain(Domain& d);
  // The domain shuts itself down (or Xen crashes it): its vCPUs stop, dom0 gets VIRQ_DOM_EXC.
  void shutdown_domain(Domain& d, ShutdownReason reason);
  void crash_domain(Domain& d, const std::string& why);
  Domain* find_domain(domid_t domid);
  // For a domain that is created without a number: the next that is free.
  domid_t free_domid();
  // A vCPU comes up (VCPUOP_up, SIPI) or goes down.
  void vcpu_up(Vcpu& v);
  void vcpu_down(Vcpu& v);
  // Domains that were destroyed, for the run's report. Their memory is gone, but for frames that others still hold
  // (frames.totals() says).
  std::vector<std::unique_ptr<Domain>> graveyard;
  // A page of Xen's own for the domain, zeroed; freed with it. Throws std::bad_alloc.
  Mfn allocate_xen_page(Domain& d);
  // Allocates and maps 2^order frames at gfn; false: out of memory.
  bool populate(Domain& d, Gfn gfn, unsigned order);

  // Gives a model vCPU one more program to run.
  void add_program(Vcpu& v, std::unique_ptr<ModelProgram> program);
  // The whole register state of a vCPU that does not run (a new domain's entry, a start-up IPI).
  void set_vcpu_state(Vcpu& v, const cpu::ArchState& st);
  cpu::ArchState vcpu_state(Vcpu& v);
  // After those: the vCPU that is current here has its registers in the core again.
  void restore_context(Vcpu& current);
  void set_guest_tsc(Vcpu& v, std::uint64_t tsc);
  // The most that a guest of its kind can have of CPUID, which is what a new one gets; and what follows from a
  // change of Domain::cpuid.
  cpu::CpuidPolicy guest_policy(const Domain& d) const;
  void cpu_policy_changed(Domain& d);
  // CR4 bits that the guest may set.
  std::uint64_t cr4_guest_bits(const Domain& d) const;

  // --- Scheduler core (schedule.cpp).
  void vcpu_wake(Vcpu& v);     // after clearing pause flags
  void vcpu_sleep(Vcpu& v);    // after setting pause flags
  void vcpu_block(Vcpu& v);    // SCHEDOP_block, HLT
  void vcpu_unblock(Vcpu& v);  // an event arrived
  void vcpu_kick(Vcpu& v);     // make a running vCPU look at its pending work
  void raise_schedule(PcpuState& c) { c.schedule_pending = true; }
  // Changes while the domain runs; what they may be is checked by control/. The unit is placed anew, as in Xen.
  void set_affinity(Vcpu& v, std::vector<sched::PcpuId> hard, std::vector<sched::PcpuId> soft);
  void set_scheduling(Domain& d, const sched::DomainParameters& parameters);
  Vcpu* vcpu_of(sched::UnitId unit) const { return unit < units_.size() ? units_[unit] : nullptr; }
  // Runstate times up to `at`, in cycles.
  std::array<Cycles, 4> runstate_times(const Vcpu& v, Cycles at) const;

  // Runstate times of the whole run as reports give them: from the vCPU's first time on a pCPU on.
  std::array<Cycles, 4> reported_times(const Vcpu& v) const;

  // --- Tickler.
  void tickle(sched::PcpuId pcpu) override;
  void set_timer(std::uint64_t token, Nanoseconds when, sched::PcpuId pcpu) override;
  void stop_timer(std::uint64_t token) override;
  sched::UnitId current(sched::PcpuId pcpu) const override;
  void park(sched::UnitId unit, bool parked) override;
  void trace(sched::PcpuId pcpu, unsigned event, std::span<const std::uint32_t> words) override;

  // --- Events (event/; more operations in event/event_channel.h). Results are EVTCHNOP_*'s.
  // Sets a port pending and tells its vCPU.
  void event_set_pending(Domain& d, std::uint32_t port);
  // To the domain that handles it, dom0 unless another was named.
  void send_global_virq(std::uint32_t virq);
  void send_vcpu_virq(Vcpu& v, std::uint32_t virq);
  bool port_pending(const Domain& d, std::uint32_t port) const;
  bool port_masked(const Domain& d, std::uint32_t port) const;
  bool upcall_pending(const Vcpu& v) const;
  // Sets the vCPU's upcall byte and, unless it was set, tells the vCPU.
  void assert_upcall(Vcpu& v);
  // A model domain's program consumes a pending event of its port.
  bool model_take_event(Domain& d, std::uint32_t port);
  // DOMID_SELF: d itself. remote need not exist.
  long evtchn_alloc_unbound(Domain& d, domid_t remote, std::uint32_t& port);
  long evtchn_bind_interdomain(Domain& d, domid_t remote, std::uint32_t remote_port, std::uint32_t& port);
  long evtchn_bind_virq(Domain& d, std::uint32_t virq, std::uint32_t vcpu, std::uint32_t& port);
  long evtchn_send(Domain& d, std::uint32_t port);
  // guest: not Xen itself, which alone may close its own ports.
  long evtchn_close(Domain& d, std::uint32_t port, bool guest = true);
  std::map<std::uint32_t, domid_t> global_virq_handlers;  // by VIRQ; missing: dom0

  // --- Guest memory (guest_memory.cpp): the current vCPU's linear addresses. false: a page is not there.
  bool copy_from_guest(Vcpu& v, std::uint64_t linear, void* out, std::uint64_t size);
  bool copy_to_guest(Vcpu& v, std::uint64_t linear, const void* in, std::uint64_t size);
  bool translate_guest(Vcpu& v, std::uint64_t linear, bool write, PhysAddr& out, bool* discard = nullptr);
  // A frame of RAM of the domain; nullopt if it is not plain RAM.
  std::optional<Mfn> ram_frame(Domain& d, std::uint64_t gfn);

  // --- Guest time (time.cpp).
  void update_time_info(Vcpu& v);
  void update_runstate_area(Vcpu& v);
  // The guest-visible wall clock, which Domain::time_offset_seconds moves.
  void init_wallclock(Domain& d);
  std::uint32_t wallclock_seconds = 0, wallclock_nanoseconds = 0;  // at system time 0
  long set_singleshot_timer(Vcpu& v, std::uint64_t timeout_ns);
  void stop_singleshot_timer(Vcpu& v) { remove_timer(v.singleshot); }
  void set_periodic_timer(Vcpu& v, Nanoseconds period);
  void periodic_timer_work(Vcpu& v);
  void arm_vlapic_timer(Vcpu& v);

  // --- Hypercalls (hypercall/dispatch.cpp). Handles the VMCALL of the current vCPU.
  void hypercall(Vcpu& v);
  // What the hypercall of that number returns; a multicall makes several.
  long call_hypercall(Vcpu& v, std::uint64_t number, Arguments args);
  // The handler has put what is left into the guest's registers: its VMCALL is executed again.
  void continue_hypercall() { continue_hypercall_ = true; }
  bool take_continuation() { return std::exchange(continue_hypercall_, false); }

  // Something waits that a long hypercall should let through; and how it does so: the guest calls again.
  bool hypercall_preempted();
  void continue_hypercall(bool wide, std::uint64_t first_argument);
  // Hypercall stubs in a page (init_hypercall_page).
  void fill_hypercall_page(PhysAddr page);
  // With the arguments as they are.
  void repeat_hypercall() { continue_hypercall_ = true; }
  // The domain's p2m changed: no pCPU may use what it cached of it.
  void flush_domain(Domain& d);
  // A frame leaves its place in the domain: registered areas in it, which hold no reference, are no more.
  void forget_areas(Domain& d, Mfn m);
  // Where the machine-to-physical table is: in Xen's own memory.
  static constexpr std::uint64_t kMachineToPhysicalFrame = 4096;

  long set_watchdog(Domain& d, std::uint32_t id, std::uint32_t timeout_seconds);

  // --- VM exits (vmexit/dispatch.cpp). Handles core.vm_exit of the current vCPU.
  void handle_exit(PcpuState& c, Vcpu& v);
  void advance_rip(PcpuState& c);
  void inject_exception(Vcpu& v, std::uint8_t vector, std::optional<std::uint32_t> error_code = std::nullopt,
                        std::uint64_t cr2 = 0);
  void triple_fault(Vcpu& v);
  void vlapic_ipi(Vcpu& from, const cpu::IpiMessage& message);
  void vlapic_accept(Vcpu& v, std::uint8_t vector);
  // A register of the vLAPIC was written (its number, as in x2APIC MSRs): what Xen does beside.
  void vlapic_written(Vcpu& v, std::uint32_t reg);

  // --- Watching a run (a prompt, a test). Called when it has happened (an event: when the path of Xen's that set
  // it pending is over); must not change simulated state.
  enum class Happening : std::uint8_t { kVmExit, kContextSwitch, kEvent };
  std::function<void(Happening, const Vcpu&)> on_happening;

  // The run is over at `end`: what was counted is complete.
  void finish(Cycles end);
  Cycles end() const { return end_; }
  // Registers what is counted.
  void add_stats(stats::Group& root);

 private:
  void boot_heap();
  void boot_pcpu(PcpuState& c);
  bool scrub_when_idle(PcpuState& c);
  void handle_host_interrupts(PcpuState& c);
  void do_timers(PcpuState& c);
  void program_timer(PcpuState& c);
  void fire(PcpuState& c, const TimerEntry& e);
  Cycles run_model(PcpuState& c, Vcpu& v, Cycles until);
  void start_action(Vcpu& v, ModelAction action);
  void enter_guest(PcpuState& c, Vcpu& v);
  void prepare_injection(PcpuState& c, Vcpu& v);
  void load_context(PcpuState& c, Vcpu& v);
  void save_context(PcpuState& c);
  void account_guest(PcpuState& c, Vcpu& v);
  void init_vmcs(Vcpu& v);
  std::uint64_t cr4_host_mask(const Domain& d) const;
  void start_vcpu_at(Vcpu& t, std::uint8_t vector);
  bool callback_by_vector(const Vcpu& v) const;
  bool interrupt_waiting(const Vcpu& v) const;
  // One that it could take now; of the vCPU that runs here.
  bool local_events_need_delivery(const Vcpu& v) const;
  void handle_host_vector(PcpuState& c, std::uint8_t vector);
  // hypercall/
  long do_memory_op(Vcpu& v, const Arguments& args);
  long do_set_timer_op(Vcpu& v, const Arguments& args);
  long do_xen_version(Vcpu& v, const Arguments& args);
  long do_console_io(Vcpu& v, const Arguments& args);
  long do_vm_assist(Vcpu& v, const Arguments& args);
  long do_vcpu_op(Vcpu& v, const Arguments& args);
  long do_sched_op(Vcpu& v, const Arguments& args);
  long do_poll(Vcpu& v, const Arguments& args);
  long do_event_channel_op(Vcpu& v, const Arguments& args);
  long do_hvm_op(Vcpu& v, const Arguments& args);
  long set_hvm_param(Vcpu& v, Domain& d, std::uint32_t index, std::uint64_t value);
  long do_grant_table_op(Vcpu& v, const Arguments& args);
  long register_vcpu_info(Vcpu& v, std::uint64_t gfn, std::uint32_t offset);
  long initialise_vcpu(Vcpu& caller, Vcpu& t, std::uint64_t arg);
  bool pin_area(Vcpu& v, std::uint64_t linear, unsigned size, GuestArea& area);
  // vmexit/
  void yield(Vcpu& v);
  void exit_cpuid(PcpuState& c, Vcpu& v);
  cpu::CpuidRegisters xen_cpuid_leaf(const Vcpu& v, std::uint32_t leaf, std::uint32_t subleaf) const;
  std::uint32_t port_read(Vcpu& v, std::uint16_t port, unsigned size);
  void port_write(Vcpu& v, std::uint16_t port, unsigned size, std::uint32_t value);
  void latch_guest_width(Vcpu& v);
  void exit_hlt(PcpuState& c, Vcpu& v);
  void exit_io(PcpuState& c, Vcpu& v);
  void exit_rdmsr(PcpuState& c, Vcpu& v);
  void exit_wrmsr(PcpuState& c, Vcpu& v);
  void exit_xsetbv(PcpuState& c, Vcpu& v);
  void exit_cr_access(PcpuState& c, Vcpu& v);
  void exit_ept_violation(PcpuState& c, Vcpu& v);
  bool guest_rdmsr(Vcpu& v, std::uint32_t msr, std::uint64_t& value);
  bool guest_wrmsr(Vcpu& v, std::uint32_t msr, std::uint64_t value);
  bool write_hypercall_page(Vcpu& v, std::uint64_t value);
  bool set_cr0(PcpuState& c, std::uint64_t value);
  bool set_cr4(PcpuState& c, Vcpu& v, std::uint64_t value);
  bool load_pdptes(PcpuState& c, Vcpu& v);
  // Lets the guest execute the instruction at its RIP with the given emulated pages exposed and port I/O passed to
  // Xen. false: it could not.
  bool emulate_instruction(PcpuState& c, Vcpu& v, std::uint64_t first_gfn, bool mmio);
  void reset_vcpu_to_sipi(Vcpu& v, std::uint8_t vector);
  void add_domain_stats(Domain& d);

  void schedule(PcpuState& c);
  void runstate_change(Vcpu& v, Runstate to);
  void close_exit(Vcpu& v);
  void idle_runstate_change(PcpuState& c, Runstate to);
  trace::VcpuId trace_id(const Vcpu& v) const { return {v.domain.domid, static_cast<std::uint16_t>(v.id)}; }

  // The processor's debug ports, which guests write for a delay: they do not exit (hvm_enable).
  static constexpr std::array<std::uint16_t, 2> kDirectPorts{0x80, 0xed};
  static bool is_direct(std::uint16_t port) { return port == kDirectPorts[0] || port == kDirectPorts[1]; }
  PhysAddr io_bitmaps_{0};  // A and B, of all guests
  PcpuState* active_ = nullptr;
  std::vector<unsigned> node_of_pcpu_;
  std::vector<Vcpu*> units_;
  std::uint64_t units_made_ = 0;
  // The hypercall in progress was cut short: the guest executes its VMCALL again, with the arguments as they are
  // now.
  bool continue_hypercall_ = false;
  std::vector<const Vcpu*> events_seen_;  // who got events in this path of Xen's, for on_happening
  std::uint16_t last_vpid_ = 0;
  domid_t last_free_domid_ = 0;
  std::map<std::uint64_t, TimerId> policy_timers_;
  SpinLock sched_lock_;
  bool emulating_ = false;
  // Pages that are exposed while an instruction is emulated, with what they hide.
  struct EmulatedPage {
    std::uint64_t gfn, entry;
    Mfn frame;  // kNoMfn: nothing behind it
  };
  std::vector<EmulatedPage> emulated_;
  Cycles end_ = 0;
  stats::Group* domains_stats_ = nullptr;
};

}  // namespace xensim::xen
