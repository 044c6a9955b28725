// The last step of an event's delivery: the vCPU's upcall byte, and whatever makes the vCPU look at it.
//
// How a vCPU learns of it (Xen 4.17's hvm_assert_evtchn_irq), the first that applies:
//   - its own upcall vector (HVMOP_set_evtchn_upcall_vector): an edge-triggered interrupt to its local APIC, lost
//     if that is disabled; the write to the APIC's SVR that enables it makes up for that;
//   - HVM_PARAM_CALLBACK_IRQ of type vector: Xen injects the vector at VM entry while the upcall byte is set, past
//     the APIC;
//   - of type GSI or PCI INTx: vCPU 0's upcall byte is the level of that line. These need an IOAPIC and a PIC: a
//     domain without (PVH) keeps the callback that it had, and no error is told.
// A vCPU with none of them is not told; it can poll. evtchn_upcall_mask means nothing to HVM and PVH guests.
#pragma once

#include <cstdint>

#include "sim/base/types.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
struct Vcpu;
}  // namespace xensim::xen

namespace xensim::xen::event {

// The interrupt inputs of a domain's chipset, for callbacks by line.
class InterruptLines {
 public:
  virtual ~InterruptLines() = default;
  // GSIs are below this.
  virtual unsigned gsis() const = 0;
  // A source of the line rises or falls; several sources may share one.
  virtual void set_gsi(unsigned gsi, bool level) = 0;
  virtual void set_pci_intx(unsigned device, unsigned pin, bool level) = 0;
};

struct CallbackVia {
  enum class Type : std::uint8_t { kNone, kGsi, kPciIntx, kVector };
  Type type = Type::kNone;
  std::uint8_t gsi = 0, device = 0, pin = 0, vector = 0;
  bool asserted = false;  // the line follows vCPU 0's upcall byte, and was set last
};

// HVM_PARAM_CALLBACK_IRQ takes this value.
void set_callback_via(Hypervisor& hv, Domain& d, std::uint64_t via);
// Before a guest's VM exit is handled: the guest may have cleared the byte whose level the line follows.
void lower_callback_line(Hypervisor& hv, Domain& d);

// Bits of the domain's shared words, set and cleared by Xen. true: the bit was set before. What changes counts as
// written in log-dirty mode.
bool set_bit(Hypervisor& hv, Domain& d, PhysAddr words, std::uint32_t bit);
bool clear_bit(Hypervisor& hv, Domain& d, PhysAddr words, std::uint32_t bit);

// A port became pending and unmasked in an empty queue or selector: sets the upcall byte, and tells the vCPU.
void mark_events_pending(Hypervisor& hv, Vcpu& v, std::uint32_t port);
// Tells the vCPU, whatever its upcall byte.
void notify_vcpu(Hypervisor& hv, Vcpu& v);
// A port became pending: vCPUs in SCHEDOP_poll for it, or for several, go on.
void check_pollers(Hypervisor& hv, Domain& d, std::uint32_t port);

}  // namespace xensim::xen::event
