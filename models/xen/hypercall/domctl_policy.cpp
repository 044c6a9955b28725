// A domain's CPUID and MSR policy: XEN_DOMCTL_get_cpu_policy and _set_cpu_policy, and the serialised form that
// they and XEN_SYSCTL_get_cpu_policy have (lib/x86/cpuid.c, msr.c and policy.c of Xen 4.17). A new policy may take
// features away from what a guest can have at most, not add any.
#include <algorithm>

#include "models/cpu/xstate.h"
#include "models/xen/domain/xstate.h"
#include "models/xen/hypercall/control.h"

namespace xensim::xen {

namespace {

using cpu::CpuidPolicy;
using cpu::CpuidRegisters;

// What a struct cpu_policy has room for.
constexpr std::uint32_t kBasicLeaves = 0xe, kCacheLeaves = 6, kFeatureLeaves = 3, kTopologyLeaves = 2,
                        kXstateLeaves = 63, kExtendedLeaves = 0x22;
constexpr std::uint32_t kMostLeaves = kBasicLeaves + kFeatureLeaves - 1 + kCacheLeaves - 1 + kTopologyLeaves - 1 +
                                      kXstateLeaves - 1 + kExtendedLeaves + 2;
constexpr std::uint32_t kPlatformInfo = 0xce, kArchCapabilities = 0x10a;
constexpr std::uint32_t kMostMsrs = 2;

// How many subleaves a leaf has room for; 0: it has none.
std::uint32_t subleaves_of(std::uint32_t leaf) {
  switch (leaf) {
    case 4:
      return kCacheLeaves;
    case 7:
      return kFeatureLeaves;
    case 0xb:
      return kTopologyLeaves;
    case 0xd:
      return kXstateLeaves;
    default:
      return 0;
  }
}

// A list in the caller's memory that is written from the front.
template <class T>
struct List {
  const ControlCall& c;
  std::uint64_t at;
  std::uint32_t room, used = 0;
  long put(const T& entry) {
    if (used == room) return -kEnobufs;
    if (!c.write(at + std::uint64_t{used} * sizeof entry, entry)) return -kEfault;
    ++used;
    return 0;
  }
};

long put_leaf(List<xen_cpuid_leaf_t>& list, const CpuidPolicy& p, std::uint32_t leaf, std::uint32_t subleaf) {
  const CpuidRegisters r = p.query(leaf, subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf);
  return list.put({leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx});
}

long put_subleaves(List<xen_cpuid_leaf_t>& list, const CpuidPolicy& p, std::uint32_t leaf) {
  for (std::uint32_t s = 0; s < subleaves_of(leaf); ++s) {
    if (const long r = put_leaf(list, p, leaf, s)) return r;
    const CpuidRegisters v = p.query(leaf, s);
    if (leaf == 4 && (v.eax & 0x1f) == 0) break;
    if (leaf == 7 && s == p.query(7, 0).eax) break;
    if (leaf == 0xb && (v.ecx >> 8 & 0xff) == 0) break;
    if (leaf == 0xd && s >= 1 && cpu::xstate::user_components(p) >> (s + 1) == 0) break;
  }
  return 0;
}

long put_leaves(List<xen_cpuid_leaf_t>& list, const CpuidPolicy& p) {
  for (std::uint32_t leaf = 0; leaf <= std::min(p.query(0, 0).eax, kBasicLeaves - 1); ++leaf) {
    const long r =
        subleaves_of(leaf) != 0 ? put_subleaves(list, p, leaf) : put_leaf(list, p, leaf, XEN_CPUID_NO_SUBLEAF);
    if (r != 0) return r;
  }
  // How many leaves of Xen's and of Viridian's there are: as many as there can be.
  for (const std::uint32_t leaf : {0x40000000u, 0x40000100u})
    if (const long r = list.put({leaf, XEN_CPUID_NO_SUBLEAF, 0, 0, 0, 0})) return r;
  const std::uint32_t extended = std::min(p.query(0x80000000, 0).eax & 0xffff, kExtendedLeaves - 1);
  for (std::uint32_t leaf = 0; leaf <= extended; ++leaf)
    if (const long r = put_leaf(list, p, 0x80000000 | leaf, XEN_CPUID_NO_SUBLEAF)) return r;
  return 0;
}

// x86_cpuid_copy_from_buffer. The place of an error is told.
long merge_leaves(const ControlCall& c, CpuidPolicy& p, xen_domctl_cpu_policy& op) {
  if (op.nr_leaves > kMostLeaves) return -kE2big;
  for (std::uint32_t i = 0; i < op.nr_leaves; ++i) {
    xen_cpuid_leaf_t l;
    if (!c.read(address_in(op.leaves) + std::uint64_t{i} * sizeof l, l)) return -kEfault;
    const bool basic = l.leaf < kBasicLeaves, extended = l.leaf - 0x80000000 < kExtendedLeaves,
               xen = l.leaf == 0x40000000 || l.leaf == 0x40000100;
    const std::uint32_t subleaves = basic ? subleaves_of(l.leaf) : 0;
    if (!(basic || extended || xen) || (subleaves ? l.subleaf >= subleaves : l.subleaf != XEN_CPUID_NO_SUBLEAF)) {
      op.err_leaf = l.leaf;
      op.err_subleaf = l.subleaf;
      return -kErange;
    }
    if (!xen) p.set(l.leaf, subleaves ? l.subleaf : 0, {l.a, l.b, l.c, l.d});
  }
  return 0;
}

// x86_msr_copy_from_buffer: a guest has neither CPUID faulting nor capabilities to lose, so that zeros alone fit.
long check_msrs(const ControlCall& c, xen_domctl_cpu_policy& op) {
  if (op.nr_msrs > kMostMsrs) return -kE2big;
  for (std::uint32_t i = 0; i < op.nr_msrs; ++i) {
    xen_msr_entry_t m;
    if (!c.read(address_in(op.msrs) + std::uint64_t{i} * sizeof m, m)) return -kEfault;
    op.err_msr = m.idx;
    if (m.flags) return -kEinval;
    if (m.idx != kPlatformInfo && m.idx != kArchCapabilities) return -kErange;
    if (m.idx == kPlatformInfo && m.val >> 32) return -kEoverflow;
    if (m.idx == kPlatformInfo && m.val != 0) return -kEinval;
    op.err_msr = ~0u;
  }
  return 0;
}

// What only fewer features of a leaf may be (recalculate_cpuid_policy), as a mask that keeps the other registers.
void limit_features(CpuidPolicy& p, const CpuidPolicy& most) {
  const auto limit = [&](std::uint32_t leaf, bool a, bool b, bool c, bool d) {
    CpuidRegisters r = p.query(leaf, 0);
    const CpuidRegisters m = most.query(leaf, 0);
    if (a) r.eax &= m.eax;
    if (b) r.ebx &= m.ebx;
    if (c) r.ecx &= m.ecx;
    if (d) r.edx &= m.edx;
    p.set(leaf, 0, r);
  };
  limit(1, false, false, true, true);
  CpuidRegisters extended = p.query(0xd, 1);
  extended.eax &= most.query(0xd, 1).eax;
  p.set(0xd, 1, extended);
  limit(7, false, true, true, true);
  limit(0x80000001, false, false, true, true);
  limit(0x80000007, false, false, false, true);
  CpuidRegisters r = p.query(1, 0);
  r.ecx |= 1u << 31;  // there is a hypervisor
  p.set(1, 0, r);
  xstate::recalculate(p);
}

long set_policy(ControlCall& c, Domain& d, xen_domctl_cpu_policy& op) {
  if (&d == &c.caller()) return -kEinval;
  if (d.creation_finished || d.kind != DomainKind::kGuest) return -kEexist;
  op.err_leaf = op.err_subleaf = op.err_msr = ~0u;
  CpuidPolicy wanted = d.cpuid;
  const CpuidPolicy most = c.hv.guest_policy(d);
  c.write_back = true;
  if (const long r = merge_leaves(c, wanted, op)) return r;
  if (const long r = check_msrs(c, op)) return r;
  const auto too_many = [&](std::uint32_t leaf, std::uint32_t subleaf) {
    if (wanted.query(leaf, 0).eax <= most.query(leaf, 0).eax) return false;
    op.err_leaf = leaf;
    op.err_subleaf = subleaf;
    return true;
  };
  if (too_many(0, XEN_CPUID_NO_SUBLEAF) || too_many(7, 0) || too_many(0x80000000, XEN_CPUID_NO_SUBLEAF))
    return -kEinval;
  limit_features(wanted, most);
  d.cpuid = std::move(wanted);
  c.hv.cpu_policy_changed(d);
  c.hv.restore_context(c.vcpu);
  c.write_back = false;
  return 0;
}

}  // namespace

long write_cpu_policy(const ControlCall& c, const CpuidPolicy& policy, std::uint64_t leaves,
                      std::uint32_t& leaf_count, std::uint64_t msrs, std::uint32_t& msr_count) {
  if (leaves == 0) {
    leaf_count = kMostLeaves;
  } else {
    List<xen_cpuid_leaf_t> list{c, leaves, leaf_count};
    if (const long r = put_leaves(list, policy)) return r;
    leaf_count = list.used;
  }
  if (msrs == 0) {
    msr_count = kMostMsrs;
    return 0;
  }
  List<xen_msr_entry_t> list{c, msrs, msr_count};
  for (const std::uint32_t index : {kPlatformInfo, kArchCapabilities})
    if (const long r = list.put({index, 0, 0})) return r;
  msr_count = list.used;
  return 0;
}

std::optional<long> domctl_on_policy(ControlCall& c, Domain& d, xen_domctl& op) {
  xen_domctl_cpu_policy& p = op.u.cpu_policy;
  switch (op.cmd) {
    case XEN_DOMCTL_get_cpu_policy: {
      const CpuidPolicy& policy = d.kind == DomainKind::kGuest ? d.cpuid : c.hv.pcpus.front().pcpu->core.cpuid;
      const long r = write_cpu_policy(c, policy, address_in(p.leaves), p.nr_leaves, address_in(p.msrs), p.nr_msrs);
      c.write_back = r == 0;
      return r;
    }
    case XEN_DOMCTL_set_cpu_policy:
      return set_policy(c, d, p);
    default:
      return std::nullopt;
  }
}

}  // namespace xensim::xen
