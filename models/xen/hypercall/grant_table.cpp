// __HYPERVISOR_grant_table_op: arguments of grant/operations.h from and to guests, element by element, with a
// continuation where Xen has one. HVM and PVH guests have eight of the operations (hvm_grant_table_op).
#include <cstddef>

#include "models/xen/grant/operations.h"
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

constexpr unsigned kUnmapBatch = 32;             // unmaps between two looks at what waits
constexpr std::uint64_t kMostPerStretch = 4096;  // of elements that nothing interrupts

// struct gnttab_copy as a 32-bit caller lays it out.
struct Copy32 {
  struct Pointer {
    std::uint32_t ref;
    domid_t domid;
    std::uint16_t offset;
  } source, dest;
  std::uint16_t len, flags;
  std::int16_t status;
};

// An element of a batch in the guest: its size there, where its status is, and how to read it.
template <class Op>
struct Element {
  Hypervisor& hv;
  Vcpu& v;
  bool wide;
  std::uint64_t size() const { return sizeof(Op); }
  bool in(std::uint64_t at, Op& op) const { return hv.copy_from_guest(v, at, &op, sizeof op); }
  bool out(std::uint64_t at, const Op& op) const {
    if constexpr (std::is_same_v<Op, gnttab_map_grant_ref_t>) return hv.copy_to_guest(v, at, &op, sizeof op);
    return hv.copy_to_guest(v, at + offsetof(Op, status), &op.status, sizeof op.status);
  }
};

template <>
bool Element<gnttab_copy_t>::in(std::uint64_t at, gnttab_copy_t& op) const {
  if (wide) return hv.copy_from_guest(v, at, &op, sizeof op);
  Copy32 narrow;
  if (!hv.copy_from_guest(v, at, &narrow, sizeof narrow)) return false;
  op = {};
  op.source.u.gmfn = narrow.source.ref;
  op.source.domid = narrow.source.domid;
  op.source.offset = narrow.source.offset;
  op.dest.u.gmfn = narrow.dest.ref;
  op.dest.domid = narrow.dest.domid;
  op.dest.offset = narrow.dest.offset;
  op.len = narrow.len;
  op.flags = narrow.flags;
  return true;
}

template <>
bool Element<gnttab_copy_t>::out(std::uint64_t at, const gnttab_copy_t& op) const {
  const std::size_t status = wide ? offsetof(gnttab_copy_t, status) : offsetof(Copy32, status);
  return hv.copy_to_guest(v, at + status, &op.status, sizeof op.status);
}

template <>
std::uint64_t Element<gnttab_copy_t>::size() const {
  return wide ? sizeof(gnttab_copy_t) : sizeof(Copy32);
}

// One stretch of a batch. Returns 0 or −EFAULT; `done` is how many elements were dealt with when something else
// wanted the CPU.
template <class Op, class F>
long run_batch(const Element<Op>& element, std::uint64_t at, std::uint32_t count, unsigned look_every,
               std::uint32_t& done, F&& one) {
  for (done = 0; done < count; ++done) {
    if (done > 0 && done % look_every == 0 && (element.hv.hypercall_preempted() || done >= kMostPerStretch))
      return 0;
    const std::uint64_t here = at + done * element.size();
    Op op;
    if (!element.in(here, op)) return -kEfault;
    one(op);
    if (!element.out(here, op)) return -kEfault;
  }
  return 0;
}

// Writes frame numbers in the caller's width; false: some could not be written.
bool copy_frame_list(Hypervisor& hv, Vcpu& v, std::uint64_t list, const std::vector<std::uint64_t>& gfns,
                     bool wide) {
  const unsigned width = wide ? 8 : 4;
  bool all = true;
  for (std::size_t i = 0; i < gfns.size(); ++i) all &= hv.copy_to_guest(v, list + i * width, &gfns[i], width);
  return all;
}

long setup_table(Hypervisor& hv, Vcpu& v, std::uint64_t at, bool wide) {
  gnttab_setup_table_t op{};
  std::uint8_t bytes[sizeof op];
  if (!hv.copy_from_guest(v, at, bytes, wide ? sizeof op : 16)) return -kEfault;
  Fields f(bytes, wide);
  op.dom = f.u16();
  op.nr_frames = f.u32();
  f.u16();
  const std::uint64_t list = f.word();
  std::vector<std::uint64_t> gfns;
  grant::setup_table(hv, v, op, gfns);
  if (!copy_frame_list(hv, v, list, gfns, wide)) op.status = GNTST_bad_virt_addr;
  return hv.copy_to_guest(v, at + offsetof(gnttab_setup_table_t, status), &op.status, sizeof op.status) ? 0
                                                                                                        : -kEfault;
}

}  // namespace

long Hypervisor::do_grant_table_op(Vcpu& v, const Arguments& args) {
  const auto cmd = static_cast<std::uint32_t>(args.a[0]), count = static_cast<std::uint32_t>(args.a[2]);
  const std::uint64_t at = args.a[1];
  switch (cmd) {
    case GNTTABOP_map_grant_ref:
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_setup_table:
    case GNTTABOP_copy:
    case GNTTABOP_query_size:
    case GNTTABOP_set_version:
    case GNTTABOP_get_version:
    case GNTTABOP_swap_grant_ref:
      break;
    default:
      cost.charge(*active_->pcpu, Path::kUnknownHypercall);
      return -kEnosys;
  }
  if (static_cast<std::int32_t>(count) < 0) return -kEinval;
  std::uint32_t done = count;
  long result = 0;
  switch (cmd) {
    case GNTTABOP_map_grant_ref:
      result = run_batch<gnttab_map_grant_ref_t>({*this, v, args.wide}, at, count, 1, done,
                                                 [&](auto& op) { grant::map(*this, v, op); });
      break;
    case GNTTABOP_unmap_grant_ref:
      result = run_batch<gnttab_unmap_grant_ref_t>({*this, v, args.wide}, at, count, kUnmapBatch, done,
                                                   [&](auto& op) { grant::unmap(*this, v, op); });
      break;
    case GNTTABOP_copy: {
      grant::CopyBatch copies(*this, v);
      result =
          run_batch<gnttab_copy_t>({*this, v, args.wide}, at, count, 1, done, [&](auto& op) { copies.copy(op); });
      break;
    }
    case GNTTABOP_swap_grant_ref:
      result = run_batch<gnttab_swap_grant_ref_t>({*this, v, args.wide}, at, count, 1, done,
                                                  [&](auto& op) { grant::swap(*this, v, op); });
      break;
    case GNTTABOP_setup_table:
      return count == 1 ? setup_table(*this, v, at, args.wide) : -kEinval;
    case GNTTABOP_query_size: {
      if (count != 1) return -kEinval;
      gnttab_query_size_t op;
      if (!copy_from_guest(v, at, &op, sizeof op)) return -kEfault;
      grant::query_size(*this, v, op);
      return copy_to_guest(v, at, &op, sizeof op) ? 0 : -kEfault;
    }
    case GNTTABOP_set_version: {
      gnttab_set_version_t op;
      if (!copy_from_guest(v, at, &op, sizeof op)) return -kEfault;
      result = grant::set_version(*this, v, op);
      return copy_to_guest(v, at, &op, sizeof op) ? result : -kEfault;
    }
    case GNTTABOP_get_version: {
      gnttab_get_version_t op;
      if (!copy_from_guest(v, at, &op, sizeof op)) return -kEfault;
      result = grant::get_version(*this, v, op);
      if (result != 0) return result;
      return copy_to_guest(v, at + offsetof(gnttab_get_version_t, version), &op.version, sizeof op.version)
                 ? 0
                 : -kEfault;
    }
  }
  if (result != 0 || done == count) return result;
  // As hypercall_create_continuation does: the call is made again for the rest of the batch.
  const std::uint64_t size = cmd == GNTTABOP_map_grant_ref     ? sizeof(gnttab_map_grant_ref_t)
                             : cmd == GNTTABOP_unmap_grant_ref ? sizeof(gnttab_unmap_grant_ref_t)
                             : cmd == GNTTABOP_swap_grant_ref  ? sizeof(gnttab_swap_grant_ref_t)
                             : args.wide                       ? sizeof(gnttab_copy_t)
                                                               : sizeof(Copy32);
  auto& gpr = active_->pcpu->core.st.gpr;
  gpr[args.wide ? cpu::kRsi : cpu::kRcx] = at + done * size;
  gpr[cpu::kRdx] = count - done;
  continue_hypercall(args.wide, cmd);
  return 0;
}

}  // namespace xensim::xen
