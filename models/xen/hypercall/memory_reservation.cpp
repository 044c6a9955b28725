// XENMEM_increase_reservation, _decrease_reservation, _populate_physmap: a list of extents, done one after the
// other; the result is how many were done, whatever stopped it.
#include <algorithm>
#include <bit>

#include "models/xen/hypercall/memory_op.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/allocation.h"
#include "models/xen/mm/physmap.h"
#include "models/xen/mm/pod.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::memory_op {

namespace {

struct Extents {
  std::uint64_t list = 0, count = 0;
  unsigned order = 0;
  std::uint32_t flags = 0;
  Domain* domain = nullptr;
  AllocationHints hints;
  bool on_demand = false;
};

// Larger extents than these are refused (memop-max-order=).
unsigned max_order(const Domain& caller) {
  if (caller.role.control) return Heap::kMaxOrder;
  if (caller.role.hardware) return 12;
  return 9;
}

// false: the flags name a place for the memory that there is not, or that the caller may not name.
bool placement(const Call& c, Extents& e) {
  const unsigned bits = XENMEMF_get_address_bits(e.flags);
  const auto machine_bits =
      static_cast<unsigned>(std::bit_width((c.hv.memory.end().value >> kPageShift) - 1)) + 12;
  if (bits != 0 && bits < machine_bits) {
    if (bits <= kPageShift) return false;
    e.hints.address_bits = bits;
  }
  // A virtual node, in a domain that has none, means nothing.
  if (e.flags & XENMEMF_vnode) return true;
  const unsigned node = XENMEMF_get_node(e.flags);
  constexpr unsigned kNoNode = 0xff;
  if (node == kNoNode) return true;
  if (!c.caller.role.control && !c.caller.role.hardware) return !(e.flags & XENMEMF_exact_node_request);
  if (node >= Heap::kMaxNodes) return false;
  e.hints.node = node;
  e.hints.exact_node = e.flags & XENMEMF_exact_node_request;
  return true;
}

bool read_request(const Call& c, Extents& e) {
  std::uint8_t bytes[32];
  if (!c.read(c.arg, bytes, c.wide ? 32 : 20)) return false;
  Fields f(bytes, c.wide);
  e.list = f.word();
  e.count = f.word();
  e.order = f.u32();
  e.flags = f.u32();
  const domid_t domid = f.u16();
  if (e.count > kMostExtents || c.start >= e.count) return false;
  e.domain = lookup_domain(c.hv, c.caller, domid).domain;
  if (!e.domain || !placement(c, e)) return false;
  e.on_demand = c.op == XENMEM_populate_physmap && e.flags & XENMEMF_populate_on_demand;
  if (xsm::check(xsm::Action::kTarget, c.caller, e.domain) != 0) return false;
  return e.order <= (e.on_demand ? Heap::kMaxOrder : max_order(c.caller));
}

bool populate(const Call& c, const Extents& e, std::uint64_t gfn) {
  Domain& d = *e.domain;
  if (e.on_demand) return &d != &c.caller && d.p2m && pod::mark(c.hv, d, gfn, e.order) == 0;
  c.hv.cost.charge(*c.hv.here().pcpu, Path::kPopulatePage);
  c.hv.cost.charge_many(*c.hv.here().pcpu, Path::kPopulateFrame, (std::uint64_t{1} << e.order) - 1);
  const auto m = allocate_pages(c.hv, d, e.order, e.hints);
  // Frames that find no place stay the domain's until it dies, as in Xen.
  return m && d.p2m && physmap::add_page(c.hv, d, gfn, *m, e.order) == 0;
}

bool decrease(const Call& c, const Extents& e, std::uint64_t gfn) {
  Domain& d = *e.domain;
  const std::uint64_t n = std::uint64_t{1} << e.order;
  c.hv.tracer.decrease_reservation(c.hv.here().pcpu->index, gfn, d.domid, e.order);
  if (!d.p2m) return false;
  c.hv.cost.charge(*c.hv.here().pcpu, Path::kReleaseExtent);
  // What populate-on-demand deals with is a hole afterwards: so many holes are no error.
  std::uint64_t done = pod::decrease_reservation(c.hv, d, gfn, e.order);
  for (std::uint64_t i = 0; i + done < n; ++i) {
    c.hv.cost.charge(*c.hv.here().pcpu, Path::kReleasePage);
    const long r = physmap::free_page(c.hv, d, gfn + i);
    if (r == 0) continue;
    if (r != -kEnoent || done == 0) return false;
    --done;
  }
  return true;
}

}  // namespace

long reservation(const Call& c) {
  Extents e;
  if (!read_request(c, e)) return static_cast<long>(c.start);
  const std::uint64_t n = std::uint64_t{1} << e.order;
  std::uint64_t i = c.start;
  for (; i < e.count; ++i) {
    if (i != c.start && (c.preempted() || (i - c.start) * n >= kPagesPerStretch)) return c.continue_from(i);
    if (c.op == XENMEM_increase_reservation) {
      // A translated guest is not told which frames it got: they appear nowhere.
      c.hv.cost.charge(*c.hv.here().pcpu, Path::kPopulatePage);
      if (!allocate_pages(c.hv, *e.domain, e.order, e.hints)) break;
      continue;
    }
    std::uint64_t gfn = 0;
    if (!c.read_word(e.list + i * c.word(), gfn)) break;
    if (!(c.op == XENMEM_populate_physmap ? populate(c, e, gfn) : decrease(c, e, gfn))) break;
  }
  return static_cast<long>(i);
}

}  // namespace xensim::xen::memory_op
