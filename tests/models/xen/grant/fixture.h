// Two guests with 2 MiB of RAM each, dom0, and grants between them.
#pragma once

#include <catch2/catch.hpp>

#include "models/xen/grant/operations.h"
#include "tests/models/xen/fixture.h"

namespace xensim::xen::grant {

struct Grants : Bench {
  Grants() : a(guest(1)), b(guest(2)), dom0(*hv->find_domain(0)) {
    for (Domain* d : {&a, &b}) REQUIRE(hv->populate(*d, Gfn(0), 9));
  }
  Domain &a, &b, &dom0;
  static constexpr std::uint64_t kHole = 0x10000000;  // outside RAM

  Vcpu& vcpu(Domain& d) { return *d.vcpus[0]; }
  Mfn frame_of(const Domain& d, std::uint64_t gfn) { return d.p2m->get(Gfn(gfn)).mfn; }
  std::uint32_t references(Mfn m) { return hv->frames.info(m).references; }

  void permit(Domain& d, grant_ref_t ref, domid_t domid, std::uint64_t gfn, unsigned flags = 0) {
    const PhysAddr e = d.grants->entry(ref);
    if (d.grants->version() == 1) {
      memory.write(e, grant_entry_v1_t{static_cast<std::uint16_t>(GTF_permit_access | flags), domid,
                                       static_cast<std::uint32_t>(gfn)});
    } else {
      grant_entry_v2_t v{};
      v.full_page.hdr = {static_cast<std::uint16_t>(GTF_permit_access | flags), domid};
      v.full_page.frame = gfn;
      memory.write(e, v);
    }
  }
  unsigned flags(Domain& d, grant_ref_t ref) {
    const unsigned entry = memory.read<std::uint16_t>(d.grants->entry(ref));
    return d.grants->version() == 1 ? entry : entry | memory.read<std::uint16_t>(d.grants->status(ref));
  }
  void set_version(Domain& d, unsigned version) {
    gnttab_set_version_t op{version};
    REQUIRE(grant::set_version(*hv, vcpu(d), op) == 0);
  }

  // As the guest calls it; the status.
  int map(Domain& by, domid_t domid, grant_ref_t ref, std::uint64_t address, std::uint32_t flags = GNTMAP_host_map,
          gnttab_map_grant_ref_t* out = nullptr) {
    gnttab_map_grant_ref_t op{};
    op.host_addr = address;
    op.flags = flags;
    op.ref = ref;
    op.dom = domid;
    grant::map(*hv, vcpu(by), op);
    if (out) *out = op;
    return op.status;
  }
  int unmap(Domain& by, std::uint64_t address, grant_handle_t handle, std::uint64_t bus = 0) {
    gnttab_unmap_grant_ref_t op{};
    op.host_addr = address;
    op.dev_bus_addr = bus;
    op.handle = handle;
    grant::unmap(*hv, vcpu(by), op);
    return op.status;
  }

  struct Side {
    std::uint64_t at;
    domid_t domid;
    std::uint16_t offset;
  };
  static gnttab_copy_t copy_of(const Side& from, const Side& to, std::uint16_t length, std::uint16_t flags) {
    gnttab_copy_t op{};
    op.source.domid = from.domid;
    op.source.offset = from.offset;
    op.source.u.gmfn = from.at;
    op.dest.domid = to.domid;
    op.dest.offset = to.offset;
    op.dest.u.gmfn = to.at;
    op.len = length;
    op.flags = flags;
    return op;
  }
  int copy(Domain& by, const Side& from, const Side& to, std::uint16_t length, std::uint16_t flags) {
    gnttab_copy_t op = copy_of(from, to, length, flags);
    CopyBatch(*hv, vcpu(by)).copy(op);
    return op.status;
  }
};

}  // namespace xensim::xen::grant
