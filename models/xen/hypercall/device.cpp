// Hypercalls about devices, page tables of PV guests, profiling and Xen's own settings, as far as PVH and HVM
// guests see them: physdev_op, dm_op, mmuext_op, xsm_op, xenpmu_op, hypfs_op (Xen 4.17 as Debian builds it: no
// Flask, performance counters of the processor not given to guests).
#include "models/xen/hypercall/handlers.h"
#include "models/xen/hypervisor.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

// The security module has no hypercall of its own under the default policy.
long do_xsm_op(Hypervisor&, Vcpu&, const Arguments&) { return -kEnosys; }

// Without emulated or passed-through interrupts (PVH) every command is unknown; the PCI commands are the hardware
// domain's.
long do_physdev_op(Hypervisor&, Vcpu&, const Arguments&) { return -kEnosys; }

// Guests with a local APIC get no performance monitoring interface.
long do_xenpmu_op(Hypervisor&, Vcpu&, const Arguments&) { return -kEopnotsupp; }

// Commands on page tables need an owner that is a PV domain. There is none but dom0, and Xen's own domains.
long do_mmuext_op(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  constexpr std::uint32_t kPreempted = 1u << 31;  // MMU_UPDATE_PREEMPTED
  const auto domid = static_cast<domid_t>(args.a[3]);
  if (static_cast<std::uint32_t>(args.a[1]) == kPreempted && args.a[0] == 0) return static_cast<int>(args.a[3]);
  if (domid == v.domain.domid) return -kEsrch;
  // Xen's own domains count as PV, and nobody but a control domain may use them so.
  if (domid == DOMID_IO || domid == DOMID_XEN) return xsm::check(xsm::Action::kPriv, v.domain, nullptr);
  const DomainLookup owner = lookup_domain(hv, v.domain, domid);
  if (!owner) return owner.error;
  if (owner.domain->kind == DomainKind::kGuest) return -kEinval;
  return xsm::check(xsm::Action::kTarget, v.domain, owner.domain);
}

// Device models: buffers are read first, then the domain is looked up, which is never one's own.
long do_dm_op(Hypervisor& hv, Vcpu& v, const Arguments& args) {
  constexpr unsigned kBuffers = 2;
  const auto count = static_cast<std::uint32_t>(args.a[1]);
  if (count > kBuffers) return -kE2big;
  std::array<std::uint8_t, kBuffers * 16> buffers{};
  if (!hv.copy_from_guest(v, args.a[2], buffers.data(), std::uint64_t{count} * (args.wide ? 16 : 8)))
    return -kEfault;
  const DomainLookup target = lookup_remote_domain(hv, v.domain, static_cast<domid_t>(args.a[0]));
  if (!target) return target.error;
  if (target.domain->kind != DomainKind::kGuest) return -kEinval;
  if (const long refused = xsm::check(xsm::Action::kDmPriv, v.domain, target.domain)) return refused;
  Fields f(buffers.data(), args.wide);
  const std::uint64_t op = f.word(), size = f.word();
  std::uint32_t command = 0;
  if (size < sizeof command) return -kEfault;
  if (!hv.copy_from_guest(v, op, &command, sizeof command)) return -kEfault;
  return -kEopnotsupp;  // PVH guests have no emulated devices
}

// The settings' file system is the control domain's. Nothing is published in it.
long do_hypfs_op(Hypervisor&, Vcpu& v, const Arguments& args) {
  constexpr std::uint32_t kGetVersion = 0;
  if (xsm::check(xsm::Action::kPriv, v.domain, nullptr) != 0) return -kEperm;
  if (static_cast<std::uint32_t>(args.a[0]) == kGetVersion)
    return args.a[1] == 0 && args.a[2] == 0 && args.a[3] == 0 && args.a[4] == 0 ? 1 : -kEinval;
  return -kEnoent;
}

}  // namespace xensim::xen
