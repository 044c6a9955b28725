// A vm_event ring (public/vm_event.h): a page of the guest's, shared with a helper in dom0. Xen puts requests, the
// helper puts responses and notifies; each request of a vCPU that Xen paused lets it go on when it is answered.
//
// The helper is told, and tells that it has answered, by an event channel of which Xen is one end.
//
// A domain has up to three rings: paging, monitor (mem_access), sharing. A producer claims a slot before it puts a
// request, so that requests always find room; a vCPU that leaves less room than the domain has vCPUs is blocked
// until responses have been taken. Ring content is the helper's: every index and response is checked.
//
// For XEN_DOMCTL_vm_event_op: vm_event_op(). Errors and their order: Xen 4.17, common/vm_event.c.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "models/xen/public.h"
#include "sim/base/types.h"

struct xen_domctl_vm_event_op;
struct vm_event_st;

namespace xensim::xen {

class Hypervisor;
struct Domain;
struct Vcpu;

enum class VmEventKind : std::uint8_t { kPaging, kMonitor, kSharing };

class VmEventRing {
 public:
  VmEventRing(Mfn page, std::uint32_t port, unsigned pause_flag)
      : page_(page), port_(port), pause_flag_(pause_flag) {}

  // A slot for a request: 0, or -EBUSY.
  long claim(bool foreign);
  void cancel(bool foreign);
  // Puts a request into the slot that was claimed, and tells the helper. v: whom it is about.
  void put(Hypervisor& hv, Domain& d, Vcpu* current, vm_event_st& request);
  // Takes all responses (vm_event_resume).
  void resume(Hypervisor& hv, Domain& d);

  Mfn page() const { return page_; }
  std::uint32_t port() const { return port_; }
  unsigned available(const Hypervisor& hv) const;
  // Makes the page an empty ring.
  void initialise(Hypervisor& hv) const;
  void unblock_all(Hypervisor& hv, Domain& d);

  std::uint64_t requests = 0, responses = 0;

 private:
  bool take(Hypervisor& hv, vm_event_st& response);
  void wake_blocked(Hypervisor& hv, Domain& d);

  Mfn page_;
  std::uint32_t port_;
  std::uint32_t pause_flag_;  // of vCPUs that wait for room
  std::uint32_t produced_ = 0, consumed_ = 0;
  unsigned claimed_ = 0, claimed_foreign_ = 0, blocked_ = 0;
  std::size_t last_woken_ = 0;
};

// The rings of a domain; null: none.
struct VmEventRings {
  std::array<std::unique_ptr<VmEventRing>, 3> ring;
  VmEventRing* get(VmEventKind k) const { return ring[static_cast<unsigned>(k)].get(); }
};

namespace vm_event {

// XEN_DOMCTL_vm_event_op by `caller` on d, privilege checked already.
long vm_event_op(Hypervisor& hv, Domain& caller, Domain& d, xen_domctl_vm_event_op& op);
long enable(Hypervisor& hv, Domain& caller, Domain& d, VmEventKind kind, std::uint32_t& port);
long disable(Hypervisor& hv, Domain& d, VmEventKind kind);
long resume(Hypervisor& hv, Domain& d, VmEventKind kind);
void cleanup(Hypervisor& hv, Domain& d);

// A vCPU of the domain's could not unshare a page for want of memory: 0, or why the helper was not told
// (-EOPNOTSUPP: there is none).
long notify_sharing_enomem(Hypervisor& hv, Domain& d, Gfn gfn);

// vm_event_vcpu_pause and _unpause.
void pause(Hypervisor& hv, Vcpu& v);
void unpause(Hypervisor& hv, Vcpu& v);

}  // namespace vm_event
}  // namespace xensim::xen
