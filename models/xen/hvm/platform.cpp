#include "models/xen/hvm/platform.h"

#include <algorithm>

#include "models/xen/hypervisor.h"

namespace xensim::xen::hvm {

namespace {

// IRQ 0 is pin 2 of the IOAPIC (hvm_isa_irq_to_gsi).
constexpr unsigned pin_of_isa(unsigned irq) { return irq == 0 ? 2 : irq; }
// Where the lines of PCI slots go, when the IOAPIC is used (hvm_pci_intx_gsi).
constexpr unsigned pin_of_intx(unsigned device, unsigned pin) {
  return (((device << 2) + (device >> 3) + pin) & 31) + 16;
}
constexpr std::uint8_t kFixed = 0, kLowestPriority = 1, kNmiMode = 4;
constexpr std::uint64_t kEntryMask = 1u << 16;
constexpr std::uint32_t kExtInt = 7;

}  // namespace

Platform::Platform(Hypervisor& hypervisor, Domain& domain)
    : hypervisor_(hypervisor),
      domain_(domain),
      ioapic_(*this),
      pit_(*this),
      rtc_(*this),
      pm_timer_(*this),
      hpet_(*this) {}

// --- Accesses.

bool Platform::port_read(std::uint16_t port, unsigned size, std::uint32_t& value) {
  if (pm_timer_.read(port, size, value)) return true;
  if (size != 1) return false;
  if (I8259Pair::has_port(port))
    value = pics_.read(port);
  else if (Pit::has_port(port))
    value = pit_.read(port);
  else if (Rtc::has_port(port))
    value = rtc_.read(port);
  else
    return false;
  return true;
}

bool Platform::port_write(std::uint16_t port, unsigned size, std::uint32_t value) {
  if (pm_timer_.write(port, size, value)) return true;
  if (size != 1) return false;
  const auto byte = static_cast<std::uint8_t>(value);
  if (I8259Pair::has_port(port)) {
    pics_.write(port, byte);
    kick_for_pic();
  } else if (Pit::has_port(port)) {
    pit_.write(port, byte);
  } else if (Rtc::has_port(port)) {
    rtc_.write(port, byte);
  } else {
    return false;
  }
  return true;
}

bool Platform::mmio_read(std::uint64_t gpa, unsigned size, std::uint64_t& value) {
  if (gpa - IoApic::kBase < IoApic::kSize) {
    value = ioapic_.read(gpa - IoApic::kBase);
    return true;
  }
  if (gpa - Hpet::kBase >= Hpet::kSize || domain_.hvm_params[HVM_PARAM_HPET_ENABLED] == 0) return false;
  value = hpet_.read(gpa - Hpet::kBase, size);
  return true;
}

bool Platform::mmio_write(std::uint64_t gpa, unsigned size, std::uint64_t value) {
  if (gpa - IoApic::kBase < IoApic::kSize) {
    ioapic_.write(gpa - IoApic::kBase, static_cast<std::uint32_t>(value));
    return true;
  }
  if (gpa - Hpet::kBase >= Hpet::kSize || domain_.hvm_params[HVM_PARAM_HPET_ENABLED] == 0) return false;
  hpet_.write(gpa - Hpet::kBase, size, value);
  return true;
}

// --- Time.

Nanoseconds Platform::guest_time() const { return hypervisor_.ns(hypervisor_.now() - domain_.created_at); }

std::uint64_t Platform::wallclock_seconds() const {
  const std::uint64_t ns = hypervisor_.wallclock_nanoseconds + hypervisor_.ns(hypervisor_.now());
  return hypervisor_.wallclock_seconds + ns / 1'000'000'000 +
         static_cast<std::uint64_t>(domain_.time_offset_seconds);
}

void Platform::arm(unsigned timer, Nanoseconds at) {
  disarm(timer);
  const Cycles span = hypervisor_.cycles(at);
  if (span > kNever - domain_.created_at - 1) return;
  timers_[timer] = hypervisor_.add_timer(domain_.vcpus[0]->processor,
                                         std::max(domain_.created_at + span, hypervisor_.now() + 1),
                                         TimerAction::kPlatform, std::uint64_t{domain_.domid} << 8 | timer);
}

void Platform::disarm(unsigned timer) { hypervisor_.remove_timer(timers_[timer]); }

void Platform::timer_fired(unsigned timer) {
  timers_[timer] = {};
  switch (timer) {
    case kPitTimer:
      return pit_.timer_fired();
    case kRtcPeriodic:
      return rtc_.periodic_fired();
    case kRtcUpdate:
      return rtc_.second_over();
    case kPmTimer:
      return pm_timer_.timer_fired();
    default:
      return hpet_.timer_fired(timer - kHpetTimer);
  }
}

void Platform::stop() {
  for (unsigned i = 0; i < kTimers; ++i) disarm(i);
}

// --- Lines.

void Platform::set_gsi(unsigned gsi, bool level) {
  if (gsi >= IoApic::kPins) return;
  std::uint32_t& count = gsi_count_[gsi];
  if (level) {
    if (count++ == 0) ioapic_.rise(gsi);
  } else if (count > 0) {
    --count;
  }
}

void Platform::pulse_gsi(unsigned gsi) {
  set_gsi(gsi, true);
  set_gsi(gsi, false);
}

void Platform::set_isa(unsigned irq, bool level) {
  if (irq >= isa_.size() || isa_[irq] == level) return;
  isa_[irq] = level;
  set_gsi(pin_of_isa(irq), level);
  pics_.set_line(irq, level);
  kick_for_pic();
}

void Platform::pulse_isa(unsigned irq) {
  set_isa(irq, false);
  set_isa(irq, true);
}

void Platform::set_pci_intx(unsigned device, unsigned pin, bool level) {
  bool& line = pci_[(device * 4 + pin) % pci_.size()];
  if (line == level) return;
  line = level;
  set_gsi(pin_of_intx(device, pin), level);
}

void Platform::deliver(const IoApicMessage& m) {
  cpu::IpiMessage ipi;
  ipi.vector = m.vector;
  ipi.logical = m.logical;
  ipi.destination = m.destination;
  Vcpu* lowest = nullptr;
  for (const auto& v : domain_.vcpus) {
    if (!v->vlapic.matches(ipi)) continue;
    if (m.mode == kNmiMode) {
      v->nmi_pending = true;
      hypervisor_.vcpu_kick(*v);
    } else if (!v->vlapic.software_enabled()) {
      continue;
    } else if (m.mode == kFixed) {
      v->vlapic.accept(m.vector, m.level);
      hypervisor_.vcpu_kick(*v);
    } else if (m.mode == kLowestPriority && (!lowest || v->vlapic.ppr() < lowest->vlapic.ppr())) {
      lowest = v.get();
    }
  }
  if (!lowest) return;
  lowest->vlapic.accept(m.vector, m.level);
  hypervisor_.vcpu_kick(*lowest);
}

// --- The PICs' output (vlapic_accept_pic_intr).

bool Platform::pic_interrupt(const Vcpu& v) const {
  if (v.id != 0 || !pics_.output() || !v.vlapic.enabled()) return false;
  const std::uint64_t pin0 = ioapic_.entry(0);
  const bool by_ioapic = (pin0 >> 8 & 7) == kExtInt && !(pin0 & kEntryMask) && pin0 >> 56 == v.vlapic.id();
  return by_ioapic || v.vlapic.accepts_extint();
}

void Platform::kick_for_pic() {
  if (pic_interrupt(*domain_.vcpus[0])) hypervisor_.vcpu_kick(*domain_.vcpus[0]);
}

}  // namespace xensim::xen::hvm
