#include "models/dom0/migration/domain_receiver.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "models/xen/domain/hvm_context.h"
#include "models/xen/event/upcall.h"
#include "models/xen/mm/physmap.h"
#include "sim/base/expects.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/domctl.h>
#pragma GCC diagnostic pop

namespace xensim::dom0 {

using xen::Path;

namespace {

[[noreturn]] void fail(const std::string& what) { throw StreamError(xc_error(what)); }
[[noreturn]] void fail(const std::string& what, long result) {
  const int error = static_cast<int>(-result);
  throw StreamError(xc_error(what, error), error);
}

std::vector<std::uint8_t> copy_of(std::span<const std::uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

[[noreturn]] void refuse_policy(std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t msr, long result) {
  char text[96];
  std::snprintf(text, sizeof text,
                "Failed to set CPUID policy: leaf %08" PRIx32 ", subleaf %08" PRIx32 ", msr %08" PRIx32, leaf,
                subleaf, msr);
  fail(text, result);
}
constexpr std::uint32_t kNoNumber = ~std::uint32_t{0};

// Leaves that Xen's policies have room for.
bool is_leaf(std::uint32_t leaf, std::uint32_t subleaf) {
  const bool known =
      leaf <= 0x16 || leaf == 0x40000000 || leaf == 0x40000100 || (leaf >= 0x80000000 && leaf <= 0x80000021);
  const bool numbered = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
  return known && (numbered ? subleaf < 64 : subleaf == XEN_CPUID_NO_SUBLEAF);
}

}  // namespace

xen::Domain& DomainReceiver::domain() {
  xen::Domain* d = hypervisor_.find_domain(domid_);
  expects(d != nullptr);
  return *d;
}

void DomainReceiver::hypercalls(std::uint64_t n, Path path) {
  cpu::Pcpu& p = *hypervisor_.here().pcpu;
  hypervisor_.cost.charge_many(p, Path::kModelHypercall, n);
  hypervisor_.cost.charge_many(p, path, n);
}

DomainReceiver::State DomainReceiver::next(Cycles& cycles) {
  cycles = 0;
  if (!hypervisor_.find_domain(domid_)) return State::kFailed;
  try {
    return step(cycles);
  } catch (const StreamError& e) {
    out_.write(true, e.what());
    if (in_libxc_) {
      if (restoring_) out_.write(true, xc_error("Restore failed", e.error));
      out_.complain("libxl: error: libxl_stream_read.c:850:libxl__xc_domain_restore_done: restoring domain: %s\n",
                    std::strerror(e.error));
    }
    return State::kFailed;
  }
}

DomainReceiver::State DomainReceiver::step(Cycles& cycles) {
  switch (step_) {
    case Step::kLibxlHeader:
      if (!in_.libxl_header()) return State::kWaits;
      step_ = Step::kLibxlRecord;
      return State::kMore;
    case Step::kLibxlRecord: {
      const auto item = in_.libxl_record();
      if (!item) return State::kWaits;
      step_ = item->type == LibxlRecord::kEnd ? Step::kDone : Step::kLibxcHeader;
      in_libxc_ = item->type == LibxlRecord::kLibxcContext;
      return State::kMore;
    }
    case Step::kLibxcHeader: {
      const auto header = in_.libxc_header();
      if (!header) return State::kWaits;
      setup(*header);
      step_ = Step::kLibxcRecord;
      return State::kMore;
    }
    case Step::kLibxcRecord: {
      const auto item = in_.libxc_record();
      if (!item) return State::kWaits;
      record(*item, cycles);
      return State::kMore;
    }
    case Step::kDone:
      if (context_.empty()) {  // libxl's END without a LIBXC_CONTEXT before it
        in_libxc_ = true;
        stream_complete();
      }
      return State::kDone;
  }
  return State::kFailed;
}

void DomainReceiver::setup(const StreamReader::LibxcHeader& h) {
  out_.complain("xc: info: Found %s domain from Xen %u.%u\nxc: info: Restoring domain\n", domain_type_name(h.type),
                h.xen_major, h.xen_minor);
  restoring_ = true;
  if (h.type != kDomainX86Hvm)
    fail(std::string("Unable to restore ") + domain_type_name(h.type) + " domain into an x86 HVM domain");
  if (h.page_shift != kPageShift)
    fail("Invalid page size " + std::to_string(1u << (h.page_shift & 31)) + " for x86 HVM domains");
}

void DomainReceiver::record(const StreamReader::LibxcItem& item, Cycles& cycles) {
  switch (item.type) {
    case LibxcRecord::kPageData:
      page_data(item.body, cycles);
      break;
    case LibxcRecord::kX86CpuidPolicy:
      if (item.body.empty() || item.body.size() % sizeof(xen_cpuid_leaf_t) != 0)
        fail("X86_CPUID_POLICY size " + std::to_string(item.body.size()) + " should be multiple of " +
             std::to_string(sizeof(xen_cpuid_leaf_t)));
      cpuid_ = copy_of(item.body);
      break;
    case LibxcRecord::kX86MsrPolicy:
      if (item.body.empty() || item.body.size() % sizeof(xen_msr_entry_t) != 0)
        fail("X86_MSR_POLICY size " + std::to_string(item.body.size()) + " should be multiple of " +
             std::to_string(sizeof(xen_cpuid_leaf_t)));
      msrs_ = copy_of(item.body);
      break;
    case LibxcRecord::kStaticDataEnd:
      static_data_end();
      break;
    case LibxcRecord::kTscInfo:
      tsc_info(item.body);
      break;
    case LibxcRecord::kHvmContext:
      context_ = copy_of(item.body);
      break;
    case LibxcRecord::kHvmParams:
      hvm_params(item.body);
      break;
    case LibxcRecord::kVerify:
      verify_ = true;
      break;
    case LibxcRecord::kCheckpoint:
      fail("Found checkpoint in non-checkpointed stream");
    case LibxcRecord::kEnd:
      stream_complete();
      in_libxc_ = restoring_ = false;
      out_.complain("xc: info: Restore successful\n");
      step_ = Step::kLibxlRecord;
      break;
    case LibxcRecord::kSharedInfo:
      break;  // the reader lets none through
  }
  cycles += item.body.size() / copy_bytes_per_cycle_;
}

// --- Memory.

// One populate_physmap of what is not there yet.
void DomainReceiver::populate(const std::vector<StreamPage>& pages) {
  xen::Domain& d = domain();
  bool called = false;
  for (const StreamPage& p : pages) {
    if (p.kind == PageKind::kNone || p.kind == PageKind::kBroken) continue;
    if (p.pfn < xen::P2m::kFrames && !is_empty(d.p2m->get(Gfn(p.pfn)).type)) continue;
    if (!std::exchange(called, true)) hypercalls(1, Path::kMemoryOp);
    hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kPopulatePage);
    if (p.pfn >= xen::P2m::kFrames || !hypervisor_.populate(d, Gfn(p.pfn), 0))
      throw StreamError(
          xc_error("Failed to populate physmap", EBUSY) +
              xc_error("Failed to populate pfns for batch of " + std::to_string(pages.size()) + " pages"),
          EBUSY);
  }
}

void DomainReceiver::page_data(std::span<const std::uint8_t> body, Cycles&) {
  if (!static_data_ended_) fail("No STATIC_DATA_END seen");
  const std::vector<StreamPage> pages = StreamReader::pages(body);
  populate(pages);
  std::uint64_t mapped = 0;
  for (const StreamPage& p : pages) {
    if (p.kind != PageKind::kPlain) continue;
    const auto frame = hypervisor_.ram_frame(domain(), p.pfn);
    char text[96];
    std::snprintf(text, sizeof text, "Mapping pfn %#" PRIx64 " (mfn %#" PRIx64 ", type 0) failed with -22", p.pfn,
                  p.pfn);
    if (!frame) fail(text);
    const PhysAddr at = address_of(*frame);
    ++mapped;
    if (verify_) {
      std::snprintf(text, sizeof text, "verify pfn %#" PRIx64 " failed (type 0)", p.pfn);
      if (std::memcmp(hypervisor_.memory.host(at), p.content.data(), kPageSize) != 0)
        out_.write(true, xc_error(text));
      continue;
    }
    hypervisor_.memory.write_bytes(at, p.content);
  }
  pages_received_ += mapped;
  if (mapped == 0) return;
  hypercalls(2, Path::kMemoryOp);  // mapped in one call, and unmapped
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kP2mLookup, mapped);
}

// --- CPU policy: XEN_DOMCTL_set_cpu_policy.

// Feature bits that this host does not offer are taken away; a policy with more leaves than the host has is
// refused (x86_cpu_policies_are_compatible, recalculate_cpuid_policy).
void DomainReceiver::cpuid_policy() {
  cpu::CpuidPolicy& policy = domain().cpuid;
  const cpu::CpuidPolicy host = policy;
  for (std::size_t at = 0; at < cpuid_.size(); at += sizeof(xen_cpuid_leaf_t)) {
    xen_cpuid_leaf_t l;
    std::memcpy(&l, cpuid_.data() + at, sizeof l);
    if (!is_leaf(l.leaf, l.subleaf)) refuse_policy(l.leaf, l.subleaf, kNoNumber, -ERANGE);
    const std::uint32_t subleaf = l.subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : l.subleaf;
    const auto it = host.leaves().find({l.leaf, subleaf});
    if (it == host.leaves().end()) continue;
    cpu::CpuidRegisters r{l.a, l.b, l.c, l.d};
    const cpu::CpuidRegisters& most = it->second;
    const bool limits = l.leaf == 0 || l.leaf == 0x80000000 || (l.leaf == 7 && subleaf == 0);
    if (limits && r.eax > most.eax) refuse_policy(l.leaf, l.subleaf, kNoNumber, -xen::kEinval);
    if (l.leaf == 1 || l.leaf == 0x80000001) {
      r.ecx &= most.ecx;
      r.edx &= most.edx;
    } else if (l.leaf == 7 && subleaf == 0) {
      r.ebx &= most.ebx;
      r.ecx &= most.ecx;
      r.edx &= most.edx;
    } else if (l.leaf == 7) {
      r = {r.eax & most.eax, r.ebx & most.ebx, r.ecx & most.ecx, r.edx & most.edx};
    }
    policy.set(l.leaf, subleaf, r);
  }
}

void DomainReceiver::msr_policy() {
  for (std::size_t at = 0; at < msrs_.size(); at += sizeof(xen_msr_entry_t)) {
    xen_msr_entry_t m;
    std::memcpy(&m, msrs_.data() + at, sizeof m);
    // Neither CPUID faulting nor any architectural capability is there to be offered.
    const bool known = m.idx == 0xce || m.idx == 0x10a;
    if (!known) refuse_policy(kNoNumber, kNoNumber, m.idx, -ERANGE);
    if (m.flags != 0 || m.val != 0) refuse_policy(kNoNumber, kNoNumber, m.idx, -xen::kEinval);
  }
}

void DomainReceiver::static_data_end() {
  if (std::exchange(static_data_ended_, true)) fail("Multiple STATIC_DATA_END records found");
  hypercalls(1, Path::kControlOp);
  cpuid_policy();
  msr_policy();
}

// --- The rest.

// The TSC itself comes with each vCPU. A guest that was saved at another frequency would need every RDTSC
// emulated.
void DomainReceiver::tsc_info(std::span<const std::uint8_t> body) {
  const StreamTsc tsc = StreamReader::tsc_info(body);
  hypercalls(1, Path::kControlOp);
  if (tsc.mode > 2) fail("Unable to set TSC information", -xen::kEinval);
  if (tsc.mode != 2 && tsc.khz != 0 && tsc.khz != hypervisor_.tsc_hz / 1000)
    fail("Unable to set TSC information", -xen::kEopnotsupp);
  tsc_incarnation_ = tsc.incarnation + 1;
}

void DomainReceiver::hvm_params(std::span<const std::uint8_t> body) {
  xen::Domain& d = domain();
  const auto clear = [&](std::uint64_t gfn) {
    if (const auto frame = hypervisor_.ram_frame(d, gfn))
      hypervisor_.memory.fill(address_of(*frame), 0, kPageSize);
  };
  for (const StreamParameter& p : StreamReader::hvm_params(body)) {
    long r = 0;
    switch (p.index) {
      case HVM_PARAM_STORE_PFN:
      case HVM_PARAM_CONSOLE_PFN:
      case HVM_PARAM_IOREQ_PFN:
      case HVM_PARAM_BUFIOREQ_PFN:
        clear(p.value);
        break;
      case HVM_PARAM_PAE_ENABLED:
        continue;
      case HVM_PARAM_ACPI_IOPORTS_LOCATION:
        r = -xen::kEnodev;
        break;
      case HVM_PARAM_CALLBACK_IRQ:
        xen::event::set_callback_via(hypervisor_, d, p.value);
        break;
      default:
        if (p.index >= HVM_NR_PARAMS) r = -xen::kEinval;
        break;
    }
    hypercalls(1, Path::kHvmOp);
    if (r != 0) {
      char text[96];
      std::snprintf(text, sizeof text, "set HVM param %" PRId64 " = 0x%016" PRIx64,
                    static_cast<std::int64_t>(p.index), p.value);
      fail(text, r);
    }
    d.hvm_params[p.index] = p.value;
  }
}

void DomainReceiver::stream_complete() {
  xen::Domain& d = domain();
  hypercalls(3, Path::kControlOp);
  d.hvm_params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_reboot;
  // The vLAPIC's page is emulated, and has its tables from the start.
  if (!d.p2m->set(Gfn(0xfee00), xen::kNoMfn, 0, xen::P2mType::kMmioDm))
    fail("Unable to restore HVM context", -xen::kEnomem);
  for (std::size_t i = 1; i < d.vcpus.size(); ++i) d.vcpus[i]->waiting_for_sipi = true;
  if (const long r = xen::load_hvm_context(hypervisor_, d, context_); r != 0)
    fail("Unable to restore HVM context", r);
  // The rings must be where the parameters say: the daemons of console and store use them by a grant.
  for (const auto index : {HVM_PARAM_CONSOLE_PFN, HVM_PARAM_STORE_PFN})
    if (!hypervisor_.ram_frame(d, d.hvm_params[static_cast<std::size_t>(index)]))
      fail("Failed to seed grant table", -xen::kEinval);
}

}  // namespace xensim::dom0
