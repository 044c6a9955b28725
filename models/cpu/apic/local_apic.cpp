#include "models/cpu/apic/local_apic.h"

#include <algorithm>
#include <bit>

#include "sim/base/bits.h"
#include "sim/base/expects.h"

namespace xensim::cpu {
namespace {

// Registers by number: MMIO offset >> 4, MSR − 0x800 (SDM 3, tables 10-1 and 10-6).
enum Register : std::uint32_t {
  kId = 0x02,
  kVersion = 0x03,
  kTpr = 0x08,
  kPpr = 0x0a,
  kEoi = 0x0b,
  kLdr = 0x0d,
  kDfr = 0x0e,
  kSvr = 0x0f,
  kIsr = 0x10,
  kTmr = 0x18,
  kIrr = 0x20,
  kEsr = 0x28,
  kLvtCmci = 0x2f,
  kIcr = 0x30,
  kIcrHigh = 0x31,
  kLvt = 0x32,
  kLvtLast = 0x37,
  kInitialCount = 0x38,
  kCurrentCount = 0x39,
  kDivide = 0x3e,
  kSelfIpi = 0x3f,
};

constexpr std::uint64_t kBaseBsp = 1 << 8, kBaseX2apic = 1 << 10, kBaseEnable = 1 << 11, kBaseReset = 0xfee00000;
constexpr std::uint32_t kMasked = 1 << 16;
constexpr std::uint32_t kSvrBits = 0x3ff;
constexpr std::uint32_t kIcrBits = 0xccfff;  // vector, delivery mode, logical, level, trigger, shorthand
constexpr std::uint32_t kSelf = 1 << 18;     // the shorthand, in the ICR
constexpr std::uint32_t kSendIllegalVector = 1 << 5, kReceiveIllegalVector = 1 << 6, kIllegalRegister = 1 << 7;
constexpr unsigned kPeriodic = 1, kTscDeadline = 2;
constexpr unsigned kModeFixed = 0, kModeNmi = 4, kModeExtInt = 7;

// The bits of each local vector table entry that software can write (10.5.1).
constexpr std::array<std::uint32_t, LocalApic::kLvtCount> kLvtBits = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff,
                                                                      0x1a7ff, 0x100ff, 0x107ff};

// Delivery status of all entries, and the remote IRR of LINT0 and LINT1: read-only, not reserved.
constexpr std::uint32_t kLvtReadOnly = 1 << 12, kLintReadOnly = 1 << 14;

constexpr unsigned delivery_mode(std::uint32_t lvt) { return (lvt >> 8) & 7; }

bool test(const std::array<std::uint64_t, 4>& set, std::uint8_t v) { return (set[v >> 6] >> (v & 63)) & 1; }
void set_bit(std::array<std::uint64_t, 4>& set, std::uint8_t v) { set[v >> 6] |= std::uint64_t{1} << (v & 63); }
void clear_bit(std::array<std::uint64_t, 4>& set, std::uint8_t v) {
  set[v >> 6] &= ~(std::uint64_t{1} << (v & 63));
}
int highest(const std::array<std::uint64_t, 4>& set) {
  for (int i = 3; i >= 0; --i)
    if (const std::uint64_t w = set[static_cast<unsigned>(i)]; w != 0) return i * 64 + 63 - std::countl_zero(w);
  return -1;
}
// 32 vectors, as the ISR, TMR and IRR registers show them.
std::uint32_t word(const std::array<std::uint64_t, 4>& set, unsigned n) {
  return static_cast<std::uint32_t>(set[n >> 1] >> ((n & 1) * 32));
}

}  // namespace

LocalApic::LocalApic(const LocalApicConfig& config, ApicBus& bus) : config_(config), bus_(&bus) {
  expects(config.timer_hz > 0 && config.tsc_hz > 0 && config.max_lvt < kLvtCount);
  reset();
}

void LocalApic::reset() {
  state_.base_msr = kBaseReset | kBaseEnable | (config_.bsp ? kBaseBsp : 0);
  init();
}

void LocalApic::init() {
  const std::uint64_t base = state_.base_msr;
  state_ = State{};
  state_.base_msr = base;
  state_.lvt.fill(kMasked);
}

// --- Register access.

bool LocalApic::mmio_read(std::uint32_t offset, unsigned size, Cycles now, std::uint32_t& out) {
  out = 0;
  if (!enabled() || x2apic() || offset >= kPageSize) return false;
  // Registers are read as aligned doublewords; the manual leaves other reads undefined: these give the bytes asked
  // for of the register's four, and zeros of the twelve after them.
  if (offset & 0xc) return true;
  std::uint32_t value = 0;
  if (!read_register(offset >> 4, now, value)) error(kIllegalRegister);
  const unsigned byte = offset & 3;
  out = value >> (8 * byte);
  if (size < 4) out &= (1u << (8 * size)) - 1;
  return true;
}

bool LocalApic::mmio_write(std::uint32_t offset, unsigned size, std::uint32_t value, Cycles now) {
  if (!enabled() || x2apic() || offset >= kPageSize) return false;
  if ((offset & 0xf) || size < 4) return true;  // undefined in the manual: ignored
  const std::uint32_t reg = offset >> 4;
  switch (reg) {
    case kId:
    case kVersion:
    case kPpr:
    case kCurrentCount:
      return true;  // read-only
    case kLdr:
      state_.ldr = value & 0xff000000;
      return true;
    case kDfr:
      state_.dfr = value | 0x0fffffff;
      return true;
    case kIcrHigh:
      state_.icr = (state_.icr & 0xffffffff) | (std::uint64_t{value & 0xff000000} << 32);
      return true;
    case kIcr:
      state_.icr = (state_.icr & 0xffffffff00000000) | (value & kIcrBits);
      send(value & kIcrBits, static_cast<std::uint32_t>(state_.icr >> 56));
      return true;
    case kSelfIpi:
      error(kIllegalRegister);
      return true;
    default:
      if (reg >= kIsr && reg < kIrr + 8) return true;  // read-only
      if (!write_register(reg, value, now)) error(kIllegalRegister);
      return true;
  }
}

bool LocalApic::msr_read(std::uint32_t index, Cycles now, std::uint64_t& out) {
  out = 0;
  if (index == 0x1b) return out = state_.base_msr, true;
  if (index == 0x6e0) return out = state_.tsc_deadline, true;
  if (index < 0x800 || index > 0x83f || !x2apic()) return false;
  const std::uint32_t reg = index - 0x800;
  if (reg == kIcr) return out = state_.icr, true;
  if (reg == kDfr || reg == kIcrHigh || reg == kEoi || reg == kSelfIpi) return false;
  std::uint32_t value = 0;
  if (!read_register(reg, now, value)) return false;
  out = value;
  return true;
}

bool LocalApic::msr_write(std::uint32_t index, std::uint64_t value, Cycles now) {
  if (index == 0x1b) return write_base_msr(value);
  if (index == 0x6e0) {
    if (timer_mode() != kTscDeadline) return true;  // ignored in the other modes (10.5.4.1)
    state_.tsc_deadline = value;
    state_.timer_deadline = value ? std::max(value, now) : kNever;
    return true;
  }
  if (index < 0x800 || index > 0x83f || !x2apic()) return false;
  const std::uint32_t reg = index - 0x800;
  const std::uint32_t low = static_cast<std::uint32_t>(value);
  // Reserved bits must be zero (10.12.1.2).
  const auto only = [value](std::uint64_t allowed) { return (value & ~allowed) == 0; };
  if (reg == kIcr) {
    if (!only(0xffffffff00000000 | kIcrBits)) return false;
    state_.icr = value;
    send(low, static_cast<std::uint32_t>(value >> 32));
    return true;
  }
  std::uint64_t allowed = 0;
  switch (reg) {
    case kTpr:
      allowed = 0xff;
      break;
    case kEoi:
    case kEsr:
      allowed = 0;
      break;
    case kSvr:
      allowed = kSvrBits;
      break;
    case kInitialCount:
      allowed = 0xffffffff;
      break;
    case kDivide:
      allowed = 0xb;
      break;
    case kLvtCmci:
      allowed = kLvtBits[kCmci] | kLvtReadOnly;
      break;
    case kSelfIpi:
      if (!only(0xff)) return false;
      send(kSelf | low, 0);
      return true;
    default:
      if (reg < kLvt || reg > kLvtLast) return false;
      allowed = kLvtBits[reg - kLvt] | kLvtReadOnly;
      if (reg - kLvt == kLint0 || reg - kLvt == kLint1) allowed |= kLintReadOnly;
  }
  return only(allowed) && write_register(reg, low, now);
}

bool LocalApic::read_register(std::uint32_t reg, Cycles now, std::uint32_t& out) const {
  switch (reg) {
    case kId:
      out = x2apic() ? config_.apic_id : config_.apic_id << 24;
      return true;
    case kVersion:
      out = 0x14 | (config_.max_lvt << 16);
      return true;
    case kTpr:
      out = state_.tpr;
      return true;
    case kPpr:
      out = ppr();
      return true;
    case kEoi:
      out = 0;
      return true;
    case kLdr:
      out = logical_id();
      return true;
    case kDfr:
      out = state_.dfr;
      return true;
    case kSvr:
      out = state_.svr;
      return true;
    case kEsr:
      out = state_.esr;
      return true;
    case kIcr:
      out = static_cast<std::uint32_t>(state_.icr);
      return true;
    case kIcrHigh:
      out = static_cast<std::uint32_t>(state_.icr >> 32);
      return true;
    case kInitialCount:
      out = state_.initial;
      return true;
    case kCurrentCount:
      out = current_count(now);
      return true;
    case kDivide:
      out = state_.divide;
      return true;
    case kLvtCmci:
      if (config_.max_lvt < kCmci) return false;
      out = state_.lvt[kCmci];
      return true;
    default:
      break;
  }
  if (reg >= kLvt && reg <= kLvtLast && reg - kLvt <= config_.max_lvt) {
    out = state_.lvt[reg - kLvt];
    return true;
  }
  if (reg >= kIsr && reg < kIrr + 8) {
    out = word(reg < kTmr ? state_.isr : reg < kIrr ? state_.tmr : state_.irr, reg & 7);
    return true;
  }
  return false;
}

bool LocalApic::write_register(std::uint32_t reg, std::uint32_t value, Cycles now) {
  switch (reg) {
    case kTpr:
      state_.tpr = static_cast<std::uint8_t>(value);
      return true;
    case kEoi:
      eoi();
      return true;
    case kSvr:
      write_svr(value);
      return true;
    case kEsr:
      write_esr();
      return true;
    case kInitialCount:
      if (timer_mode() == kTscDeadline) return true;  // ignored there (10.5.4.1)
      state_.count = state_.initial = value;
      state_.start = now;
      state_.timer_deadline = value ? expiry(0) : kNever;
      return true;
    case kDivide: {
      timer_expire(now);
      const std::uint32_t left = current_count(now);
      state_.divide = value & 0xb;
      if (state_.timer_deadline == kNever || timer_mode() == kTscDeadline) return true;
      state_.count = left;
      state_.start = now;
      state_.timer_deadline = expiry(0);
      return true;
    }
    case kLvtCmci:
      if (config_.max_lvt < kCmci) return false;
      write_lvt(kCmci, value, now);
      return true;
    default:
      if (reg < kLvt || reg > kLvtLast || reg - kLvt > config_.max_lvt) return false;
      write_lvt(static_cast<Lvt>(reg - kLvt), value, now);
      return true;
  }
}

// SDM 3, figure 10-27: the transitions between disabled, xAPIC and x2APIC.
bool LocalApic::write_base_msr(std::uint64_t value) {
  const std::uint64_t writable =
      kBaseBsp | kBaseX2apic | kBaseEnable | mask(std::clamp(config_.physical_bits, 32u, 52u) - 1, 12);
  if (value & ~writable) return false;
  const bool extended = value & kBaseX2apic, on = value & kBaseEnable;
  if (extended && !on) return false;
  if (x2apic() && on && !extended) return false;
  if (!enabled() && extended) return false;
  const bool turned_off = enabled() && !on;
  state_.base_msr = (value & ~kBaseBsp) | (config_.bsp ? kBaseBsp : 0);
  if (turned_off) init();
  return true;
}

void LocalApic::write_svr(std::uint32_t value) {
  state_.svr = value & kSvrBits;
  if (!(value & 0x100))
    for (std::uint32_t& e : state_.lvt) e |= kMasked;  // 10.4.7.2
}

void LocalApic::write_lvt(Lvt entry, std::uint32_t value, Cycles now) {
  value &= kLvtBits[entry];
  if (!(state_.svr & 0x100)) value |= kMasked;
  if (entry == kTimer && bits(value, 18, 17) != timer_mode()) {
    timer_expire(now);
    // Into or out of TSC-deadline mode (or the reserved mode, in which nothing counts) disarms; otherwise it
    // counts on.
    if (std::max<std::uint64_t>(bits(value, 18, 17), timer_mode()) >= kTscDeadline)
      stop_timer();
    else if (state_.timer_deadline != kNever)
      state_.count = ticks(now - state_.start) + current_count(now);
  }
  state_.lvt[entry] = value;
}

void LocalApic::write_esr() {
  state_.esr = state_.errors;
  state_.errors = 0;
}

void LocalApic::error(std::uint32_t bit) {
  const bool armed = state_.errors == 0;
  state_.errors |= bit;
  if (armed) fire(kError);
}

// --- Interprocessor interrupts.

void LocalApic::send(std::uint32_t command, std::uint32_t destination) {
  const unsigned mode = delivery_mode(command);
  if (mode == 3 || mode == 7) return;  // reserved
  const std::uint8_t vector = static_cast<std::uint8_t>(command);
  if (mode <= 1 && vector < 16) return error(kSendIllegalVector);
  IpiMessage m;
  m.vector = vector;
  m.mode = static_cast<IpiMessage::Mode>(mode);
  m.logical = command & (1u << 11);
  // Only INIT can be de-asserted: level 0 with level trigger (10.6.1).
  m.level_assert = !(m.mode == IpiMessage::Mode::kInit && !(command & (1u << 14)) && (command & (1u << 15)));
  m.shorthand = static_cast<std::uint8_t>((command >> 18) & 3);
  m.x2apic = x2apic();
  m.destination = destination;
  bus_->send_ipi(config_.apic_id, m);
}

std::uint32_t LocalApic::logical_id() const {
  return x2apic() ? ((config_.apic_id >> 4) << 16) | (1u << (config_.apic_id & 15)) : state_.ldr;
}

bool LocalApic::matches(const IpiMessage& m) const {
  if (!enabled()) return false;
  const std::uint32_t d = m.destination;
  if (d == (m.x2apic ? 0xffffffff : 0xff)) return true;
  if (!m.logical) return x2apic() ? d == config_.apic_id : d == (config_.apic_id & 0xff);
  const std::uint32_t own = logical_id();
  if (x2apic()) return (d >> 16) == (own >> 16) && (d & own & 0xffff) != 0;
  if (d > 0xff) return false;
  const std::uint32_t ldr = own >> 24;
  if ((state_.dfr >> 28) == 0xf) return (d & ldr) != 0;  // flat
  const bool cluster = (d >> 4) == (ldr >> 4) || (d >> 4) == 0xf;
  return cluster && (d & ldr & 0xf) != 0;
}

// --- Interrupts.

bool LocalApic::accept(std::uint8_t vector, bool level) {
  if (!software_enabled()) return false;
  if (vector < 16) {
    error(kReceiveIllegalVector);
    return false;
  }
  if (level)
    set_bit(state_.tmr, vector);
  else
    clear_bit(state_.tmr, vector);
  if (test(state_.irr, vector)) return false;
  set_bit(state_.irr, vector);
  return true;
}

void LocalApic::fire(Lvt entry) {
  const std::uint32_t e = state_.lvt[entry];
  if ((e & kMasked) || (entry != kTimer && entry != kError && delivery_mode(e) != kModeFixed)) return;
  const std::uint8_t vector = static_cast<std::uint8_t>(e);
  if (vector >= 16)
    accept(vector, false);
  else if (entry == kError)
    state_.errors |= kReceiveIllegalVector;
  else
    error(kReceiveIllegalVector);
}

std::uint8_t LocalApic::ppr() const {
  const int in_service = std::max(highest(state_.isr), 0);
  if (state_.tpr >> 4 >= in_service >> 4) return state_.tpr;
  return static_cast<std::uint8_t>(in_service & 0xf0);
}

int LocalApic::deliverable() const {
  if (!enabled()) return -1;
  const int v = highest(state_.irr);
  return v >= 0 && (v >> 4) > (ppr() >> 4) ? v : -1;
}

std::uint8_t LocalApic::acknowledge() {
  const int v = deliverable();
  if (v < 0) return static_cast<std::uint8_t>(state_.svr);
  const std::uint8_t vector = static_cast<std::uint8_t>(v);
  clear_bit(state_.irr, vector);
  set_bit(state_.isr, vector);
  return vector;
}

void LocalApic::eoi() {
  const int v = highest(state_.isr);
  if (v < 0) return;
  const std::uint8_t vector = static_cast<std::uint8_t>(v);
  clear_bit(state_.isr, vector);
  if (test(state_.tmr, vector)) bus_->eoi_broadcast(vector);
}

bool LocalApic::irr(std::uint8_t vector) const { return test(state_.irr, vector); }
bool LocalApic::isr(std::uint8_t vector) const { return test(state_.isr, vector); }

std::uint8_t LocalApic::cr8() const { return state_.tpr >> 4; }
void LocalApic::set_cr8(std::uint8_t v) { state_.tpr = static_cast<std::uint8_t>(v << 4); }

bool LocalApic::accepts_extint() const {
  const std::uint32_t e = state_.lvt[kLint0];
  return !enabled() || (!(e & kMasked) && delivery_mode(e) == kModeExtInt);
}

bool LocalApic::accepts_nmi() const {
  const std::uint32_t e = state_.lvt[kLint1];
  return !enabled() || (!(e & kMasked) && delivery_mode(e) == kModeNmi);
}

// --- Timer.

unsigned LocalApic::divider() const {
  const unsigned code = (state_.divide & 3) | ((state_.divide >> 1) & 4);
  return code == 7 ? 1 : 2u << code;
}

// Whole ticks in a span of time.
std::uint64_t LocalApic::ticks(Cycles span) const {
  const unsigned __int128 scaled = static_cast<unsigned __int128>(span) * config_.timer_hz;
  return static_cast<std::uint64_t>(scaled / (static_cast<unsigned __int128>(config_.tsc_hz) * divider()));
}

// The cycle at which the counter reaches 0 for the n-th time (from 0).
Cycles LocalApic::expiry(std::uint64_t n) const {
  const unsigned __int128 due = state_.count + static_cast<unsigned __int128>(n) * state_.initial;
  const unsigned __int128 cycles = (due * config_.tsc_hz * divider() + config_.timer_hz - 1) / config_.timer_hz;
  const unsigned __int128 at = state_.start + cycles;
  return at < kNever ? static_cast<Cycles>(at) : kNever;
}

std::uint32_t LocalApic::current_count(Cycles now) const {
  if (state_.count == 0 || timer_mode() >= kTscDeadline || now < state_.start) return 0;
  const std::uint64_t elapsed = ticks(now - state_.start);
  if (elapsed < state_.count) return static_cast<std::uint32_t>(state_.count - elapsed);
  if (timer_mode() != kPeriodic || state_.initial == 0 || state_.timer_deadline == kNever) return 0;
  return state_.initial - static_cast<std::uint32_t>((elapsed - state_.count) % state_.initial);
}

void LocalApic::stop_timer() {
  state_.count = state_.initial = 0;
  state_.tsc_deadline = 0;
  state_.timer_deadline = kNever;
}

Cycles LocalApic::timer_period() const {
  return timer_mode() == kPeriodic && state_.timer_deadline != kNever ? expiry(1) - expiry(0) : 0;
}
bool LocalApic::timer_expire(Cycles now) {
  if (state_.timer_deadline > now || state_.timer_deadline == kNever) return false;
  state_.timer_deadline = kNever;
  if (timer_mode() == kTscDeadline)
    state_.tsc_deadline = 0;
  else if (timer_mode() == kPeriodic)
    state_.timer_deadline = expiry((ticks(now - state_.start) - state_.count) / state_.initial + 1);
  else
    state_.count = 0;
  fire(kTimer);
  return true;
}

}  // namespace xensim::cpu
