// The devices that Xen itself emulates for an HVM guest (XEN_X86_EMU_*): a pair of 8259 PICs, an IOAPIC with 48
// pins, an 8254 PIT, an MC146818 RTC, an HPET, and the ACPI PM timer. What an HVM guest has beside them is its
// device model's, and there is none: ports and addresses that nobody claims read as all ones, and drop what is
// written.
//
// How they hang together: devices drive lines by set_isa(), set_gsi() and set_pci_intx(); a line that rises goes
// to the IOAPIC's pin, and if it is an ISA one to the PICs. The PICs' output reaches vCPU 0 when its local APIC
// accepts ExtINT. Devices keep guest time (ns since the domain was made); a timer of theirs is one of Xen's on the
// pCPU of vCPU 0. Behaviour by device: i8259.h, ioapic.h, pit.h, rtc.h, pm_timer.h, hpet.h.
//
// Simpler than Xen's vpt.c: a periodic timer's tick is an edge when it is due, whether or not the vCPU runs; ticks
// that a vCPU missed are not delivered late, and not merged either.
#pragma once

#include <array>
#include <cstdint>

#include "models/xen/event/upcall.h"
#include "models/xen/hvm/hpet.h"
#include "models/xen/hvm/i8259.h"
#include "models/xen/hvm/ioapic.h"
#include "models/xen/hvm/pit.h"
#include "models/xen/hvm/pm_timer.h"
#include "models/xen/hvm/rtc.h"
#include "models/xen/timer.h"

namespace xensim::xen {
class Hypervisor;
struct Domain;
struct Vcpu;
}  // namespace xensim::xen

namespace xensim::xen::hvm {

class Platform final : public event::InterruptLines, DeviceHost, IoApicBus {
 public:
  Platform(Hypervisor& hypervisor, Domain& domain);

  // false: nobody is there.
  bool port_read(std::uint16_t port, unsigned size, std::uint32_t& value);
  bool port_write(std::uint16_t port, unsigned size, std::uint32_t value);
  bool mmio_read(std::uint64_t gpa, unsigned size, std::uint64_t& value);
  bool mmio_write(std::uint64_t gpa, unsigned size, std::uint64_t value);

  // HVM_PARAM_ACPI_IOPORTS_LOCATION.
  void move_acpi_ports(bool high) { pm_timer_.move(high); }

  // A level-triggered vector's end of interrupt at some vCPU's local APIC.
  void end_of_interrupt(std::uint8_t vector) { ioapic_.end_of_interrupt(vector); }
  // Is there an interrupt of the PICs that vCPU 0's local APIC lets through?
  bool pic_interrupt(const Vcpu& v) const;
  std::uint8_t acknowledge_pic() { return pics_.acknowledge(); }

  // TimerAction::kPlatform.
  void timer_fired(unsigned timer);
  // The domain is destroyed.
  void stop();

  unsigned gsis() const override { return IoApic::kPins; }
  void set_gsi(unsigned gsi, bool level) override;
  void set_pci_intx(unsigned device, unsigned pin, bool level) override;

 private:
  static constexpr unsigned kTimers = 8;

  Nanoseconds guest_time() const override;
  std::uint64_t wallclock_seconds() const override;
  void arm(unsigned timer, Nanoseconds at) override;
  void disarm(unsigned timer) override;
  void pulse_isa(unsigned irq) override;
  void set_isa(unsigned irq, bool level) override;
  void pulse_gsi(unsigned gsi) override;
  void drive_gsi(unsigned gsi, bool level) override { set_gsi(gsi, level); }
  void deliver(const IoApicMessage& message) override;
  bool asserted(unsigned pin) const override { return gsi_count_[pin] != 0; }
  void kick_for_pic();

  Hypervisor& hypervisor_;
  Domain& domain_;
  std::array<std::uint32_t, IoApic::kPins> gsi_count_{};  // sources that hold the line
  std::array<bool, 16> isa_{};
  std::array<TimerId, kTimers> timers_{};
  std::array<bool, 128> pci_{};  // lines that are up: device × 4 + pin
  I8259Pair pics_;
  IoApic ioapic_;
  Pit pit_;
  Rtc rtc_;
  PmTimer pm_timer_;
  Hpet hpet_;
};

}  // namespace xensim::xen::hvm
