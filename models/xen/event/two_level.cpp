#include "models/xen/event/two_level.h"

#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace two_level {

Bits bits_of(const Domain& d, std::uint32_t port) {
  const PhysAddr base = address_of(d.shared_info);
  const unsigned pending = 2048;
  const unsigned mask = d.guest_64bit ? 2560 : 2176;
  const unsigned word_bits = d.guest_64bit ? 64 : 32;
  return {base + pending + port / 8, base + mask + port / 8, static_cast<std::uint8_t>(port % 8),
          port / word_bits};
}

}  // namespace two_level

bool Hypervisor::port_pending(const Domain& d, std::uint32_t port) const {
  if (port >= two_level::max_ports(d)) return false;
  const auto b = two_level::bits_of(d, port);
  return memory.read<std::uint8_t>(b.pending) >> b.bit & 1;
}

bool Hypervisor::port_masked(const Domain& d, std::uint32_t port) const {
  if (port >= two_level::max_ports(d)) return true;
  const auto b = two_level::bits_of(d, port);
  return memory.read<std::uint8_t>(b.mask) >> b.bit & 1;
}

void Hypervisor::clear_pending(Domain& d, std::uint32_t port) {
  if (port >= two_level::max_ports(d)) return;
  const auto b = two_level::bits_of(d, port);
  const auto old = memory.read<std::uint8_t>(b.pending);
  memory.write<std::uint8_t>(b.pending, static_cast<std::uint8_t>(old & ~(1u << b.bit)));
}

bool Hypervisor::upcall_pending(const Vcpu& v) const {
  return memory.read<std::uint8_t>(v.vcpu_info + two_level::kUpcallPending) != 0;
}

// Pending bit, mask, selector, upcall byte: each is set only if the one before was clear, as evtchn_2l_set_pending
// does.
void Hypervisor::event_set_pending(Domain& d, std::uint32_t port) {
  cpu::Pcpu& p = *active_->pcpu;
  if (port >= two_level::max_ports(d)) return;
  const Port& channel = d.events.ports[port];
  if (channel.notify_vcpu >= d.vcpus.size()) return;
  Vcpu& v = *d.vcpus[channel.notify_vcpu];
  const auto b = two_level::bits_of(d, port);
  const PhysAddr touched[] = {b.pending, b.mask, v.vcpu_info};
  cost.charge(p, Path::kEventDeliver, touched);
  const auto pending = memory.read<std::uint8_t>(b.pending);
  ++v.stats.events_received;
  if (!(pending >> b.bit & 1)) {
    memory.write<std::uint8_t>(b.pending, static_cast<std::uint8_t>(pending | 1u << b.bit));
    if (!(memory.read<std::uint8_t>(b.mask) >> b.bit & 1)) {
      const PhysAddr selector = v.vcpu_info + two_level::selector_offset(d) + b.selector / 8;
      const auto sel = memory.read<std::uint8_t>(selector);
      const auto sel_bit = static_cast<std::uint8_t>(1u << (b.selector % 8));
      if (!(sel & sel_bit)) {
        memory.write<std::uint8_t>(selector, static_cast<std::uint8_t>(sel | sel_bit));
        tracer.evtchn_deliver(p.index, now(), trace_id(v), port);
        assert_upcall(v);
      }
    }
    // SCHEDOP_poll wakes on a pending port, masked or not.
    for (auto& w : d.vcpus)
      if (w->pause_flags & kPauseBlockedInPoll)
        for (const std::uint32_t polled : w->poll_ports)
          if (polled == port) {
            vcpu_unblock(*w);
            break;
          }
  }
}

// vcpu_mark_events_pending: the upcall byte, then whatever brings the vCPU to look.
void Hypervisor::assert_upcall(Vcpu& v) {
  const PhysAddr byte = v.vcpu_info + two_level::kUpcallPending;
  if (memory.read<std::uint8_t>(byte) != 0) return;
  memory.write<std::uint8_t>(byte, 1);
  if (!v.model && v.upcall_vector != 0) {
    tracer.evtchn_upcall(active_->pcpu->index, now(), trace_id(v), v.upcall_vector);
    vlapic_accept(v, v.upcall_vector);
  } else {
    vcpu_kick(v);
  }
}

bool Hypervisor::model_take_event(Domain& d, std::uint32_t port) {
  if (!port_pending(d, port)) return false;
  clear_pending(d, port);
  return true;
}

}  // namespace xensim::xen
