#include "models/xen/mm/sharing.h"

#include <algorithm>
#include <vector>

#include "models/xen/hypervisor.h"
#include "models/xen/mm/ept_sync.h"
#include "models/xen/mm/log_dirty.h"
#include "models/xen/mm/vm_event.h"
#include "sim/base/expects.h"

namespace xensim::xen {

long Sharing::control(Domain& d, bool enable) {
  if (enable && d.kind != DomainKind::kGuest) return -kEopnotsupp;
  d.mem_sharing_enabled = enable;
  return 0;
}

// What holds the frame by address only, and would not notice that it became somebody else's.
bool Sharing::in_use_by_xen(const Domain& d, Mfn m) const {
  for (const auto& v : d.vcpus) {
    if (mfn_of(v->vcpu_info) == m) return true;
    for (const GuestArea* a : {&v->runstate_area, &v->time_area})
      if (a->valid && (mfn_of(a->first) == m || mfn_of(a->second) == m)) return true;
  }
  return false;
}

Sharing::Frame* Sharing::grab(Mfn m) {
  const auto it = frames_.find(m);
  return it == frames_.end() ? nullptr : &it->second;
}

long Sharing::nominate(Domain& d, Gfn gfn, std::uint64_t& handle) {
  handle = 0;
  FrameTable& frames = hypervisor_.frames;
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kNominate);
  const P2mEntry e = d.p2m->get(gfn);
  if (e.type == P2mType::kRamShared) {
    handle = grab(e.mfn)->handle;
    return 0;
  }
  if (!is_changeable(e.type) || frames.is_xen_heap(e.mfn)) return -kEinval;
  if (d.dying) return -kEbusy;
  const PageInfo& p = frames.info(e.mfn);
  if (p.owner != d.domid) return -kEinval;
  if (p.references != 1 || in_use_by_xen(d, e.mfn)) return -kE2big;
  const std::uint64_t shattered = d.p2m->shattered;
  if (!d.p2m->change_type(gfn, e.type, P2mType::kRamShared)) return -kEnomem;
  hypervisor_.cost.charge_many(*hypervisor_.here().pcpu, Path::kShatter, d.p2m->shattered - shattered);
  expects(frames.steal(e.mfn, d.domid));
  frames.assign(e.mfn, DOMID_COW);
  frames.set_gfn(e.mfn, kSharedGfn);
  expects(frames.get_page(e.mfn, DOMID_COW));
  handle = ++next_handle_;
  frames_[e.mfn] = {handle, {{d.domid, gfn.value}}};
  ++d.shared_pages;
  ++stats_.nominated;
  ept_sync::sync_domain(hypervisor_, d);
  return 0;
}

long Sharing::share(Domain& source, Gfn source_gfn, std::uint64_t source_handle, Domain& client, Gfn client_gfn,
                    std::uint64_t client_handle) {
  hypervisor_.cost.charge(*hypervisor_.here().pcpu, Path::kSharePages);
  const Mfn from = source.p2m->get(source_gfn).mfn, old = client.p2m->get(client_gfn).mfn;
  const bool source_shared = source.p2m->get(source_gfn).type == P2mType::kRamShared;
  const bool client_shared = client.p2m->get(client_gfn).type == P2mType::kRamShared;
  if (from == old) return 0;  // they are one already, or both are nothing
  // Xen takes the lower frame's lock first, and names the one that it could not take.
  if (from < old) {
    if (!source_shared) return XENMEM_SHARING_OP_S_HANDLE_INVALID;
    if (!client_shared) return XENMEM_SHARING_OP_C_HANDLE_INVALID;
  } else {
    if (!client_shared) return XENMEM_SHARING_OP_C_HANDLE_INVALID;
    if (!source_shared) return XENMEM_SHARING_OP_S_HANDLE_INVALID;
  }
  Frame& s = *grab(from);
  Frame& c = *grab(old);
  if (s.handle != source_handle) return XENMEM_SHARING_OP_S_HANDLE_INVALID;
  if (c.handle != client_handle) return XENMEM_SHARING_OP_C_HANDLE_INVALID;
  FrameTable& frames = hypervisor_.frames;
  for (const Place& place : c.places) {
    Domain* d = hypervisor_.find_domain(place.first);
    expects(d != nullptr && frames.get_page(from, DOMID_COW));
    const P2mEntry e = d->p2m->get(Gfn(place.second));
    // A 4 KiB entry is there already: this takes no table page.
    expects(d->p2m->set(Gfn(place.second), from, 0, P2mType::kRamShared, e.access));
    s.places.insert(place);
    ept_sync::sync_domain(hypervisor_, *d);
    frames.put_page(old);
  }
  frames_.erase(old);
  frames.put_allocation(old);
  ++saved_;
  ++stats_.shared;
  hypervisor_.tracer.share(hypervisor_.here().pcpu->index, hypervisor_.now(), client.domid, client_gfn.value,
                           static_cast<std::uint32_t>(s.places.size()));
  return 0;
}

long Sharing::add_to_physmap(Domain& source, Gfn source_gfn, std::uint64_t source_handle, Domain& client,
                             Gfn client_gfn) {
  const P2mEntry e = source.p2m->get(source_gfn);
  if (e.type != P2mType::kRamShared || grab(e.mfn)->handle != source_handle)
    return XENMEM_SHARING_OP_S_HANDLE_INVALID;
  const P2mType there = client.p2m->get(client_gfn).type;
  if (client_gfn.value >= P2m::kFrames || (!is_empty(there) && there != P2mType::kRamPaged))
    return XENMEM_SHARING_OP_C_HANDLE_INVALID;
  if (!client.p2m->set(client_gfn, e.mfn, 0, P2mType::kRamShared)) return -kEnomem;
  expects(hypervisor_.frames.get_page(e.mfn, DOMID_COW));
  grab(e.mfn)->places.insert({client.domid, client_gfn.value});
  ++client.shared_pages;
  if (there == P2mType::kRamPaged) --client.paged_pages;
  ++saved_;
  return 0;
}

long Sharing::range_share(Domain& source, Domain& client, std::uint64_t& next, std::uint64_t last) {
  constexpr std::uint64_t kPagesPerStretch = 512;
  long r = 0;
  for (std::uint64_t n = 0; next <= last; ++n) {
    if (n == kPagesPerStretch) return 1;
    std::uint64_t s = 0, c = 0;
    const Gfn gfn(next++);
    if ((r = nominate(source, gfn, s)) == -kEnomem) return r;
    if (r != 0) continue;
    if ((r = nominate(client, gfn, c)) == -kEnomem) return r;
    if (r == 0) r = share(source, gfn, s, client, gfn, c);
  }
  // That the last page could not be shared is nothing to tell.
  return r == -kEinval ? 0 : r;
}

long Sharing::references(Domain& d, Gfn gfn) const {
  const P2mEntry e = d.p2m->get(gfn);
  const auto it = frames_.find(e.mfn);
  if (e.type != P2mType::kRamShared || it == frames_.end()) return -kEinval;
  return static_cast<long>(it->second.places.size());
}

long Sharing::audit() const {
  long errors = 0;
  std::uint64_t places = 0;
  for (const auto& [m, frame] : frames_) {
    const PageInfo& p = hypervisor_.frames.info(m);
    errors += p.owner != DOMID_COW;
    errors += p.gfn != kSharedGfn;
    errors += frame.places.empty();
    errors += p.references != frame.places.size() + 1;
    places += frame.places.size();
    for (const auto& [domid, gfn] : frame.places) {
      const Domain* d = hypervisor_.find_domain(domid);
      const P2mEntry e = d ? d->p2m->get(Gfn(gfn)) : P2mEntry{};
      errors += e.mfn != m || e.type != P2mType::kRamShared;
    }
  }
  errors += places != frames_.size() + saved_;
  return errors;
}

// One place fewer maps the frame. The last one: it is shared no more, but still DOMID_COW's, with the allocation's
// reference only.
void Sharing::forget_place(Domain& d, Gfn gfn, Mfn m) {
  Frame& frame = *grab(m);
  expects(frame.places.erase({d.domid, gfn.value}) == 1);
  hypervisor_.frames.put_page(m);
  --d.shared_pages;
  if (frame.places.empty())
    frames_.erase(m);
  else
    --saved_;
}

long Sharing::unshare(Domain& d, Gfn gfn) {
  const P2mEntry e = d.p2m->get(gfn);
  if (e.type != P2mType::kRamShared) return 0;
  FrameTable& frames = hypervisor_.frames;
  cpu::Pcpu& p = *hypervisor_.here().pcpu;
  hypervisor_.cost.charge(p, Path::kUnshare);
  const bool last = grab(e.mfn)->places.size() == 1;
  Mfn own = e.mfn;
  if (!last) {
    const bool room = frames.totals(d.domid).pages < d.max_pages;
    const auto fresh = room ? frames.allocate(d.domid, 0) : std::nullopt;
    if (!fresh) {
      ++stats_.failed;
      return -kEnomem;
    }
    own = *fresh;
    std::vector<std::uint8_t> content(kPageSize);
    hypervisor_.memory.read_bytes(address_of(e.mfn), content);
    hypervisor_.memory.write_bytes(address_of(own), content);
    hypervisor_.cost.charge(p, Path::kCopyPage);
  }
  forget_place(d, gfn, e.mfn);
  if (last) {
    expects(frames.steal(own, DOMID_COW));
    frames.assign(own, d.domid);
  }
  ++(last ? stats_.unshared_last : stats_.unshared_by_copy);
  // A 4 KiB entry is there: this takes no table page.
  expects(d.p2m->set(gfn, own, 0, P2mType::kRamRw));
  frames.set_gfn(own, gfn.value);
  ept_sync::sync_domain(hypervisor_, d);
  log_dirty::mark(d, gfn);
  hypervisor_.tracer.unshare(p.index, hypervisor_.now(), d.domid, gfn.value, !last);
  return 0;
}

bool Sharing::unshare_for_access(Domain& d, Gfn gfn) {
  if (unshare(d, gfn) == 0) return true;
  vm_event::notify_sharing_enomem(hypervisor_, d, gfn);
  return false;
}

void Sharing::drop(Domain& d, Gfn gfn) {
  const P2mEntry e = d.p2m->get(gfn);
  if (e.type != P2mType::kRamShared) return;
  const bool last = grab(e.mfn)->places.size() == 1;
  forget_place(d, gfn, e.mfn);
  if (last) hypervisor_.frames.put_allocation(e.mfn);
}

void Sharing::relinquish(Domain& d) {
  if (d.shared_pages == 0) return;
  std::vector<Gfn> shared;
  d.p2m->for_each([&](Gfn g, Mfn, unsigned, P2mType t) {
    if (t == P2mType::kRamShared) shared.push_back(g);
  });
  for (const Gfn g : shared) drop(d, g);
  expects(d.shared_pages == 0);
}

}  // namespace xensim::xen
