// EPT violations: what is not RAM is emulated. The instruction is executed by the core itself, once, with the page
// exposed as a frame outside RAM; its accesses come back through mmio_read() and mmio_write(). So there is one set
// of instruction semantics for guests and emulation.
#include <algorithm>

#include "models/xen/hvm/platform.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/nested_page_fault.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen {

using F = cpu::VmcsField;

namespace {
constexpr std::uint64_t kApicPage = 0xfee00;
constexpr std::uint32_t kExitsOnIo = 1u << 25;
// How long one emulation may take: a repeated instruction goes on after another exit, as Xen emulates it in parts.
constexpr Cycles kEmulationStretch = 20'000;
}  // namespace

void Hypervisor::exit_ept_violation(PcpuState& c, Vcpu& v) {
  const cpu::VmExitInfo x = c.pcpu->core.vm_exit;
  const std::uint64_t gfn = x.guest_physical >> kPageShift;
  const bool write = x.qualification & 2;
  cost.charge(*c.pcpu, Path::kEptViolation);
  const P2mEntry e = physmap::get(*this, v.domain, gfn, write ? physmap::kWrite : physmap::kAllocate);
  tracer.npf(c.pcpu->index, x.guest_physical, e.mfn.value, static_cast<std::uint32_t>(x.qualification),
             static_cast<std::uint32_t>(e.type));
  tracer.p2m_fault(c.pcpu->index, now(), trace_id(v), gfn, static_cast<std::uint32_t>(x.qualification), e.order);
  if (v.domain.shutdown) return;  // it was to be populated, and could not
  if (handle_memory_fault(*this, v, x)) return;
  if (!is_empty(e.type) && !(write && is_discard_write(e.type))) {
    crash_domain(v.domain, "EPT violation on a page of type " + std::to_string(static_cast<unsigned>(e.type)));
    return;
  }
  // A fetch, or a page table of the guest's, in nowhere: nothing to emulate.
  const bool fetch = x.qualification & 4, linear_valid = x.qualification & 0x80, final = x.qualification & 0x100;
  if (fetch || !linear_valid || !final || gfn >> 32) {
    inject_exception(v, cpu::kGp, 0);
    return;
  }
  cost.charge(*c.pcpu, gfn == kApicPage ? Path::kApicAccess : Path::kEmulate);
  // An event that was being delivered through this page is delivered again by the re-entry; otherwise emulate.
  if (!emulate_instruction(c, v, gfn, true)) inject_exception(v, cpu::kGp, 0);
}

bool Hypervisor::emulate_instruction(PcpuState& c, Vcpu& v, std::uint64_t first_gfn, bool mmio) {
  cpu::Core& core = c.pcpu->core;
  cpu::Vmx& vmx = core.vmx;
  P2m& p2m = *v.domain.p2m;
  emulated_.clear();
  std::vector<std::uint64_t> gfns;
  if (mmio) gfns.push_back(first_gfn);
  const std::uint64_t primary = vmx.read(F::kPrimaryControls);
  vmx.write(F::kPrimaryControls,
            (primary & ~std::uint64_t{1u << 2 | 1u << 22}) & ~(mmio ? 0 : std::uint64_t{kExitsOnIo}));
  if (v.reinject_info >> 31) {
    vmx.write(F::kEntryInterruptionInfo, v.reinject_info & ~0x1000u);
    vmx.write(F::kEntryExceptionError, v.reinject_error);
    vmx.write(F::kEntryInstructionLength, v.reinject_length);
    v.reinject_info = 0;
  }
  const std::uint64_t limit = core.instruction_limit;
  bool done = false;
  // An instruction touches at most a few pages that need exposing: source, destination, each perhaps crossing a
  // page.
  for (unsigned attempt = 0; attempt < 6 && !done; ++attempt) {
    for (const std::uint64_t gfn : gfns) {
      const P2mEntry e = p2m.get(Gfn(gfn));
      if (const auto hidden = p2m.expose(Gfn(gfn))) emulated_.push_back({gfn, *hidden, e.mfn});
    }
    bool entered = false;
    emulating_ = true;
    core.instruction_limit = core.instructions + 1;
    cpu::StopReason stop = cpu::StopReason::kBudget;
    if (vmx.enter(!v.vmcs_launched, entered).ok() && entered) stop = core.run(core.now + kEmulationStretch);
    core.instruction_limit = limit;
    emulating_ = false;
    for (const EmulatedPage& page : emulated_) p2m.hide(Gfn(page.gfn), page.entry);
    emulated_.clear();
    if (!entered) break;
    v.vmcs_launched = true;
    // kWait: another vCPU has put an instruction there that is none to emulate; the guest executes it itself.
    if (stop == cpu::StopReason::kBudget || stop == cpu::StopReason::kWait) {
      core.vm_exit = {};
      core.vmx.exit(cpu::ExitReason::kMonitorTrapFlag, 0);
      core.vmx.commit_exit(false);
      done = true;
    } else if (const cpu::VmExitInfo& x = core.vm_exit;
               (x.reason & 0xffff) == static_cast<std::uint32_t>(cpu::ExitReason::kEptViolation)) {
      const std::uint64_t gfn = x.guest_physical >> kPageShift;
      if (!mmio || gfn >> 32 || (x.qualification & 4) || !(x.qualification & 0x100)) break;
      const P2mType t =
          physmap::get(*this, v.domain, gfn, x.qualification & 2 ? physmap::kWrite : physmap::kAllocate).type;
      if (v.domain.shutdown) break;
      if (is_ram(t) && !is_discard_write(t) && !is_paging(t)) continue;  // it is there now
      if (!is_empty(t) && !(is_discard_write(t) && x.qualification & 2)) break;
      gfns.push_back(gfn);
    } else if ((x.reason & 0xffff) == static_cast<std::uint32_t>(cpu::ExitReason::kExternalInterrupt)) {
      handle_host_vector(c, static_cast<std::uint8_t>(x.interruption_info));
    } else {
      // The instruction itself exits for another reason (it was rewritten under our feet, or an event came first):
      // let the guest run into that exit by itself.
      done = true;
    }
  }
  if (!gfns.empty()) core.mmu.invept(1, p2m.eptp());
  const std::uint64_t after = vmx.read(F::kPrimaryControls);
  vmx.write(F::kPrimaryControls,
            (after & ~std::uint64_t{kExitsOnIo}) | (primary & (kExitsOnIo | 1u << 2 | 1u << 22)));
  return done;
}

std::uint64_t Hypervisor::mmio_read(cpu::Pcpu& pcpu, PhysAddr a, unsigned size) {
  Vcpu* v = pcpus[pcpu.index].current;
  const std::uint64_t gpa = a.value & ~P2m::kExposedBase;
  std::uint64_t value = ~std::uint64_t{0};
  const auto page = std::find_if(emulated_.begin(), emulated_.end(),
                                 [&](const EmulatedPage& p) { return p.gfn == gpa >> kPageShift; });
  if (page != emulated_.end() && page->frame != kNoMfn) {
    // A page of which writes are dropped.
    value = 0;
    memory.read_bytes(address_of(page->frame) + (gpa & kPageMask),
                      {reinterpret_cast<std::uint8_t*>(&value), std::min<std::size_t>(size, sizeof value)});
  } else if (v && gpa >> kPageShift == kApicPage) {
    std::uint32_t r = 0;
    if (v->vlapic.mmio_read(static_cast<std::uint32_t>(gpa & kPageMask), size, guest_tsc(*v, now()), r)) value = r;
  } else if (v && v->domain.platform) {
    v->domain.platform->mmio_read(gpa, size, value);
  }
  tracer.mmio_read(pcpu.index, gpa, value);
  return value;
}

void Hypervisor::mmio_write(cpu::Pcpu& pcpu, PhysAddr a, unsigned size, std::uint64_t value) {
  Vcpu* v = pcpus[pcpu.index].current;
  const std::uint64_t gpa = a.value & ~P2m::kExposedBase;
  tracer.mmio_write(pcpu.index, gpa, value);
  if (!v) return;
  for (const EmulatedPage& page : emulated_)
    if (page.gfn == gpa >> kPageShift && page.frame != kNoMfn) return;
  if (gpa >> kPageShift != kApicPage) {
    if (v->domain.platform) v->domain.platform->mmio_write(gpa, size, value);
    return;
  }
  const auto offset = static_cast<std::uint32_t>(gpa & kPageMask);
  v->vlapic.mmio_write(offset, size, static_cast<std::uint32_t>(value), guest_tsc(*v, now()));
  vlapic_written(*v, offset >> 4);
}

}  // namespace xensim::xen
