// A domctl, sysctl or platform_op that passed the checks of its hypercall: who made it, the caller's memory that
// its structure points to, and a target domain that holds still.
//
// Order rule: some operations need a domain of which no vCPU is on a pCPU. Xen waits for that within the
// hypercall; here another pCPU's time cannot pass meanwhile, so that the caller makes its hypercall again until it
// is so, and the domain stays paused from the first time to the last (Vcpu::holds_still).
#pragma once

#include <cstdint>
#include <vector>

#include "models/xen/hypervisor.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/domctl.h>
#pragma GCC diagnostic pop

namespace xensim::xen {

struct ControlCall {
  Hypervisor& hv;
  Vcpu& vcpu;               // current
  bool write_back = false;  // the caller gets the structure back
  bool again = false;       // the hypercall is made once more

  Domain& caller() const { return vcpu.domain; }
  template <class T>
  bool read(std::uint64_t from, T& to) const {
    return hv.copy_from_guest(vcpu, from, &to, sizeof to);
  }
  bool read(std::uint64_t from, void* to, std::uint64_t bytes) const {
    return hv.copy_from_guest(vcpu, from, to, bytes);
  }
  template <class T>
  bool write(std::uint64_t to, const T& from) const {
    return hv.copy_to_guest(vcpu, to, &from, sizeof from);
  }
  bool write(std::uint64_t to, const void* from, std::uint64_t bytes) const {
    return hv.copy_to_guest(vcpu, to, from, bytes);
  }

  // Pauses the domain until the hypercall is over. true: none of its vCPUs is on a pCPU; false: the caller asks
  // again (again is set).
  bool hold_still(Domain& d);
  // The domain that is held, if any, goes on.
  void let_go() { let_go(hv, vcpu); }
  static void let_go(Hypervisor& hv, Vcpu& v);
  // With the arguments as they are.
  long repeat() {
    again = true;
    hv.repeat_hypercall();
    return 0;
  }
};

// A guest handle's address.
template <class Handle>
std::uint64_t address_in(const Handle& h) {
  return reinterpret_cast<std::uint64_t>(h.p);
}

// struct xenctl_bitmap, as sets of the bits that Xen has: what a caller has beyond is ignored, and written as
// zeros.
using Bits = std::vector<bool>;
long read_bitmap(const ControlCall& c, const xenctl_bitmap& from, Bits& to);
long write_bitmap(const ControlCall& c, const xenctl_bitmap& to, const Bits& from);
Bits bits_of(const std::vector<sched::PcpuId>& pcpus, std::size_t count);
std::vector<sched::PcpuId> pcpus_of(const Bits& bits);

}  // namespace xensim::xen
