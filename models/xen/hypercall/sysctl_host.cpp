// Sysctls that tell what the host is: its size, topology, NUMA nodes, processors' features (common/sysctl.c and
// arch/x86/sysctl.c of Xen 4.17).
#include <algorithm>
#include <array>

#include "models/xen/hypercall/control.h"

namespace xensim::xen {

namespace {

using cpu::CpuidPolicy;

// The words of a featureset in their order: leaf, subleaf, register (lib/x86/cpu-policy.h).
struct FeatureWord {
  std::uint32_t leaf, subleaf;
  std::uint32_t cpu::CpuidRegisters::*reg;
};
using R = cpu::CpuidRegisters;
constexpr FeatureWord kFeatureWords[] = {
    {1, 0, &R::edx},          {1, 0, &R::ecx}, {0x80000001, 0, &R::edx}, {0x80000001, 0, &R::ecx},
    {0xd, 1, &R::eax},        {7, 0, &R::ebx}, {7, 0, &R::ecx},          {0x80000007, 0, &R::edx},
    {0x80000008, 0, &R::ebx}, {7, 0, &R::edx}, {7, 1, &R::eax},          {0x80000021, 0, &R::eax},
    {7, 1, &R::ebx},          {7, 2, &R::edx}, {7, 1, &R::ecx},          {7, 1, &R::edx}};
// The last three are of an MSR and a leaf (0x80000021 ECX) that this processor does not have. (19 words: Debian's
// 4.17.5, with its fixes; the release has 18.)
constexpr std::uint32_t kFeatureCount = 19;

std::uint32_t feature_word(const CpuidPolicy& p, std::uint32_t i) {
  if (i >= std::size(kFeatureWords)) return 0;
  const FeatureWord& w = kFeatureWords[i];
  const std::uint32_t range = w.leaf & 0x80000000;
  if (w.leaf > p.query(range, 0).eax || (w.leaf == 7 && w.subleaf > p.query(7, 0).eax)) return 0;
  return p.query(w.leaf, w.subleaf).*w.reg;
}

// Policies by XEN_SYSCTL_cpu_policy_*: raw, host, PV, HVM, each the most and the default; there is no PV.
std::optional<CpuidPolicy> system_policy(const ControlCall& c, std::uint32_t index) {
  switch (index) {
    case XEN_SYSCTL_cpu_policy_raw:
    case XEN_SYSCTL_cpu_policy_host:
      return c.hv.pcpus.front().pcpu->core.cpuid;
    case XEN_SYSCTL_cpu_policy_hvm_max:
    case XEN_SYSCTL_cpu_policy_hvm_default:
      return c.hv.guest_policy(c.caller());
    default:
      return std::nullopt;
  }
}

long physinfo(const ControlCall& c, xen_sysctl_physinfo& p) {
  const Hypervisor& hv = c.hv;
  p = {};
  p.threads_per_core = 1;
  p.cores_per_socket = static_cast<std::uint32_t>(hv.pcpus.size());
  p.nr_cpus = static_cast<std::uint32_t>(hv.pcpus.size());
  p.max_cpu_id = p.nr_cpus - 1;
  p.nr_nodes = hv.heap.nodes();
  p.max_node_id = Heap::kMaxNodes - 1;
  p.cpu_khz = static_cast<std::uint32_t>(hv.tsc_hz / 1000);
  p.capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap | XEN_SYSCTL_PHYSCAP_gnttab_v1;
  if (hv.config.grants.max_version > 1) p.capabilities |= XEN_SYSCTL_PHYSCAP_gnttab_v2;
  p.total_pages = hv.memory.size() >> kPageShift;
  p.free_pages = hv.heap.free_pages();
  p.outstanding_pages = hv.frames.claimed();
  p.max_mfn = (hv.memory.end().value >> kPageShift) - 1;
  for (std::uint32_t i = 0; i < std::size(p.hw_cap); ++i)
    p.hw_cap[i] = feature_word(hv.pcpus.front().pcpu->core.cpuid, i);
  return 0;
}

long topology(const ControlCall& c, xen_sysctl_cputopoinfo& t) {
  auto count = static_cast<std::uint32_t>(c.hv.pcpus.size());
  if (t.cputopo.p) {
    count = std::min(count, t.num_cpus);
    for (std::uint32_t i = 0; i < count; ++i) {
      const xen_sysctl_cputopo place{i, 0, c.hv.node_of(i)};
      if (!c.write(address_in(t.cputopo) + i * sizeof place, place)) return -kEfault;
    }
  }
  t.num_cpus = count;
  return 0;
}

long numa(const ControlCall& c, xen_sysctl_numainfo& n) {
  const Heap& heap = c.hv.heap;
  std::uint32_t count = heap.nodes();
  if (n.meminfo.p || n.distance.p) count = std::min(count, n.num_nodes);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (n.meminfo.p) {
      // What the heap does not have of a machine with one node is Xen's own.
      const std::uint64_t size = heap.nodes() == 1 ? c.hv.memory.size() : heap.total_pages(i) << kPageShift;
      const xen_sysctl_meminfo m{size, heap.free_pages(i) << kPageShift};
      if (!c.write(address_in(n.meminfo) + i * sizeof m, m)) return -kEfault;
    }
    for (std::uint32_t j = 0; n.distance.p && j < count; ++j) {
      const std::uint32_t d = i == j ? 10 : 20;
      if (!c.write(address_in(n.distance) + (std::uint64_t{i} * count + j) * sizeof d, d)) return -kEfault;
    }
  }
  n.num_nodes = count;
  return 0;
}

long idle_times(const ControlCall& c, xen_sysctl_getcpuinfo& op) {
  const std::uint32_t count = std::min(op.max_cpus, static_cast<std::uint32_t>(c.hv.pcpus.size()));
  for (std::uint32_t i = 0; i < count; ++i) {
    const PcpuState& p = c.hv.pcpus[i];
    Cycles idle = p.idle_time[static_cast<unsigned>(Runstate::kRunning)];
    if (p.idle_runstate == Runstate::kRunning && c.hv.now() > p.idle_runstate_entry)
      idle += c.hv.now() - p.idle_runstate_entry;
    const xen_sysctl_cpuinfo info{c.hv.ns(idle)};
    if (!c.write(address_in(op.info) + i * sizeof info, info)) return -kEfault;
  }
  op.nr_cpus = count;
  return 0;
}

// avail_domheap_pages_region: addresses of so many bits, of one node or all.
long available(const ControlCall& c, xen_sysctl_availheap& op) {
  const auto zone = [](std::uint32_t width) {
    return std::clamp<std::uint32_t>(width, kPageShift + 1, kPageShift + Heap::kZones - 1) - kPageShift;
  };
  const unsigned lowest = op.min_bitwidth ? zone(op.min_bitwidth) : 0,
                 highest = op.max_bitwidth ? zone(op.max_bitwidth) : Heap::kZones - 1;
  std::uint64_t pages = 0;
  for (unsigned n = 0; n < c.hv.heap.nodes(); ++n)
    if (op.node == static_cast<std::int32_t>(n) || op.node == -1)
      pages += c.hv.heap.free_pages(n, lowest, highest);
  op.avail_bytes = pages << kPageShift;
  return 0;
}

long featureset(const ControlCall& c, xen_sysctl_cpu_featureset& op) {
  if (!op.features.p) {
    op.nr_features = kFeatureCount;
    return 0;
  }
  if (op.index > XEN_SYSCTL_cpu_featureset_hvm_max) return -kEinval;
  const bool host = op.index == XEN_SYSCTL_cpu_featureset_raw || op.index == XEN_SYSCTL_cpu_featureset_host;
  const bool hvm = op.index == XEN_SYSCTL_cpu_featureset_hvm || op.index == XEN_SYSCTL_cpu_featureset_hvm_max;
  if (!host && !hvm) return -kEopnotsupp;
  const CpuidPolicy policy = *system_policy(c, host ? XEN_SYSCTL_cpu_policy_host : XEN_SYSCTL_cpu_policy_hvm_max);
  const std::uint32_t n = std::min(op.nr_features, kFeatureCount);
  for (std::uint32_t i = 0; i < n; ++i)
    if (!c.write(address_in(op.features) + i * sizeof(std::uint32_t), feature_word(policy, i))) return -kEfault;
  op.nr_features = n;
  return n < kFeatureCount ? -kEnobufs : 0;
}

long cpu_policy(const ControlCall& c, xen_sysctl_cpu_policy& op) {
  if (op._rsvd || op.index > XEN_SYSCTL_cpu_policy_hvm_default) return -kEinval;
  const auto policy = system_policy(c, op.index);
  if (!policy) return -kEopnotsupp;
  return write_cpu_policy(c, *policy, address_in(op.leaves), op.nr_leaves, address_in(op.msrs), op.nr_msrs);
}

// No PCI device is known to this Xen.
long pci_topology(const ControlCall& c, xen_sysctl_pcitopoinfo& op) {
  constexpr std::uint32_t kMost = 64;
  if (!op.devs.p || !op.nodes.p) return -kEinval;
  const std::uint32_t count = std::min(op.num_devs, kMost);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t node = XEN_INVALID_DEV;
    physdev_pci_device_t device;
    if (!c.read(address_in(op.devs) + i * sizeof device, device)) return -kEfault;
    if (!c.write(address_in(op.nodes) + i * sizeof node, node)) return -kEfault;
  }
  op.num_devs = count;
  return 0;
}

}  // namespace

std::optional<long> sysctl_on_host(ControlCall& c, xen_sysctl& op) {
  switch (op.cmd) {
    case XEN_SYSCTL_physinfo:
      return physinfo(c, op.u.physinfo);
    case XEN_SYSCTL_cputopoinfo:
      return topology(c, op.u.cputopoinfo);
    case XEN_SYSCTL_numainfo:
      return numa(c, op.u.numainfo);
    case XEN_SYSCTL_pcitopoinfo:
      return pci_topology(c, op.u.pcitopoinfo);
    case XEN_SYSCTL_getcpuinfo:
      return idle_times(c, op.u.getcpuinfo);
    case XEN_SYSCTL_availheap:
      return available(c, op.u.availheap);
    case XEN_SYSCTL_get_cpu_levelling_caps:
      op.u.cpu_levelling_caps.caps = 0;
      return 0;
    case XEN_SYSCTL_get_cpu_featureset:
      return featureset(c, op.u.cpu_featureset);
    case XEN_SYSCTL_get_cpu_policy:
      return cpu_policy(c, op.u.cpu_policy);
    case XEN_SYSCTL_get_pmstat:  // no processor driver has told of states
      return op.u.get_pmstat.cpuid >= c.hv.pcpus.size() ? -kEinval : -kEnodev;
    case XEN_SYSCTL_pm_op:
      return op.u.pm_op.cpuid >= c.hv.pcpus.size() ? -kEinval : -kEnodev;
    default:
      return std::nullopt;
  }
}

}  // namespace xensim::xen
