// __HYPERVISOR_hvm_op: parameters, upcall vectors. Which parameters a guest may read and write follows
// hvm_allow_get_param and hvm_allow_set_param of Xen 4.17.
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

bool readable(std::uint32_t i) {
  switch (i) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_STORE_PFN:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_PFN:
    case HVM_PARAM_CONSOLE_EVTCHN:
    case HVM_PARAM_X87_FIP_WIDTH:
    case 34:
    case 35:
    case 37:
    case 15:
    case 19:
      return true;
    default:
      return false;
  }
}

bool writable(std::uint32_t i) {
  return i == HVM_PARAM_CALLBACK_IRQ || i == HVM_PARAM_STORE_EVTCHN || i == 15 || i == HVM_PARAM_CONSOLE_EVTCHN ||
         i == 19 || i == 34 || i == HVM_PARAM_X87_FIP_WIDTH || i == 37;
}

bool deprecated(std::uint32_t i) { return i == 4 || i == 13 || (i >= 20 && i <= 26) || i == 30; }

}  // namespace

// The width of shared_info and the runstate area follows the mode in which a guest sets up its callback or its
// hypercall page (hvm_latch_shinfo_size).
void Hypervisor::latch_guest_width(Vcpu& v) {
  const cpu::Vmx& vmx = active_->pcpu->core.vmx;
  v.domain.guest_64bit =
      vmx.read(cpu::VmcsField::kGuestCsAttr) & 0x2000 && vmx.read(cpu::VmcsField::kGuestEfer) & cpu::kEferLma;
}

long Hypervisor::do_hvm_op(Vcpu& v, const Arguments& args) {
  Domain& d = v.domain;
  switch (args.a[0]) {
    case HVMOP_set_param:
    case HVMOP_get_param: {
      xen_hvm_param_t p;
      if (!copy_from_guest(v, args.a[1], &p, sizeof p)) return -kEfault;
      if (p.domid != DOMID_SELF && p.domid != d.domid) return find_domain(p.domid) ? -kEperm : -kEsrch;
      if (p.index >= HVM_NR_PARAMS) return -kEinval;
      if (deprecated(p.index)) return -kEinval;
      if (args.a[0] == HVMOP_get_param) {
        if (!readable(p.index)) return -kEperm;
        p.value = d.hvm_params[p.index];
        return copy_to_guest(v, args.a[1], &p, sizeof p) ? 0 : -kEfault;
      }
      if (!writable(p.index)) return -kEperm;
      // The rings' ports are set once.
      if ((p.index == HVM_PARAM_STORE_EVTCHN || p.index == HVM_PARAM_CONSOLE_EVTCHN) &&
          d.hvm_params[p.index] != 0 && d.hvm_params[p.index] != p.value)
        return -kEexist;
      d.hvm_params[p.index] = p.value;
      if (p.index == HVM_PARAM_CALLBACK_IRQ) {
        latch_guest_width(v);
        for (auto& w : d.vcpus)
          if (upcall_pending(*w)) vcpu_kick(*w);
      }
      return 0;
    }
    case HVMOP_set_evtchn_upcall_vector: {
      xen_hvm_evtchn_upcall_vector_t u;
      if (!copy_from_guest(v, args.a[1], &u, sizeof u)) return -kEfault;
      if (u.vector < 0x10) return -kEinval;
      if (u.vcpu >= d.vcpus.size()) return -kEnoent;
      Vcpu& target = *d.vcpus[u.vcpu];
      target.upcall_vector = u.vector;
      if (upcall_pending(target)) vlapic_accept(target, u.vector);
      return 0;
    }
    case HVMOP_flush_tlbs:
      if (args.a[1] != 0) return -kEinval;
      for (auto& w : d.vcpus)
        for (PcpuState& c : pcpus) c.pcpu->core.mmu.invvpid(1, w->vpid, LinearAddr(0));
      return 0;
    case HVMOP_get_time: {
      xen_hvm_get_time_t t{};
      t.now = ns(now());
      return copy_to_guest(v, args.a[1], &t, sizeof t) ? 0 : -kEfault;
    }
    case HVMOP_pagetable_dying:
      return -kEinval;  // hardware-assisted paging has no shadow to tear down
    default:
      return -kEnosys;
  }
}

}  // namespace xensim::xen
