// Guest time: pvclock (vcpu_time_info), wall clock, runstate areas, and the vCPU timers. Structures and the
// version protocol are those of public/xen.h and public/vcpu.h.
#include <algorithm>
#include <bit>
#include <cstring>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

namespace {

// system time = ((tsc − stamp) << shift) × mul / 2^32, with shift possibly negative: the pair for a TSC frequency.
struct TscScale {
  std::uint32_t mul;
  std::int8_t shift;
};
TscScale scale_for(std::uint64_t hz) {
  std::uint64_t ticks = hz;
  int shift = 0;
  while (ticks > 2'000'000'000u) {
    ticks >>= 1;
    --shift;
  }
  while (ticks <= 1'000'000'000u) {
    ticks <<= 1;
    ++shift;
  }
  // mul = 10^9 × 2^32 / ticks, for ticks in (10^9, 2 × 10^9].
  const auto mul = static_cast<std::uint32_t>((static_cast<unsigned __int128>(1'000'000'000u) << 32) / ticks);
  return {mul, static_cast<std::int8_t>(shift)};
}

}  // namespace

static void write_area(memory::PhysicalMemory& memory, Domain& d, const GuestArea& a, const void* data,
                       unsigned size) {
  const auto* p = static_cast<const std::uint8_t*>(data);
  const unsigned n = std::min(size, a.first_bytes);
  memory.write_bytes(a.first, {p, n});
  log_dirty::mark_frame(d, mfn_of(a.first));
  if (n == size) return;
  memory.write_bytes(a.second, {p + n, size - n});
  log_dirty::mark_frame(d, mfn_of(a.second));
}

// One stamp at creation serves for ever: the TSC is invariant and common to all pCPUs. Rewritten where Xen
// rewrites it, so that software which waits for an update sees one.
void Hypervisor::update_time_info(Vcpu& v) {
  if (v.model || v.time_written) return;
  v.time_written = true;
  const TscScale scale = scale_for(tsc_hz);
  vcpu_time_info_t t{};
  v.time_version += 2;
  t.version = v.time_version;
  t.tsc_timestamp = guest_tsc(v, v.domain.created_at);
  t.system_time = ns(v.domain.created_at);
  t.tsc_to_system_mul = scale.mul;
  t.tsc_shift = scale.shift;
  t.flags = 1;  // PVCLOCK_TSC_STABLE_BIT
  memory.write_bytes(v.vcpu_info + 32, {reinterpret_cast<const std::uint8_t*>(&t), sizeof t});
  log_dirty::mark_frame(v.domain, mfn_of(v.vcpu_info));
  if (v.time_area.valid) write_area(memory, v.domain, v.time_area, &t, sizeof t);
}

void Hypervisor::init_wallclock(Domain& d) {
  shared_info_t* s = d.shared;
  s->wc_version += 2;
  s->wc_sec = wallclock_seconds + static_cast<std::uint32_t>(d.time_offset_seconds);
  s->wc_nsec = wallclock_nanoseconds;
  log_dirty::mark_frame(d, d.shared_info);
}

void Hypervisor::update_runstate_area(Vcpu& v) {
  if (!v.runstate_area.valid) return;
  const auto times = runstate_times(v, now());
  if (v.domain.guest_64bit) {
    vcpu_runstate_info_t r{};
    r.state = static_cast<int>(v.runstate);
    r.state_entry_time = ns(v.runstate_entry);
    for (unsigned i = 0; i < 4; ++i) r.time[i] = ns(times[i]);
    write_area(memory, v.domain, v.runstate_area, &r, sizeof r);
  } else {
    std::array<std::uint32_t, 11> r{};  // state, entry time, 4 times; 44 bytes without the padding
    r[0] = static_cast<std::uint32_t>(v.runstate);
    const std::uint64_t entry = ns(v.runstate_entry);
    std::memcpy(&r[1], &entry, 8);
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint64_t n = ns(times[i]);
      std::memcpy(&r[3 + 2 * i], &n, 8);
    }
    write_area(memory, v.domain, v.runstate_area, r.data(), sizeof r);
  }
}

// A time that has passed fires at once, whatever the flags say (VCPU_SSHOTTMR_future is history in Xen 4.17).
long Hypervisor::set_singleshot_timer(Vcpu& v, std::uint64_t timeout_ns) {
  remove_timer(v.singleshot);
  const Cycles deadline = std::max(cycles(timeout_ns), now());
  tracer.timer_set(active_->pcpu->index, now(), trace_id(v), timeout_ns);
  if (deadline != kNever) v.singleshot = add_timer(v.processor, deadline, TimerAction::kSingleshot, v.unit);
  return 0;
}

// The periodic timer runs only while its vCPU does: it is stopped when the vCPU is switched out, and a tick that
// became due meanwhile is sent when it comes back (vcpu_periodic_timer_work in Xen).
void Hypervisor::set_periodic_timer(Vcpu& v, Nanoseconds period) {
  remove_timer(v.periodic);
  v.periodic_period = period;
  if (v.runstate == Runstate::kRunning) periodic_timer_work(v);
}

void Hypervisor::periodic_timer_work(Vcpu& v) {
  remove_timer(v.periodic);
  if (v.periodic_period == 0 || v.domain.shutdown) return;
  const Cycles period = cycles(v.periodic_period);
  // Beyond what time can count: never.
  const auto after = [&](Cycles last) { return period > kNever - last ? kNever : last + period; };
  Cycles next = after(v.periodic_last_event);
  if (now() >= next) {
    ++v.stats.timer_fired;
    tracer.timer_fire(active_->pcpu->index, now(), trace_id(v));
    send_vcpu_virq(v, VIRQ_TIMER);
    v.periodic_last_event = now();
    next = after(now());
  }
  if (next != kNever) v.periodic = add_timer(v.processor, next, TimerAction::kPeriodic, v.unit);
}

void Hypervisor::arm_vlapic_timer(Vcpu& v) {
  remove_timer(v.apic_timer);
  const Cycles deadline = v.vlapic.timer_deadline();
  if (deadline == kNever) return;
  const std::uint64_t wait = deadline - guest_tsc(v, now());  // wraps for deadlines in the past
  const bool past = deadline <= guest_tsc(v, now());
  Cycles at = past ? now() : from_now(wait);
  // Xen fires no platform timer of a guest more often than every 0.1 ms (create_periodic_time).
  const Cycles shortest = cycles(100'000);
  if (const Cycles period = v.vlapic.timer_period(); period != 0 && period < shortest)
    at = std::max(at, now() + shortest);
  v.apic_timer = add_timer(v.processor, at, TimerAction::kVlapic, v.unit);
}

}  // namespace xensim::xen
