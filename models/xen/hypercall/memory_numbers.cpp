// XENMEM_* that say or set a number or a table: reservations, claims, the memory map, populate-on-demand targets,
// where the machine-to-physical table is.
#include <algorithm>
#include <cstring>
#include <vector>

#include "models/xen/hypercall/memory_op.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/allocation.h"
#include "models/xen/mm/pod.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen::memory_op {

namespace {

constexpr std::size_t kE820Entry = 20;
constexpr std::uint32_t kMostE820Entries = 1024;  // E820_X_MAX

// The map as the guest's buffer has it.
std::vector<std::uint8_t> pack(const std::vector<E820Entry>& map, std::size_t n) {
  std::vector<std::uint8_t> out(n * kE820Entry);
  for (std::size_t i = 0; i < n; ++i) {
    std::memcpy(&out[i * kE820Entry], &map[i].address, 8);
    std::memcpy(&out[i * kE820Entry + 8], &map[i].size, 8);
    std::memcpy(&out[i * kE820Entry + 16], &map[i].type, 4);
  }
  return out;
}

}  // namespace

long domain_numbers(const Call& c) {
  if (c.start != 0) return -kEinval;
  domid_t domid = 0;
  if (!c.read(c.arg, &domid, sizeof domid)) return -kEfault;
  const DomainLookup d = lookup_permitted(c.hv, c.caller, domid, xsm::Action::kTarget);
  if (!d) return d.error;
  switch (c.op) {
    case XENMEM_current_reservation:
      return static_cast<long>(c.hv.frames.totals(d.domain->domid).pages);
    case XENMEM_maximum_reservation:
      return static_cast<long>(d.domain->max_pages);
    default:
      return d.domain->p2m ? static_cast<long>(d.domain->p2m->max_mapped_gfn()) : 0;
  }
}

long maximum_ram_page(const Call& c) {
  return c.start != 0 ? -kEinval : static_cast<long>(c.hv.memory.end().value >> kPageShift);
}

long claim(const Call& c) {
  if (c.start != 0) return -kEinval;
  std::uint8_t bytes[32];
  if (!c.read(c.arg, bytes, c.wide ? 32 : 20)) return -kEfault;
  Fields f(bytes, c.wide);
  const std::uint64_t list = f.word(), count = f.word();
  const std::uint32_t order = f.u32(), flags = f.u32();
  const domid_t domid = f.u16();
  if (list != 0 || order != 0 || flags != 0) return -kEinval;
  const DomainLookup d = lookup_domain_by_id(c.hv, domid);
  if (!d) return -kEinval;
  if (const long r = xsm::check(xsm::Action::kPriv, c.caller, d.domain)) return r;
  return claim_pages(c.hv, *d.domain, count);
}

long memory_map(const Call& c) {
  std::uint8_t bytes[16];
  if (!c.read(c.arg, bytes, c.wide ? 16 : 8)) return -kEfault;
  Fields f(bytes, c.wide);
  const std::uint32_t room = f.u32();
  const std::uint64_t buffer = f.word();
  const Domain& d = c.caller;
  if (d.memory_map.empty()) return -kEnosys;
  const auto n = std::min<std::uint32_t>(room, static_cast<std::uint32_t>(d.memory_map.size()));
  const std::vector<std::uint8_t> packed = pack(d.memory_map, n);
  if (!c.write(buffer, packed.data(), packed.size())) return -kEfault;
  return c.write(c.arg, &n, sizeof n) ? 0 : -kEfault;
}

long set_memory_map(const Call& c) {
  std::uint8_t bytes[24];
  if (!c.read(c.arg, bytes, c.wide ? 24 : 12)) return -kEfault;
  Fields head(bytes, c.wide), f(bytes + (c.wide ? 8 : 4), c.wide);
  const domid_t domid = head.u16();
  const std::uint32_t count = f.u32();
  const std::uint64_t buffer = f.word();
  if (count > kMostE820Entries) return -kEinval;
  const DomainLookup d = lookup_permitted(c.hv, c.caller, domid, xsm::Action::kTarget);
  if (!d) return d.error;
  std::vector<std::uint8_t> packed(count * kE820Entry);
  if (!c.read(buffer, packed.data(), packed.size())) return -kEfault;
  std::vector<E820Entry> map(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(&map[i].address, &packed[i * kE820Entry], 8);
    std::memcpy(&map[i].size, &packed[i * kE820Entry + 8], 8);
    std::memcpy(&map[i].type, &packed[i * kE820Entry + 16], 4);
  }
  d.domain->memory_map = std::move(map);
  return 0;
}

long pod_target(const Call& c) {
  // Four 64-bit numbers, target, pages, cache and entries, and the domain.
  std::uint8_t bytes[40] = {};
  const unsigned size = c.wide ? 40 : 36;
  if (!c.read(c.arg, bytes, size)) return -kEfault;
  Fields f(bytes, c.wide);
  const std::uint64_t target = f.u64();
  domid_t domid;
  std::memcpy(&domid, bytes + 32, sizeof domid);
  const DomainLookup d = lookup_domain(c.hv, c.caller, domid);
  if (!d) return d.error;
  if (!d.domain->p2m) return -kEinval;
  if (const long r = xsm::check(xsm::Action::kPriv, c.caller, d.domain)) return r;
  if (c.op == XENMEM_set_pod_target) {
    if (target > d.domain->max_pages) return -kEinval;
    const long r = pod::set_target(c.hv, *d.domain, target);
    if (r == -kErestart) return c.continue_from(0);
    if (r != 0) return r;
  }
  const std::uint64_t numbers[3] = {c.hv.frames.totals(d.domain->domid).pages, d.domain->pod.count,
                                    d.domain->pod.entries};
  std::memcpy(bytes + 8, numbers, sizeof numbers);
  return c.write(c.arg, bytes, size) ? 0 : -kEfault;
}

// The frames of the machine-to-physical table: eight bytes for each frame of the machine, mapped in pieces of 2
// MiB. A 32-bit caller is asked for a table that is there for 32-bit PV guests only.
long machphys_frames(const Call& c) {
  if (!c.wide || c.op == XENMEM_machphys_compat_mfn_list) return -kEopnotsupp;
  std::uint8_t bytes[24];
  if (!c.read(c.arg, bytes, sizeof bytes)) return -kEfault;
  Fields f(bytes, true);
  const std::uint32_t room = f.u32();
  const std::uint64_t list = f.word();
  const std::uint64_t frames = c.hv.memory.end().value >> kPageShift;
  const auto pieces = static_cast<std::uint32_t>((frames * 8 + (2u << 20) - 1) >> 21);
  const std::uint32_t n = std::min(room, pieces);
  for (std::uint32_t i = 0; i < n; ++i)
    if (!c.write_word(list + 8ull * i, Hypervisor::kMachineToPhysicalFrame + 512ull * i)) return -kEfault;
  std::memcpy(bytes + 16, &n, sizeof n);
  return c.write(c.arg, bytes, sizeof bytes) ? 0 : -kEfault;
}

// No domain has a virtual NUMA topology yet.
long vnuma_info(const Call& c) {
  if (c.start != 0) return -kEinval;
  std::uint8_t bytes[40];
  if (!c.read(c.arg, bytes, sizeof bytes)) return -kEfault;
  Fields f(bytes, c.wide);
  const domid_t domid = f.u16();
  if (f.u16() != 0) return -kEinval;
  const DomainLookup d = lookup_permitted(c.hv, c.caller, domid, xsm::Action::kTarget);
  return d ? -kEopnotsupp : d.error;
}

// Without an IOMMU there are no reserved regions.
long reserved_device_memory(const Call& c) {
  if (c.start != 0) return -kEinval;
  std::uint8_t bytes[24];
  const unsigned size = c.wide ? 24 : 16;
  if (!c.read(c.arg, bytes, size)) return -kEfault;
  std::uint32_t flags;
  std::memcpy(&flags, bytes, sizeof flags);
  if (flags & ~static_cast<std::uint32_t>(XENMEM_RDM_ALL)) return -kEinval;
  std::memset(bytes + 4, 0, 4);
  return c.write(c.arg, bytes, size) ? 0 : -kEfault;
}

}  // namespace xensim::xen::memory_op
