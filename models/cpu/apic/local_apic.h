// The local APIC (SDM 3, chapter 10): registers, priorities, timer, in xAPIC and x2APIC mode.
//
// One class, two users: each pCPU has one as hardware, and the modelled Xen has one per vCPU as its vLAPIC. It
// knows no clock and no bus: the caller passes the time, asks for the next deadline, and carries interprocessor
// interrupts. Its whole state is one plain struct, State: a checkpoint copies that.
//
// Timer: `count` ticks after `start` the counter reaches 0. A tick is tsc_hz × divider / timer_hz cycles, kept as
// that fraction, so the n-th expiry is at start + ⌈(count + n × initial) × tsc_hz × divider / timer_hz⌉: the first
// cycle at which the counter has reached 0, however many periods have passed. 10.5.4.
//
// Errors are collected and shown by the next write to the ESR, which also rearms the error interrupt. 10.5.3.
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
  bool x2apic = false;  // destination is 32 bits wide
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
  unsigned max_lvt = 5;         // highest LVT entry (version register bits 23:16); 6: there is a CMCI entry
  unsigned physical_bits = 46;  // MAXPHYADDR, of the base MSR's address
  std::uint64_t timer_hz = 100'000'000;  // input clock of the timer before the divider
  std::uint64_t tsc_hz = 2'400'000'000;  // of the time stamps passed in
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
  std::uint64_t base_msr() const { return state_.base_msr; }
  std::uint32_t id() const { return config_.apic_id; }
  bool enabled() const { return state_.base_msr & (1u << 11); }  // IA32_APIC_BASE.EN
  bool x2apic() const { return enabled() && (state_.base_msr & (1u << 10)); }
  bool software_enabled() const { return enabled() && (state_.svr & 0x100); }
  // Does this APIC match the message's destination? (Shorthands are the bus's.)
  bool matches(const IpiMessage& message) const;

  // --- Interrupts.
  // A fixed interrupt arrives: sets IRR (and TMR). Ignored while software-disabled. false if it was already
  // pending.
  bool accept(std::uint8_t vector, bool level);
  // A vector that its priority lets through now, or −1 (SDM 3, 10.8.3).
  int deliverable() const;
  // Moves it from IRR to ISR. The spurious vector if none is deliverable (any more).
  std::uint8_t acknowledge();
  bool irr(std::uint8_t vector) const;
  bool isr(std::uint8_t vector) const;
  // LINT0 as ExtINT, LINT1 as NMI: is the local vector table entry open?
  bool accepts_extint() const;
  bool accepts_nmi() const;

  // --- Timer. The next absolute TSC time at which it fires; kNever if it does not.
  Cycles timer_deadline() const { return state_.timer_deadline; }
  // Of a periodic timer that runs; 0: there is none.
  Cycles timer_period() const;
  // Fires what is due at `now` (one-shot, periodic, TSC-deadline): accepts the LVT timer's vector unless masked.
  // true if it fired.
  bool timer_expire(Cycles now);

  // INIT (SDM 3, 10.4.7.3): all registers but the ID. Reset: and the base MSR.
  void init();
  void reset();

  // Task and processor priority (10.8.3.1); the latter is what lowest-priority arbitration compares.
  std::uint8_t tpr() const { return state_.tpr; }
  std::uint8_t ppr() const;

  // Entries of the local vector table, by the order of their registers 0x320 … 0x370; CMCI (0x2f0) last.
  enum Lvt : std::uint8_t { kTimer, kThermal, kPerformance, kLint0, kLint1, kError, kCmci, kLvtCount };
  std::uint32_t lvt(Lvt entry) const { return state_.lvt[entry]; }

  // Everything that changes.
  struct State {
    std::uint64_t base_msr = 0;
    std::uint32_t svr = 0xff, ldr = 0, dfr = ~0u;
    std::uint8_t tpr = 0;
    std::uint32_t esr = 0, errors = 0;  // what software sees; what has been detected since its last write
    std::uint64_t icr = 0;              // as the x2APIC shows it: destination in 63:32
    std::array<std::uint32_t, kLvtCount> lvt{};
    std::array<std::uint64_t, 4> irr{}, isr{}, tmr{};
    std::uint32_t divide = 0, initial = 0;
    std::uint64_t count = 0;  // ticks from start to the first expiry; 0: stopped
    Cycles start = 0;
    std::uint64_t tsc_deadline = 0;  // the MSR; 0: disarmed
    Cycles timer_deadline = kNever;
  };
  const State& state() const { return state_; }
  void restore(const State& s) { state_ = s; }

 private:
  bool read_register(std::uint32_t reg, Cycles now, std::uint32_t& out) const;
  bool write_register(std::uint32_t reg, std::uint32_t value, Cycles now);
  bool write_base_msr(std::uint64_t value);
  void write_svr(std::uint32_t value);
  void write_lvt(Lvt entry, std::uint32_t value, Cycles now);
  void write_esr();
  void send(std::uint32_t command, std::uint32_t destination);
  void eoi();
  void error(std::uint32_t bit);
  void fire(Lvt entry);
  std::uint32_t logical_id() const;
  unsigned timer_mode() const { return (state_.lvt[kTimer] >> 17) & 3; }
  unsigned divider() const;
  std::uint64_t ticks(Cycles span) const;
  Cycles expiry(std::uint64_t n) const;
  std::uint32_t current_count(Cycles now) const;
  void stop_timer();

  LocalApicConfig config_;
  ApicBus* bus_;
  State state_;
};

}  // namespace xensim::cpu
