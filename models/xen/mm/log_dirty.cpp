#include "models/xen/mm/log_dirty.h"

#include <xen/domctl.h>

#include <algorithm>
#include <array>

#include "models/cpu/vmx/vmcs.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/ept_sync.h"

namespace xensim::xen {

using F = cpu::VmcsField;

namespace {

constexpr std::uint16_t kLogEntries = 512;
constexpr std::uint64_t kEnablePml = 1u << 17;
constexpr std::uint64_t kLeafPages = kPageSize * 8, kLeafShift = 15, kNodeShift = 9;
// 2^(15 + 3 × 9): what the tree has room for.
constexpr std::uint64_t kMostPages = std::uint64_t{1} << 42;

// A VMCS field, wherever the VMCS is current (Xen enters the VMCS on this pCPU for that).
void write_vmcs(Hypervisor& hv, const Vcpu& v, F field, std::uint64_t value) {
  for (PcpuState& c : hv.pcpus)
    if (c.pcpu->core.vmx.current() == v.vmcs) {
      c.pcpu->core.vmx.write(field, value);
      return;
    }
  cpu::Vmcs(hv.memory, v.vmcs).write(field, value);
}
std::uint64_t read_vmcs(Hypervisor& hv, const Vcpu& v, F field) {
  return cpu::Vmcs(hv.memory, v.vmcs).read(field);
}

// The domain is paused for an operation, as Xen does.
class Paused {
 public:
  Paused(Hypervisor& hv, Domain& d) : hv_(hv), d_(d) { hv_.pause_domain(d_); }
  ~Paused() { hv_.unpause_domain(d_); }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

 private:
  Hypervisor& hv_;
  Domain& d_;
};

}  // namespace

std::span<const std::string_view> names_of(LogDirtyMechanism) {
  static constexpr std::array<std::string_view, 3> kNames{"write-protect", "ept-d", "pml"};
  return kNames;
}

// --- Switching.

// A log per vCPU, from the paging pool; all or none.
bool LogDirty::enable_logs() {
  if (!hypervisor_.config.ept_ad || !hypervisor_.here().pcpu->core.config.pml) return false;
  std::vector<Mfn> logs;
  for (std::size_t i = 0; i < domain_.vcpus.size(); ++i) {
    const auto page = domain_.p2m->allocate_pool_page();
    if (!page) {
      for (const Mfn m : logs) domain_.p2m->free_pool_page(m);
      return false;
    }
    logs.push_back(*page);
  }
  for (std::size_t i = 0; i < domain_.vcpus.size(); ++i) {
    const Vcpu& v = *domain_.vcpus[i];
    write_vmcs(hypervisor_, v, F::kPmlAddress, address_of(logs[i]).value);
    write_vmcs(hypervisor_, v, F::kPmlIndex, kLogEntries - 1);
    write_vmcs(hypervisor_, v, F::kSecondaryControls,
               read_vmcs(hypervisor_, v, F::kSecondaryControls) | kEnablePml);
  }
  logs_ = static_cast<unsigned>(logs.size());
  return true;
}

void LogDirty::disable_logs() {
  for (const auto& owned : domain_.vcpus) {
    Vcpu& v = *owned;
    drain(v);
    write_vmcs(hypervisor_, v, F::kSecondaryControls,
               read_vmcs(hypervisor_, v, F::kSecondaryControls) & ~kEnablePml);
    domain_.p2m->free_pool_page(mfn_of(PhysAddr(read_vmcs(hypervisor_, v, F::kPmlAddress))));
    write_vmcs(hypervisor_, v, F::kPmlAddress, 0);
  }
  logs_ = 0;
}

void LogDirty::set_accessed_dirty(bool on) {
  domain_.p2m->accessed_dirty = domain_.p2m->pml = on;
  for (const auto& v : domain_.vcpus) write_vmcs(hypervisor_, *v, F::kEptPointer, domain_.p2m->eptp());
}

void LogDirty::change_type_global(bool log_dirty) {
  if (domain_.p2m->change_type_global(log_dirty)) ept_sync::sync_domain(hypervisor_, domain_);
}

long LogDirty::enable() {
  if (on_) return -kEinval;
  const Paused paused(hypervisor_, domain_);
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kLogDirtyOp);
  on_ = true;
  mechanism_ = LogDirtyMechanism::kWriteProtect;
  const LogDirtyMechanism wanted = hypervisor_.config.log_dirty;
  if ((wanted == LogDirtyMechanism::kPageModificationLog && enable_logs()) ||
      (wanted == LogDirtyMechanism::kEptDirtyFlags && hypervisor_.config.ept_ad)) {
    mechanism_ = wanted;
    set_accessed_dirty(true);
  }
  change_type_global(true);
  hypervisor_.tracer.log_dirty(hypervisor_.here().pcpu->index, hypervisor_.now(), domain_.domid,
                               XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0);
  return 0;
}

long LogDirty::disable() {
  const Paused paused(hypervisor_, domain_);
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kLogDirtyOp);
  if (on_) {
    on_ = false;
    if (mechanism_ == LogDirtyMechanism::kPageModificationLog) disable_logs();
    if (mechanism_ != LogDirtyMechanism::kWriteProtect) set_accessed_dirty(false);
    mechanism_ = LogDirtyMechanism::kWriteProtect;
    change_type_global(false);
    if (hypervisor_.config.ept_coalesce) {
      const unsigned made = domain_.p2m->coalesce();
      hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kEptScanTable, made);
      ept_sync::sync_domain(hypervisor_, domain_);
    }
  }
  hypervisor_.tracer.log_dirty(hypervisor_.here().pcpu->index, hypervisor_.now(), domain_.domid,
                               XEN_DOMCTL_SHADOW_OP_OFF, static_cast<std::uint32_t>(dirty_count_));
  free_bitmap();
  return 0;
}

void LogDirty::free_bitmap() {
  for (const auto& [node, page] : nodes_) domain_.p2m->free_pool_page(page);
  nodes_.clear();
  failed_allocations_ = 0;
}

// --- Marking.

// The pages of the tree on the way to a leaf, from the top.
bool LogDirty::make_path(std::uint64_t leaf) {
  for (unsigned level = kLevels; level-- > 0;) {
    const Node node{level, leaf >> (kNodeShift * level)};
    if (nodes_.contains(node)) continue;
    const auto page = domain_.p2m->allocate_pool_page();
    if (!page) {
      ++failed_allocations_;
      ++stats_.failed_allocations;
      return false;
    }
    nodes_.emplace(node, *page);
  }
  return true;
}

void LogDirty::mark(Gfn gfn) {
  if (!on_ || gfn.value >= kMostPages) return;
  const std::uint64_t leaf = gfn.value >> kLeafShift, bit = gfn.value & (kLeafPages - 1);
  if (!make_path(leaf)) return;
  const PhysAddr byte = address_of(nodes_.at({0, leaf})) + bit / 8;
  const auto old = hypervisor_.memory.read<std::uint8_t>(byte);
  const auto now = static_cast<std::uint8_t>(old | 1u << (bit % 8));
  if (now == old) return;
  hypervisor_.memory.write(byte, now);
  ++dirty_count_;
}

void LogDirty::mark_frame(Mfn m) {
  if (!on_) return;
  const PageInfo& p = hypervisor_.frames.info(m);
  if (p.owner == domain_.domid) mark(Gfn(p.gfn));
}

void LogDirty::write_fault(Gfn gfn) {
  if (on_) ++stats_.write_faults;
  mark(gfn);
  const std::uint64_t shattered = domain_.p2m->shattered;
  const bool changed = domain_.p2m->change_type(gfn, P2mType::kRamLogDirty, P2mType::kRamRw);
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kP2mChangeType);
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kShatter, domain_.p2m->shattered - shattered);
  if (changed) ept_sync::sync_domain(hypervisor_, domain_);
}

void LogDirty::drain(Vcpu& v) {
  const std::uint64_t index = read_vmcs(hypervisor_, v, F::kPmlIndex);
  if (index == kLogEntries - 1) return;
  const PhysAddr log(read_vmcs(hypervisor_, v, F::kPmlAddress));
  std::uint64_t i = index >= kLogEntries ? 0 : index + 1;
  const std::uint64_t entries = kLogEntries - i;
  ++stats_.log_drains;
  stats_.log_entries += entries;
  bool changed = false;
  for (; i < kLogEntries; ++i) {
    const Gfn gfn(hypervisor_.memory.read<std::uint64_t>(log + 8 * i) >> kPageShift);
    changed |= domain_.p2m->change_type(gfn, P2mType::kRamLogDirty, P2mType::kRamRw);
    mark(gfn);
  }
  write_vmcs(hypervisor_, v, F::kPmlIndex, kLogEntries - 1);
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kP2mChangeType, entries);
  hypervisor_.tracer.pml_drain(hypervisor_.here().pcpu->index, hypervisor_.now(),
                               {domain_.domid, static_cast<std::uint16_t>(v.id)},
                               static_cast<std::uint32_t>(entries));
  // Xen synchronises after each entry; the interrupts of one drain are charged once here.
  if (changed) ept_sync::sync_domain(hypervisor_, domain_);
}

// What the processor knows and the bitmap does not yet.
void LogDirty::collect() {
  if (!on_) return;
  if (mechanism_ == LogDirtyMechanism::kPageModificationLog)
    for (const auto& v : domain_.vcpus) drain(*v);
  if (mechanism_ != LogDirtyMechanism::kEptDirtyFlags) return;
  std::uint64_t found = 0;
  const unsigned tables = domain_.p2m->scan_dirty([&](Gfn gfn) {
    domain_.p2m->change_type(gfn, P2mType::kRamLogDirty, P2mType::kRamRw);
    mark(gfn);
    ++found;
  });
  stats_.tables_scanned += tables;
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kEptScanTable, tables);
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kP2mChangeType, found);
  if (found > 0) ept_sync::sync_domain(hypervisor_, domain_);
}

// --- Looking.

long LogDirty::peek(std::span<std::uint8_t> bitmap, std::uint64_t pages, Report& report) {
  return look(bitmap, pages, false, report);
}

long LogDirty::clean(std::span<std::uint8_t> bitmap, std::uint64_t pages, Report& report) {
  return look(bitmap, pages, true, report);
}

long LogDirty::look(std::span<std::uint8_t> bitmap, std::uint64_t pages, bool clean, Report& report) {
  const Paused paused(hypervisor_, domain_);
  cpu::Pcpu& p = *hypervisor_.here().pcpu;
  hypervisor_.cost.charge(p, Path::kLogDirtyOp);
  ++stats_.looks;
  collect();
  report.dirty_count = static_cast<std::uint32_t>(std::min<std::uint64_t>(dirty_count_, 0xffffffff));
  report.fault_count = 0;
  report.pages = pages;
  if (failed_allocations_ > 0) {
    hypervisor_.log.push_back("(XEN) " + std::to_string(failed_allocations_) +
                              " failed page allocs while logging dirty pages of d" +
                              std::to_string(domain_.domid));
    return -kEnomem;
  }
  report.pages = std::min(pages, kMostPages);
  const std::uint64_t bytes = std::min<std::uint64_t>(bitmap.size(), (report.pages + 7) / 8);
  std::fill(bitmap.begin(), bitmap.begin() + static_cast<std::ptrdiff_t>(bytes), std::uint8_t{0});
  std::uint64_t leaves = 0;
  for (const auto& [node, page] : nodes_) {
    const std::uint64_t first = node.second << kLeafShift;
    if (node.first != 0 || first >= report.pages) continue;
    ++leaves;
    const std::uint64_t at = first / 8;
    if (at < bytes)
      hypervisor_.memory.read_bytes(address_of(page), bitmap.subspan(at, std::min(kPageSize, bytes - at)));
    if (clean) hypervisor_.memory.fill(address_of(page), 0, kPageSize);
  }
  hypervisor_.cost.charge_many(p, Path::kLogDirtyLeaf, leaves);
  hypervisor_.tracer.log_dirty(p.index, hypervisor_.now(), domain_.domid,
                               clean ? XEN_DOMCTL_SHADOW_OP_CLEAN : XEN_DOMCTL_SHADOW_OP_PEEK, report.dirty_count);
  if (!clean) return 0;
  dirty_count_ = 0;
  // Also when log-dirty mode is off: so does Xen.
  change_type_global(true);
  return 0;
}

// --- The hypercall.

namespace log_dirty {

namespace {

long allocation(Domain& d, xen_domctl_shadow_op& op) {
  if (op.op == XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION) {
    const std::uint64_t pages = std::uint64_t{op.mb} << 8;
    constexpr std::uint64_t kAll = ~std::uint64_t{0};
    if (const long r = d.p2m->resize_pool(pages, kAll)) return r;
  }
  op.mb = static_cast<std::uint32_t>((d.p2m->table_limit + 255) >> 8);
  return 0;
}

}  // namespace

long shadow_op(Hypervisor&, const Domain& caller, Domain& d, xen_domctl_shadow_op& op, const CopyOut& copy_out) {
  if (&d == &caller) return -kEinval;
  if (d.dying) return 0;
  if (!d.log_dirty || d.vcpus.empty()) return -kEinval;
  switch (op.op) {
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
      return op.mode & XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY ? d.log_dirty->enable() : -kEinval;
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
      return d.log_dirty->enable();
    case XEN_DOMCTL_SHADOW_OP_OFF:
      return d.log_dirty->disable();
    case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
    case XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION:
      return allocation(d, op);
    case XEN_DOMCTL_SHADOW_OP_CLEAN:
    case XEN_DOMCTL_SHADOW_OP_PEEK:
      break;
    default:
      return -kEinval;
  }
  if (op.mode & ~static_cast<std::uint32_t>(XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL)) return -kEinval;
  LogDirty::Report report;
  std::vector<std::uint8_t> bitmap;
  // A caller may ask for any number of frames; beyond the domain's last one there is nothing to copy but zeros.
  constexpr std::uint64_t kMost = std::uint64_t{1} << 36;
  const std::uint64_t pages = std::min<std::uint64_t>(op.pages, kMost);
  if (op.dirty_bitmap.p) bitmap.resize(std::min<std::uint64_t>((pages + 7) / 8, std::uint64_t{1} << 27));
  const long r = op.op == XEN_DOMCTL_SHADOW_OP_CLEAN ? d.log_dirty->clean(bitmap, pages, report)
                                                     : d.log_dirty->peek(bitmap, pages, report);
  op.stats.fault_count = report.fault_count;
  op.stats.dirty_count = report.dirty_count;
  if (r != 0) return r;
  op.pages = report.pages;
  if (!bitmap.empty() && !copy_out(0, bitmap)) return -kEfault;
  return 0;
}

void mark(Domain& d, Gfn gfn) {
  if (d.log_dirty) d.log_dirty->mark(gfn);
}

void mark_frame(Domain& d, Mfn m) {
  if (d.log_dirty) d.log_dirty->mark_frame(m);
}

}  // namespace log_dirty
}  // namespace xensim::xen
