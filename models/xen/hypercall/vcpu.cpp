// __HYPERVISOR_vcpu_op (common_vcpu_op and hvm_vcpu_op of Xen 4.17).
#include <algorithm>
#include <cstring>

#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

bool Hypervisor::pin_area(Vcpu& v, std::uint64_t linear, unsigned size, GuestArea& area) {
  GuestArea a;
  if (!translate_guest(v, linear, true, a.first)) return false;
  a.first_bytes = std::min(size, static_cast<unsigned>(kPageSize - (linear & kPageMask)));
  a.second = a.first;
  if (a.first_bytes < size && !translate_guest(v, linear + a.first_bytes, true, a.second)) return false;
  a.valid = true;
  area = a;
  return true;
}

long Hypervisor::register_vcpu_info(Vcpu& v, std::uint64_t gfn, std::uint32_t offset) {
  if (offset > kPageSize - sizeof(vcpu_info_t)) return -kEnxio;
  if (offset % (v.domain.guest_64bit ? 8 : 4) != 0) return -kEnxio;
  if (v.vcpu_info_registered) return -kEinval;
  if (&v != active_->current && !(v.pause_flags & kPauseDown)) return -kEinval;
  const auto frame = ram_frame(v.domain, gfn);
  if (!frame || !frames.get_page(*frame, v.domain.domid)) return -kEinval;
  const PhysAddr to = address_of(*frame) + offset;
  std::array<std::uint8_t, sizeof(vcpu_info_t)> old;
  memory.read_bytes(v.vcpu_info, old);
  memory.write_bytes(to, old);
  v.vcpu_info = to;
  v.vcpu_info_registered = true;
  // The guest looks at everything, so that nothing is lost on the way.
  v.time_written = false;
  update_time_info(v);
  if (v.domain.guest_64bit)
    memory.write<std::uint64_t>(to + 8, ~std::uint64_t{0});
  else
    memory.write<std::uint32_t>(to + 4, ~std::uint32_t{0});
  assert_upcall(v);
  return 0;
}

long Hypervisor::do_vcpu_op(Vcpu& v, const Arguments& args) {
  Domain& d = v.domain;
  const std::uint64_t cmd = args.a[0], id = args.a[1], arg = args.a[2];
  cost.charge(*active_->pcpu, cmd == VCPUOP_set_singleshot_timer ? Path::kSetTimer : Path::kVcpuOp);
  if (id >= d.vcpus.size()) return -kEnoent;
  Vcpu& t = *d.vcpus[id];
  switch (cmd) {
    case VCPUOP_initialise:
      return initialise_vcpu(v, t, arg);
    case VCPUOP_up:
      if (!t.initialised) return -kEinval;
      if (t.pause_flags & kPauseDown) vcpu_up(t);
      return 0;
    case VCPUOP_down:
      if (!(t.pause_flags & kPauseDown)) vcpu_down(t);
      return 0;
    case VCPUOP_is_up:
      return !(t.pause_flags & kPauseDown);
    case VCPUOP_get_runstate_info: {
      const auto times = runstate_times(t, now());
      std::uint8_t out[48] = {};
      const std::uint32_t state = static_cast<std::uint32_t>(t.runstate);
      const unsigned at = args.wide ? 8 : 4;
      std::memcpy(out, &state, 4);
      const std::uint64_t entry = ns(t.runstate_entry);
      std::memcpy(out + at, &entry, 8);
      for (unsigned i = 0; i < 4; ++i) {
        const std::uint64_t n = ns(times[i]);
        std::memcpy(out + at + 8 + 8 * i, &n, 8);
      }
      return copy_to_guest(v, arg, out, at + 40) ? 0 : -kEfault;
    }
    case VCPUOP_register_runstate_memory_area:
    case VCPUOP_register_vcpu_time_memory_area: {
      std::uint64_t linear = 0;
      if (!copy_from_guest(v, arg, &linear, args.wide ? 8 : 4)) return -kEfault;
      const bool runstate = cmd == VCPUOP_register_runstate_memory_area;
      GuestArea& area = runstate ? t.runstate_area : t.time_area;
      const unsigned size = runstate ? (args.wide ? 48 : 44) : 32;
      // Xen accepts any address now, and skips updates for which it finds no mapping.
      if (!pin_area(v, linear, size, area)) area.valid = false;
      if (runstate) {
        update_runstate_area(t);
      } else {
        t.time_written = false;
        update_time_info(t);
      }
      return 0;
    }
    case VCPUOP_set_periodic_timer: {
      std::uint64_t period;
      if (!copy_from_guest(v, arg, &period, sizeof period)) return -kEfault;
      if (period < 1'000'000) return -kEinval;  // 1 ms at least
      if (period >> 62 != 0) return -kEinval;
      set_periodic_timer(t, period);
      return 0;
    }
    case VCPUOP_stop_periodic_timer:
      set_periodic_timer(t, 0);
      return 0;
    case VCPUOP_set_singleshot_timer: {
      if (&t != &v) return -kEinval;
      std::uint8_t bytes[16];
      if (!copy_from_guest(v, arg, bytes, args.wide ? 16 : 12)) return -kEfault;
      Fields f(bytes, args.wide);
      return set_singleshot_timer(v, f.u64());
    }
    case VCPUOP_stop_singleshot_timer:
      if (&t != &v) return -kEinval;
      remove_timer(t.singleshot);
      return 0;
    case VCPUOP_register_vcpu_info: {
      std::uint8_t bytes[16];
      if (!copy_from_guest(v, arg, bytes, sizeof bytes)) return -kEfault;
      std::uint64_t gfn;
      std::uint32_t offset;
      std::memcpy(&gfn, bytes, 8);
      std::memcpy(&offset, bytes + 8, 4);
      return register_vcpu_info(t, gfn, offset);
    }
    case VCPUOP_send_nmi:
      if (arg != 0) return -kEinval;
      t.nmi_pending = true;
      vcpu_kick(t);
      return 0;
    case VCPUOP_get_physid:
      return -kEinval;  // only for vCPUs that are pinned for good
    default:
      return -kEnosys;
  }
}

// VCPUOP_initialise of an HVM guest: struct vcpu_hvm_context, 32-bit or 64-bit (arch_set_info_hvm_guest).
long Hypervisor::initialise_vcpu(Vcpu& caller, Vcpu& t, std::uint64_t arg) {
  vcpu_hvm_context_t c;
  if (!copy_from_guest(caller, arg, &c, sizeof c)) return -kEfault;
  if (t.initialised) return -kEexist;
  cpu::ArchState st;
  const auto segment = [](std::uint64_t base, std::uint32_t limit, std::uint32_t ar) {
    // ar: bits 7:0 type, S, DPL, P and 11:8 AVL, L, D/B, G, as in a descriptor.
    return cpu::Segment{base, limit, (ar & 0xff) | (ar & 0xf00) << 4, 0};
  };
  if (c.mode == VCPU_HVM_MODE_32B) {
    const auto& r = c.cpu_regs.x86_32;
    // Segments that must be there; what the first instruction and the levels need.
    if (r.cs_ar == 0 || r.ss_ar == 0 || r.tr_ar == 0) return -kEinval;
    const std::uint32_t limit = r.cs_ar & 0x800 ? r.cs_limit << 12 | 0xfff : r.cs_limit;
    if (r.eip > limit) return -kEinval;
    const auto level = [](std::uint32_t ar) { return ar >> 5 & 3; };
    const auto present = [](std::uint32_t ar) { return (ar & 0x80) != 0; };
    if (level(r.ss_ar) != level(r.cs_ar) || (present(r.ds_ar) && level(r.ds_ar) > level(r.cs_ar)) ||
        (present(r.es_ar) && level(r.es_ar) > level(r.cs_ar)))
      return -kEinval;
    const std::uint32_t g[8] = {r.eax, r.ecx, r.edx, r.ebx, r.esp, r.ebp, r.esi, r.edi};
    for (unsigned i = 0; i < 8; ++i) st.gpr[i] = g[i];
    st.rip = r.eip;
    st.rflags = (r.eflags & 0x3f7fd5) | 2;
    st.cr0 = r.cr0 | cpu::kCr0Et;
    st.cr3 = r.cr3;
    st.cr4 = r.cr4;
    st.efer = r.efer;
    st.seg[cpu::kCs] = segment(r.cs_base, r.cs_limit, r.cs_ar);
    st.seg[cpu::kSs] = segment(r.ss_base, r.ss_limit, r.ss_ar);
    st.seg[cpu::kDs] = segment(r.ds_base, r.ds_limit, r.ds_ar);
    st.seg[cpu::kEs] = segment(r.es_base, r.es_limit, r.es_ar);
    st.seg[cpu::kFs] = st.seg[cpu::kGs] = cpu::Segment{0, 0xffffffff, 0xc093, 0};
    st.tr = segment(r.tr_base, r.tr_limit, r.tr_ar);
    if ((st.cr0 & cpu::kCr0Pg) && !(st.cr0 & cpu::kCr0Pe)) return -kEinval;
  } else if (c.mode == VCPU_HVM_MODE_64B) {
    const auto& r = c.cpu_regs.x86_64;
    const std::uint64_t g[8] = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi};
    for (unsigned i = 0; i < 8; ++i) st.gpr[i] = g[i];
    st.rip = r.rip;
    st.rflags = (r.rflags & 0x3f7fd5) | 2;
    st.cr0 = r.cr0 | cpu::kCr0Et;
    st.cr3 = r.cr3;
    st.cr4 = r.cr4;
    st.efer = r.efer | cpu::kEferLma;
    if (!(st.efer & cpu::kEferLme) || !(st.cr0 & cpu::kCr0Pg) || !(st.cr4 & cpu::kCr4Pae)) return -kEinval;
    st.seg[cpu::kCs] = {0, 0xffffffff, 0xa09b, 0};
    for (const unsigned s : {cpu::kSs, cpu::kDs, cpu::kEs, cpu::kFs, cpu::kGs})
      st.seg[s] = {0, 0xffffffff, 0xc093, 0};
    st.tr = {0, 0x67, 0x8b, 0};
  } else {
    return -kEinval;
  }
  if (st.cr4 & ~cr4_guest_bits(t.domain)) return -kEinval;
  set_vcpu_state(t, st);
  load_context(*active_, caller);
  t.initialised = true;
  return 0;
}

}  // namespace xensim::xen
