// The numbers of the trace points. Xen's own come from its public header; xensim's own are in a class that Xen
// does not use, and go to the Perfetto and text sinks only. Names and words of all of them: catalogue.h.
#pragma once

#include <cstdint>

#include <xen/xen.h>

#include <xen/trace.h>

namespace xensim::trace {

// Class bit of xensim's own points.
inline constexpr std::uint32_t kInternalClass = 0x0100f000;
constexpr bool is_internal(std::uint32_t event) { return (event & 0x01000000) != 0; }

inline constexpr std::uint32_t kInternal = 0x01001000;
enum InternalEvent : std::uint32_t {
  kEvtchnSend = kInternal + 1,       // domid:16|vcpu:16, port, remote domid, remote port
  kEvtchnDeliver = kInternal + 2,    // domid:16|vcpu:16, port
  kEvtchnUpcall = kInternal + 3,     // domid:16|vcpu:16, vector
  kIpiSend = kInternal + 4,          // target pCPU, vector
  kIpiReceive = kInternal + 5,       // source pCPU, vector
  kP2mFault = kInternal + 6,         // domid:16|vcpu:16, gfn (2 words), qualification, page order
  kHypercallEnter = kInternal + 7,   // domid:16|vcpu:16, op, first argument (2 words)
  kHypercallReturn = kInternal + 8,  // domid:16|vcpu:16, op, result (2 words)
  kTickle = kInternal + 9,           // target pCPU
  kTimerSet = kInternal + 10,        // domid:16|vcpu:16, deadline in ns (2 words)
  kTimerFire = kInternal + 11,       // domid:16|vcpu:16
  kLockWait = kInternal + 12,        // lock number, cycles waited (2 words)
  kMigrate = kInternal + 13,         // domid:16|vcpu:16, from pCPU, to pCPU
  kCounterValue = kInternal + 14,    // counter number, value (2 words)
  kUnlistedExit = kInternal + 16,    // a VM exit whose reason xenalyze refuses: reason, rip (2 words)
  kMark = kInternal + 15,            // mark number (Tracer::name_mark)
  kLogDirty = kInternal + 32,        // domid, XEN_DOMCTL_SHADOW_OP_*, pages dirty
  kPmlDrain = kInternal + 33,        // domid:16|vcpu:16, entries
  kEptSync = kInternal + 34,         // domid, pCPUs interrupted
  kShare = kInternal + 35,           // domid, gfn (2 words), references to the frame
  kUnshare = kInternal + 36,         // domid, gfn (2 words), whether a copy was made
};

}  // namespace xensim::trace
