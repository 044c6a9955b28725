// A domain with a little memory whose vCPU is in the core, between a VM exit and the next entry: 32-bit protected
// mode, no paging.
#pragma once

#include "tests/models/xen/fixture.h"

namespace xensim::xen::hvm {

struct VcpuBench : Bench {
  explicit VcpuBench(bool nested = false) : d(make(nested)) {
    for (std::uint64_t gfn = 0; gfn < 16; ++gfn)
      if (!hv->populate(d, Gfn(gfn), 0)) std::abort();
    cpu::ArchState st;
    st.cr0 = cpu::kCr0Pe | cpu::kCr0Et;
    st.rip = 0x1000;
    st.rflags = 2;
    st.seg[cpu::kCs] = {0, 0xffffffff, 0xc09b, 8};
    for (const unsigned s : {cpu::kSs, cpu::kDs, cpu::kEs}) st.seg[s] = {0, 0xffffffff, 0xc093, 16};
    st.tr = {0, 0x67, 0x8b, 0};
    st.ldtr = {0, 0, 0x82, 0};
    start(st);
  }
  void start(const cpu::ArchState& st) {
    hv->set_vcpu_state(v(), st);
    hv->restore_context(v());
  }

  Domain& make(bool nested) {
    CreateParameters c;
    c.name = "hvm";
    c.max_pages = 4096;
    c.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
    c.nested_virt = nested;
    return hv->create_domain(1, DomainKind::kGuest, c);
  }
  Domain& d;
  Vcpu& v() { return *d.vcpus[0]; }
  cpu::Core& core() { return hv->here().pcpu->core; }
  cpu::Vmx& vmx() { return core().vmx; }
  template <class T>
  void put(std::uint64_t gpa, T value) {
    memory.write<T>(address_of(*hv->ram_frame(d, gpa >> kPageShift)) + (gpa & kPageMask), value);
  }
  template <class T>
  T get(std::uint64_t gpa) {
    return memory.read<T>(address_of(*hv->ram_frame(d, gpa >> kPageShift)) + (gpa & kPageMask));
  }
};

}  // namespace xensim::xen::hvm
