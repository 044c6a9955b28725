// The frames of a grant table: how many, where the guest has them, and how they get there.
#include <algorithm>
#include <array>

#include "models/xen/grant/lookup.h"

namespace xensim::xen::grant {

namespace {

// Where the domain has a frame of its table; all ones: nowhere.
std::uint64_t gfn_of(Hypervisor& hv, Domain& d, bool status, unsigned index) {
  const Mfn frame = d.grants->frame(status, index);
  return d.p2m ? hv.frames.gfn_of(frame) : frame.value;
}

// A domain by number whose table the caller may look at; nullptr with a status.
Domain* target_of(Hypervisor& hv, Vcpu& caller, domid_t domid, std::int16_t& status) {
  Domain* d = find_any_domain(hv, caller, domid);
  if (!d) {
    status = GNTST_bad_domain;
  } else if (xsm::check(xsm::Action::kTarget, caller.domain, d) != 0) {
    status = GNTST_permission_denied;
    d = nullptr;
  }
  return d;
}

// Makes the table reach up to that frame.
bool reach(Hypervisor& hv, Domain& d, bool status, std::uint64_t index) {
  GrantTable& table = *d.grants;
  if (index < (status ? table.status_frames() : table.frames())) return true;
  const std::uint64_t limit =
      status ? GrantTable::status_frames_for(table.limits.max_frames) : table.limits.max_frames;
  if (index >= limit) return false;
  const auto wanted = static_cast<unsigned>(index + 1);
  const unsigned grant_frames = status ? GrantTable::grant_frames_for(wanted) : wanted;
  if (grant_frames > table.limits.max_frames) return false;
  table.lock.acquire(hv.cost, *hv.here().pcpu);
  hv.cost.charge_many(*hv.here().pcpu, Path::kGrantVersionFrame,
                      grant_frames - std::min(grant_frames, table.frames()));
  const bool grown = table.grow(grant_frames);
  table.lock.release(*hv.here().pcpu);
  return grown;
}

// Takes the index apart; what is above its 32 bits, Xen does not look at.
bool is_status(const GrantTable& table, std::uint64_t& index) {
  const bool status = table.version() == 2 && index & XENMAPIDX_grant_table_status;
  index &= status ? 0x7fffffffu : 0xffffffffu;
  return status;
}

}  // namespace

void query_size(Hypervisor& hv, Vcpu& caller, gnttab_query_size_t& op) {
  hv.cost.charge(*hv.here().pcpu, Path::kGrantTableOp);
  const Domain* d = target_of(hv, caller, op.dom, op.status);
  if (!d) return;
  op.nr_frames = d->grants->frames();
  op.max_nr_frames = d->grants->limits.max_frames;
  op.status = GNTST_okay;
}

void setup_table(Hypervisor& hv, Vcpu& caller, gnttab_setup_table_t& op, std::vector<std::uint64_t>& gfns) {
  hv.cost.charge(*hv.here().pcpu, Path::kGrantTableOp);
  Domain* d = target_of(hv, caller, op.dom, op.status);
  if (!d) return;
  op.status = GNTST_general_error;
  if (op.nr_frames > d->grants->limits.max_frames) return;
  if (op.nr_frames > 0 && !reach(hv, *d, false, op.nr_frames - 1)) return;
  for (unsigned i = 0; i < op.nr_frames; ++i) gfns.push_back(gfn_of(hv, *d, false, i));
  op.status = GNTST_okay;
}

long frame_for_physmap(Hypervisor& hv, Domain& d, std::uint64_t index, Mfn& frame) {
  const bool status = is_status(*d.grants, index);
  if (!reach(hv, d, status, index)) return -kEinval;
  frame = d.grants->frame(status, static_cast<unsigned>(index));
  return 0;
}

long acquire_resource(Hypervisor& hv, Domain& d, unsigned id, std::uint32_t first, std::span<Mfn> frames) {
  const bool status = id == XENMEM_resource_grant_table_id_status;
  if (frames.empty() || (status && d.grants->version() != 2) ||
      (!status && id != XENMEM_resource_grant_table_id_shared))
    return -kEinval;
  if (!reach(hv, d, status, std::uint64_t{first} + frames.size() - 1)) return -kEinval;
  for (std::size_t i = 0; i < frames.size(); ++i)
    frames[i] = d.grants->frame(status, static_cast<unsigned>(first + i));
  return static_cast<long>(frames.size());
}

bool seed(Hypervisor& hv, Domain& d, grant_ref_t ref, domid_t domid, std::uint64_t gfn) {
  if (ref >= GNTTAB_NR_RESERVED_ENTRIES) return false;
  std::array<Mfn, 1> frame;
  if (acquire_resource(hv, d, XENMEM_resource_grant_table_id_shared, 0, frame) != 1) return false;
  // A table that is not new, of a domain that was soft-reset, may have the other version's entries.
  if (d.grants->version() == 1) {
    hv.memory.write(address_of(frame[0]) + ref * sizeof(grant_entry_v1_t),
                    grant_entry_v1_t{GTF_permit_access, domid, static_cast<std::uint32_t>(gfn)});
  } else {
    grant_entry_v2_t entry{};
    entry.full_page = {{GTF_permit_access, domid}, 0, gfn};
    hv.memory.write(address_of(frame[0]) + ref * sizeof entry, entry);
  }
  return true;
}

}  // namespace xensim::xen::grant
