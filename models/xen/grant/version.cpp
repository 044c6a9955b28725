// GNTTABOP_set_version and get_version. A switch clears the table but for the first eight entries, which the
// toolstack wrote and whose grants (console, xenstore) may be in use meanwhile.
#include "models/xen/grant/lookup.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen::grant {

namespace {

constexpr unsigned kReserved = GNTTAB_NR_RESERVED_ENTRIES;
using Reserved = std::array<grant_entry_v1_t, kReserved>;

// The first entries as version 1 has them. 0, or −ERANGE: version 1 cannot express one.
long save_reserved(Hypervisor& hv, const GrantTable& table, Reserved& out) {
  for (unsigned i = 0; i < kReserved; ++i) {
    const PhysAddr entry = table.entry(i);
    if (table.version() == 1) {
      out[i] = hv.memory.read<grant_entry_v1_t>(entry);
      continue;
    }
    const auto e = hv.memory.read<grant_entry_v2_t>(entry);
    const unsigned type = e.hdr.flags & GTF_type_mask;
    if (type == GTF_transitive || (type == GTF_permit_access && e.full_page.frame >> 32)) return -kErange;
    out[i] = {};
    if (type != GTF_permit_access) continue;
    out[i].flags = static_cast<std::uint16_t>(e.hdr.flags | hv.memory.read<std::uint16_t>(table.status(i)));
    out[i].domid = e.hdr.domid;
    out[i].frame = static_cast<std::uint32_t>(e.full_page.frame);
  }
  return 0;
}

void restore_reserved(Hypervisor& hv, const GrantTable& table, const Reserved& saved) {
  constexpr unsigned kInUse = GTF_reading | GTF_writing;
  for (unsigned i = 0; i < kReserved; ++i) {
    if (table.version() == 1) {
      hv.memory.write(table.entry(i), saved[i]);
      continue;
    }
    grant_entry_v2_t e{};
    e.full_page.hdr.flags = static_cast<std::uint16_t>(saved[i].flags & ~kInUse);
    e.full_page.hdr.domid = saved[i].domid;
    e.full_page.frame = saved[i].frame;
    hv.memory.write(table.entry(i), e);
    hv.memory.write(table.status(i), static_cast<std::uint16_t>(saved[i].flags & kInUse));
  }
}

// The status frames leave the guest. −EBUSY and a crash, if somebody else holds one.
long take_status_frames(Hypervisor& hv, Domain& d) {
  GrantTable& table = *d.grants;
  for (unsigned i = 0; i < table.status_frames(); ++i) {
    const Mfn frame = table.frame(true, i);
    if (const std::uint64_t gfn = hv.frames.gfn_of(frame); gfn != kNoGfn && d.p2m)
      if (const long rc = physmap::remove_page(hv, d, gfn, frame, 0); rc != 0) {
        hv.crash_domain(d, "grant status frames cannot be taken out of its physmap");
        return rc;
      }
    hv.frames.put_allocation(frame);
    if (hv.frames.info(frame).owner == d.domid) {
      hv.crash_domain(d, "gives up grant status frames that are in use");
      return -kEbusy;
    }
  }
  table.drop_status_frames();
  return 0;
}

long switch_version(Hypervisor& hv, Domain& d, unsigned to) {
  GrantTable& table = *d.grants;
  for (std::uint64_t ref = kReserved; ref < table.entries(); ++ref)
    if (table.active(static_cast<grant_ref_t>(ref)).pin) return -kEbusy;
  if (to == 2 && !table.add_status_frames(table.frames())) return -kEnomem;
  Reserved saved;
  if (const long rc = save_reserved(hv, table, saved); rc != 0) return rc;
  if (to == 1)
    if (const long rc = take_status_frames(hv, d); rc != 0) return rc;
  table.clear_entries(to);
  restore_reserved(hv, table, saved);
  return 0;
}

}  // namespace

long set_version(Hypervisor& hv, Vcpu& caller, gnttab_set_version_t& op) {
  GrantTable& table = *caller.domain.grants;
  cpu::Pcpu& pcpu = *hv.here().pcpu;
  hv.cost.charge(pcpu, Path::kGrantTableOp);
  long rc = 0;
  if (op.version != 1 && op.version != 2) {
    rc = -kEinval;
  } else if (op.version == 2 && table.limits.max_version == 1) {
    rc = -kEnosys;
  } else if (op.version != table.version()) {
    table.lock.acquire(hv.cost, pcpu);
    hv.cost.charge_many(pcpu, Path::kGrantVersionFrame, table.frames());
    rc = switch_version(hv, caller.domain, op.version);
    table.lock.release(pcpu);
  }
  op.version = table.version();
  return rc;
}

long get_version(Hypervisor& hv, Vcpu& caller, gnttab_get_version_t& op) {
  hv.cost.charge(*hv.here().pcpu, Path::kGrantTableOp);
  const Domain* d = find_any_domain(hv, caller, op.dom);
  if (!d) return -kEsrch;
  if (const long rc = xsm::check(xsm::Action::kTarget, caller.domain, d); rc != 0) return rc;
  op.version = d->grants->version();
  return 0;
}

}  // namespace xensim::xen::grant
