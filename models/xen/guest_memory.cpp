// Copies between Xen and the guest that called it: linear addresses of the current vCPU, through its own page
// tables and its EPT. Every byte is checked; a hole gives false, and the caller gives -EFAULT.
#include <algorithm>

#include "models/cpu/mmu/walker.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

bool Hypervisor::translate_guest(Vcpu& v, std::uint64_t linear, bool write, PhysAddr& out) {
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
  const cpu::WalkResult r = cpu::walk(context, memory, LinearAddr(linear),
                                      write ? cpu::Access::kWrite : cpu::Access::kRead, cpu::View::kSupervisorAc);
  if (r.status != cpu::WalkStatus::kOk || !memory.contains(r.physical, 1)) return false;
  out = r.physical;
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
    if (!translate_guest(v, linear, true, a)) return false;
    memory.write_bytes(a, {from, n});
    from += n;
    linear += n;
    size -= n;
  }
  return true;
}

std::optional<Mfn> Hypervisor::ram_frame(const Domain& d, std::uint64_t gfn) const {
  if (!d.p2m || gfn >> 36) return std::nullopt;
  const P2mEntry e = d.p2m->get(Gfn(gfn));
  if (e.type != P2mType::kRamRw) return std::nullopt;
  return e.mfn;
}

}  // namespace xensim::xen
