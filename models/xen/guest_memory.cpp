// Copies between Xen and the guest that called it: linear addresses of the current vCPU, through its own page
// tables and its EPT. Every byte is checked; a hole gives false, and the caller gives -EFAULT.
#include <algorithm>

#include "models/cpu/mmu/walker.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/log_dirty.h"
#include "models/xen/mm/mem_paging.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen {

namespace {

// The p2m, as Xen's own accesses see it: whatever is memory, whether or not the guest may access it at the moment;
// what is populated on demand becomes so.
class ByP2m final : public cpu::SecondStage {
 public:
  ByP2m(Hypervisor& hv, Domain& d) : hv_(hv), d_(d) {}
  bool translate(GuestPhysAddr a, PhysAddr& out) const override {
    const P2mEntry e = physmap::get(hv_, d_, gfn_of(a).value, physmap::kAllocate);
    if (!is_any_ram(e.type) || is_paging(e.type) || e.mfn == kNoMfn) return false;
    out = address_of(e.mfn) + (a.value & kPageMask);
    return true;
  }

 private:
  Hypervisor& hv_;
  Domain& d_;
};

}  // namespace

// discard: the page drops writes.
bool Hypervisor::translate_guest(Vcpu& v, std::uint64_t linear, bool write, PhysAddr& out, bool* discard) {
  const cpu::Core& core = active_->pcpu->core;
  Domain& d = v.domain;
  cpu::PagingContext context;
  context.cr0 = core.st.cr0;
  context.cr3 = core.st.cr3;
  context.cr4 = core.st.cr4;
  context.efer = core.st.efer;
  context.pdpte = core.st.pdpte;
  context.ept = true;
  context.physical_bits = core.config.physical_bits;
  const cpu::WalkResult r =
      cpu::walk_by_software(context, memory, LinearAddr(linear), write ? cpu::Access::kWrite : cpu::Access::kRead,
                            cpu::View::kSupervisorAc, ByP2m(*this, d));
  const Gfn gfn = gfn_of(r.guest_physical);
  if (r.status == cpu::WalkStatus::kEptViolation && is_paging(d.p2m->get(gfn).type)) {
    mem_paging::populate(*this, d, gfn);
    return false;
  }
  if (r.status != cpu::WalkStatus::kOk || !memory.contains(r.physical, 1)) return false;
  // Xen copies to and from a domain's own memory, not what it has mapped by grants.
  if (is_grant(d.p2m->get(gfn).type)) return false;
  out = r.physical;
  if (!write) return true;
  if (is_discard_write(d.p2m->get(gfn).type)) {
    if (discard) *discard = true;
    return discard != nullptr;
  }
  const P2mEntry e = physmap::get(*this, d, gfn.value, physmap::kWrite);
  if (is_shared(e.type)) return false;  // no memory for a copy
  out = address_of(e.mfn) + (out.value & kPageMask);
  log_dirty::mark(d, gfn);
  return true;
}

bool Hypervisor::copy_from_guest(Vcpu& v, std::uint64_t linear, void* out, std::uint64_t size) {
  auto* to = static_cast<std::uint8_t*>(out);
  while (size > 0) {
    const std::uint64_t n = std::min(size, kPageSize - (linear & kPageMask));
    PhysAddr a;
    if (!translate_guest(v, linear, false, a)) return false;
    memory.read_bytes(a, {to, n});
    to += n;
    linear += n;
    size -= n;
  }
  return true;
}

bool Hypervisor::copy_to_guest(Vcpu& v, std::uint64_t linear, const void* in, std::uint64_t size) {
  auto* from = static_cast<const std::uint8_t*>(in);
  while (size > 0) {
    const std::uint64_t n = std::min(size, kPageSize - (linear & kPageMask));
    PhysAddr a;
    bool discard = false;
    if (!translate_guest(v, linear, true, a, &discard)) return false;
    if (!discard) memory.write_bytes(a, {from, n});
    from += n;
    linear += n;
    size -= n;
  }
  return true;
}

std::optional<Mfn> Hypervisor::ram_frame(Domain& d, std::uint64_t gfn) {
  const P2mEntry e = physmap::get(*this, d, gfn, physmap::kWrite);
  if (!is_changeable(e.type)) return std::nullopt;
  return e.mfn;
}

}  // namespace xensim::xen
