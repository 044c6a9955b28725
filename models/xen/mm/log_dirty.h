// Log-dirty mode of a domain: which of its pages were written since the last look, for live migration.
//
// What is written is found in one of three ways (LogDirtyMechanism); all of them give pages the p2m type
// kRamLogDirty when tracking starts, and kRamRw once they are known to be dirty:
//  - write protection: a write faults (EPT violation);
//  - the dirty flags of EPT entries: a look reads all tables;
//  - page-modification logging: the processor writes a log of 512 pages per vCPU,
//    exits when it is full, and a look
//    empties the logs.
// In the last two only large pages are write-protected: the first write to one shatters it. What Xen, a device
// model or dom0 writes is marked by mark().
//
// The bitmap is a tree of pages from the domain's paging pool, as in Xen: 32,768 pages of the domain per leaf.
// When the pool is empty, pages get lost, and peek() and clean() say so (-ENOMEM).
//
// For __HYPERVISOR_domctl: shadow_op() is XEN_DOMCTL_shadow_op. The C++ interface of migration is the class.
// Errors and their order are Xen 4.17's (arch/x86/mm/paging.c).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string_view>

#include "models/xen/public.h"
#include "sim/base/types.h"

struct xen_domctl_shadow_op;

namespace xensim::xen {

class Hypervisor;
struct Domain;
struct Vcpu;

enum class LogDirtyMechanism : std::uint8_t { kWriteProtect, kEptDirtyFlags, kPageModificationLog };
std::span<const std::string_view> names_of(LogDirtyMechanism);

class LogDirty {
 public:
  LogDirty(Hypervisor& hypervisor, Domain& domain) : hypervisor_(hypervisor), domain_(domain) {}
  LogDirty(const LogDirty&) = delete;
  LogDirty& operator=(const LogDirty&) = delete;

  bool on() const { return on_; }
  // How writes are found while on: what was configured, or write protection if the machine or the pool lacks it.
  LogDirtyMechanism mechanism() const { return mechanism_; }

  // XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY: 0, or -EINVAL if it is on.
  long enable();
  // XEN_DOMCTL_SHADOW_OP_OFF: 0, also when it is off.
  long disable();

  struct Report {
    std::uint64_t pages = 0;        // that the bitmap covers
    std::uint32_t fault_count = 0;  // 0 with EPT, as in Xen
    std::uint32_t dirty_count = 0;  // pages that became dirty since the last clean()
  };
  // XEN_DOMCTL_SHADOW_OP_PEEK and _CLEAN: bit n of the bitmap is guest frame n; clean() starts afresh. pages: how
  // many frames to ask for; the bitmap has (pages + 7) / 8 bytes, or none: statistics only. 0, or -ENOMEM.
  long peek(std::span<std::uint8_t> bitmap, std::uint64_t pages, Report& report);
  long clean(std::span<std::uint8_t> bitmap, std::uint64_t pages, Report& report);

  // A page was written by somebody whom the processor does not watch (paging_mark_pfn_dirty, paging_mark_dirty).
  // No-op when off.
  void mark(Gfn gfn);
  void mark_frame(Mfn m);

  // The vCPU's log is full, or is wanted.
  void drain(Vcpu& v);
  // A write fault on a page of kRamLogDirty, which the guest may write from now on.
  void write_fault(Gfn gfn);

  struct Stats {
    std::uint64_t write_faults = 0, log_entries = 0, log_drains = 0, tables_scanned = 0, looks = 0;
    std::uint64_t failed_allocations = 0;
  };
  const Stats& stats() const { return stats_; }
  // Pages of the paging pool that bitmap and logs take.
  std::uint64_t pool_pages() const { return nodes_.size() + logs_; }

 private:
  static constexpr unsigned kLevels = 4;
  // A node of the tree: its level (0: leaf) and which one of that level.
  using Node = std::pair<unsigned, std::uint64_t>;

  long look(std::span<std::uint8_t> bitmap, std::uint64_t pages, bool clean, Report& report);
  bool enable_logs();
  void disable_logs();
  void set_accessed_dirty(bool on);
  void collect();
  void change_type_global(bool log_dirty);
  void free_bitmap();
  bool make_path(std::uint64_t leaf);

  Hypervisor& hypervisor_;
  Domain& domain_;
  bool on_ = false;
  LogDirtyMechanism mechanism_ = LogDirtyMechanism::kWriteProtect;
  std::map<Node, Mfn> nodes_;
  std::uint64_t dirty_count_ = 0, failed_allocations_ = 0;
  unsigned logs_ = 0;  // vCPUs that have a log
  Stats stats_;
};

namespace log_dirty {

// XEN_DOMCTL_shadow_op by `caller` on d, privilege checked already. copy_out(offset, bytes) stores a part of the
// bitmap; false: -EFAULT.
using CopyOut = std::function<bool(std::uint64_t offset, std::span<const std::uint8_t> bytes)>;
long shadow_op(Hypervisor& hv, const Domain& caller, Domain& d, xen_domctl_shadow_op& op, const CopyOut& copy_out);

// Xen wrote to a page of the domain's, known by guest or by machine frame.
void mark(Domain& d, Gfn gfn);
void mark_frame(Domain& d, Mfn m);

}  // namespace log_dirty
}  // namespace xensim::xen
