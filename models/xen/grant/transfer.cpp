// GNTTABOP_transfer: a page changes its owner. Only domains without a p2m may give one away (in Xen: PV domains;
// here the models of dom0); anybody may accept one.
#include "models/xen/grant/lookup.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen::grant {

namespace {

constexpr unsigned kTries = 5;

// Commits the entry to the transfer; false if it does not accept a page from `giver`, or does not hold still.
bool commit(Hypervisor& hv, GrantTable& table, domid_t giver, grant_ref_t ref) {
  table.lock.acquire(hv.cost, *hv.here().pcpu);
  if (ref >= table.entries()) return false;
  const PhysAddr entry = table.entry(ref);
  std::uint32_t header = table.words.load(entry);
  for (unsigned i = 0; i < kTries; ++i) {
    if ((header & 0xffff) != GTF_accept_transfer || header >> 16 != giver) return false;
    const std::uint32_t was = table.words.compare_exchange(entry, header, header | GTF_transfer_committed);
    if (was == header) return true;
    header = was;
  }
  return false;
}

// The page is in nobody's hands while it is on its way; if it cannot arrive, it is lost to both, as in Xen.
std::int16_t deliver(Hypervisor& hv, Vcpu& caller, const gnttab_transfer_t& op, Mfn frame) {
  const auto lose = [&](std::int16_t status) {
    hv.frames.assign(frame, caller.domain.domid);
    hv.frames.put_allocation(frame);
    return status;
  };
  Domain* taker = find_domain(hv, op.domid);
  if (!taker) return lose(GNTST_bad_domain);
  if (taker->dying || hv.frames.totals(taker->domid).pages >= taker->max_pages ||
      !commit(hv, *taker->grants, caller.domain.domid, op.ref))
    return lose(GNTST_general_error);
  hv.frames.assign(frame, taker->domid);
  hv.tracer.grant_transfer(hv.here().pcpu->index, hv.now(), taker->domid);
  GrantTable& table = *taker->grants;
  const PhysAddr entry = table.entry(op.ref);
  std::int16_t status = GNTST_okay;
  if (taker->p2m) {
    const std::uint64_t gfn =
        table.version() == 1 ? hv.memory.read<std::uint32_t>(entry + 4) : hv.memory.read<std::uint64_t>(entry + 8);
    if (physmap::add_page(hv, *taker, gfn, frame, 0) != 0) status = GNTST_general_error;
  } else if (table.version() == 1) {
    hv.memory.write<std::uint32_t>(entry + 4, static_cast<std::uint32_t>(frame.value));
  } else {
    hv.memory.write<std::uint64_t>(entry + 8, frame.value);
  }
  table.words.set_bits(entry, GTF_transfer_completed);
  ++caller.domain.grants->stats.transfers;
  return status;
}

}  // namespace

void transfer(Hypervisor& hv, Vcpu& caller, gnttab_transfer_t& op) {
  hv.cost.charge(*hv.here().pcpu, Path::kGrantTransfer);
  const Mfn frame(op.mfn);
  if (caller.domain.p2m)
    op.status = GNTST_general_error;
  else if (!hv.frames.steal(frame, caller.domain.domid))
    op.status = GNTST_bad_page;
  else
    op.status = deliver(hv, caller, op, frame);
  counted(caller, op.status);
}

}  // namespace xensim::xen::grant
