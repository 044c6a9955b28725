// GNTTABOP_map_grant_ref, unmap_grant_ref, unmap_and_replace, and the same for dom0's programs.
#include "models/xen/grant/host_mapping.h"
#include "models/xen/grant/lookup.h"
#include "sim/base/expects.h"

namespace xensim::xen::grant {

namespace {

// What the flags of a mapping count as in an entry's pins.
std::uint32_t pins_of(std::uint32_t flags) {
  std::uint32_t pins = 0;
  const bool readonly = flags & GNTMAP_readonly;
  if (flags & GNTMAP_device_map) pins += readonly ? kPinDeviceRead : kPinDeviceWrite;
  if (flags & GNTMAP_host_map) pins += readonly ? kPinHostRead : kPinHostWrite;
  return pins;
}

// Pins the entry for a mapping by `mapper`: checks who may, sets the status flags, finds the frame. On success
// has_page says that a reference to the frame was taken on the way.
std::int16_t pin_entry(Hypervisor& hv, Domain& granter, Domain& mapper, const gnttab_map_grant_ref_t& op,
                       std::uint32_t pins, Mfn& frame, bool& has_page) {
  GrantTable& table = *granter.grants;
  if (op.ref >= table.entries()) return GNTST_bad_gntref;
  ActiveEntry& active = table.active(op.ref);
  if (active.pin && (active.domid != mapper.domid || active.pin & pin_overflow(pins) || active.is_sub_page))
    return GNTST_general_error;
  const bool readonly = op.flags & GNTMAP_readonly;
  const PhysAddr entry = table.entry(op.ref), status = table.status(op.ref);
  if (!active.pin || (!readonly && !(active.pin & kPinWriters))) {
    const Access access{mapper.domid, readonly, true, active.pin != 0};
    const std::int16_t rc = table.version() == 1 ? set_status_v1(table.words, entry, access)
                                                 : set_status_v2(table.words, entry, status, access);
    if (rc != GNTST_okay) return rc;
    if (!active.pin) {
      const std::uint64_t gfn = table.version() == 1 ? hv.memory.read<std::uint32_t>(entry + 4)
                                                     : hv.memory.read<std::uint64_t>(entry + 8);
      const std::int16_t got = get_frame(hv, granter, gfn, readonly, frame);
      if (got != GNTST_okay) {
        reduce_status(table.words, status, active.pin, readonly);
        return got;
      }
      has_page = true;
      active = {0, mapper.domid, 0, kPageSize, false, granter.domid, op.ref, frame};
    }
  }
  table.pin(op.ref, pins);
  frame = active.mfn;
  return GNTST_okay;
}

std::int16_t map_one(Hypervisor& hv, Vcpu& caller, gnttab_map_grant_ref_t& op) {
  Domain& mapper = caller.domain;
  const std::uint32_t pins = pins_of(op.flags);
  if (pins == 0) return GNTST_bad_gntref;
  if (mapper.p2m && op.flags & (GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte))
    return GNTST_general_error;
  Domain* granter = find_domain(hv, op.dom);
  if (!granter) return GNTST_bad_domain;
  Maptrack& maptrack = mapper.grants->maptrack;
  const auto handle = maptrack.take(caller.id, static_cast<unsigned>(mapper.vcpus.size()));
  if (!handle) return GNTST_no_space;
  GrantTable& table = *granter->grants;
  table.lock.acquire(hv.cost, *hv.here().pcpu);
  Mfn frame;
  bool has_page = false;
  std::int16_t rc = pin_entry(hv, *granter, mapper, op, pins, frame, has_page);
  if (rc != GNTST_okay) {
    maptrack.put(*handle);
    return rc;
  }
  // One reference for each of the two kinds of mapping.
  const unsigned wanted = (op.flags & GNTMAP_device_map ? 1u : 0u) + (op.flags & GNTMAP_host_map ? 1u : 0u);
  unsigned references = has_page ? 1 : 0;
  // A page that is shared copy-on-write belongs to nobody in particular, and may be read.
  const domid_t owner = hv.frames.info(frame).owner;
  if (owner == granter->domid || (owner == DOMID_COW && !(pins & kPinWriters)))
    while (references < wanted && hv.frames.get_page(frame, owner)) ++references;
  rc = references < wanted ? std::int16_t{GNTST_general_error} : std::int16_t{GNTST_okay};
  if (rc == GNTST_okay && op.flags & GNTMAP_host_map)
    rc = create_host_mapping(hv, mapper, op.host_addr, frame, op.flags);
  if (rc != GNTST_okay) {
    for (; references > 0; --references) hv.frames.put_page(frame);
    table.unpin(op.ref, pins, op.flags & GNTMAP_readonly);
    maptrack.put(*handle);
    return rc;
  }
  hv.tracer.grant_map(hv.here().pcpu->index, hv.now(), op.dom);
  Mapping& m = maptrack.at(*handle);
  m.domid = op.dom;
  m.ref = op.ref;
  m.flags = static_cast<std::uint16_t>(op.flags);
  op.dev_bus_addr = address_of(frame).value;
  op.handle = *handle;
  ++mapper.grants->stats.maps;
  return GNTST_okay;
}

// The cache lines of an entry that exists: Xen's record, the guest's entry, the handle.
void charge(Hypervisor& hv, Path path, Domain& mapper, domid_t granter, grant_ref_t ref, grant_handle_t handle) {
  std::array<PhysAddr, 3> lines;
  std::size_t n = 0;
  if (handle < mapper.grants->maptrack.limit()) lines[n++] = mapper.grants->maptrack.address(handle);
  const Domain* d = find_domain(hv, granter);
  if (d && ref < d->grants->entries()) {
    lines[n++] = d->grants->entry(ref);
    lines[n++] = d->grants->active_address(ref);
  }
  hv.cost.charge(*hv.here().pcpu, path, std::span(lines.data(), n));
}

struct Unmap {
  std::uint64_t host_addr, dev_bus_addr, new_addr;
  grant_handle_t handle;
};

// What a handle's mapping held is given back.
void drop(Hypervisor& hv, Domain& granter, grant_ref_t ref, Mfn frame, std::uint32_t done) {
  if (done & GNTMAP_device_map) hv.frames.put_page(frame);
  if (done & GNTMAP_host_map) hv.frames.put_page(frame);
  granter.grants->unpin(ref, pins_of(done), done & GNTMAP_readonly);
}

std::int16_t unmap_one(Hypervisor& hv, Vcpu& caller, const Unmap& op) {
  Domain& mapper = caller.domain;
  Maptrack& maptrack = mapper.grants->maptrack;
  if (op.handle >= maptrack.limit()) return GNTST_bad_handle;
  Mapping& m = maptrack.at(op.handle);
  if (m.flags == 0) return GNTST_bad_handle;
  Domain* granter = find_domain(hv, m.domid);
  expects(granter != nullptr);  // it lives, or its table does, as long as it has pins
  hv.tracer.grant_unmap(hv.here().pcpu->index, hv.now(), m.domid);
  GrantTable& table = *granter->grants;
  table.lock.acquire(hv.cost, *hv.here().pcpu);
  const grant_ref_t ref = m.ref;
  const std::uint32_t flags = m.flags;
  // A granter that went from version 1 to 2 has half the entries; those above are not in use.
  if (ref >= table.entries()) return GNTST_bad_handle;
  const Mfn frame = table.active(ref).mfn;
  const bool device = op.dev_bus_addr != 0 && flags & GNTMAP_device_map;
  if (device && op.dev_bus_addr != address_of(frame).value) return GNTST_bad_dev_addr;
  std::uint32_t done = 0;
  if (op.host_addr != 0 && flags & GNTMAP_host_map) {
    const std::int16_t rc = replace_host_mapping(hv, mapper, op.host_addr, frame, op.new_addr, flags);
    if (rc != GNTST_okay) return rc;
    m.flags &= static_cast<std::uint16_t>(~GNTMAP_host_map);
    done |= GNTMAP_host_map | (flags & GNTMAP_readonly);
  }
  if (device) {
    m.flags &= static_cast<std::uint16_t>(~GNTMAP_device_map);
    done |= GNTMAP_device_map | (flags & GNTMAP_readonly);
  }
  if (!(m.flags & (GNTMAP_device_map | GNTMAP_host_map))) {
    m.flags = 0;
    maptrack.put(op.handle);
  }
  if (!(flags & GNTMAP_readonly)) mark_dirty(hv, *granter, frame);
  if (done == 0) return GNTST_okay;
  drop(hv, *granter, ref, frame, done);
  ++mapper.grants->stats.unmaps;
  return GNTST_okay;
}

std::int16_t unmap_and_charge(Hypervisor& hv, Vcpu& caller, const Unmap& op) {
  const Maptrack& maptrack = caller.domain.grants->maptrack;
  const bool known = op.handle < maptrack.limit() && maptrack.at(op.handle).flags != 0;
  charge(hv, Path::kGrantUnmap, caller.domain, known ? maptrack.at(op.handle).domid : DOMID_INVALID,
         known ? maptrack.at(op.handle).ref : 0, op.handle);
  const domid_t granter = known ? maptrack.at(op.handle).domid : DOMID_INVALID;
  const std::int16_t status = counted(caller, unmap_one(hv, caller, op));
  if (known) retire_if_unused(hv, granter);
  return status;
}

}  // namespace

void map(Hypervisor& hv, Vcpu& caller, gnttab_map_grant_ref_t& op) {
  charge(hv, Path::kGrantMap, caller.domain, op.dom, op.ref, ~0u);
  op.status = counted(caller, map_one(hv, caller, op));
}

void unmap(Hypervisor& hv, Vcpu& caller, gnttab_unmap_grant_ref_t& op) {
  op.status = unmap_and_charge(hv, caller, {op.host_addr, op.dev_bus_addr, 0, op.handle});
}

void unmap_and_replace(Hypervisor& hv, Vcpu& caller, gnttab_unmap_and_replace_t& op) {
  op.status = unmap_and_charge(hv, caller, {op.host_addr, 0, op.new_addr, op.handle});
}

std::int16_t map_frame(Hypervisor& hv, Vcpu& caller, domid_t granter, grant_ref_t ref, bool readonly,
                       FrameMapping& out) {
  const auto& space = caller.domain.grants->address_space;
  gnttab_map_grant_ref_t op{};
  op.host_addr = space.empty() ? kPageSize : space.rbegin()->first + kPageSize;
  op.flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0);
  op.ref = ref;
  op.dom = granter;
  hv.cost.charge(*hv.here().pcpu, Path::kModelHypercall);
  map(hv, caller, op);
  if (op.status == GNTST_okay) out = {op.handle, op.host_addr, mfn_of(PhysAddr(op.dev_bus_addr))};
  return op.status;
}

std::int16_t unmap_frame(Hypervisor& hv, Vcpu& caller, const FrameMapping& mapping) {
  gnttab_unmap_grant_ref_t op{};
  op.host_addr = mapping.address;
  op.handle = mapping.handle;
  hv.cost.charge(*hv.here().pcpu, Path::kModelHypercall);
  unmap(hv, caller, op);
  return op.status;
}

void release_mappings(Hypervisor& hv, Domain& d) {
  if (!d.grants) return;  // its creation failed
  Maptrack& maptrack = d.grants->maptrack;
  for (grant_handle_t handle = maptrack.limit(); handle-- > 0;) {
    Mapping& m = maptrack.at(handle);
    if (!(m.flags & (GNTMAP_device_map | GNTMAP_host_map))) continue;
    Domain* granter = find_domain(hv, m.domid);
    expects(granter != nullptr);
    charge(hv, Path::kGrantUnmap, d, m.domid, m.ref, handle);
    drop(hv, *granter, m.ref, granter->grants->active(m.ref).mfn, m.flags);
    m.flags = 0;
    if (granter != &d) retire_if_unused(hv, granter->domid);
  }
  maptrack.release_all();
  d.grants->address_space.clear();
}

}  // namespace xensim::xen::grant
