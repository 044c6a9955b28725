#include "models/xen/mm/pod.h"

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "models/xen/hypervisor.h"
#include "models/xen/mm/allocation.h"
#include "models/xen/mm/physmap.h"
#include "sim/base/expects.h"

namespace xensim::xen::pod {

namespace {

constexpr std::uint64_t kSuperpageMark = std::uint64_t{1} << 63, kNone = ~std::uint64_t{0};
constexpr std::uint64_t kSweepLimit = 1024;  // gfns that a sweep looks at before it is content with what it has
constexpr unsigned kSweepStride = 16;        // pages that are checked together
constexpr unsigned kQuickWords = 16;         // of a page, before the whole of it is read
constexpr unsigned kWords = kPageSize / 8;

unsigned word_count_if_zero(Hypervisor& hv, Mfn m, unsigned words) {
  const PhysAddr a = address_of(m);
  for (unsigned i = 0; i < words; ++i)
    if (hv.memory.read<std::uint64_t>(a + 8 * i) != 0) return i + 1;
  return 0;
}

// Reads the page until something is not zero.
bool is_zero(Hypervisor& hv, Mfn m, unsigned words) {
  const unsigned read = word_count_if_zero(hv, m, words);
  hv.cost.charge_many(*hv.here().pcpu, Path::kPodZeroCheckWord, read == 0 ? words : read);
  return read == 0;
}

bool is_own(const Hypervisor& hv, const Domain& d, Mfn m) {
  const PageInfo& p = hv.frames.info(m);
  return p.owner == d.domid && p.flags == PageInfo::kAllocated;
}

// Its own, and nobody else holds it.
bool reclaimable(const Hypervisor& hv, const Domain& d, Mfn m) {
  return is_own(hv, d, m) && hv.frames.info(m).references == 1;
}

unsigned trailing_order(std::uint64_t gfn, std::uint64_t left) {
  return static_cast<unsigned>(std::countr_zero(gfn | left));
}

void cache_add(Hypervisor& hv, Domain& d, Mfn m, unsigned order) {
  const std::uint64_t n = std::uint64_t{1} << order;
  // A frame of the cache is promised to be zero.
  hv.frames.clear(m, n);
  hv.cost.charge_many(*hv.here().pcpu, Path::kScrubPage, n);
  for (std::uint64_t i = 0; i < n; ++i) {
    hv.frames.set_gfn(Mfn(m.value + i), kNoGfn);
    hv.forget_areas(d, Mfn(m.value + i));
  }
  if (order >= kSuperpageOrder)
    for (std::uint64_t i = 0; i < n; i += kSuperpagePages) d.pod.super.push_back(Mfn(m.value + i));
  else
    for (std::uint64_t i = 0; i < n; ++i) d.pod.single.push_back(Mfn(m.value + i));
  d.pod.count += n;
}

// kNoMfn: a superpage is wanted and there is none. The cache is not empty.
Mfn cache_get(State& pod, unsigned order) {
  if (order == kSuperpageOrder && pod.super.empty()) return kNoMfn;
  if (order == 0 && pod.single.empty()) {
    const Mfn m = pod.super.front();
    pod.super.pop_front();
    for (std::uint64_t i = 0; i < kSuperpagePages; ++i) pod.single.push_back(Mfn(m.value + i));
  }
  std::deque<Mfn>& list = order == 0 ? pod.single : pod.super;
  const Mfn m = list.front();
  list.pop_front();
  pod.count -= std::uint64_t{1} << order;
  return m;
}

long set_cache_target(Hypervisor& hv, Domain& d, std::uint64_t target, bool preemptible) {
  State& pod = d.pod;
  while (pod.count < target) {
    unsigned order = target - pod.count >= kSuperpagePages ? kSuperpageOrder : 0;
    auto m = allocate_pages(hv, d, order);
    if (!m && order != 0) m = allocate_pages(hv, d, order = 0);
    if (!m) return -kEnomem;
    cache_add(hv, d, *m, order);
    if (preemptible && pod.count != target && hv.hypercall_preempted()) return -kErestart;
  }
  while (pod.count > target) {
    const unsigned order = pod.count - target > kSuperpagePages && !pod.super.empty() ? kSuperpageOrder : 0;
    const Mfn m = cache_get(pod, order);
    for (std::uint64_t i = 0; i < std::uint64_t{1} << order; ++i) hv.frames.put_allocation(Mfn(m.value + i));
    if (preemptible && pod.count != target && hv.hypercall_preempted()) return -kErestart;
  }
  return 0;
}

// The 2 MiB at gfn, if they are one block of RAM of the domain's that nobody else uses; else kNoMfn.
Mfn superpage_of(const Hypervisor& hv, const Domain& d, std::uint64_t gfn) {
  const P2mEntry first = d.p2m->get(Gfn(gfn));
  if (!is_ram(first.type) || first.mfn == kNoMfn || first.mfn.value % kSuperpagePages != 0) return kNoMfn;
  for (std::uint64_t i = 0; i < kSuperpagePages; ++i) {
    const P2mEntry e = first.order >= kSuperpageOrder
                           ? P2mEntry{first.type, Mfn(first.mfn.value + i), first.order, first.access}
                           : d.p2m->get(Gfn(gfn + i));
    if (e.type != first.type || e.mfn != Mfn(first.mfn.value + i) || !reclaimable(hv, d, e.mfn)) return kNoMfn;
  }
  return first.mfn;
}

// Takes back the 2 MiB at gfn if they are zero. true: they are in the cache.
bool zero_check_superpage(Hypervisor& hv, Domain& d, std::uint64_t gfn) {
  if (gfn % kSuperpagePages != 0) return false;
  const Mfn m = superpage_of(hv, d, gfn);
  if (m == kNoMfn) return false;
  for (const unsigned words : {kQuickWords, kWords})
    for (std::uint64_t i = 0; i < kSuperpagePages; ++i)
      if (!is_zero(hv, Mfn(m.value + i), words)) return false;
  if (!d.p2m->set_range(Gfn(gfn), kNoMfn, kSuperpageOrder, P2mType::kPopulateOnDemand)) return false;
  hv.flush_domain(d);
  hv.tracer.pod_zero_reclaim(hv.here().pcpu->index, gfn, m.value, d.domid, kSuperpageOrder);
  cache_add(hv, d, m, kSuperpageOrder);
  d.pod.entries += kSuperpagePages;
  d.pod.zero_reclaimed += kSuperpagePages;
  return true;
}

// The same for single pages; they lose their rights before they are read to the end, as in Xen, so that what
// another vCPU writes meanwhile is not lost.
void zero_check(Hypervisor& hv, Domain& d, std::span<const std::uint64_t> gfns) {
  std::vector<std::pair<std::uint64_t, P2mEntry>> taken;
  for (const std::uint64_t gfn : gfns) {
    const P2mEntry e = d.p2m->get(Gfn(gfn));
    if (!is_ram(e.type) || e.mfn == kNoMfn || !reclaimable(hv, d, e.mfn)) continue;
    if (!is_zero(hv, e.mfn, kQuickWords)) continue;
    if (d.p2m->set(Gfn(gfn), kNoMfn, 0, P2mType::kPopulateOnDemand)) taken.emplace_back(gfn, e);
  }
  if (taken.empty()) return;
  hv.flush_domain(d);
  for (const auto& [gfn, e] : taken) {
    if (!is_zero(hv, e.mfn, kWords)) {
      expects(d.p2m->set(Gfn(gfn), e.mfn, 0, e.type, e.access));  // its table is there
      continue;
    }
    hv.tracer.pod_zero_reclaim(hv.here().pcpu->index, gfn, e.mfn.value, d.domid, 0);
    cache_add(hv, d, e.mfn, 0);
    ++d.pod.entries;
    ++d.pod.zero_reclaimed;
  }
}

// Looks at one of the pages that were populated last, and at the others while the cache is empty.
void eager_reclaim(Hypervisor& hv, Domain& d) {
  State& pod = d.pod;
  unsigned i = 0;
  do {
    std::uint64_t& slot = pod.recent[(pod.next_recent + i++) % pod.recent.size()];
    if (slot != kNone) {
      std::uint64_t gfn = slot & ~kSuperpageMark;
      if (slot & kSuperpageMark) {
        if (!zero_check_superpage(hv, d, gfn))
          for (std::uint64_t k = 0; k < kSuperpagePages; ++k, ++gfn) zero_check(hv, d, {&gfn, 1});
      } else {
        zero_check(hv, d, {&gfn, 1});
      }
      slot = kNone;
    }
  } while (pod.count == 0 && i < pod.recent.size());
}

// The cache is empty: goes down through the guest's memory for pages that are zero.
void emergency_sweep(Hypervisor& hv, Domain& d) {
  State& pod = d.pod;
  ++pod.sweeps;
  if (pod.sweep_from == 0) pod.sweep_from = pod.highest;
  const std::uint64_t limit = pod.sweep_from > kSweepLimit ? pod.sweep_from - kSweepLimit : 0;
  std::array<std::uint64_t, kSweepStride> gfns;
  unsigned n = 0;
  std::uint64_t i = pod.sweep_from;
  for (; i > 0; --i) {
    hv.cost.charge(*hv.here().pcpu, Path::kP2mLookup);
    if (is_ram(d.p2m->get(Gfn(i)).type)) {
      gfns[n++] = i;
      if (n == kSweepStride) {
        zero_check(hv, d, gfns);
        n = 0;
      }
    }
    if (i < limit && (pod.count > 0 || hv.hypercall_preempted())) break;
  }
  zero_check(hv, d, {gfns.data(), n});
  pod.sweep_from = i ? i - 1 : i;
}

void record_recent(State& pod, std::uint64_t gfn, unsigned order) {
  pod.recent[pod.next_recent] = gfn | (order == kSuperpageOrder ? kSuperpageMark : 0);
  pod.next_recent = static_cast<unsigned>((pod.next_recent + 1) % pod.recent.size());
}

long mark_aligned(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order) {
  const std::uint64_t n = std::uint64_t{1} << order;
  std::uint64_t pod = 0;
  for (std::uint64_t i = 0; i < n;) {
    const P2mEntry e = d.p2m->get(Gfn(gfn + i));
    const std::uint64_t span = std::uint64_t{1} << std::min(order, e.order);
    if (is_pod(e.type))
      pod += span;
    else if (!is_empty(e.type))
      return -kEbusy;
    i += span;
  }
  if (!d.p2m->set_range(Gfn(gfn), kNoMfn, order, P2mType::kPopulateOnDemand)) {
    if (order != 0) hv.crash_domain(d, "no memory to mark guest frames populate-on-demand");
    return -kEnomem;
  }
  d.pod.entries += n - pod;
  return 0;
}

struct Found {
  std::uint64_t pod = 0, ram = 0;
};
Found look(const Domain& d, std::uint64_t gfn, unsigned order) {
  Found f;
  for (std::uint64_t i = 0; i < std::uint64_t{1} << order;) {
    const P2mEntry e = d.p2m->get(Gfn(gfn + i));
    const std::uint64_t span = std::uint64_t{1} << std::min(order, e.order);
    if (is_pod(e.type))
      f.pod += span;
    else if (is_ram(e.type))
      f.ram += span;
    i += span;
  }
  return f;
}

// A chunk of decrease_reservation(), aligned to its order.
std::uint64_t decrease_aligned(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order) {
  State& pod = d.pod;
  const std::uint64_t n = std::uint64_t{1} << order;
  if (pod.entries == 0 || d.dying || gfn >= P2m::kFrames || P2m::kFrames - gfn < n) return 0;
  bool steal = pod.entries > pod.count;
  Found f = look(d, gfn, order);
  if (f.pod == 0 && !steal) return 0;
  std::uint64_t done = 0;
  if (f.pod == n) {
    if (!d.p2m->set_range(Gfn(gfn), kNoMfn, order, P2mType::kInvalid)) {
      if (order != 0) hv.crash_domain(d, "no memory to take back populate-on-demand entries");
      return 0;
    }
    pod.entries -= n;
    done = n;
  } else {
    // Drivers give back single pages: if the whole superpage is zero, all of it can come back at once.
    if (steal && order < kSuperpageOrder && f.ram == n &&
        zero_check_superpage(hv, d, gfn & ~(kSuperpagePages - 1))) {
      f = {n, 0};
      steal = pod.entries > pod.count;
    }
    for (std::uint64_t i = 0; i < n && (f.pod > 0 || (steal && f.ram > 0));) {
      const P2mEntry e = d.p2m->get(Gfn(gfn + i));
      // A large entry's frames are one aligned block, which can go to the cache as such.
      const unsigned o = std::min(order, e.order);
      const std::uint64_t span = std::uint64_t{1} << o;
      bool take = steal && is_ram(e.type) && e.mfn != kNoMfn;
      for (std::uint64_t k = 0; take && k < span; ++k) take = is_own(hv, d, Mfn(e.mfn.value + k));
      if ((is_pod(e.type) || take) && !d.p2m->set_range(Gfn(gfn + i), kNoMfn, o, P2mType::kInvalid)) {
        hv.crash_domain(d, "no memory to take back populate-on-demand entries");
        return done;
      }
      if (is_pod(e.type)) {
        pod.entries -= span;
        f.pod -= span;
        done += span;
      } else if (take) {
        hv.flush_domain(d);
        cache_add(hv, d, e.mfn, o);
        steal = pod.entries > pod.count;
        f.ram -= span;
        done += span;
      }
      i += span;
    }
  }
  if (pod.entries < pod.count) set_cache_target(hv, d, pod.entries, false);
  return done;
}

}  // namespace

long mark(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order) {
  std::uint64_t left = std::uint64_t{1} << order;
  if (!d.p2m || gfn >= P2m::kFrames || P2m::kFrames - gfn < left) return -kEinval;
  const unsigned chunk = trailing_order(gfn, left);
  long r = 0;
  while (r == 0 && left > 0) {
    r = mark_aligned(hv, d, gfn, chunk);
    left -= std::uint64_t{1} << chunk;
    gfn += std::uint64_t{1} << chunk;
  }
  return r;
}

std::uint64_t decrease_reservation(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order) {
  std::uint64_t left = std::uint64_t{1} << order, done = 0;
  const unsigned chunk = trailing_order(gfn, left);
  for (; left > 0; left -= std::uint64_t{1} << chunk, gfn += std::uint64_t{1} << chunk)
    done += decrease_aligned(hv, d, gfn, chunk);
  return done;
}

bool demand_populate(Hypervisor& hv, Domain& d, std::uint64_t gfn, unsigned order) {
  State& pod = d.pod;
  // One that is suspended is still read, by whoever saves it. One that was crashed for want of memory gets none.
  if (d.dying || d.shutdown == ShutdownReason::kCrash) return false;
  const std::uint64_t first = gfn & ~((std::uint64_t{1} << order) - 1);
  // There is no cache of 1 GiB blocks: the entry goes to 2 MiB ones. One call splits all of it.
  if (order > kSuperpageOrder) return d.p2m->set(Gfn(first), kNoMfn, kSuperpageOrder, P2mType::kPopulateOnDemand);
  hv.cost.charge(*hv.here().pcpu, Path::kPodPopulate);
  if (pod.entries > pod.count) eager_reclaim(hv, d);
  if (pod.count == 0) emergency_sweep(hv, d);
  if (pod.count == 0) {
    hv.crash_domain(d, "out of PoD memory (tot=" + std::to_string(hv.frames.totals(d.domid).pages) +
                           " ents=" + std::to_string(pod.entries) + ")");
    return false;
  }
  pod.highest = std::max(pod.highest, gfn);
  const Mfn m = cache_get(pod, order);
  if (m == kNoMfn) {
    // No block of 2 MiB: this entry goes to single pages.
    if (!d.p2m->set(Gfn(first), kNoMfn, 0, P2mType::kPopulateOnDemand)) return false;
    ++pod.splintered;
    hv.tracer.pod_superpage_splinter(hv.here().pcpu->index, gfn, d.domid);
    return true;
  }
  if (!d.p2m->set(Gfn(first), m, order, P2mType::kRamRw)) {
    cache_add(hv, d, m, order);
    return false;
  }
  const std::uint64_t n = std::uint64_t{1} << order;
  for (std::uint64_t i = 0; i < n; ++i) hv.frames.set_gfn(Mfn(m.value + i), first + i);
  pod.entries -= n;
  pod.populated += n;
  record_recent(pod, first, order);
  hv.tracer.pod_populate(hv.here().pcpu->index, gfn, m.value, d.domid, order);
  return true;
}

long set_target(Hypervisor& hv, Domain& d, std::uint64_t target) {
  State& pod = d.pod;
  const std::uint64_t pages = hv.frames.totals(d.domid).pages;
  const std::uint64_t populated = pages - pod.count;
  // Nothing is outstanding, unless the domain is being built.
  if ((populated > 0 && pod.entries == 0) || d.dying) return 0;
  // Never less than there is: the balloon driver sees to that.
  if (target < pages) return 0;
  std::uint64_t cache = target - populated;
  if (populated > 0) cache = std::min(cache, pod.entries);
  return set_cache_target(hv, d, cache, true);
}

void entries_replaced(Domain& d, std::uint64_t n) {
  expects(d.pod.entries >= n);
  d.pod.entries -= n;
}

void empty_cache(Domain& d) {
  d.pod.super.clear();
  d.pod.single.clear();
  d.pod.count = 0;
}

}  // namespace xensim::xen::pod
