#include "models/dom0/migration/domain_sender.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "models/xen/domain/hvm_context.h"
#include "models/xen/mm/physmap.h"
#include "sim/base/expects.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/domctl.h>
#pragma GCC diagnostic pop

namespace xensim::dom0 {

using xen::Path;

namespace {

template <class T>
std::span<const std::uint8_t> bytes_of(const std::vector<T>& v) {
  return {reinterpret_cast<const std::uint8_t*>(v.data()), v.size() * sizeof(T)};
}

// Leaves that CPUID numbers by ECX, too; the others are said to have no subleaf.
bool has_subleaves(std::uint32_t leaf) { return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd; }

}  // namespace

DomainSender::DomainSender(xen::Hypervisor& hypervisor, domid_t domid, const Config& config,
                           StreamWriter::Sink sink)
    : hypervisor_(hypervisor), domid_(domid), config_(config), writer_(std::move(sink)) {
  frames_ = domain().p2m->max_mapped_gfn() + 1;
  next_ = frames_;
}

xen::Domain& DomainSender::domain() {
  xen::Domain* d = hypervisor_.find_domain(domid_);
  expects(d != nullptr && d->p2m != nullptr);
  return *d;
}

void DomainSender::hypercalls(unsigned n, Path path) {
  cpu::Pcpu& p = *hypervisor_.here().pcpu;
  hypervisor_.cost.charge_many(p, Path::kModelHypercall, n);
  hypervisor_.cost.charge_many(p, path, n);
}

bool DomainSender::fits() const { return frames_ / 4 <= hypervisor_.config.dom0_memory / 2; }

Cycles DomainSender::begin() {
  const std::uint64_t before = writer_.bytes();
  writer_.libxl_header();
  writer_.libxl_record(LibxlRecord::kLibxcContext);
  writer_.libxc_header();
  cpu_policy();
  writer_.libxc_record(LibxcRecord::kStaticDataEnd);
  return (writer_.bytes() - before) / config_.copy_bytes_per_cycle;
}

// What the guest may see of CPUID, and of the MSRs that go with it, as XEN_DOMCTL_get_cpu_policy serialises it.
void DomainSender::cpu_policy() {
  std::vector<xen_cpuid_leaf_t> leaves;
  for (const auto& [number, r] : domain().cpuid.leaves())
    leaves.push_back({number.first, has_subleaves(number.first) ? number.second : XEN_CPUID_NO_SUBLEAF, r.eax,
                      r.ebx, r.ecx, r.edx});
  // Xen's own leaves have limits and no content in a policy.
  const auto own =
      std::find_if(leaves.begin(), leaves.end(), [](const xen_cpuid_leaf_t& l) { return l.leaf >= 0x40000000; });
  const xen_cpuid_leaf_t limits[] = {{0x40000000, XEN_CPUID_NO_SUBLEAF, 0, 0, 0, 0},
                                     {0x40000100, XEN_CPUID_NO_SUBLEAF, 0, 0, 0, 0}};
  leaves.insert(own, std::begin(limits), std::end(limits));
  std::vector<xen_msr_entry_t> msrs(2);
  std::memset(msrs.data(), 0, msrs.size() * sizeof msrs[0]);
  msrs[0].idx = 0xce;   // MSR_INTEL_PLATFORM_INFO: no CPUID faulting
  msrs[1].idx = 0x10a;  // MSR_ARCH_CAPABILITIES: none
  hypercalls(2, Path::kControlOp);
  writer_.libxc_record(LibxcRecord::kX86CpuidPolicy, bytes_of(leaves));
  writer_.libxc_record(LibxcRecord::kX86MsrPolicy, bytes_of(msrs));
}

// --- Rounds.

void DomainSender::send_all() {
  all_ = true;
  next_ = written_ = hole_until_ = 0;
  entries_ = frames_;
}

long DomainSender::enable_log_dirty() {
  hypercalls(1, Path::kControlOp);
  return domain().log_dirty->enable();
}

long DomainSender::send_dirty() {
  hypercalls(1, Path::kControlOp);
  xen::LogDirty::Report report;
  dirty_.assign((frames_ + 7) / 8, 0);
  if (const long r = domain().log_dirty->clean(dirty_, frames_, report); r != 0) return r;
  all_ = false;
  next_ = written_ = hole_until_ = 0;
  entries_ = report.dirty_count;
  while (next_ < frames_ && !in_round(next_)) ++next_;
  return 0;
}

// What getpageframeinfo3 says of a frame, and its content.
void DomainSender::add_page(std::uint64_t pfn, std::vector<StreamPage>& batch) {
  if (pfn < hole_until_) {
    batch.push_back({pfn, PageKind::kNone, {}});
    return;
  }
  xen::Domain& d = domain();
  const xen::P2mEntry e = xen::physmap::get(hypervisor_, d, pfn, xen::physmap::kAllocate);
  if (is_empty(e.type)) hole_until_ = (pfn | ((std::uint64_t{1} << e.order) - 1)) + 1;
  const bool owned = e.mfn != xen::kNoMfn && is_any_ram(e.type) && !hypervisor_.frames.is_xen_heap(e.mfn) &&
                     (is_foreign(e.type) || is_shared(e.type) || hypervisor_.frames.info(e.mfn).owner == domid_);
  if (!owned || e.type == xen::P2mType::kRamBroken) {
    const bool broken = e.type == xen::P2mType::kRamBroken;
    batch.push_back({pfn, broken ? PageKind::kBroken : PageKind::kNone, {}});
    return;
  }
  batch.push_back({pfn, PageKind::kPlain, {hypervisor_.memory.host(address_of(e.mfn)), kPageSize}});
}

Cycles DomainSender::send_batch() {
  expects(!round_over());
  std::vector<StreamPage> batch;
  batch.reserve(kMostPagesPerRecord);
  for (; next_ < frames_ && batch.size() < kMostPagesPerRecord; ++next_)
    if (in_round(next_)) add_page(next_, batch);
  while (next_ < frames_ && !in_round(next_)) ++next_;
  const auto plain = static_cast<std::uint64_t>(
      std::count_if(batch.begin(), batch.end(), [](const StreamPage& p) { return p.kind == PageKind::kPlain; }));
  // getpageframeinfo3 looks at each; then those with content are mapped, in one call, and unmapped.
  hypercalls(1, Path::kControlOp);
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kP2mLookup, batch.size());
  if (plain > 0) {
    hypercalls(2, Path::kMemoryOp);
    hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kP2mLookup, plain);
  }
  written_ += batch.size();
  pages_sent_ += plain;
  if (batch.empty()) return 0;
  const std::uint64_t before = writer_.bytes();
  writer_.pages(batch);
  return (writer_.bytes() - before) / config_.copy_bytes_per_cycle;
}

// --- The end.

void DomainSender::hvm_params() {
  // In libxc's order; those that are 0 are left out.
  static constexpr std::array kParams{HVM_PARAM_STORE_PFN,
                                      HVM_PARAM_IOREQ_PFN,
                                      HVM_PARAM_BUFIOREQ_PFN,
                                      HVM_PARAM_PAGING_RING_PFN,
                                      HVM_PARAM_MONITOR_RING_PFN,
                                      HVM_PARAM_SHARING_RING_PFN,
                                      HVM_PARAM_VM86_TSS_SIZED,
                                      HVM_PARAM_CONSOLE_PFN,
                                      HVM_PARAM_ACPI_IOPORTS_LOCATION,
                                      HVM_PARAM_VIRIDIAN,
                                      HVM_PARAM_IDENT_PT,
                                      HVM_PARAM_VM_GENERATION_ID_ADDR,
                                      HVM_PARAM_IOREQ_SERVER_PFN,
                                      HVM_PARAM_NR_IOREQ_SERVER_PAGES,
                                      HVM_PARAM_X87_FIP_WIDTH,
                                      HVM_PARAM_MCA_CAP};
  std::vector<StreamParameter> out;
  for (const auto index : kParams)
    if (const std::uint64_t value = domain().hvm_params[static_cast<std::size_t>(index)])
      out.push_back({static_cast<std::uint64_t>(index), value});
  hypercalls(static_cast<unsigned>(kParams.size()), Path::kHvmOp);
  if (!out.empty()) writer_.hvm_params(out);
}

Cycles DomainSender::finish() {
  expects(round_over());
  const std::uint64_t before = writer_.bytes();
  // The host's TSC is what the guest's runs by: its scale is that of the host.
  writer_.tsc_info({0, static_cast<std::uint32_t>(hypervisor_.tsc_hz / 1000), hypervisor_.ns(hypervisor_.now()),
                    config_.tsc_incarnation});
  writer_.libxc_record(LibxcRecord::kHvmContext, xen::save_hvm_context(hypervisor_, domain()));
  hypercalls(3, Path::kControlOp);
  hvm_params();
  writer_.libxc_record(LibxcRecord::kEnd);
  abort();
  writer_.libxl_record(LibxlRecord::kEnd);
  return (writer_.bytes() - before) / config_.copy_bytes_per_cycle;
}

void DomainSender::abort() {
  next_ = frames_;
  xen::Domain* d = hypervisor_.find_domain(domid_);
  hypercalls(1, Path::kControlOp);
  if (d && d->log_dirty) d->log_dirty->disable();
}

}  // namespace xensim::dom0
