// What Xen's own code costs. Every hot path has a row: how many instructions it executes and how many cache lines
// of which of its data it touches; charge() turns that into cycles on the pCPU that runs it.
//
// Instruction counts are those of Xen 4.17 on VT-x as counted by xentrace and xenalyze on a machine that executes
// one instruction per TSC tick (a Linux PVH boot; see docs/costs.md), from VM exit to VM entry and its tracing
// included; the part that every exit has in common is a row of its own. Cycles = instructions ×
// cycles_per_instruction / 100 + what the caches say for the lines, or nothing at all under `timing: free`.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "models/cpu/pcpu.h"
#include "sim/config/param.h"

namespace xensim::xen {

enum class Path : std::uint8_t {
  kVmExitCommon,  // save registers, dispatch, and the way back to VM entry
  kExternalInterrupt,
  kInterruptWindow,
  kCpuid,
  kHlt,
  kPause,
  kIo,
  kMsrRead,
  kMsrWrite,
  kCrAccess,
  kDrAccess,
  kXsetbv,
  kException,
  kEptViolation,
  kEmulate,  // x86 emulation of one instruction (MMIO)
  kApicAccess,
  kHypercallCommon,
  kXenVersion,
  kMemoryOp,
  kMemoryOpQuery,     // those that only say a number
  kPopulatePage,      // per extent
  kPopulateFrame,     // per further frame of an extent
  kReleaseExtent,     // per extent, without its frames
  kReleasePage,       // per frame
  kAddToPhysmap,      // per frame
  kScrubPage,         // clear a dirty page
  kP2mLookup,         // in loops over guest frames
  kPodPopulate,       // a demand fault, without the search for a frame
  kPodZeroCheckWord,  // eight bytes of a page
  kGrantTableOp,
  kGrantMap,
  kGrantUnmap,
  kGrantCopy,
  kGrantTransfer,
  kGrantSwap,
  kGrantCacheFlush,
  kGrantVersionFrame,
  kVmAssist,
  kVcpuOp,
  kSetTimer,    // its structure copied in
  kSetTimerOp,  // the time in registers
  kEventChannelOp,
  kHvmOp,
  kSchedOp,
  kPoll,  // beside kSchedOp: its structure and a port copied in
  kConsoleIo,
  kUnknownHypercall,
  kMulticallEntry,    // one call of a multicall, without what it does
  kControlOp,         // domctl, sysctl, platform_op, of guests and of dom0, without what depends on size
  kSmallHypercall,    // xsm_op, physdev_op, xenpmu_op, dm_op, mmuext_op, hypfs_op
  kEventSend,         // set pending, decide, notify
  kEventDeliver,      // 2-level: pending, mask and selector bits, upcall byte
  kEventFifoDeliver,  // FIFO: word, queue, ready bit, upcall byte
  kEventBind,         // beside kEventChannelOp: a port gets a state, the result is copied back
  kEventPortScan,     // per port that is looked at for a free one
  kEventClose,        // per port of a reset
  kEventInitControl,  // beside kEventChannelOp
  kEventExpandArray,  // beside kEventChannelOp
  kInterruptInject,   // vlapic scan and VM-entry event set-up
  kSchedule,          // pick next
  kContextSwitch,     // save and load registers, VMCS switch
  kXstateSave,        // XSAVES of a vCPU, and the XSETBVs around it
  kXstateRestore,     // likewise, XRSTORS
  kWake,              // queue a unit and choose a pCPU
  kTickle,            // choose whom to interrupt, send the IPI
  kBlock,
  kTimerInterrupt,   // timer softirq, per expiry
  kDeviceInterrupt,  // of a device of dom0's, with its event
  kTimerProgram,
  kIpi,             // send
  kModelHypercall,  // dom0's own system call and hypercall entry
  kInvept,
  kEptMisconfiguration,  // a lazily changed entry, without the tables
  kP2mRecalculateTable,  // 512 entries of it
  kP2mChangeType,        // one page: log-dirty to read-write, with its bit in the bitmap
  kShatter,              // a large page becomes 512 entries
  kEptScanTable,         // 512 entries read for their dirty flags
  kPmlFull,              // the exit, without the entries
  kLogDirtyOp,           // enable, disable, peek, clean, without the bitmap
  kLogDirtyLeaf,         // a page of the bitmap copied out
  kNominate,
  kSharePages,  // two nominated pages
  kUnshare,     // without the copy
  kCopyPage,    // 4 KiB
  kVmEvent,     // a request put, or a response taken
  kMemAccess,   // the rights of one page set or looked up
  kCount
};
inline constexpr unsigned kPaths = static_cast<unsigned>(Path::kCount);

enum class HypervisorTiming : std::uint8_t { kCosted, kFree };
std::span<const std::string_view> names_of(HypervisorTiming);

struct PathRow {
  std::string_view name;
  std::uint32_t instructions;
  std::string_view doc, source;
};
// The rows in the order of Path.
std::span<const PathRow, kPaths> path_table();

struct PathCostConfig {
  HypervisorTiming timing = HypervisorTiming::kCosted;
  std::uint32_t cycles_per_100_instructions = 100;
  std::uint32_t vm_exit_cycles = 600;
  std::uint32_t vm_entry_cycles = 500;
  std::uint32_t ipi_latency_cycles = 700;
  std::uint32_t copy_bytes_per_cycle = 32;
  std::uint32_t copy_misses_in_flight = 10;
  std::array<std::uint32_t, kPaths> instructions;
  PathCostConfig();
};
void describe(PathCostConfig& c, config::Visitor& v);

class PathCost {
 public:
  explicit PathCost(const PathCostConfig& config) : config_(config) {}

  // Charges one execution of a path on a pCPU: its instructions, a load of each line, a store to each of
  // `written`.
  void charge(cpu::Pcpu& pcpu, Path path, std::span<const PhysAddr> lines = {},
              std::span<const PhysAddr> written = {});
  // The same, n times.
  void charge_many(cpu::Pcpu& pcpu, Path path, std::uint64_t n);
  // The hardware's part of leaving and entering a guest.
  void charge_vm_exit(cpu::Pcpu& pcpu);
  void charge_vm_entry(cpu::Pcpu& pcpu);
  // Xen moves bytes within a frame's bounds each: every line of both goes through the caches, misses overlap.
  void charge_copy(cpu::Pcpu& pcpu, PhysAddr to, PhysAddr from, std::uint64_t bytes);
  // Xen touches each line of a range, one after the other.
  void charge_lines(cpu::Pcpu& pcpu, PhysAddr first, std::uint64_t bytes);
  // Waiting for a lock until `until`.
  void charge_lock_wait(cpu::Pcpu& pcpu, Cycles until);
  // How often each path was taken, and the cycles charged to it.
  struct Use {
    std::uint64_t count = 0, cycles = 0;
  };
  const Use& use(Path p) const { return use_[static_cast<unsigned>(p)]; }
  bool free() const { return config_.timing == HypervisorTiming::kFree; }
  const PathCostConfig& config() const { return config_; }

 private:
  PathCostConfig config_;
  std::array<Use, kPaths> use_{};
};

// A lock of Xen's: whoever comes while it is held waits. Holding is a span of simulated time, because a path runs
// to its end on one pCPU before another pCPU's time goes on.
class SpinLock {
 public:
  void acquire(PathCost& cost, cpu::Pcpu& pcpu) {
    if (pcpu.core.now < free_at_) {
      ++contended;
      cost.charge_lock_wait(pcpu, free_at_);
    }
    ++acquired;
  }
  void release(const cpu::Pcpu& pcpu) { free_at_ = pcpu.core.now; }
  std::uint64_t acquired = 0, contended = 0;

 private:
  Cycles free_at_ = 0;
};

}  // namespace xensim::xen
