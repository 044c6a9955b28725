#include "models/xen/grant/host_mapping.h"

#include "models/xen/hypervisor.h"
#include "models/xen/mm/physmap.h"

namespace xensim::xen::grant {

namespace {

std::int16_t add_to_p2m(Hypervisor& hv, Domain& d, std::uint64_t gfn, Mfn frame, P2mType type) {
  if (gfn < P2m::kFrames)
    return physmap::add_page(hv, d, gfn, frame, 0, type) == 0 ? GNTST_okay : GNTST_general_error;
  // A frame has one place in its own domain: a grant to oneself takes it from there, even if it then arrives
  // nowhere.
  const bool own = hv.frames.info(frame).owner == d.domid && hv.frames.gfn_of(frame) != kNoGfn;
  if (own) physmap::remove_page(hv, d, hv.frames.gfn_of(frame), frame, 0);
  return GNTST_general_error;
}

}  // namespace

std::int16_t create_host_mapping(Hypervisor& hv, Domain& d, std::uint64_t address, Mfn frame,
                                 std::uint32_t flags) {
  if (!d.p2m) {
    d.grants->address_space[address] = frame;
    return GNTST_okay;
  }
  if ((flags & ~std::uint32_t{GNTMAP_readonly}) != GNTMAP_host_map) return GNTST_general_error;
  return add_to_p2m(hv, d, address >> kPageShift, frame,
                    flags & GNTMAP_readonly ? P2mType::kGrantMapRo : P2mType::kGrantMapRw);
}

std::int16_t replace_host_mapping(Hypervisor& hv, Domain& d, std::uint64_t address, Mfn frame,
                                  std::uint64_t new_address, std::uint32_t flags) {
  if (!d.p2m) {
    auto& space = d.grants->address_space;
    const auto at = space.find(address);
    if (new_address != 0 && flags & GNTMAP_contains_pte) return GNTST_general_error;
    if (at == space.end() || at->second != frame) return GNTST_general_error;
    space.erase(at);
    if (const auto moved = space.find(new_address); new_address != 0 && moved != space.end()) {
      space[address] = moved->second;
      space.erase(new_address);
    }
    return GNTST_okay;
  }
  const std::uint64_t gfn = address >> kPageShift;
  if (new_address != 0 || flags & GNTMAP_contains_pte || gfn >= P2m::kFrames) return GNTST_general_error;
  const P2mEntry e = d.p2m->get(Gfn(gfn));
  if (!is_grant(e.type) || e.mfn != frame) return GNTST_general_error;
  return physmap::remove_page(hv, d, gfn, frame, 0) == 0 ? GNTST_okay : GNTST_general_error;
}

}  // namespace xensim::xen::grant
