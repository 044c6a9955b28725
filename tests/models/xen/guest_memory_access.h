// A guest's accesses to its memory without a guest: walks its EPT as the processor does, sets flags, writes the
// page-modification log, and lets Xen handle what would be VM exits.
#pragma once

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "models/cpu/mmu/walker.h"
#include "models/cpu/vmx/vmcs.h"
#include "models/xen/mm/nested_page_fault.h"
#include "models/xen/mm/physmap.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen {

struct MemoryBench : Bench {
  unsigned violations = 0, misconfigurations = 0;

  // A guest with 1024 pages at gfn 0: one 2 MiB entry, and 512 of 4 KiB.
  Domain& guest_with_memory(domid_t domid, std::uint64_t max_pages = 4096) {
    Domain& d = guest(domid, 1, max_pages);
    REQUIRE(hv->populate(d, Gfn(0), 9));
    for (std::uint64_t g = 512; g < 1024; ++g) REQUIRE(hv->populate(d, Gfn(g), 0));
    run_as(d);
    return d;
  }
  // The domain's vCPU is what runs on the pCPU.
  void run_as(Domain& d) {
    hv->here().current = d.vcpus[0].get();
    REQUIRE(hv->here().pcpu->core.vmx.vmptrld(d.vcpus[0]->vmcs).ok());
  }

  // false: Xen does not let the access be made now (its vCPU is paused, or the domain has crashed).
  bool access(Domain& d, std::uint64_t gfn, cpu::Access kind) {
    Vcpu& v = *d.vcpus[0];
    cpu::PagingContext c;
    c.ept = true;
    for (unsigned attempt = 0; attempt < 16; ++attempt) {
      c.eptp = d.p2m->eptp();
      const cpu::WalkResult r = cpu::walk_ept(c, memory, GuestPhysAddr(gfn << kPageShift), kind);
      if (r.status == cpu::WalkStatus::kOk) {
        commit(v, r, gfn);
        return true;
      }
      if (r.status == cpu::WalkStatus::kEptMisconfiguration) {
        ++misconfigurations;
        REQUIRE(handle_misconfiguration(*hv, v, Gfn(gfn)));
        continue;
      }
      ++violations;
      cpu::VmExitInfo x;
      x.guest_physical = gfn << kPageShift;
      x.qualification = r.ept_qualification | 0x180;
      physmap::get(*hv, d, gfn, kind == cpu::Access::kWrite ? physmap::kWrite : physmap::kAllocate);
      if (!handle_memory_fault(*hv, v, x) || d.shutdown || v.vm_event_pauses > 0) return false;
    }
    FAIL("the access is never allowed");
    return false;
  }
  bool write(Domain& d, std::uint64_t gfn) { return access(d, gfn, cpu::Access::kWrite); }
  bool read(Domain& d, std::uint64_t gfn) { return access(d, gfn, cpu::Access::kRead); }

  void fill(Domain& d, std::uint64_t gfn, std::uint8_t byte) {
    memory.fill(address_of(d.p2m->get(Gfn(gfn)).mfn), byte, kPageSize);
  }
  std::uint8_t first_byte(Domain& d, std::uint64_t gfn) {
    return memory.read<std::uint8_t>(address_of(d.p2m->get(Gfn(gfn)).mfn));
  }

 private:
  void commit(Vcpu& v, const cpu::WalkResult& r, std::uint64_t gfn) {
    using F = cpu::VmcsField;
    for (unsigned i = 0; i < r.steps; ++i) {
      auto e = memory.read<std::uint64_t>(r.step[i].entry);
      if (r.step[i].set_accessed) e |= 1u << 8;
      if (r.step[i].set_dirty) e |= 1u << 9;
      memory.write<std::uint64_t>(r.step[i].entry, e);
      cpu::Vmcs vmcs(memory, v.vmcs);
      if (!r.step[i].set_dirty || !(vmcs.read(F::kSecondaryControls) >> 17 & 1)) continue;
      std::uint64_t index = vmcs.read(F::kPmlIndex);
      if (index > 511) v.domain.log_dirty->drain(v), index = 511;
      memory.write<std::uint64_t>(PhysAddr(vmcs.read(F::kPmlAddress) + 8 * index), gfn << kPageShift);
      vmcs.write(F::kPmlIndex, index - 1);
    }
  }
};

inline std::set<std::uint64_t> pages_in(const std::vector<std::uint8_t>& bitmap) {
  std::set<std::uint64_t> pages;
  for (std::uint64_t i = 0; i < bitmap.size() * 8; ++i)
    if (bitmap[i / 8] >> (i % 8) & 1) pages.insert(i);
  return pages;
}

}  // namespace xensim::xen
