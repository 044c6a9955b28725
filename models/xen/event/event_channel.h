// Event channels: the life cycle of ports, apart from the ABI by which pending ports show in guest memory (abi.h).
// Follows Xen's public/event_channel.h; states, errors and the order of checks are those of Xen 4.17's
// common/event_channel.c.
//
// How ports live. A free port is unbound (waits for a domain to bind to it), interdomain (two ports, each the
// other's peer), or belongs to a VIRQ, a PIRQ or an IPI; closed, it is free again. The lowest free port is given
// out first. Port 0 is reserved. Ports exist in buckets: a port that never was in use exists if another of its
// bucket was, and is then free; one beyond the last bucket is -EINVAL to every operation.
//
// Consumers in Xen. Xen itself may take events of an unbound port of a domain (an ioreq server's, a vm_event
// ring's): guests can bind to it and send, but neither close nor move it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/xen/event/abi.h"
#include "models/xen/public.h"

namespace xensim::xen {

class Hypervisor;
struct Domain;
struct Vcpu;
namespace event {
class Fifo;
}

enum class PortState : std::uint8_t {  // EVTCHNSTAT_*
  kFree = 0,
  kUnbound = 1,
  kInterdomain = 2,
  kPirq = 3,
  kVirq = 4,
  kIpi = 5,
  kReserved = 6,
};

// Takes an event in Xen: of this vCPU, on this port of its domain.
using XenConsumer = void (*)(Hypervisor&, Vcpu&, std::uint32_t port);

struct Port {
  PortState state = PortState::kFree;
  XenConsumer consumer = nullptr;  // nullptr: the guest
  std::uint32_t notify_vcpu = 0;
  domid_t remote_domid = 0;       // kUnbound: who may bind; kInterdomain: the peer
  std::uint32_t remote_port = 0;  // kInterdomain
  std::uint32_t irq = 0;          // kVirq, kPirq: its number

  // The FIFO ABI's, kept when the port is closed, as Xen keeps them.
  bool pending = false;  // an event came before there was a word for it
  std::uint8_t priority = 0;
  std::uint8_t last_priority = 0;  // with last_vcpu: the queue that it was linked into last
  std::uint16_t last_vcpu = 0;

  // Guests take its events.
  bool usable() const { return !consumer && state != PortState::kFree && state != PortState::kReserved; }
};

// The ports of one domain.
struct EventChannels {
  // Of Xen's struct evtchn, a page holds 64.
  static constexpr std::uint32_t kPortsPerBucket = 64;

  std::vector<Port> ports;          // index is the port; whole buckets
  std::uint32_t max_port = 1023;    // the highest that may be in use (max_event_channels), if the ABI has it
  std::unique_ptr<event::Abi> abi;  // never null while the domain lives
  event::Fifo* fifo = nullptr;      // abi, if it is the FIFO one
  std::map<std::uint32_t, std::uint32_t> pirqs;  // port of each bound PIRQ
  std::uint32_t next_reset = 0;                  // a reset is in progress: the port it goes on with

  EventChannels() { ports.resize(kPortsPerBucket), ports[0].state = PortState::kReserved; }

  bool valid(std::uint32_t port) const { return port < ports.size(); }
  // Ports in use, by guests and by Xen; and by Xen alone.
  std::uint32_t active = 0, xen = 0;
  // No port below is free.
  std::uint32_t lowest_free = 1;
};

namespace event {

constexpr bool virq_is_global(std::uint32_t virq) {
  return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

// Takes a free port and gives it the state, with vCPU 0 to notify. The caller fills in the rest.
long bind_port(Hypervisor& hv, Domain& d, PortState state, std::uint32_t& port);

// EVTCHNOP_*, by the domain whose port it is, with Xen's results. (More in hypervisor.h.)
long bind_ipi(Hypervisor& hv, Domain& d, std::uint32_t vcpu, std::uint32_t& port);
long bind_pirq(Hypervisor& hv, Domain& d, std::uint32_t pirq, std::uint32_t& port);
long bind_vcpu(Domain& d, std::uint32_t port, std::uint32_t vcpu);
long unmask(Domain& d, std::uint32_t port);
long status(const Domain& d, std::uint32_t port, evtchn_status_t& out);
long set_priority(Domain& d, std::uint32_t port, std::uint32_t priority);
long init_control(Hypervisor& hv, Domain& d, const evtchn_init_control_t& op);
long expand_array(Domain& d, std::uint64_t gfn);
// Closes all ports that are not Xen's and goes back to the 2-level ABI. resuming: goes on with one that was cut
// short. kErestart (negated): cut short again. by_itself: the domain's own hypercall; another's needs it paused.
long reset(Hypervisor& hv, Domain& d, bool by_itself, bool resuming);

// SCHEDOP_poll: 1 pending, 0 not, or an error.
long poll(const Domain& d, std::uint32_t port);

// An unbound port of d whose events Xen takes; the port's number, or an error.
long alloc_unbound_xen(Hypervisor& hv, Domain& d, std::uint32_t vcpu, domid_t remote, XenConsumer consumer);
void free_xen(Hypervisor& hv, Domain& d, std::uint32_t port);
// Xen sends to the peer of such a port, if it has one.
void notify_via_xen(Hypervisor& hv, Domain& d, std::uint32_t port);

// The domain is destroyed: closes everything, Xen's ports too.
void destroy(Hypervisor& hv, Domain& d);

// Global VIRQs go to dom0 unless another domain handles them. 0 or -EINVAL.
long set_global_virq_handler(Hypervisor& hv, Domain& d, std::uint32_t virq);
void send_guest_global_virq(Hypervisor& hv, Domain& d, std::uint32_t virq);
// A physical interrupt that Xen emulates for the guest.
void send_guest_pirq(Hypervisor& hv, Domain& d, std::uint32_t pirq);

// What debug key `e` prints of the domain, line by line.
std::vector<std::string> dump(const Domain& d);

}  // namespace event
}  // namespace xensim::xen
