#include "models/xen/mm/vm_event.h"

#include <algorithm>
#include <bit>

#include "models/xen/public.h"

#include <xen/domctl.h>
#include <xen/vm_event.h>

#include "models/xen/event/event_channel.h"
#include "models/xen/hypervisor.h"
#include "models/xen/mm/mem_paging.h"
#include "sim/base/expects.h"

namespace xensim::xen {

namespace {

// vm_event_sring of public/io/ring.h: four indices, padding up to 64 bytes, then slots for requests and responses
// alike.
constexpr std::uint64_t kReqProd = 0, kReqEvent = 4, kRspProd = 8, kRspEvent = 12, kSlots = 64;
constexpr std::uint64_t kSlotSize = std::max(sizeof(vm_event_request_t), sizeof(vm_event_response_t));
constexpr std::uint32_t kEntries = std::bit_floor((kPageSize - kSlots) / kSlotSize);
static_assert(sizeof(vm_event_request_t) == sizeof(vm_event_response_t));

constexpr std::uint32_t pause_flag_of(VmEventKind k) { return kPausePagingRing << static_cast<unsigned>(k); }
static_assert(pause_flag_of(VmEventKind::kMonitor) == kPauseMonitorRing);
static_assert(pause_flag_of(VmEventKind::kSharing) == kPauseSharingRing);

constexpr unsigned param_of(VmEventKind k) {
  return k == VmEventKind::kPaging    ? HVM_PARAM_PAGING_RING_PFN
         : k == VmEventKind::kMonitor ? HVM_PARAM_MONITOR_RING_PFN
                                      : HVM_PARAM_SHARING_RING_PFN;
}

PhysAddr slot(Mfn page, std::uint32_t index) {
  return address_of(page) + kSlots + kSlotSize * (index & (kEntries - 1));
}

}  // namespace

void VmEventRing::initialise(Hypervisor& hv) const {
  hv.memory.fill(address_of(page_), 0, kPageSize);
  hv.memory.write<std::uint32_t>(address_of(page_) + kReqEvent, 1);
  hv.memory.write<std::uint32_t>(address_of(page_) + kRspEvent, 1);
}

// Free request slots that nobody has claimed. Requests stay in the ring until they are answered.
unsigned VmEventRing::available(const Hypervisor&) const {
  const std::uint32_t open = produced_ - consumed_;
  return kEntries - open - claimed_ - claimed_foreign_;
}

long VmEventRing::claim(bool foreign) {
  if (produced_ - consumed_ + claimed_ + claimed_foreign_ >= kEntries) return -kEbusy;
  ++(foreign ? claimed_foreign_ : claimed_);
  return 0;
}

void VmEventRing::cancel(bool foreign) {
  unsigned& n = foreign ? claimed_foreign_ : claimed_;
  expects(n > 0);
  --n;
}

void VmEventRing::put(Hypervisor& hv, Domain& d, Vcpu* current, vm_event_st& request) {
  const bool foreign = !current || &current->domain != &d;
  if (foreign) request.flags |= VM_EVENT_FLAG_FOREIGN;
  request.version = VM_EVENT_INTERFACE_VERSION;
  hv.memory.write_bytes(slot(page_, produced_), {reinterpret_cast<const std::uint8_t*>(&request), sizeof request});
  hv.memory.write<std::uint32_t>(address_of(page_) + kReqProd, ++produced_);
  ++requests;
  cancel(foreign);
  hv.cost.charge(*hv.here().pcpu, Path::kVmEvent);
  // A vCPU that leaves too little room for the others waits on its way out.
  if (!foreign && available(hv) < d.vcpus.size() && current->vm_event_pauses == 0 &&
      !(current->pause_flags & pause_flag_)) {
    current->pause_flags |= pause_flag_;
    ++blocked_;
    hv.vcpu_sleep(*current);
  }
  event::notify_via_xen(hv, d, port_);
}

bool VmEventRing::take(Hypervisor& hv, vm_event_st& response) {
  const auto rsp_prod = hv.memory.read<std::uint32_t>(address_of(page_) + kRspProd);
  // More responses than there are open requests are nonsense.
  if (rsp_prod == consumed_ || rsp_prod - consumed_ > produced_ - consumed_) return false;
  hv.memory.read_bytes(slot(page_, consumed_), {reinterpret_cast<std::uint8_t*>(&response), sizeof response});
  ++consumed_;
  ++responses;
  hv.memory.write<std::uint32_t>(address_of(page_) + kRspEvent, consumed_ + 1);
  hv.cost.charge(*hv.here().pcpu, Path::kVmEvent);
  return true;
}

void VmEventRing::wake_blocked(Hypervisor& hv, Domain& d) {
  unsigned room = available(hv);
  const std::size_t n = d.vcpus.size();
  for (std::size_t j = 0; j < n && blocked_ > 0 && room > 0; ++j) {
    const std::size_t k = (last_woken_ + 1 + j) % n;
    Vcpu& v = *d.vcpus[k];
    if (!(v.pause_flags & pause_flag_)) continue;
    v.pause_flags &= ~pause_flag_;
    --blocked_;
    --room;
    last_woken_ = k;
    hv.vcpu_wake(v);
  }
}

void VmEventRing::unblock_all(Hypervisor& hv, Domain& d) {
  for (auto& v : d.vcpus) {
    if (!(v->pause_flags & pause_flag_)) continue;
    v->pause_flags &= ~pause_flag_;
    hv.vcpu_wake(*v);
  }
  blocked_ = 0;
}

void VmEventRing::resume(Hypervisor& hv, Domain& d) {
  vm_event_response_t response;
  while (take(hv, response)) {
    wake_blocked(hv, d);
    if (response.version != VM_EVENT_INTERFACE_VERSION || response.vcpu_id >= d.vcpus.size()) continue;
    Vcpu& v = *d.vcpus[response.vcpu_id];
    if (v.vm_event_pauses == 0) continue;
    if (response.reason == VM_EVENT_REASON_MEM_PAGING) mem_paging::resumed(hv, d, response);
    if (response.flags & VM_EVENT_FLAG_VCPU_PAUSED) vm_event::unpause(hv, v);
  }
}

namespace vm_event {

void pause(Hypervisor& hv, Vcpu& v) {
  if (v.vm_event_pauses++ > 0) return;
  v.pause_flags |= kPauseVmEvent;
  hv.vcpu_sleep(v);
}

void unpause(Hypervisor& hv, Vcpu& v) {
  // A helper may answer more often than it was asked.
  if (v.vm_event_pauses == 0 || --v.vm_event_pauses > 0) return;
  v.pause_flags &= ~kPauseVmEvent;
  hv.vcpu_wake(v);
}

namespace {

// The helper sent an event: it has answered.
template <VmEventKind kind>
void answered(Hypervisor& hv, Vcpu& v, std::uint32_t) {
  resume(hv, v.domain, kind);
}

XenConsumer consumer_of(VmEventKind kind) {
  switch (kind) {
    case VmEventKind::kPaging:
      return answered<VmEventKind::kPaging>;
    case VmEventKind::kMonitor:
      return answered<VmEventKind::kMonitor>;
    case VmEventKind::kSharing:
      return answered<VmEventKind::kSharing>;
  }
  return nullptr;
}

}  // namespace

long enable(Hypervisor& hv, Domain& caller, Domain& d, VmEventKind kind, std::uint32_t& port) {
  auto& ring = d.vm_events.ring[static_cast<unsigned>(kind)];
  if (ring) return -kEbusy;
  const std::uint64_t gfn = d.hvm_params[param_of(kind)];
  if (gfn == 0) return -kEopnotsupp;
  const auto page = hv.ram_frame(d, gfn);
  if (!page || !hv.frames.get_page(*page, d.domid)) return -kEinval;
  const long r = event::alloc_unbound_xen(hv, d, 0, caller.domid, consumer_of(kind));
  if (r < 0) {
    hv.frames.put_page(*page);
    return r;
  }
  port = static_cast<std::uint32_t>(r);
  ring = std::make_unique<VmEventRing>(*page, port, pause_flag_of(kind));
  ring->initialise(hv);
  return 0;
}

long disable(Hypervisor& hv, Domain& d, VmEventKind kind) {
  auto& ring = d.vm_events.ring[static_cast<unsigned>(kind)];
  if (!ring) return -kEinval;
  event::free_xen(hv, d, ring->port());
  ring->unblock_all(hv, d);
  hv.frames.put_page(ring->page());
  ring.reset();
  // Nobody is left to answer: what waits for an answer goes on.
  for (auto& v : d.vcpus)
    while (v->vm_event_pauses > 0) unpause(hv, *v);
  return 0;
}

long resume(Hypervisor& hv, Domain& d, VmEventKind kind) {
  VmEventRing* ring = d.vm_events.get(kind);
  if (!ring) return -kEnodev;
  ring->resume(hv, d);
  return 0;
}

void cleanup(Hypervisor& hv, Domain& d) {
  for (const VmEventKind k : {VmEventKind::kPaging, VmEventKind::kMonitor, VmEventKind::kSharing})
    if (d.vm_events.get(k)) disable(hv, d, k);
}

long notify_sharing_enomem(Hypervisor& hv, Domain& d, Gfn gfn) {
  VmEventRing* ring = d.vm_events.get(VmEventKind::kSharing);
  if (!ring) return -kEopnotsupp;
  Vcpu* v = hv.here().current;
  const bool own = v && &v->domain == &d;
  if (const long r = ring->claim(!own); r != 0) return r;
  vm_event_request_t request{};
  request.reason = VM_EVENT_REASON_MEM_SHARING;
  request.vcpu_id = v ? v->id : 0;
  request.u.mem_sharing.gfn = gfn.value;
  request.u.mem_sharing.p2mt = static_cast<std::uint32_t>(P2mType::kRamShared);
  if (own) {
    request.flags = VM_EVENT_FLAG_VCPU_PAUSED;
    pause(hv, *v);
  }
  ring->put(hv, d, v, request);
  return 0;
}

namespace {

bool kind_of(const HypervisorConfig& config, std::uint32_t mode, VmEventKind& kind) {
  switch (mode) {
    case XEN_DOMCTL_VM_EVENT_OP_PAGING:
      kind = VmEventKind::kPaging;
      return config.mem_paging;
    case XEN_DOMCTL_VM_EVENT_OP_MONITOR:
      kind = VmEventKind::kMonitor;
      return true;
    case XEN_DOMCTL_VM_EVENT_OP_SHARING:
      kind = VmEventKind::kSharing;
      return config.mem_sharing;
    default:
      return false;
  }
}

}  // namespace

long vm_event_op(Hypervisor& hv, Domain& caller, Domain& d, xen_domctl_vm_event_op& op) {
  if (op.op == XEN_VM_EVENT_GET_VERSION) {
    op.u.version = VM_EVENT_INTERFACE_VERSION;
    return 0;
  }
  if (&d == &caller) return -kEinval;
  if (d.dying) return 0;
  if (d.vcpus.empty() || !d.p2m) return -kEinval;
  VmEventKind kind{};
  if (!kind_of(hv.config, op.mode, kind)) return -kEnosys;
  switch (op.op) {
    case XEN_VM_EVENT_ENABLE: {
      std::uint32_t port = 0;
      const long r = enable(hv, caller, d, kind, port);
      if (r == 0) op.u.enable.port = port;
      return r;
    }
    case XEN_VM_EVENT_DISABLE:
      return disable(hv, d, kind);
    case XEN_VM_EVENT_RESUME:
      return resume(hv, d, kind);
    default:
      return -kEnosys;
  }
}

}  // namespace vm_event
}  // namespace xensim::xen
