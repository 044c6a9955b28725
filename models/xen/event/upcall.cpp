#include "models/xen/event/upcall.h"

#include "models/xen/event/abi.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

bool Hypervisor::upcall_pending(const Vcpu& v) const { return memory.read<std::uint8_t>(v.vcpu_info) != 0; }

void Hypervisor::assert_upcall(Vcpu& v) {
  if (!event::set_bit(*this, v.domain, v.vcpu_info, 0)) event::notify_vcpu(*this, v);
}

}  // namespace xensim::xen

namespace xensim::xen::event {

using Type = CallbackVia::Type;

namespace {

void drive(Domain& d, bool level) {
  const CallbackVia& via = d.callback;
  if (via.type == Type::kGsi)
    d.interrupt_lines->set_gsi(via.gsi, level);
  else if (via.type == Type::kPciIntx)
    d.interrupt_lines->set_pci_intx(via.device, via.pin, level);
}

void follow_upcall_byte(Hypervisor& hv, Domain& d) {
  const bool level = hv.upcall_pending(*d.vcpus[0]);
  if (level == d.callback.asserted) return;
  d.callback.asserted = level;
  drive(d, level);
}

Type type_of(std::uint64_t via) {
  switch (via >> 56) {
    case HVM_PARAM_CALLBACK_TYPE_GSI:
      return via == 0 ? Type::kNone : Type::kGsi;
    case HVM_PARAM_CALLBACK_TYPE_PCI_INTX:
      return Type::kPciIntx;
    case HVM_PARAM_CALLBACK_TYPE_VECTOR:
      return Type::kVector;
    default:
      return Type::kNone;
  }
}

}  // namespace

bool set_bit(Hypervisor& hv, Domain& d, PhysAddr words, std::uint32_t bit) {
  const bool was_set = test_and_set_bit(hv.memory, words, bit);
  if (!was_set) log_dirty::mark_frame(d, mfn_of(words));
  return was_set;
}

bool clear_bit(Hypervisor& hv, Domain& d, PhysAddr words, std::uint32_t bit) {
  const bool was_set = test_and_clear_bit(hv.memory, words, bit);
  if (was_set) log_dirty::mark_frame(d, mfn_of(words));
  return was_set;
}

void set_callback_via(Hypervisor& hv, Domain& d, std::uint64_t value) {
  const Type type = type_of(value);
  if (type != Type::kVector && !d.interrupt_lines) return;
  CallbackVia& via = d.callback;
  if (via.asserted) drive(d, false);
  via.type = type;
  if (type == Type::kGsi) {
    via.gsi = static_cast<std::uint8_t>(value);
    if (via.gsi == 0 || via.gsi >= d.interrupt_lines->gsis()) via.type = Type::kNone;
  } else if (type == Type::kPciIntx) {
    via.device = static_cast<std::uint8_t>(value >> 11 & 31);
    via.pin = static_cast<std::uint8_t>(value & 3);
  } else if (type == Type::kVector) {
    via.vector = static_cast<std::uint8_t>(value);
  }
  if (via.asserted) drive(d, true);
  for (auto& v : d.vcpus)
    if (!(v->pause_flags & kPauseDown)) notify_vcpu(hv, *v);
}

void lower_callback_line(Hypervisor& hv, Domain& d) {
  if (d.callback.asserted) follow_upcall_byte(hv, d);
}

void mark_events_pending(Hypervisor& hv, Vcpu& v, std::uint32_t port) {
  hv.tracer.evtchn_deliver(hv.here().pcpu->index, hv.now(), {v.domain.domid, static_cast<std::uint16_t>(v.id)},
                           port);
  hv.assert_upcall(v);
}

void notify_vcpu(Hypervisor& hv, Vcpu& v) {
  if (!v.model && v.upcall_vector != 0) {
    hv.tracer.evtchn_upcall(hv.here().pcpu->index, hv.now(), {v.domain.domid, static_cast<std::uint16_t>(v.id)},
                            v.upcall_vector);
    hv.vlapic_accept(v, v.upcall_vector);
  } else if (v.model || v.domain.callback.type == Type::kVector) {
    hv.vcpu_kick(v);
  } else if (v.id == 0) {
    follow_upcall_byte(hv, v.domain);
  }
}

void check_pollers(Hypervisor& hv, Domain& d, std::uint32_t port) {
  for (auto& v : d.vcpus)
    if (v->pause_flags & kPauseBlockedInPoll && (v->poll_port == 0 || v->poll_port == port)) hv.vcpu_unblock(*v);
}

}  // namespace xensim::xen::event
