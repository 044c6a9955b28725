// GNTTABOP_cache_flush: writes a part of a page back from the caches; of the caller's own page, or of one that it
// has mapped.
#include <algorithm>

#include "models/xen/grant/lookup.h"

namespace xensim::xen::grant {

namespace {

// How many entries one stretch of the search looks at.
constexpr grant_ref_t kStretch = 1 << 12;

// Does `user` have the frame from that table? 0; 1: not yet found, go on at `from`; −EINVAL: no.
long find_mapping(GrantTable& table, domid_t user, Mfn frame, grant_ref_t& from) {
  const std::uint64_t end = std::min<std::uint64_t>(std::uint64_t{from} + kStretch, table.entries());
  std::uint64_t ref = from;
  for (; ref < end; ++ref) {
    const ActiveEntry& active = table.active(static_cast<grant_ref_t>(ref));
    if (active.pin && active.domid == user && active.mfn == frame) return 0;
  }
  if (ref >= table.entries()) return -kEinval;
  from = static_cast<grant_ref_t>(ref);
  return 1;
}

}  // namespace

long cache_flush(Hypervisor& hv, Vcpu& caller, const gnttab_cache_flush_t& op, grant_ref_t& from) {
  hv.cost.charge(*hv.here().pcpu, Path::kGrantCacheFlush);
  if (op.offset >= kPageSize || op.length > kPageSize || op.offset + std::uint64_t{op.length} > kPageSize ||
      op.op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN))
    return -kEinval;
  if (op.length == 0 || op.op == 0) return from == 0 ? 0 : -kEilseq;
  const Mfn frame(op.a.dev_bus_addr >> kPageShift);
  if (frame.value > hv.memory.end().value >> kPageShift || !hv.memory.contains(address_of(frame), kPageSize))
    return -kEinval;
  const domid_t owner_id = hv.frames.info(frame).owner;
  Domain* owner = find_domain(hv, owner_id);
  if (!owner) return -kEperm;
  if (owner != &caller.domain)
    if (const long rc = find_mapping(*owner->grants, caller.domain.domid, frame, from); rc != 0) return rc;
  // x86 has no instruction that drops a line without writing it back.
  if (!(op.op & GNTTAB_CACHE_CLEAN)) return -kEopnotsupp;
  hv.cost.charge_lines(*hv.here().pcpu, address_of(frame) + op.offset, op.length);
  return 0;
}

}  // namespace xensim::xen::grant
