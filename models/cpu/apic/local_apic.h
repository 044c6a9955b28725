// The local APIC (SDM 3, chapter 10): registers, priorities, timer, in xAPIC and x2APIC mode.
//
// One class, two users: each pCPU has one as hardware, and the modelled Xen has one per vCPU as its vLAPIC. It knows no
// clock and no bus: the caller passes the time, asks for the next deadline, and carries interprocessor interrupts.
// Plain data: a checkpoint copies it.
#pragma once

#include <array>
#include <cstdint>

#include "sim/base/types.h"

namespace xensim::cpu {

// An interprocessor interrupt on its way (SDM 3, 10.6.1).
struct IpiMessage {
  enum class Mode : std::uint8_t { kFixed = 0, kLowestPriority = 1, kSmi = 2, kNmi = 4, kInit = 5, kStartup = 6 };
  std::uint8_t vector = 0;
  Mode mode = Mode::kFixed;
  bool logical = false;
  bool level_assert = true;
  std::uint8_t shorthand = 0;  // 0 none, 1 self, 2 all including self, 3 all excluding self
  std::uint32_t destination = 0;
  bool x2apic = false;         // destination is 32 bits wide
};

class ApicBus {
 public:
  virtual ~ApicBus() = default;
  // Software wrote the ICR (or SELF IPI). Delivery, to itself too, is the bus's: it calls accept() on the targets.
  virtual void send_ipi(std::uint32_t from_apic_id, const IpiMessage& message) = 0;
  // EOI of a level-triggered vector (for the IOAPIC).
  virtual void eoi_broadcast(std::uint8_t vector) = 0;
};

struct LocalApicConfig {
  std::uint32_t apic_id = 0;
  bool bsp = false;
  unsigned max_lvt = 5;                   // highest LVT entry (version register bits 23:16)
  std::uint64_t timer_hz = 100'000'000;   // input clock of the timer before the divider
  std::uint64_t tsc_hz = 2'400'000'000;   // of the time stamps passed in
};

class LocalApic {
 public:
  LocalApic(const LocalApicConfig& config, ApicBus& bus);

  // --- Register access. now: TSC cycles. The 4 KiB MMIO page (xAPIC): false if the APIC does not decode it now.
  bool mmio_read(std::uint32_t offset, unsigned size, Cycles now, std::uint32_t& out);
  bool mmio_write(std::uint32_t offset, unsigned size, std::uint32_t value, Cycles now);
  // MSRs 0x1b, 0x6e0, 0x800–0x83f; false: #GP.
  bool msr_read(std::uint32_t index, Cycles now, std::uint64_t& out);
  bool msr_write(std::uint32_t index, std::uint64_t value, Cycles now);
  // CR8: TPR bits 7:4.
  std::uint8_t cr8() const;
  void set_cr8(std::uint8_t v);

  // --- Modes.
  std::uint64_t base_msr() const { return base_msr_; }
  std::uint32_t id() const { return config_.apic_id; }
  bool enabled() const { return base_msr_ & (1u << 11); }         // IA32_APIC_BASE.EN
  bool x2apic() const { return enabled() && (base_msr_ & (1u << 10)); }
  bool software_enabled() const { return enabled() && (svr_ & 0x100); }
  // Does this APIC match the message's destination? (Shorthands are the bus's.)
  bool matches(const IpiMessage& message) const;

  // --- Interrupts.
  // A fixed interrupt arrives: sets IRR (and TMR). Ignored while software-disabled. false if it was already pending.
  bool accept(std::uint8_t vector, bool level);
  // A vector that its priority lets through now, or −1 (SDM 3, 10.8.3).
  int deliverable() const;
  // Moves it from IRR to ISR.
  std::uint8_t acknowledge();
  bool irr(std::uint8_t vector) const;
  bool isr(std::uint8_t vector) const;
  // LINT0 as ExtINT, LINT1 as NMI: is the local vector table entry open?
  bool accepts_extint() const;
  bool accepts_nmi() const;

  // --- Timer. The next absolute TSC time at which it fires; kNever if it does not.
  Cycles timer_deadline() const { return timer_deadline_; }
  // Fires what is due at `now` (one-shot, periodic, TSC-deadline): accepts the LVT timer's vector unless masked.
  // true if it fired.
  bool timer_expire(Cycles now);

  // INIT (SDM 3, 10.4.7.3): all registers but the ID. Reset: and the base MSR.
  void init();
  void reset();

  // Grows as the implementation needs it; one plain struct of registers.
 private:
  LocalApicConfig config_;
  ApicBus* bus_;
  std::uint64_t base_msr_ = 0;
  std::uint32_t svr_ = 0xff;
  Cycles timer_deadline_ = kNever;
};

}  // namespace xensim::cpu
