// __HYPERVISOR_memory_op: which sub-operation. What each does is in the files that memory_op.h names.
#include "models/xen/hypercall/memory_op.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/ept_sync.h"
#include "models/xen/mm/mem_access.h"
#include "models/xen/mm/mem_paging.h"
#include "models/xen/mm/sharing.h"

namespace xensim::xen {

namespace memory_op {

bool Call::read(std::uint64_t address, void* out, std::uint64_t size) const {
  return hv.copy_from_guest(v, address, out, size);
}

bool Call::write(std::uint64_t address, const void* in, std::uint64_t size) const {
  return hv.copy_to_guest(v, address, in, size);
}

bool Call::read_word(std::uint64_t address, std::uint64_t& out) const {
  out = 0;
  return read(address, &out, word());
}

bool Call::write_word(std::uint64_t address, std::uint64_t value) const { return write(address, &value, word()); }

bool Call::preempted() const { return hv.hypercall_preempted(); }

long Call::continue_from(std::uint64_t extent) const {
  hv.continue_hypercall(wide, op | extent << kExtentShift);
  return 0;
}

namespace {
bool only_says_a_number(unsigned op) {
  return op == XENMEM_maximum_ram_page || op == XENMEM_current_reservation || op == XENMEM_maximum_reservation ||
         op == XENMEM_maximum_gpfn || op == XENMEM_get_sharing_freed_pages ||
         op == XENMEM_get_sharing_shared_pages;
}
}  // namespace

}  // namespace memory_op

long Hypervisor::do_memory_op(Vcpu& v, const Arguments& args) {
  using namespace memory_op;
  const std::uint64_t command = args.wide ? args.a[0] : static_cast<std::uint32_t>(args.a[0]);
  const Call c{*this,
               v,
               v.domain,
               args.wide,
               static_cast<unsigned>(command & ((1u << kExtentShift) - 1)),
               command >> kExtentShift,
               args.a[1]};
  cost.charge(*active_->pcpu, only_says_a_number(c.op) ? Path::kMemoryOpQuery : Path::kMemoryOp);
  switch (c.op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      return reservation(c);
    case XENMEM_exchange:
      return exchange(c);
    case XENMEM_maximum_ram_page:
      return maximum_ram_page(c);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
      return domain_numbers(c);
    case XENMEM_add_to_physmap:
      return memory_op::add_to_physmap(c);
    case XENMEM_add_to_physmap_batch:
      return add_to_physmap_batch(c);
    case XENMEM_remove_from_physmap:
      return remove_from_physmap(c);
    case XENMEM_claim_pages:
      return c.wide ? claim(c) : -kEnosys;  // 32-bit callers have none
    case XENMEM_get_vnumainfo:
      return vnuma_info(c);
    case XENMEM_reserved_device_memory_map:
      return reserved_device_memory(c);
    case XENMEM_acquire_resource:
      return acquire_resource(c);
    case XENMEM_access_op:
      return mem_access::access_op(*this, v, args);
    default:
      break;
  }
  // The architecture's know no continuation in the command.
  if (c.start != 0) return -kEnosys;
  switch (c.op) {
    case XENMEM_memory_map:
      return memory_map(c);
    case XENMEM_set_memory_map:
      return set_memory_map(c);
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
      return pod_target(c);
    case XENMEM_machphys_mfn_list:
    case XENMEM_machphys_compat_mfn_list:
      return machphys_frames(c);
    case XENMEM_get_sharing_freed_pages:
      return static_cast<long>(sharing->saved_frames());
    case XENMEM_get_sharing_shared_pages:
      return static_cast<long>(sharing->shared_frames());
    case XENMEM_sharing_op:
      return sharing->sharing_op(v, args);
    case XENMEM_paging_op:
      return mem_paging::paging_op(*this, v, args);
    default:
      return -kEnosys;  // machine_memory_map and machphys_mapping among them: not for HVM guests
  }
}

// The domain's translations changed: every pCPU drops what it cached of them.
void Hypervisor::flush_domain(Domain& d) { ept_sync::sync_domain(*this, d); }

// Whether something waits that Xen would interrupt a long hypercall for (hypercall_preempt_check).
bool Hypervisor::hypercall_preempted() {
  cpu::Pcpu& p = *active_->pcpu;
  p.take_due();
  return active_->schedule_pending || active_->timers.due(now()) || p.apic.deliverable() >= 0;
}

// As hypercall_create_continuation: the guest executes the call again, with another first argument.
void Hypervisor::continue_hypercall(bool wide, std::uint64_t first_argument) {
  active_->pcpu->core.st.gpr[wide ? cpu::kRdi : cpu::kRbx] = first_argument;
  continue_hypercall_ = true;
}

}  // namespace xensim::xen
