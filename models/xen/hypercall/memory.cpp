// __HYPERVISOR_memory_op: reservations, the physmap, the memory map (common/memory.c and arch/x86/mm.c in Xen).
#include <algorithm>

#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

constexpr unsigned kMaxGuestOrder = 9;  // CONFIG_DOMU_MAX_ORDER: 2 MiB extents from an unprivileged domain
constexpr std::uint64_t kPagesPerStretch = 4096;  // of a hypercall that nothing interrupts
constexpr std::uint64_t kFrames = std::uint64_t{1} << 36;

bool is_self(domid_t asked, const Domain& d) { return asked == DOMID_SELF || asked == d.domid; }

}  // namespace

long Hypervisor::do_memory_op(Vcpu& v, const Arguments& args) {
  Domain& d = v.domain;
  const auto op = static_cast<unsigned>(args.a[0] & 0x3f);
  const std::uint64_t start_extent = args.a[0] >> 6;
  const std::uint64_t arg = args.a[1];
  std::uint8_t bytes[32];
  switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap: {
      if (!copy_from_guest(v, arg, bytes, args.wide ? 32 : 20)) return static_cast<long>(start_extent);
      Fields f(bytes, args.wide);
      const std::uint64_t list = f.word(), count = f.word();
      const std::uint32_t order = f.u32();
      f.u32();  // mem_flags: address width and node hints
      const domid_t domid = f.u16();
      if (start_extent >= count || count > (args.wide ? ~std::uint64_t{0} : 0xffffffff) >> 6)
        return static_cast<long>(start_extent);
      if (!is_self(domid, d)) return find_domain(domid) ? -kEperm : -kEsrch;
      // Auto-translated guests get no machine frame numbers back; increase without a list has nowhere to put
      // frames.
      if (order > kMaxGuestOrder) return static_cast<long>(start_extent);
      const std::uint64_t n = std::uint64_t{1} << order;
      const unsigned width = args.wide ? 8 : 4;
      std::uint64_t i = start_extent;
      for (; i < count; ++i) {
        if (i != start_extent && (hypercall_preempted() || (i - start_extent) * n >= kPagesPerStretch)) {
          // As hypercall_create_continuation does: the extents that are done go into the command's upper bits.
          cpu::Core& core = active_->pcpu->core;
          core.st.gpr[args.wide ? cpu::kRdi : cpu::kRbx] = op | i << 6;
          continue_hypercall_ = true;
          break;
        }
        std::uint64_t gfn = 0;
        if (!copy_from_guest(v, list + i * width, &gfn, width)) break;
        if (op == XENMEM_increase_reservation) break;
        cost.charge_many(*active_->pcpu, Path::kPopulatePage, op == XENMEM_populate_physmap && order == 9 ? 1 : n);
        if (gfn > kFrames - n) break;
        if (op == XENMEM_populate_physmap) {
          if (gfn % n != 0) break;
          if (!populate_extent(d, gfn, order)) break;
        } else {
          bool ok = true;
          for (std::uint64_t k = 0; ok && k < n; ++k) ok = remove_page(d, gfn + k);
          if (!ok) break;
          tracer.decrease_reservation(active_->pcpu->index, gfn, d.domid, order);
        }
      }
      flush_domain(d);
      return static_cast<long>(i);
    }
    case XENMEM_maximum_ram_page:
      return static_cast<long>((memory.end().value - 1) >> kPageShift);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn: {
      domid_t domid;
      if (!copy_from_guest(v, arg, &domid, sizeof domid)) return -kEfault;
      if (!is_self(domid, d)) return find_domain(domid) ? -kEperm : -kEsrch;
      if (op == XENMEM_current_reservation) return static_cast<long>(frames.totals(d.domid).pages);
      if (op == XENMEM_maximum_reservation) return static_cast<long>(d.max_pages);
      std::uint64_t last = 0;
      d.p2m->for_each(
          [&](Gfn g, Mfn, unsigned order, P2mType) { last = g.value + (std::uint64_t{1} << order) - 1; });
      return static_cast<long>(last);
    }
    case XENMEM_add_to_physmap: {
      if (!copy_from_guest(v, arg, bytes, args.wide ? 24 : 16)) return -kEfault;
      Fields f(bytes, args.wide);
      const domid_t domid = f.u16();
      f.u16();
      const std::uint32_t space = f.u32();
      const std::uint64_t index = f.word(), gfn = f.word();
      if (!is_self(domid, d)) return find_domain(domid) ? -kEperm : -kEsrch;
      const long r = add_to_physmap(d, space, index, gfn);
      flush_domain(d);
      return r;
    }
    case XENMEM_remove_from_physmap: {
      if (!copy_from_guest(v, arg, bytes, args.wide ? 16 : 8)) return -kEfault;
      Fields f(bytes, args.wide);
      const domid_t domid = f.u16();
      const std::uint64_t gfn = f.word();
      if (!is_self(domid, d)) return find_domain(domid) ? -kEperm : -kEsrch;
      if (gfn >> 36 || d.p2m->get(Gfn(gfn)).type == P2mType::kInvalid) return -kEnoent;
      const P2mEntry e = d.p2m->get(Gfn(gfn));
      if (frames.is_xen_heap(e.mfn))
        d.p2m->set(Gfn(gfn), Mfn(0), 0, P2mType::kInvalid);
      else
        remove_page(d, gfn);
      flush_domain(d);
      return 0;
    }
    case XENMEM_memory_map: {
      if (!copy_from_guest(v, arg, bytes, args.wide ? 16 : 8)) return -kEfault;
      Fields f(bytes, args.wide);
      const std::uint32_t room = f.u32();
      const std::uint64_t buffer = f.word();
      const auto n = std::min<std::uint32_t>(room, static_cast<std::uint32_t>(d.memory_map.size()));
      for (std::uint32_t i = 0; i < n; ++i) {
        std::uint8_t entry[20];
        std::memcpy(entry, &d.memory_map[i].address, 8);
        std::memcpy(entry + 8, &d.memory_map[i].size, 8);
        std::memcpy(entry + 16, &d.memory_map[i].type, 4);
        if (!copy_to_guest(v, buffer + 20ull * i, entry, sizeof entry)) return -kEfault;
      }
      return copy_to_guest(v, arg, &n, sizeof n) ? 0 : -kEfault;
    }
    default:
      return -kEnosys;
  }
}

bool Hypervisor::populate_extent(Domain& d, std::uint64_t gfn, unsigned order) {
  // Extents of an odd order go in as 4 KiB pages; 2 MiB ones as one entry.
  if (order == 9) {
    for (std::uint64_t k = 0; k < 512; ++k)
      if (d.p2m->get(Gfn(gfn + k)).type != P2mType::kInvalid) return false;
    return populate(d, Gfn(gfn), 9);
  }
  for (std::uint64_t k = 0; k < std::uint64_t{1} << order; ++k) {
    if (d.p2m->get(Gfn(gfn + k)).type != P2mType::kInvalid) remove_page(d, gfn + k);
    if (!populate(d, Gfn(gfn + k), 0)) return false;
  }
  return true;
}

// Whether something waits that Xen would interrupt a long hypercall for (hypercall_preempt_check).
bool Hypervisor::hypercall_preempted() {
  cpu::Pcpu& p = *active_->pcpu;
  p.take_due();
  return active_->schedule_pending || active_->timers.due(now()) || p.apic.deliverable() >= 0;
}

// guest_remove_page: false if the frame is not RAM of the domain.
bool Hypervisor::remove_page(Domain& d, std::uint64_t gfn) {
  const auto frame = ram_frame(d, gfn);
  if (!frame) return false;
  if (!d.p2m->set(Gfn(gfn), Mfn(0), 0, P2mType::kInvalid)) return false;
  if (!frames.is_xen_heap(*frame)) frames.put_allocation(*frame);
  return true;
}

long Hypervisor::add_to_physmap(Domain& d, unsigned space, std::uint64_t index, std::uint64_t gfn) {
  if (gfn >> 33) return -kEinval;
  Mfn frame;
  switch (space) {
    case XENMAPSPACE_shared_info:
      if (index != 0) return -kEinval;
      frame = d.shared_info;
      break;
    case XENMAPSPACE_gmfn: {
      const auto source = ram_frame(d, index);
      if (!source || frames.is_xen_heap(*source)) return -kEinval;
      if (!d.p2m->set(Gfn(index), Mfn(0), 0, P2mType::kInvalid)) return -kEnomem;
      frame = *source;
      break;
    }
    default:
      return -kEinval;
  }
  // What was there goes: the frame that the page covered is given back.
  if (d.p2m->get(Gfn(gfn)).type == P2mType::kRamRw && d.p2m->get(Gfn(gfn)).mfn != frame) remove_page(d, gfn);
  // A frame of Xen's appears at one place only.
  if (space == XENMAPSPACE_shared_info && d.shared_info_gfn != ~std::uint64_t{0} && d.shared_info_gfn != gfn &&
      d.p2m->get(Gfn(d.shared_info_gfn)).mfn == d.shared_info)
    d.p2m->set(Gfn(d.shared_info_gfn), Mfn(0), 0, P2mType::kInvalid);
  if (!d.p2m->set(Gfn(gfn), frame, 0, P2mType::kRamRw)) {
    // Where the frame came from there is a table for it.
    if (space == XENMAPSPACE_gmfn) d.p2m->set(Gfn(index), frame, 0, P2mType::kRamRw);
    return -kEnomem;
  }
  if (space == XENMAPSPACE_shared_info) d.shared_info_gfn = gfn;
  return 0;
}

// The domain's translations changed: every pCPU drops what it cached of them.
void Hypervisor::flush_domain(Domain& d) {
  for (PcpuState& c : pcpus) c.pcpu->core.mmu.invept(1, d.p2m->eptp());
}

}  // namespace xensim::xen
