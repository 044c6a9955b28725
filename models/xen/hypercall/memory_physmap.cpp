// XENMEM_add_to_physmap, _add_to_physmap_batch, _remove_from_physmap, _acquire_resource: frames appear in a
// guest's address space, and disappear.
#include "models/xen/hypercall/memory_op.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/physmap.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::memory_op {

namespace {

// xatp_permission_check
long permitted(const Call& c, const Domain& d, unsigned space) {
  if (!d.p2m) return -kEacces;
  if (space == XENMAPSPACE_dev_mmio && (!d.role.hardware || &d != &c.caller)) return -kEacces;
  return xsm::check(xsm::Action::kTarget, c.caller, &d);
}

// XENMAPSPACE_gmfn_range: `size` frames from index on.
long add_range(const Call& c, Domain& d, std::uint64_t index, std::uint64_t gfn, std::uint64_t size) {
  if (size < c.start) return -kEilseq;
  if (gfn + size < gfn || index + size < index) return -kEoverflow;
  for (std::uint64_t i = c.start; i < size; ++i) {
    c.hv.cost.charge(*c.hv.here().pcpu, Path::kAddToPhysmap);
    if (const long r = physmap::add_to_physmap(c.hv, d, XENMAPSPACE_gmfn, index + i, gfn + i)) return r;
    if (i + 1 < size && (c.preempted() || i + 1 - c.start >= kPagesPerStretch)) return c.continue_from(i + 1);
  }
  return 0;
}

}  // namespace

long add_to_physmap(const Call& c) {
  if (c.start >> 16) return -kEdom;
  std::uint8_t bytes[24];
  if (!c.read(c.arg, bytes, c.wide ? 24 : 16)) return -kEfault;
  Fields f(bytes, c.wide);
  const domid_t domid = f.u16();
  const std::uint16_t size = f.u16();
  const std::uint32_t space = f.u32();
  const std::uint64_t index = f.word(), gfn = f.word();
  if (space == XENMAPSPACE_gmfn_foreign) return -kEnosys;
  const DomainLookup d = lookup_domain(c.hv, c.caller, domid);
  if (!d) return d.error;
  if (const long r = permitted(c, *d.domain, space)) return r;
  // A 32-bit caller's "no frame" is an ordinary number for Xen.
  if (gfn == ~std::uint64_t{0}) return -kEinval;
  if (space == XENMAPSPACE_gmfn_range) return add_range(c, *d.domain, index, gfn, size);
  c.hv.cost.charge(*c.hv.here().pcpu, Path::kAddToPhysmap);
  return physmap::add_to_physmap(c.hv, *d.domain, space, index, gfn);
}

long add_to_physmap_batch(const Call& c) {
  if (c.start >> 16) return -kEdom;
  std::uint8_t bytes[32];
  if (!c.read(c.arg, bytes, c.wide ? 32 : 20)) return -kEfault;
  Fields f(bytes, c.wide);
  const domid_t domid = f.u16();
  const std::uint16_t space = f.u16(), size = f.u16(), extra = f.u16();
  const std::uint64_t indices = f.word(), gfns = f.word(), errors = f.word();
  if (space == XENMAPSPACE_gmfn_range) return -kEopnotsupp;
  const DomainLookup d = lookup_domain(c.hv, c.caller, domid);
  if (!d) return d.error;
  if (const long r = permitted(c, *d.domain, space)) return r;
  if (size < c.start) return -kEilseq;
  if (size == c.start) return c.start ? -kEilseq : 0;
  if (space == XENMAPSPACE_dev_mmio && extra != 0) return -kEopnotsupp;
  const domid_t foreign = space == XENMAPSPACE_gmfn_foreign ? extra : DOMID_INVALID;
  for (std::uint64_t i = c.start; i < size; ++i) {
    std::uint64_t index = 0, gfn = 0;
    if (!c.read_word(indices + i * c.word(), index) || !c.read_word(gfns + i * c.word(), gfn)) return -kEfault;
    if (gfn == ~std::uint64_t{0}) return -kEinval;
    c.hv.cost.charge(*c.hv.here().pcpu, Path::kAddToPhysmap);
    const auto r = static_cast<std::int32_t>(physmap::add_to_physmap(c.hv, *d.domain, space, index, gfn, foreign));
    if (!c.write(errors + 4 * i, &r, sizeof r)) return -kEfault;
    if (i + 1 < size && (c.preempted() || i + 1 - c.start >= kPagesPerStretch)) return c.continue_from(i + 1);
  }
  return 0;
}

long remove_from_physmap(const Call& c) {
  if (c.start != 0) return -kEinval;
  std::uint8_t bytes[16];
  if (!c.read(c.arg, bytes, c.wide ? 16 : 8)) return -kEfault;
  Fields f(bytes, c.wide);
  const domid_t domid = f.u16();
  const std::uint64_t gfn = f.word();
  const DomainLookup d = lookup_domain(c.hv, c.caller, domid);
  if (!d) return d.error;
  if (!d.domain->p2m) return -kEacces;
  if (const long r = xsm::check(xsm::Action::kTarget, c.caller, d.domain)) return r;
  const auto page = physmap::get_page(c.hv, *d.domain, gfn, physmap::kAllocate);
  if (!page) return -kEnoent;
  // The frame stays the domain's, unlike with decrease_reservation.
  const long r = physmap::remove_page(c.hv, *d.domain, gfn, page->mfn, 0);
  c.hv.frames.put_page(page->mfn);
  return r;
}

// Maps another domain's grant table or device-model pages into the caller. Only a hardware domain may, if it has a
// physmap at all; the one that xensim models has none, so that every guest is turned away at the door.
long acquire_resource(const Call& c) {
  std::uint8_t bytes[28];
  // A 32-bit caller's structure is read first.
  if (!c.wide && !c.read(c.arg, bytes, sizeof bytes)) return -kEfault;
  return c.caller.p2m && !c.caller.role.hardware ? -kEacces : -kEopnotsupp;
}

}  // namespace xensim::xen::memory_op
