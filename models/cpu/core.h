// One logical processor: architectural state, MMU, VMX unit, block cache, and the loop that runs blocks.
//
// The core runs guest code in VMX non-root operation (or, without a native hypervisor, anything in root operation)
// until its budget ends, a VM exit happens, or it halts. It is driven by models/cpu/pcpu.h, which owns it together
// with the local APIC, and knows neither SystemC nor Xen.
//
// Where things are: core.cpp (construction, register access, fault commit), run_loop.h + run.cpp (the loop per
// timing model), block_cache.{h,cpp} (decode and lookup), isa/ (semantics, one file per family), isa/delivery.cpp
// (events through the IDT), mmu/, vmx/, timing/.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "models/cpu/arch_state.h"
#include "models/cpu/block_cache.h"
#include "models/cpu/cpuid.h"
#include "models/cpu/isa/lazy_flags.h"
#include "models/cpu/mmu/mmu.h"
#include "models/cpu/op.h"
#include "models/cpu/outcome.h"
#include "models/cpu/timing/cpi_stack.h"
#include "models/cpu/timing/functional.h"
#include "models/cpu/timing/inorder.h"
#include "models/cpu/timing/timing_model.h"
#include "models/cpu/vmx/vmx.h"
#include "models/memory/hierarchy.h"
#include "models/memory/physical_memory.h"
#include "sim/base/rng.h"
#include "sim/base/types.h"

namespace xensim::cpu {

// The world outside the core, as its instructions reach it.
class CoreEnvironment {
 public:
  virtual ~CoreEnvironment() = default;
  // Port I/O in root operation (or not intercepted). size 1, 2, 4. Unclaimed ports read as ones, writes are
  // dropped.
  virtual std::uint32_t io_read(std::uint16_t port, unsigned size) = 0;
  virtual void io_write(std::uint16_t port, unsigned size, std::uint32_t value) = 0;
  // Physical addresses that are not RAM. size 1 … 8.
  virtual std::uint64_t mmio_read(PhysAddr a, unsigned size) = 0;
  virtual void mmio_write(PhysAddr a, unsigned size, std::uint64_t value) = 0;
  // MSRs that belong to the local APIC (0x1b, 0x6e0, 0x800–0x8ff); false: #GP.
  virtual bool apic_msr_read(std::uint32_t index, std::uint64_t& out) = 0;
  virtual bool apic_msr_write(std::uint32_t index, std::uint64_t value) = 0;
  // CR8 (the APIC's task priority, bits 7:4 of TPR).
  virtual std::uint64_t cr8_read() = 0;
  virtual void cr8_write(std::uint64_t value) = 0;
  // External interrupts: is one deliverable now (APIC priority rules applied)? Acknowledge returns its vector and
  // moves it into service.
  virtual bool interrupt_pending() = 0;
  virtual std::uint8_t interrupt_acknowledge() = 0;
  // The time that an instruction reads at local time `now`; nullopt: others could still act before it, and what is
  // read must not be ahead of what they will read.
  virtual std::optional<Cycles> read_time(Cycles now) { return now; }
};

enum class StopReason : std::uint8_t {
  kBudget,  // local time reached `until`, or the instruction limit was reached
  kVmExit,  // Core::vm_exit is filled and committed to the VMCS; the core is in root operation
  kHalted,  // waits for an event (activity state HLT) outside VMX non-root operation, or in it without HLT exiting
  kShutdown,  // triple fault in root operation
  kWait,      // the next instruction reads the time, and others must come first: run again when they have
};

struct CoreConfig {
  std::uint64_t tsc_hz = 2'400'000'000;
  unsigned physical_bits = 46;
  bool pml = true;  // the processor has page-modification logging
  TlbConfig tlb;
  InorderConfig inorder;
};

class Core {
 public:
  Core(unsigned index, const CoreConfig& config, memory::PhysicalMemory& memory, memory::Hierarchy& caches,
       CoreEnvironment& environment, CpuidPolicy cpuid);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- State that everything works on.
  ArchState st;
  isa::LazyFlags flags;  // status flags while running; rflags()/set_rflags() see the whole register
  Event fault;           // valid when a handler returned kFault
  VmExitInfo vm_exit;    // valid when a handler returned kVmExit
  // The event whose delivery is in progress (IDT-vectoring information if a VM exit happens in it).
  std::optional<Event> delivering;
  bool nmi_pending = false;

  // --- Parts.
  const unsigned index;
  const CoreConfig config;
  memory::PhysicalMemory& memory;
  memory::Hierarchy& caches;
  CoreEnvironment& environment;
  CpuidPolicy cpuid;
  Mmu mmu;
  Vmx vmx;
  BlockCache blocks;
  FunctionalTiming functional;
  InorderTiming inorder;
  // What RDRAND and RDSEED draw from; a machine may replace it by a stream of its own seed.
  Rng random{mix64(std::uint64_t{index} + 1), "cpu.rdrand"};

  // VM exits go to a native hypervisor: run() returns them as StopReason::kVmExit, committed to the VMCS without
  // host state. false: the hypervisor is a binary on this core, and a VM exit goes on at its HOST_RIP.
  bool native_root = true;

  // --- Time. Local time in cycles since the machine's reset; moves only through the timing model and advance().
  Cycles now = 0;
  CpiStack cpi;
  std::uint64_t instructions = 0;                       // retired since reset
  std::uint64_t instruction_limit = ~std::uint64_t{0};  // run() stops when `instructions` gets here
  TimingKind timing = TimingKind::kFunctional;
  // Moves local time forward and says what for (VM transitions, hypervisor paths, idle).
  void advance(Cycles n, CpiCategory why);
  // Changes the timing model; only between calls of run().
  void set_timing(TimingKind kind);
  // The TSC as the running software reads it (IA32_TSC_ADJUST and, in non-root operation, the VMX offset
  // included).
  std::uint64_t tsc() const { return tsc_at(now); }
  std::uint64_t tsc_at(Cycles time) const;

  // Runs until local time reaches `until`, or something else stops it. Interrupts and the preemption timer are
  // looked at before the first instruction and whenever a handler returned kEndBlock; a deadline that falls inside
  // the budget is the caller's to turn into a smaller budget.
  StopReason run(Cycles until);
  // Pending NMIs, interrupts, interrupt windows, in the SDM's order of priority (SDM 3, 6.9 and 25.2); delivers
  // one or exits. kNext: nothing to do. [vmx/pending.cpp]
  Outcome poll_events();

  // --- Registers with views.
  std::uint64_t rflags() const { return (st.rflags & ~kStatusFlags) | flags.materialise(); }
  void set_rflags(std::uint64_t v) {
    st.rflags = (v & ~kStatusFlags) | 2;
    flags.load(v);
  }
  // Mode bits for the block cache (block.h); recomputed when CS, SS, CR0, EFER or RFLAGS.VM change.
  std::uint32_t mode = kModeReal;
  void update_mode();

  // --- Events. raise() fills `fault` and returns kFault.
  Outcome raise(std::uint8_t vector);
  Outcome raise(std::uint8_t vector, std::uint32_t error_code);
  Outcome raise_gp(std::uint32_t error_code = 0) { return raise(kGp, error_code); }
  Outcome raise_ud() { return raise(kUd); }
  // Delivers an event through the IVT or IDT: kEndBlock, or kFault/kVmExit if delivery itself failed (nothing
  // committed). [isa/delivery.cpp]
  Outcome deliver(const Event& event);
  // Commits `fault`: exception bitmap, delivery, double and triple fault (SDM 3, table 6-5). Returns kEndBlock,
  // kVmExit or kShutdown. RIP must be the faulting instruction's. [isa/delivery.cpp]
  Outcome commit_fault();

  // --- Memory operands. Linear address of a record's operand; false: segment check failed, `fault` is #GP/#SS.
  bool linear_address(const Op& op, unsigned size, bool write, std::uint64_t& out) {
    std::uint64_t ea = st.gpr[op.base] + (st.gpr[op.index] << op.scale) + op.disp;
    if (op.flags & kAddrSimple) [[likely]] {
      out = ea;
      return true;
    }
    if (op.flags & kAddrFlat32) {
      out = static_cast<std::uint32_t>(ea);
      return true;
    }
    // What is left of 64-bit addresses: FS and GS in 64-bit mode.
    if (!(op.flags & (kAddr32 | kAddr16))) [[likely]] {
      out = ea + st.seg[op.seg].base;
      return true;
    }
    return linear_address_slow(op.flags & kAddr32   ? static_cast<std::uint32_t>(ea)
                               : op.flags & kAddr16 ? static_cast<std::uint16_t>(ea)
                                                    : ea,
                               op.seg, size, write, out);
  }
  // Segment base and checks for an effective address (64-bit mode: base of FS/GS only). [isa/segmentation.cpp]
  // An address that is not canonical may also be left to the access, which raises #GP; whoever knows that it was
  // by SS passes the outcome through stack_outcome().
  bool linear_address_slow(std::uint64_t effective, unsigned seg, unsigned size, bool write, std::uint64_t& out);

  // Reads or writes sizeof(T) bytes with the rights of the current CPL. T: an unsigned integer or a Vector-like
  // struct.
  template <class T>
  Outcome read_linear(std::uint64_t linear, T& out) {
    const SoftTlbEntry* e = mmu.soft.find(mmu.current_view(), Access::kRead, linear, sizeof(T));
    if (e) [[likely]] {
      std::memcpy(&out, reinterpret_cast<const void*>(e->addend + linear), sizeof(T));
      log_access(e->physical | (linear & kPageMask), linear, sizeof(T), false);
      return Outcome::kNext;
    }
    return mmu.read(LinearAddr(linear), &out, sizeof(T), mmu.current_view());
  }
  template <class T>
  Outcome write_linear(std::uint64_t linear, const T& in) {
    const SoftTlbEntry* e = mmu.soft.find(mmu.current_view(), Access::kWrite, linear, sizeof(T));
    if (e) [[likely]] {
      std::memcpy(reinterpret_cast<void*>(e->addend + linear), &in, sizeof(T));
      log_access(e->physical | (linear & kPageMask), linear, sizeof(T), true);
      return Outcome::kNext;
    }
    return mmu.write(LinearAddr(linear), &in, sizeof(T), mmu.current_view());
  }
  // The outcome of an access by SS: #SS in place of #GP for an address that is not canonical.
  Outcome stack_outcome(Outcome o) {
    if (o == Outcome::kFault && fault.not_canonical) fault.vector = kSsVec;
    return o;
  }
  // Implicit supervisor accesses (descriptor tables, TSS, stacks of a more privileged level).
  template <class T>
  Outcome read_system(std::uint64_t linear, T& out) {
    return mmu.read(LinearAddr(linear), &out, sizeof(T), View::kSupervisor);
  }
  template <class T>
  Outcome write_system(std::uint64_t linear, const T& in) {
    return mmu.write(LinearAddr(linear), &in, sizeof(T), View::kSupervisor);
  }
  // The memory operand of a record.
  template <class T>
  Outcome read(const Op& op, T& out) {
    std::uint64_t a;
    if (!linear_address(op, sizeof(T), false, a)) [[unlikely]]
      return Outcome::kFault;
    return read_linear(a, out);
  }
  template <class T>
  Outcome write(const Op& op, const T& in) {
    std::uint64_t a;
    if (!linear_address(op, sizeof(T), true, a)) [[unlikely]]
      return Outcome::kFault;
    return write_linear(a, in);
  }
  // Read-modify-write of the memory operand: f(old) → new, called once, after every check has passed.
  template <class T, class F>
  Outcome modify(const Op& op, F f) {
    std::uint64_t a;
    if (!linear_address(op, sizeof(T), true, a)) [[unlikely]]
      return Outcome::kFault;
    const SoftTlbEntry* e = mmu.soft.find(mmu.current_view(), Access::kWrite, a, sizeof(T));
    if (e) [[likely]] {
      void* p = reinterpret_cast<void*>(e->addend + a);
      T v;
      std::memcpy(&v, p, sizeof(T));
      v = f(v);
      std::memcpy(p, &v, sizeof(T));
      log_access(e->physical | (a & kPageMask), a, sizeof(T), false);
      log_access(e->physical | (a & kPageMask), a, sizeof(T), true);
      return Outcome::kNext;
    }
    T v;
    if (Outcome o = mmu.probe_write(LinearAddr(a), sizeof(T), mmu.current_view()); o != Outcome::kNext) return o;
    if (Outcome o = mmu.read(LinearAddr(a), &v, sizeof(T), mmu.current_view()); o != Outcome::kNext) return o;
    v = f(v);
    return mmu.write(LinearAddr(a), &v, sizeof(T), mmu.current_view());
  }

  // --- The access log of the instruction in progress, for timing models that collect accesses.
  static constexpr unsigned kMaxAccesses = 64;
  bool collect_accesses = false;
  unsigned access_count = 0;
  MemAccess accesses[kMaxAccesses];
  // Breakpoints (B0–B3 of DR6) that the instruction in progress hit by accesses to ports.
  std::uint64_t port_hits = 0;
  void log_access(std::uint64_t physical, std::uint64_t linear, unsigned size, bool store) {
    if (collect_accesses) [[unlikely]]
      if (access_count < kMaxAccesses)
        accesses[access_count++] = {physical, linear, static_cast<std::uint8_t>(size), store};
  }
};

}  // namespace xensim::cpu
