// XENMEM_exchange: gives frames for others of another order or width. That needs frames to be taken away from a
// domain under its feet (steal_page), which Xen does not do to guests with paging of its own: the checks come in
// Xen's order, and the first frame that is there ends it with -EOPNOTSUPP.
#include <algorithm>

#include "models/xen/hypercall/memory_op.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/physmap.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::memory_op {

namespace {

struct Side {
  std::uint64_t list = 0, count = 0;
  std::uint32_t order = 0, flags = 0;
  domid_t domid = 0;
};

Side read_side(const std::uint8_t* bytes, bool wide) {
  Fields f(bytes, wide);
  Side s;
  s.list = f.word();
  s.count = f.word();
  s.order = f.u32();
  s.flags = f.u32();
  s.domid = f.u16();
  return s;
}

bool shifted_fits(std::uint64_t count, std::uint32_t order, std::uint64_t most) {
  return order < 64 && most >> order >= count;
}

// Lists that do not overflow and are of one size.
bool sizes_match(const Side& in, const Side& out, std::uint64_t most) {
  return shifted_fits(in.count, in.order, most) && shifted_fits(out.count, out.order, most) &&
         in.count << in.order == out.count << out.order;
}

}  // namespace

long exchange(const Call& c) {
  if (c.start != 0) return -kEinval;
  std::uint8_t bytes[72];
  const unsigned size = c.wide ? 32 : 20, total = 2 * size + c.word();
  if (!c.read(c.arg, bytes, total)) return -kEfault;
  const Side in = read_side(bytes, c.wide), out = read_side(bytes + size, c.wide);
  Fields rest(bytes + 2 * size, c.wide);
  std::uint64_t exchanged = rest.word();
  const auto fail = [&](long error) { return c.write_word(c.arg + 2 * size, exchanged) ? error : -kEfault; };

  if (!c.wide) {
    // The translation for 32-bit callers looks first, and says nothing.
    const std::int64_t delta = std::int64_t{out.order} - in.order;
    if (exchanged > in.count || (delta > 0 && delta < 32 && exchanged & ((1u << delta) - 1)) ||
        !sizes_match(in, out, 0xffffffff))
      return -kEinval;
  }
  const unsigned most = c.caller.role.control ? Heap::kMaxOrder : c.caller.role.hardware ? 12 : 9;
  if (std::max(in.order, out.order) > most) return fail(-kEperm);
  if (exchanged > in.count || in.domid != out.domid || !sizes_match(in, out, ~std::uint64_t{0}))
    return fail(-kEinval);
  if (exchanged == in.count) return 0;
  constexpr unsigned kNoNode = 0xff;
  const unsigned node = XENMEMF_get_node(out.flags);
  const bool may_choose = c.caller.role.control || c.caller.role.hardware;
  if (node != kNoNode && (may_choose ? node >= Heap::kMaxNodes : (out.flags & XENMEMF_exact_node_request) != 0))
    return fail(-kEinval);
  const DomainLookup d = lookup_domain(c.hv, c.caller, in.domid);
  if (!d) return fail(d.error);
  if (const long r = xsm::check(xsm::Action::kTarget, c.caller, d.domain)) return fail(r);

  const unsigned chunk = in.order <= out.order ? out.order - in.order : 0;
  const std::uint64_t i = exchanged >> chunk;
  // Less than a chunk is left.
  if (i >= in.count >> chunk) {
    exchanged = in.count;
    return fail(0);
  }
  exchanged = i << chunk;
  std::uint64_t gfn = 0;
  if (!c.read_word(in.list + exchanged * c.word(), gfn)) return fail(-kEfault);
  const P2mEntry e = physmap::get(c.hv, *d.domain, gfn, physmap::kWrite);
  if (is_shared(e.type)) return fail(-kEnomem);
  return fail(e.mfn == kNoMfn || !c.hv.memory.contains(address_of(e.mfn), kPageSize) ? -kEinval : -kEopnotsupp);
}

}  // namespace xensim::xen::memory_op
