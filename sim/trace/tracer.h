// The tracer: models tell it what happens, pCPU by pCPU; it keeps each pCPU's records in a stream of its own, and
// the sinks write the streams as files when the run ends.
//
// Order: time stamps of one pCPU never decrease. pCPUs may be apart by a quantum; sinks that want one order merge
// by time, then pCPU. A record without a time stamp (Xen's HVM handler records) belongs to the timed one before
// it. No record is ever lost: streams grow in memory up to a limit, then into files beside the target.
//
// Cost when off: enabled() is a load and a branch; every emitting function begins with it, so callers need not ask
// unless their arguments cost something.
//
// xenalyze (docs/tracing.md) wants from callers: start() once per pCPU before anything else; a vCPU
// enters kRunning only from kRunnable, on the pCPU where the one before has left kRunning; a vCPU's
// time is accounted from the pCPU's first switch away from idle; between vmexit() and
// vmentry() the handler's record(s). Exit reasons above 56 become points of xensim's own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/base/digest.h"
#include "sim/base/types.h"
#include "sim/trace/events.h"
#include "sim/trace/record.h"
#include "sim/trace/sink.h"
#include "sim/trace/stream.h"

namespace xensim::trace {

using PcpuId = unsigned;

struct TracerConfig {
  unsigned pcpus = 1;
  std::uint64_t tsc_hz = 2'400'000'000;
  // Where streams that outgrow memory go (a folder that exists), and how many bytes all pCPUs together may keep in
  // memory before that.
  std::string spill_folder = ".";
  std::uint64_t memory_limit = std::uint64_t{64} << 20;
};

class Tracer {
 public:
  // Off: nothing is recorded.
  Tracer() = default;
  // On. Without a sink there is still a digest.
  explicit Tracer(const TracerConfig& config);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  bool enabled() const { return enabled_; }
  // Recording can be paused and resumed (regions of interest); xenalyze then sees a gap, so resume by restating
  // every pCPU's current vCPU. Not on a tracer that was made off.
  void set_enabled(bool on);

  void add_sink(std::unique_ptr<Sink> sink);
  // Writes all sinks' files. `now`: the end of the run, one time stamp for all pCPUs. Every vCPU that is
  // not offline goes offline then, as when a toolstack pauses it: readers only account runstates that have ended.
  // Throws UserError if a file cannot be written; then no file of any sink that failed appears under its final
  // name. Further records are ignored.
  void close(Cycles now);
  // Of the Xen records of every pCPU, as xentrace's file would hold them (so xensim can recompute it from the
  // file). The same run has the same digest whatever the sinks. After close().
  std::string digest() const;
  // Records so far, xensim's own included.
  std::uint64_t records() const { return records_; }

  // --- Names, for the sinks that show names. May be called at any time before close(), on or off.
  void name_domain(std::uint16_t domid, std::string_view name) { names_.domains[domid] = name; }
  unsigned name_counter(std::string_view name, std::string_view unit);
  unsigned name_mark(std::string_view name);
  unsigned name_lock(std::string_view name);

  // --- Scheduler.
  // The pCPU's first records: its idle vCPU becomes running.
  void start(PcpuId p, Cycles t);
  void runstate_change(PcpuId p, Cycles t, VcpuId v, Runstate from, Runstate to) {
    timed(p, t,
          TRC_SCHED_RUNSTATE_CHANGE | static_cast<std::uint32_t>(from) << 8 | static_cast<std::uint32_t>(to) << 4,
          v.packed());
  }
  void continue_running(PcpuId p, Cycles t, VcpuId v) { timed(p, t, TRC_SCHED_CONTINUE_RUNNING, v.packed()); }
  void dom_add(PcpuId p, Cycles t, std::uint16_t domid) { timed(p, t, TRC_SCHED_DOM_ADD, word(domid)); }
  void dom_rem(PcpuId p, Cycles t, VcpuId v) { vcpu_event(p, t, TRC_SCHED_DOM_REM, v); }
  void sleep(PcpuId p, Cycles t, VcpuId v) { vcpu_event(p, t, TRC_SCHED_SLEEP, v); }
  void wake(PcpuId p, Cycles t, VcpuId v) { vcpu_event(p, t, TRC_SCHED_WAKE, v); }
  void yield(PcpuId p, Cycles t, VcpuId v) { vcpu_event(p, t, TRC_SCHED_YIELD, v); }
  void block(PcpuId p, Cycles t, VcpuId v) { vcpu_event(p, t, TRC_SCHED_BLOCK, v); }
  void shutdown(PcpuId p, Cycles t, VcpuId v, std::uint32_t reason) {
    timed(p, t, TRC_SCHED_SHUTDOWN, word(v.domid), word(v.vcpu), reason);
  }
  void shutdown_code(PcpuId p, Cycles t, VcpuId v, std::uint32_t reason) {
    timed(p, t, TRC_SCHED_SHUTDOWN_CODE, word(v.domid), word(v.vcpu), reason);
  }
  void adjdom(PcpuId p, Cycles t, std::uint16_t domid) { timed(p, t, TRC_SCHED_ADJDOM, word(domid)); }
  void switch_to(PcpuId p, Cycles t, VcpuId prev, VcpuId next) {
    timed(p, t, TRC_SCHED_SWITCH, word(prev.domid), word(prev.vcpu), word(next.domid), word(next.vcpu));
  }
  void switch_infprev(PcpuId p, Cycles t, VcpuId v, Nanoseconds ran) {
    timed(p, t, TRC_SCHED_SWITCH_INFPREV, word(v.domid), word(v.vcpu), clipped(ran));
  }
  // waited: since the vCPU became runnable. slice: 0 or more; none (idle): all ones, as Xen's −1.
  void switch_infnext(PcpuId p, Cycles t, VcpuId v, Nanoseconds waited, std::uint32_t slice) {
    timed(p, t, TRC_SCHED_SWITCH_INFNEXT, word(v.domid), word(v.vcpu), clipped(waited), slice);
  }
  void switch_infcont(PcpuId p, Cycles t, VcpuId v, Nanoseconds ran, std::uint32_t slice) {
    timed(p, t, TRC_SCHED_SWITCH_INFCONT, word(v.domid), word(v.vcpu), clipped(ran), slice);
  }
  void s_timer_fn(PcpuId p, Cycles t) { timed(p, t, TRC_SCHED_S_TIMER_FN); }
  // A scheduler policy's own record: Policy::trace_id(), its event number (0 … 511), at most 7 words.
  void sched_class(PcpuId p, Cycles t, unsigned scheduler, unsigned event, std::span<const std::uint32_t> words) {
    if (enabled_) [[unlikely]]
      put(p, t, TRC_SCHED_CLASS | (scheduler & 7) << TRC_SCHED_ID_SHIFT | (event & 0x1ff), true, words);
  }

  // --- VM entry and exit.
  void vmentry(PcpuId p, Cycles t) { timed(p, t, TRC_HVM_VMENTRY); }
  void vmexit(PcpuId p, Cycles t, std::uint32_t reason, std::uint64_t rip);

  // --- Handlers of VM exits: after vmexit(), no time stamp of their own.
  void cpuid(PcpuId p, std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t eax, std::uint32_t ebx,
             std::uint32_t ecx, std::uint32_t edx) {
    untimed(p, TRC_HVM_CPUID, leaf, subleaf, eax, ebx, ecx, edx);
  }
  void hlt(PcpuId p, bool has_work) { untimed(p, TRC_HVM_HLT, word(has_work)); }
  void vmcall(PcpuId p, std::uint32_t hypercall) { untimed(p, TRC_HVM_VMMCALL, hypercall); }
  void io_read(PcpuId p, std::uint16_t port, std::uint32_t data) {
    untimed(p, TRC_HVM_IOPORT_READ, word(port), data);
  }
  void io_write(PcpuId p, std::uint16_t port, std::uint32_t data) {
    untimed(p, TRC_HVM_IOPORT_WRITE, word(port), data);
  }
  void mmio_read(PcpuId p, std::uint64_t gpa, std::uint64_t data) {
    untimed(p, TRC_HVM_IOMEM_READ | TRC_64_FLAG, low(gpa), high(gpa), low(data), high(data));
  }
  void mmio_write(PcpuId p, std::uint64_t gpa, std::uint64_t data) {
    untimed(p, TRC_HVM_IOMEM_WRITE | TRC_64_FLAG, low(gpa), high(gpa), low(data), high(data));
  }
  void msr_read(PcpuId p, std::uint32_t msr, std::uint64_t v) {
    untimed(p, TRC_HVM_MSR_READ, msr, low(v), high(v));
  }
  void msr_write(PcpuId p, std::uint32_t msr, std::uint64_t v) {
    untimed(p, TRC_HVM_MSR_WRITE, msr, low(v), high(v));
  }
  void cr_read(PcpuId p, std::uint32_t cr, std::uint64_t v) { untimed(p, TRC_HVM_CR_READ64, cr, low(v), high(v)); }
  void cr_write(PcpuId p, std::uint32_t cr, std::uint64_t v) {
    untimed(p, TRC_HVM_CR_WRITE64, cr, low(v), high(v));
  }
  void dr_read(PcpuId p) { untimed(p, TRC_HVM_DR_READ); }
  void dr_write(PcpuId p) { untimed(p, TRC_HVM_DR_WRITE); }
  void xcr_write(PcpuId p, std::uint32_t xcr, std::uint64_t v) {
    untimed(p, TRC_HVM_XCR_WRITE64, xcr, low(v), high(v));
  }
  void clts(PcpuId p) { untimed(p, TRC_HVM_CLTS); }
  void lmsw(PcpuId p, std::uint32_t value) { untimed(p, TRC_HVM_LMSW, value); }
  void invlpg(PcpuId p, std::uint64_t va) { untimed(p, TRC_HVM_INVLPG64, 0u, low(va), high(va)); }
  void rdtsc(PcpuId p, std::uint64_t tsc) { untimed(p, TRC_HVM_RDTSC, low(tsc), high(tsc)); }
  // EPT violation. p2m_type: Xen's p2m_type_t.
  void npf(PcpuId p, std::uint64_t gpa, std::uint64_t mfn, std::uint32_t qualification, std::uint32_t p2m_type) {
    untimed(p, TRC_HVM_NPF, low(gpa), high(gpa), low(mfn), high(mfn), qualification, p2m_type);
  }
  void intr(PcpuId p, std::uint8_t vector) { untimed(p, TRC_HVM_INTR, word(vector)); }
  void nmi(PcpuId p) { untimed(p, TRC_HVM_NMI); }
  void trap(PcpuId p, std::uint8_t vector) { untimed(p, TRC_HVM_TRAP, word(vector)); }
  void vlapic(PcpuId p) { untimed(p, TRC_HVM_VLAPIC); }
  void intr_window(PcpuId p, std::uint8_t vector, std::uint32_t source, std::uint32_t info) {
    untimed(p, TRC_HVM_INTR_WINDOW, word(vector), source, info);
  }
  // Event injection. fake: the vector is queued for a later window (Xen's flag).
  void inj_virq(PcpuId p, std::uint8_t vector, bool fake) {
    untimed(p, TRC_HVM_INJ_VIRQ, word(vector), word(fake));
  }
  void reinj_virq(PcpuId p, std::uint8_t vector) { untimed(p, TRC_HVM_REINJ_VIRQ, word(vector)); }
  void inj_exc(PcpuId p, std::uint8_t vector, std::uint32_t error_code) {
    untimed(p, TRC_HVM_INJ_EXC, word(vector), error_code);
  }
  void pf_inject(PcpuId p, std::uint32_t error_code, std::uint64_t cr2) {
    untimed(p, TRC_HVM_PF_INJECT64, error_code, low(cr2), high(cr2));
  }

  // --- Emulated timers.
  void lapic_timer_start(PcpuId p, Cycles t, Nanoseconds delta, Nanoseconds period, std::uint32_t vector) {
    timed(p, t, TRC_HVM_EMUL_LAPIC_START_TIMER, low(delta), high(delta), low(period), high(period), vector);
  }
  void lapic_timer_stop(PcpuId p, Cycles t) { timed(p, t, TRC_HVM_EMUL_LAPIC_STOP_TIMER); }
  void lapic_timer_fire(PcpuId p, Cycles t) { timed(p, t, TRC_HVM_EMUL_LAPIC_TIMER_CB); }

  // --- Memory, grants, hardware.
  void set_p2m_entry(PcpuId p, std::uint64_t gfn, std::uint64_t mfn, std::uint32_t type, std::uint16_t domid,
                     unsigned order) {
    untimed(p, TRC_MEM_SET_P2M_ENTRY, low(gfn), high(gfn), low(mfn), high(mfn), type, word(order) << 16 | domid);
  }
  void decrease_reservation(PcpuId p, std::uint64_t gfn, std::uint16_t domid, unsigned order) {
    untimed(p, TRC_MEM_DECREASE_RESERVATION, low(gfn), high(gfn), word(order) << 16 | domid, 0u);
  }
  void pod_populate(PcpuId p, std::uint64_t gfn, std::uint64_t mfn, std::uint16_t domid, unsigned order) {
    untimed(p, TRC_MEM_POD_POPULATE, low(gfn), high(gfn), low(mfn), high(mfn), word(order) << 16 | domid, 0u);
  }
  void pod_zero_reclaim(PcpuId p, std::uint64_t gfn, std::uint64_t mfn, std::uint16_t domid, unsigned order) {
    untimed(p, TRC_MEM_POD_ZERO_RECLAIM, low(gfn), high(gfn), low(mfn), high(mfn), word(order) << 16 | domid, 0u);
  }
  void pod_superpage_splinter(PcpuId p, std::uint64_t gfn, std::uint16_t domid) {
    untimed(p, TRC_MEM_POD_SUPERPAGE_SPLINTER, low(gfn), high(gfn), word(domid), 0u);
  }
  void grant_map(PcpuId p, Cycles t, std::uint16_t domid) { timed(p, t, TRC_MEM_PAGE_GRANT_MAP, word(domid)); }
  void grant_unmap(PcpuId p, Cycles t, std::uint16_t domid) { timed(p, t, TRC_MEM_PAGE_GRANT_UNMAP, word(domid)); }
  void grant_transfer(PcpuId p, Cycles t, std::uint16_t domid) {
    timed(p, t, TRC_MEM_PAGE_GRANT_TRANSFER, word(domid));
  }
  void irq_handled(PcpuId p, Cycles t, std::uint32_t irq, Cycles in, Cycles out) {
    timed(p, t, TRC_HW_IRQ_HANDLED, irq, low(in), low(out));
  }
  void toolstack_dom_add(PcpuId p, Cycles t, std::uint16_t domid) { timed(p, t, TRC_DOM0_DOM_ADD, word(domid)); }
  void toolstack_dom_rem(PcpuId p, Cycles t, std::uint16_t domid) { timed(p, t, TRC_DOM0_DOM_REM, word(domid)); }

  // --- xensim's own points: Perfetto and text only.
  void evtchn_send(PcpuId p, Cycles t, VcpuId v, std::uint32_t port, std::uint16_t remote,
                   std::uint32_t remote_port) {
    timed(p, t, kEvtchnSend, v.packed(), port, word(remote), remote_port);
  }
  void evtchn_deliver(PcpuId p, Cycles t, VcpuId v, std::uint32_t port) {
    timed(p, t, kEvtchnDeliver, v.packed(), port);
  }
  void evtchn_upcall(PcpuId p, Cycles t, VcpuId v, std::uint8_t vector) {
    timed(p, t, kEvtchnUpcall, v.packed(), word(vector));
  }
  void ipi_send(PcpuId p, Cycles t, PcpuId target, std::uint8_t vector) {
    timed(p, t, kIpiSend, word(target), word(vector));
  }
  void ipi_receive(PcpuId p, Cycles t, PcpuId source, std::uint8_t vector) {
    timed(p, t, kIpiReceive, word(source), word(vector));
  }
  void p2m_fault(PcpuId p, Cycles t, VcpuId v, std::uint64_t gfn, std::uint32_t qualification, unsigned order) {
    timed(p, t, kP2mFault, v.packed(), low(gfn), high(gfn), qualification, word(order));
  }
  void hypercall_enter(PcpuId p, Cycles t, VcpuId v, std::uint32_t op, std::uint64_t first_argument) {
    timed(p, t, kHypercallEnter, v.packed(), op, low(first_argument), high(first_argument));
  }
  void hypercall_return(PcpuId p, Cycles t, VcpuId v, std::uint32_t op, std::uint64_t result) {
    timed(p, t, kHypercallReturn, v.packed(), op, low(result), high(result));
  }
  void tickle(PcpuId p, Cycles t, PcpuId target) { timed(p, t, kTickle, word(target)); }
  void timer_set(PcpuId p, Cycles t, VcpuId v, Nanoseconds deadline) {
    timed(p, t, kTimerSet, v.packed(), low(deadline), high(deadline));
  }
  void timer_fire(PcpuId p, Cycles t, VcpuId v) { timed(p, t, kTimerFire, v.packed()); }
  void lock_wait(PcpuId p, Cycles t, unsigned lock, Cycles waited) {
    timed(p, t, kLockWait, word(lock), low(waited), high(waited));
  }
  void migrate(PcpuId p, Cycles t, VcpuId v, PcpuId from, PcpuId to) {
    timed(p, t, kMigrate, v.packed(), word(from), word(to));
  }
  void log_dirty(PcpuId p, Cycles t, std::uint16_t domid, std::uint32_t op, std::uint32_t dirty) {
    timed(p, t, kLogDirty, word(domid), op, dirty);
  }
  void pml_drain(PcpuId p, Cycles t, VcpuId v, std::uint32_t entries) {
    timed(p, t, kPmlDrain, v.packed(), entries);
  }
  void ept_sync(PcpuId p, Cycles t, std::uint16_t domid, unsigned pcpus) {
    timed(p, t, kEptSync, word(domid), word(pcpus));
  }
  void share(PcpuId p, Cycles t, std::uint16_t domid, std::uint64_t gfn, std::uint32_t references) {
    timed(p, t, kShare, word(domid), low(gfn), high(gfn), references);
  }
  void unshare(PcpuId p, Cycles t, std::uint16_t domid, std::uint64_t gfn, bool copied) {
    timed(p, t, kUnshare, word(domid), low(gfn), high(gfn), word(copied));
  }
  void counter(PcpuId p, Cycles t, unsigned counter, std::uint64_t value) {
    timed(p, t, kCounterValue, word(counter), low(value), high(value));
  }
  void mark(PcpuId p, Cycles t, unsigned mark) { timed(p, t, kMark, word(mark)); }

  // --- What the functions above are made of: any event by number.
  template <class... W>
  void timed(PcpuId p, Cycles t, std::uint32_t event, W... words) {
    if (enabled_) [[unlikely]]
      emit<true>(p, t, event, words...);
  }
  template <class... W>
  void untimed(PcpuId p, std::uint32_t event, W... words) {
    if (enabled_) [[unlikely]]
      emit<false>(p, 0, event, words...);
  }

 private:
  static constexpr std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
  static constexpr std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }
  template <class T>
  static constexpr std::uint32_t word(T v) {
    return static_cast<std::uint32_t>(v);
  }
  static constexpr std::uint32_t clipped(std::uint64_t v) { return v > 0xffffffff ? 0xffffffffu : low(v); }

  void vcpu_event(PcpuId p, Cycles t, std::uint32_t event, VcpuId v) {
    timed(p, t, event, word(v.domid), word(v.vcpu));
  }

  template <bool kTimed, class... W>
  void emit(PcpuId p, Cycles t, std::uint32_t event, W... words) {
    static_assert(sizeof...(W) <= kMaxWords);
    std::uint32_t* out = room(p);
    *out++ = header_of(event, sizeof...(W), kTimed);
    if constexpr (kTimed) {
      *out++ = low(t);
      *out++ = high(t);
    }
    ((*out++ = words), ...);
    streams_[p].commit(size_of(header_of(event, sizeof...(W), kTimed)));
    ++records_;
  }
  // Room for one record at the end of the pCPU's stream.
  std::uint32_t* room(PcpuId p) {
    if (streams_[p].full()) [[unlikely]]
      flush(p);
    return streams_[p].end();
  }
  void put(PcpuId p, Cycles t, std::uint32_t event, bool timed, std::span<const std::uint32_t> words);
  void flush(PcpuId p);
  void end_runstates(Cycles now);

  bool enabled_ = false;
  bool closed_ = false;
  std::uint64_t records_ = 0;
  TracerConfig config_;
  std::vector<Stream> streams_;
  std::vector<Digest> digests_;
  struct Pcpu {
    Cycles latest = 0;  // of the records that have been flushed
  };
  std::vector<Pcpu> pcpus_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  Names names_;
};

}  // namespace xensim::trace
