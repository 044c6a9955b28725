// __HYPERVISOR_hvm_op: parameters, upcall vectors. Which parameters a guest may read and write follows
// hvm_allow_get_param and hvm_allow_set_param of Xen 4.17.
#include "models/xen/hvm/platform.h"
#include "models/xen/hypercall/arguments.h"
#include "models/xen/hypervisor.h"
#include "models/xen/xsm/xsm.h"

namespace xensim::xen {

namespace {

using xsm::Action;

// What a guest may do with a parameter of its own (hvm_allow_get_param, hvm_allow_set_param).
enum class Access : std::uint8_t { kNone, kRead, kReadWrite, kDeprecated };

Access access_of(std::uint32_t i) {
  switch (i) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_EVTCHN:
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED:
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
    case HVM_PARAM_VM_GENERATION_ID_ADDR:
    case HVM_PARAM_X87_FIP_WIDTH:
      return Access::kReadWrite;
    case HVM_PARAM_STORE_PFN:
    case HVM_PARAM_CONSOLE_PFN:
    case HVM_PARAM_ALTP2M:
      return Access::kRead;
    case 4:   // HVM_PARAM_PAE_ENABLED
    case 13:  // HVM_PARAM_DM_DOMAIN
    case 20:  // HVM_PARAM_MEMORY_EVENT_CR0, CR3, CR4, INT3
    case 21:
    case 22:
    case 23:
    case 24:  // HVM_PARAM_NESTEDHVM
    case 25:  // HVM_PARAM_MEMORY_EVENT_SINGLE_STEP
    case 26:  // HVM_PARAM_BUFIOREQ_EVTCHN
    case 30:  // HVM_PARAM_MEMORY_EVENT_MSR
      return Access::kDeprecated;
    default:
      return Access::kNone;
  }
}

// 0 or an error; what only a control domain may do is about other domains' parameters.
long may_access(const Domain& caller, const Domain& d, std::uint32_t index, bool write) {
  if (const long refused = xsm::check(Action::kTarget, caller, &d)) return refused;
  const Access access = access_of(index);
  if (access == Access::kDeprecated) return -kEinval;
  if (access == Access::kReadWrite || (access == Access::kRead && !write) || &caller != &d) return 0;
  return -kEperm;
}

constexpr std::uint64_t kSmallestTss = 104, kLargestTss = kSmallestTss + 32 + 8192 + 1;

}  // namespace

// The width of shared_info and the runstate area follows the mode in which a guest sets up its callback or its
// hypercall page (hvm_latch_shinfo_size).
void Hypervisor::latch_guest_width(Vcpu& v) {
  const cpu::Vmx& vmx = active_->pcpu->core.vmx;
  v.domain.guest_64bit =
      vmx.read(cpu::VmcsField::kGuestCsAttr) & 0x2000 && vmx.read(cpu::VmcsField::kGuestEfer) & cpu::kEferLma;
}

// hvm_set_param, for a caller who may.
long Hypervisor::set_hvm_param(Vcpu& v, Domain& d, std::uint32_t index, std::uint64_t value) {
  const std::uint64_t old = d.hvm_params[index];
  switch (index) {
    case HVM_PARAM_CALLBACK_IRQ:
      d.hvm_params[index] = value;
      event::set_callback_via(*this, d, value);
      latch_guest_width(v);
      return 0;
    // Set once.
    case HVM_PARAM_IOREQ_PFN:
    case HVM_PARAM_BUFIOREQ_PFN:
    case HVM_PARAM_VIRIDIAN:
    case HVM_PARAM_IOREQ_SERVER_PFN:
    case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
    case HVM_PARAM_ALTP2M:
    case HVM_PARAM_MCA_CAP:
      if (old != 0 && value != old) return -kEexist;
      break;
    case HVM_PARAM_ACPI_IOPORTS_LOCATION:
      if (!d.platform) return -kEnodev;  // PVH has no PM timer
      if (value > 1) return -kEinval;
      d.platform->move_acpi_ports(value == 1);
      break;
    case HVM_PARAM_X87_FIP_WIDTH:
      if (value != 0 && value != 4 && value != 8) return -kEinval;
      break;
    case HVM_PARAM_VM86_TSS:
    case HVM_PARAM_VM86_TSS_SIZED: {
      const bool sized = index == HVM_PARAM_VM86_TSS_SIZED;
      if (sized ? value >> 32 < kSmallestTss : value >> 32 != 0) {
        if (&d == &v.domain) crash_domain(d, "a task-state segment for virtual-8086 mode that cannot be");
        return -kEinval;
      }
      if (!sized && value != 0) value |= std::uint64_t{128} << 32;
      if (value >> 32 > kLargestTss) value = static_cast<std::uint32_t>(value) | kLargestTss << 32;
      index = HVM_PARAM_VM86_TSS_SIZED;
      break;
    }
    default:
      break;
  }
  d.hvm_params[index] = value;
  return 0;
}

long Hypervisor::do_hvm_op(Vcpu& v, const Arguments& args) {
  Domain& d = v.domain;
  switch (args.a[0]) {
    case HVMOP_set_param:
    case HVMOP_get_param: {
      xen_hvm_param_t p;
      if (!copy_from_guest(v, args.a[1], &p, sizeof p)) return -kEfault;
      if (p.index >= HVM_NR_PARAMS) return -kEinval;
      const DomainLookup found = lookup_domain(*this, d, p.domid);
      if (!found) return found.error;
      if (found.domain->kind != DomainKind::kGuest) return -kEinval;
      if (const long refused = may_access(d, *found.domain, p.index, args.a[0] == HVMOP_set_param)) return refused;
      if (args.a[0] == HVMOP_set_param) return set_hvm_param(v, *found.domain, p.index, p.value);
      p.value = found.domain->hvm_params[p.index];
      if (p.index == HVM_PARAM_VM86_TSS)
        p.value = static_cast<std::uint32_t>(found.domain->hvm_params[HVM_PARAM_VM86_TSS_SIZED]);
      return copy_to_guest(v, args.a[1], &p, sizeof p) ? 0 : -kEfault;
    }
    case HVMOP_set_evtchn_upcall_vector: {
      xen_hvm_evtchn_upcall_vector_t u;
      if (!copy_from_guest(v, args.a[1], &u, sizeof u)) return -kEfault;
      if (u.vector < 0x10) return -kEinval;
      if (u.vcpu >= d.vcpus.size()) return -kEnoent;
      Vcpu& target = *d.vcpus[u.vcpu];
      target.upcall_vector = u.vector;
      event::notify_vcpu(*this, target);  // whether or not anything is pending
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
    case HVMOP_get_mem_type: {
      xen_hvm_get_mem_type_t m;
      if (!copy_from_guest(v, args.a[1], &m, sizeof m)) return -kEfault;
      const DomainLookup found = lookup_domain(*this, d, m.domid);
      if (!found) return found.error;
      if (const long refused = xsm::check(Action::kTarget, d, found.domain)) return refused;
      if (found.domain->kind != DomainKind::kGuest) return -kEinval;
      const bool ram = ram_frame(*found.domain, m.pfn).has_value();
      m.mem_type = static_cast<std::uint16_t>(ram ? HVMMEM_ram_rw : HVMMEM_mmio_dm);
      return copy_to_guest(v, args.a[1], &m, sizeof m) ? 0 : -kEfault;
    }
    case HVMOP_pagetable_dying: {
      xen_hvm_pagetable_dying_t p;
      if (!copy_from_guest(v, args.a[1], &p, sizeof p)) return -kEfault;
      const DomainLookup found = lookup_domain(*this, d, p.domid);
      if (!found) return found.error;
      // With nested paging there is no shadow to tear down.
      return found.domain == &d ? -kEinval : -kEopnotsupp;
    }
    case HVMOP_xentrace: {
      xen_hvm_xentrace_t t;
      if (!copy_from_guest(v, args.a[1], &t, sizeof t)) return -kEfault;
      constexpr unsigned kEventBits = 12;  // TRC_SUBCLS_SHIFT
      return t.extra_bytes > sizeof t.extra || t.event >> kEventBits != 0 ? -kEinval : 0;
    }
    case HVMOP_guest_request_vm_event:
      return args.a[1] == 0 ? 0 : -kEinval;  // nobody monitors
    default:
      return -kEnosys;
  }
}

}  // namespace xensim::xen
