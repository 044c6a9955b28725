// Copies between Xen and the guest that called it: linear addresses of the current vCPU, through its own page
// tables and its EPT. Every byte is checked; a hole gives false, and the caller gives -EFAULT.
#include <algorithm>

#include "models/cpu/mmu/walker.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen {

// On the way, what is populated on demand, shared, or the like becomes what the access needs. discard: the page
// drops writes.
bool Hypervisor::translate_guest(Vcpu& v, std::uint64_t linear, bool write, PhysAddr& out, bool* discard) {
  const cpu::Core& core = active_->pcpu->core;
  cpu::PagingContext context;
  context.cr0 = core.st.cr0;
  context.cr3 = core.st.cr3;
  context.cr4 = core.st.cr4;
  context.efer = core.st.efer;
  context.pdpte = core.st.pdpte;
  context.ept = true;
  context.eptp = v.domain.p2m->eptp();
  context.physical_bits = core.config.physical_bits;
  // Four tables and the page can each want something done about them.
  for (unsigned attempt = 0; attempt < 16; ++attempt) {
    const cpu::WalkResult r =
        cpu::walk(context, memory, LinearAddr(linear), write ? cpu::Access::kWrite : cpu::Access::kRead,
                  cpu::View::kSupervisorAc);
    out = r.physical;
    if (r.status == cpu::WalkStatus::kOk) return memory.contains(r.physical, 1);
    if (r.status != cpu::WalkStatus::kEptViolation) return false;
    const std::uint64_t gfn = r.guest_physical.value >> kPageShift;
    const P2mEntry before = v.domain.p2m->get(Gfn(gfn));
    if (write && discard && is_discard_write(before.type)) return *discard = true;
    const P2mEntry after = physmap::get(*this, v.domain, gfn, write ? physmap::kWrite : physmap::kAllocate);
    if (after.type == before.type && after.mfn == before.mfn) return false;
  }
  return false;
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
  if (e.type != P2mType::kRamRw) return std::nullopt;
  return e.mfn;
}

}  // namespace xensim::xen
