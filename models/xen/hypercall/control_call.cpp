#include "models/xen/hypercall/control_call.h"

#include <algorithm>
#include <array>

namespace xensim::xen {

bool ControlCall::hold_still(Domain& d) {
  if (vcpu.holds_still != d.domid) {
    let_go();
    hv.pause_domain(d);
    vcpu.holds_still = d.domid;
  }
  for (const auto& v : d.vcpus)
    if (v->runstate == Runstate::kRunning) {
      repeat();
      return false;
    }
  return true;
}

void ControlCall::let_go(Hypervisor& hv, Vcpu& v) {
  if (v.holds_still == DOMID_INVALID) return;
  if (Domain* d = hv.find_domain(v.holds_still)) hv.unpause_domain(*d);
  v.holds_still = DOMID_INVALID;
}

long read_bitmap(const ControlCall& c, const xenctl_bitmap& from, Bits& to) {
  const std::size_t bytes = std::min<std::size_t>((from.nr_bits + std::uint64_t{7}) / 8, (to.size() + 7) / 8);
  std::vector<std::uint8_t> map(bytes);
  if (bytes > 0 && !c.read(address_in(from.bitmap), map.data(), bytes)) return -kEfault;
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = i < from.nr_bits && i / 8 < bytes && (map[i / 8] >> i % 8 & 1);
  return 0;
}

long write_bitmap(const ControlCall& c, const xenctl_bitmap& to, const Bits& from) {
  const std::uint64_t wanted = (to.nr_bits + std::uint64_t{7}) / 8;
  std::vector<std::uint8_t> map(std::min<std::uint64_t>(wanted, (from.size() + 7) / 8));
  for (std::size_t i = 0; i < from.size() && i / 8 < map.size(); ++i)
    if (from[i]) map[i / 8] = static_cast<std::uint8_t>(map[i / 8] | 1u << i % 8);
  std::uint64_t at = address_in(to.bitmap);
  if (!map.empty() && !c.write(at, map.data(), map.size())) return -kEfault;
  static constexpr std::array<std::uint8_t, 4096> kZeros{};
  for (std::uint64_t done = map.size(); done < wanted;) {
    const std::uint64_t n = std::min<std::uint64_t>(wanted - done, kZeros.size());
    if (!c.write(at + done, kZeros.data(), n)) return -kEfault;
    done += n;
  }
  return 0;
}

Bits bits_of(const std::vector<sched::PcpuId>& pcpus, std::size_t count) {
  Bits bits(count);
  for (const sched::PcpuId p : pcpus)
    if (p < count) bits[p] = true;
  return bits;
}

std::vector<sched::PcpuId> pcpus_of(const Bits& bits) {
  std::vector<sched::PcpuId> out;
  for (std::size_t i = 0; i < bits.size(); ++i)
    if (bits[i]) out.push_back(static_cast<sched::PcpuId>(i));
  return out;
}

}  // namespace xensim::xen
