// The 2-level event-channel ABI (public/xen.h): a pending bit and a mask bit per port in shared_info, a selector
// word and the upcall-pending byte per vCPU. Two layouts: 64 words of 64 bits, or 32 words of 32 bits for 32-bit
// guests.
//
// Order: pending bit, mask bit, selector bit, upcall byte; each is set only if the one before was clear. So a port
// that is pending already costs no upcall, and a guest that clears them in the opposite order loses nothing.
#pragma once

#include <cstdint>

#include "models/xen/event/abi.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
}  // namespace xensim::xen

namespace xensim::xen::event {

class TwoLevel final : public Abi {
 public:
  TwoLevel(Hypervisor& hypervisor, Domain& domain) : hypervisor_(hypervisor), domain_(domain) {}

  // Where a port's bits are: in the arrays `pending` and `mask`, bit number `port`; in the selector word,
  // `selector`.
  struct Place {
    PhysAddr pending, mask;
    std::uint32_t selector;
  };
  Place place_of(std::uint32_t port) const;

  std::uint32_t max_ports() const override;
  void set_pending(Vcpu& v, std::uint32_t port) override;
  void clear_pending(std::uint32_t port) override;
  void unmask(std::uint32_t port) override;
  bool pending(std::uint32_t port) const override;
  bool masked(std::uint32_t port) const override;
  long set_priority(std::uint32_t port, std::uint32_t priority) override;
  std::string state_text(std::uint32_t port) const override;

 private:
  // The port is pending and not masked.
  void deliver(Vcpu& v, const Place& at, std::uint32_t port);
  Hypervisor& hypervisor_;
  Domain& domain_;
};

// Offset of evtchn_pending_sel in vcpu_info.
unsigned selector_offset(const Domain& d);

}  // namespace xensim::xen::event
