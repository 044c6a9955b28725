#include "models/xen/hvm/viridian.h"

#include <algorithm>
#include <cstring>

#include "models/xen/hypervisor.h"

namespace xensim::xen::hvm {

namespace {

enum : std::uint32_t {
  kGuestOsId = 0x40000000,
  kHypercall = 0x40000001,
  kVpIndex = 0x40000002,
  kTimeRefCount = 0x40000020,
  kReferenceTsc = 0x40000021,
  kTscFrequency = 0x40000022,
  kApicFrequency = 0x40000023,
  kEoi = 0x40000070,
  kIcr = 0x40000071,
  kTpr = 0x40000072,
  kVpAssist = 0x40000073,
  kScontrol = 0x40000080,
  kSversion = 0x40000081,
  kSiefp = 0x40000082,
  kSimp = 0x40000083,
  kEom = 0x40000084,
  kSint0 = 0x40000090,
  kSint15 = 0x4000009f,
  kStimer0Config = 0x400000b0,
  kStimer3Count = 0x400000b7,
  kCrashP0 = 0x40000100,
  kCrashP4 = 0x40000104,
  kCrashCtl = 0x40000105,
};

constexpr std::uint64_t kEnabled = 1;  // of an MSR that names a page: bits 63:12 are its gfn
constexpr std::uint64_t kTimerEnable = 1, kTimerPeriodic = 2, kTimerLazy = 4, kTimerAuto = 8;
constexpr std::uint64_t kSintMasked = std::uint64_t{1} << 16, kSintPolling = std::uint64_t{1} << 18;
constexpr std::uint64_t kApicHz = 100'000'000;

std::uint64_t features(const Domain& d) { return d.hvm_params[HVM_PARAM_VIRIDIAN]; }
bool has(const Domain& d, std::uint64_t feature) { return features(d) & feature; }

// Reference time per TSC cycle, 64 bits behind the point (viridian's 100 ns).
std::uint64_t tsc_scale(const Hypervisor& hv) {
  return ((std::uint64_t{10'000} << 32) / (hv.tsc_hz / 1000)) << 32;
}

// In 100 ns.
std::int64_t reference_time(const Hypervisor& hv, const Domain& d) {
  const std::uint64_t tsc = hv.guest_tsc(*d.vcpus[0], const_cast<Hypervisor&>(hv).now());
  return static_cast<std::int64_t>((static_cast<unsigned __int128>(tsc) * tsc_scale(hv)) >> 64);
}

// --- Pages that the guest names. A page that is not RAM stays without effect.

std::optional<PhysAddr> page_of(Hypervisor& hv, Domain& d, std::uint64_t msr) {
  if (!(msr & kEnabled)) return std::nullopt;
  const auto frame = hv.ram_frame(d, msr >> kPageShift);
  if (!frame) return std::nullopt;
  log_dirty::mark_frame(d, *frame);
  return address_of(*frame);
}

void write_reference_page(Hypervisor& hv, Domain& d) {
  const auto page = page_of(hv, d, d.viridian.reference_tsc);
  if (!page) return;
  hv.memory.fill(*page, 0, kPageSize);
  hv.memory.write<std::uint64_t>(*page + 8, tsc_scale(hv));
  hv.memory.write<std::uint32_t>(*page, 1);  // sequence; 0 would mean: not valid
}

// Calls return HV_STATUS_INVALID_HYPERCALL_CODE.
void write_hypercall_page(Hypervisor& hv, Domain& d) {
  const auto page = page_of(hv, d, d.viridian.hypercall_gpa);
  if (!page) return;
  std::array<std::uint8_t, kPageSize> code;
  code.fill(0xcc);
  constexpr std::uint8_t kReturnTwo[] = {0xb8, 2, 0, 0, 0, 0x31, 0xd2, 0xc3};  // mov $2,%eax; xor %edx,%edx; ret
  std::memcpy(code.data(), kReturnTwo, sizeof kReturnTwo);
  hv.memory.write_bytes(*page, code);
}

// --- Synthetic timers.

void stop_timer(Hypervisor& hv, SyntheticTimer& t) {
  hv.remove_timer(t.timer);
  t.started = false;
}

unsigned sint_of(const SyntheticTimer& t) { return t.config >> 16 & 15; }

// A message of 256 bytes in the slot of its SINT; false: the slot is taken, or there is no page for it.
bool put_message(Hypervisor& hv, Vcpu& v, unsigned n, std::int64_t expiration) {
  const SyntheticTimer& t = v.viridian.timers[n];
  const unsigned sint = sint_of(t);
  const auto page = page_of(hv, v.domain, v.viridian.simp);
  if (!page) return false;
  const PhysAddr slot = *page + 256 * sint;
  if (hv.memory.read<std::uint32_t>(slot) != 0) {
    hv.memory.write<std::uint8_t>(slot + 5, 1);  // more is waiting
    return false;
  }
  constexpr std::uint32_t kTimerExpired = 0x80000010;
  hv.memory.write<std::uint8_t>(slot + 4, 24);
  hv.memory.write<std::uint8_t>(slot + 5, 0);
  hv.memory.write<std::uint32_t>(slot + 16, n);
  hv.memory.write<std::uint32_t>(slot + 20, 0);
  hv.memory.write<std::uint64_t>(slot + 24, static_cast<std::uint64_t>(expiration));
  hv.memory.write<std::uint64_t>(slot + 32, static_cast<std::uint64_t>(reference_time(hv, v.domain)));
  hv.memory.write<std::uint32_t>(slot, kTimerExpired);
  const std::uint64_t s = v.viridian.sint[sint];
  if (!(s & (kSintMasked | kSintPolling))) hv.vlapic_accept(v, static_cast<std::uint8_t>(s));
  return true;
}

void start_timer(Hypervisor& hv, Vcpu& v, unsigned n);

void expire(Hypervisor& hv, Vcpu& v, unsigned n) {
  SyntheticTimer& t = v.viridian.timers[n];
  t.message_waits = !put_message(hv, v, n, t.expiration);
  if (t.message_waits) return;
  if (t.config & kTimerPeriodic)
    start_timer(hv, v, n);
  else
    t.config &= ~kTimerEnable;
}

void start_timer(Hypervisor& hv, Vcpu& v, unsigned n) {
  SyntheticTimer& t = v.viridian.timers[n];
  const std::int64_t time = reference_time(hv, v.domain), count = static_cast<std::int64_t>(t.count);
  if (t.config & kTimerPeriodic) {
    if (count <= 0) return;
    // One that runs keeps its pace; after some missed expiries it starts anew.
    constexpr std::int64_t kMostMissed = 3;
    const bool anew = !t.started || t.config & kTimerLazy || time - t.expiration > (kMostMissed + 1) * count;
    t.expiration = anew ? time + count : std::max(t.expiration + count, time + 1);
  } else {
    t.expiration = count;
    if (count <= time) return expire(hv, v, n);
  }
  t.started = true;
  t.message_waits = false;
  const auto span = static_cast<std::uint64_t>(t.expiration - time);
  constexpr std::uint64_t kLongest = std::uint64_t{1} << 50;  // so that it fits in nanoseconds: 3.5 years
  if (span > kLongest) return;
  hv.remove_timer(t.timer);
  t.timer = hv.add_timer(v.processor, hv.from_now(hv.cycles(span * 100)), TimerAction::kViridian,
                         std::uint64_t{v.domain.domid} << 16 | v.id << 8 | n);
}

bool write_timer(Hypervisor& hv, Vcpu& v, std::uint32_t msr, std::uint64_t value) {
  if (!has(v.domain, HVMPV_stimer)) return false;
  const unsigned n = (msr - kStimer0Config) / 2;
  SyntheticTimer& t = v.viridian.timers[n];
  stop_timer(hv, t);
  if ((msr - kStimer0Config) % 2 == 0) {
    t.config = value;
    if (sint_of(t) == 0) t.config &= ~kTimerEnable;
  } else {
    t.count = value;
    if (value == 0)
      t.config &= ~kTimerEnable;
    else if (t.config & kTimerAuto)
      t.config |= kTimerEnable;
  }
  if (t.config & kTimerEnable) start_timer(hv, v, n);
  return true;
}

bool read_synic(const Vcpu& v, std::uint32_t msr, std::uint64_t& value) {
  const ViridianVcpu& vv = v.viridian;
  switch (msr) {
    case kIcr:
      value = v.vlapic.state().icr;
      return true;
    case kTpr:
      value = v.vlapic.tpr();
      return true;
    case kVpAssist:
      value = vv.vp_assist;
      return true;
    default:
      break;
  }
  if (!has(v.domain, HVMPV_synic)) return false;
  if (msr >= kSint0 && msr <= kSint15) {
    value = vv.sint[msr - kSint0];
    return true;
  }
  switch (msr) {
    case kScontrol:
      value = vv.scontrol;
      return true;
    case kSversion:
      value = 1;
      return true;
    case kSiefp:
      value = vv.siefp;
      return true;
    case kSimp:
      value = vv.simp;
      return true;
    case kEom:
      value = 0;
      return true;
    default:
      return false;
  }
}

void write_apic(Hypervisor& hv, Vcpu& v, std::uint32_t offset, std::uint64_t value) {
  const Cycles tsc = hv.guest_tsc(v, hv.now());
  if (v.vlapic.x2apic())
    v.vlapic.msr_write(0x800 + (offset >> 4), value, tsc);
  else
    v.vlapic.mmio_write(offset, 4, static_cast<std::uint32_t>(value), tsc);
  hv.vlapic_written(v, offset >> 4);
}

bool write_synic(Hypervisor& hv, Vcpu& v, std::uint32_t msr, std::uint64_t value) {
  ViridianVcpu& vv = v.viridian;
  switch (msr) {
    case kEoi:
      write_apic(hv, v, 0xb0, 0);
      return true;
    case kIcr:
      if (!v.vlapic.x2apic()) write_apic(hv, v, 0x310, value >> 32);
      write_apic(hv, v, 0x300, value);
      return true;
    case kTpr:
      write_apic(hv, v, 0x80, static_cast<std::uint32_t>(value));
      return true;
    case kVpAssist:
      vv.vp_assist = value;
      return true;
    default:
      break;
  }
  if (!has(v.domain, HVMPV_synic)) return false;
  if (msr >= kSint0 && msr <= kSint15) {
    if (static_cast<std::uint8_t>(value) < 0x10) return false;
    vv.sint[msr - kSint0] = value;
    return true;
  }
  switch (msr) {
    case kScontrol:
      vv.scontrol = value;
      return true;
    case kSiefp:
      vv.siefp = value;
      return true;
    case kSimp:
      vv.simp = value;
      return true;
    case kEom:
      // The guest has emptied a slot: messages that waited for it.
      for (unsigned n = 0; n < vv.timers.size(); ++n)
        if (vv.timers[n].message_waits) expire(hv, v, n);
      return true;
    default:
      return false;
  }
}

}  // namespace

bool viridian_enabled(const Domain& d) { return d.platform && features(d) & HVMPV_base_freq; }

cpu::CpuidRegisters viridian_leaf(const Domain& d, std::uint32_t leaf) {
  const std::uint64_t os = d.viridian.guest_os_id;
  switch (leaf - 0x40000000) {
    case 0:
      return {0x40000006, 0x7263694d, 0x666f736f, 0x76482074};  // Microsoft Hv
    case 1:
      return {0x31237648, 0, 0, 0};  // Hv#1
    case 2:
      return os == 0 ? cpu::CpuidRegisters{} : cpu::CpuidRegisters{0x1772, 6u << 16, 0, 0};
    case 3: {
      // Privileges: interrupt control, hypercall and VP-index MSRs, and by group of enlightenments.
      std::uint32_t eax = 1u << 4 | 1u << 5 | 1u << 6, edx = 0;
      if (!has(d, HVMPV_no_freq)) eax |= 1u << 11;
      if (has(d, HVMPV_time_ref_count)) eax |= 1u << 1;
      if (has(d, HVMPV_reference_tsc)) eax |= 1u << 9;
      if (has(d, HVMPV_synic)) eax |= 1u << 2;
      if (has(d, HVMPV_stimer)) eax |= 1u << 3;
      if (has(d, HVMPV_cpu_hotplug)) edx |= 1u << 3;
      if (has(d, HVMPV_crash_ctl)) edx |= 1u << 10;
      if (has(d, HVMPV_synic)) edx |= 1u << 17;
      return {eax, 0, 0, edx};
    }
    case 4: {
      if (os == 0 || (os >> 40 & 0xff) < 4) return {};
      std::uint32_t eax = 1u << 3 | 1u << 5;  // MSRs for the APIC, relaxed timers
      if (has(d, HVMPV_hcall_remote_tlb_flush)) eax |= 1u << 2;
      if (has(d, HVMPV_hcall_ipi)) eax |= 1u << 10;
      if (has(d, HVMPV_ex_processor_masks)) eax |= 1u << 11;
      return {eax, 2047, 0, 0};
    }
    case 5:
      return {has(d, HVMPV_no_vp_limit) ? ~0u : 0, 0, 0, 0};
    case 6:
      return {1u << 1 | 1u << 3, 0, 0, 0};  // MSR bitmaps, nested paging
    default:
      return {};
  }
}

bool read_viridian_msr(Hypervisor& hv, Vcpu& v, std::uint32_t msr, std::uint64_t& value) {
  const Domain& d = v.domain;
  if (msr >= kCrashP0 && msr <= kCrashP4) {
    value = v.viridian.crash[msr - kCrashP0];
    return true;
  }
  if (msr >= kStimer0Config && msr <= kStimer3Count) {
    if (!has(d, HVMPV_stimer)) return false;
    const SyntheticTimer& t = v.viridian.timers[(msr - kStimer0Config) / 2];
    const bool over = t.message_waits && !(t.config & kTimerPeriodic);
    value = (msr - kStimer0Config) % 2 ? t.count : over ? t.config & ~kTimerEnable : t.config;
    return true;
  }
  switch (msr) {
    case kGuestOsId:
      value = d.viridian.guest_os_id;
      return true;
    case kHypercall:
      value = d.viridian.hypercall_gpa;
      return true;
    case kVpIndex:
      value = v.id;
      return true;
    case kTimeRefCount:
      value = static_cast<std::uint64_t>(reference_time(hv, d));
      return has(d, HVMPV_time_ref_count);
    case kReferenceTsc:
      value = d.viridian.reference_tsc;
      return has(d, HVMPV_reference_tsc);
    case kTscFrequency:
      value = hv.tsc_hz / 1000 * 1000;
      return !has(d, HVMPV_no_freq);
    case kApicFrequency:
      value = kApicHz;
      return !has(d, HVMPV_no_freq);
    case kCrashCtl:
      value = std::uint64_t{1} << 63;
      return true;
    default:
      return msr != kEoi && read_synic(v, msr, value);
  }
}

bool write_viridian_msr(Hypervisor& hv, Vcpu& v, std::uint32_t msr, std::uint64_t value) {
  Domain& d = v.domain;
  if (msr >= kCrashP0 && msr <= kCrashP4) {
    v.viridian.crash[msr - kCrashP0] = value;
    return true;
  }
  if (msr >= kStimer0Config && msr <= kStimer3Count) return write_timer(hv, v, msr, value);
  switch (msr) {
    case kGuestOsId:
      d.viridian.guest_os_id = value;
      return true;
    case kHypercall:
      d.viridian.hypercall_gpa = value;
      write_hypercall_page(hv, d);
      return true;
    case kVpIndex:
      return true;
    case kReferenceTsc:
      if (!has(d, HVMPV_reference_tsc)) return false;
      d.viridian.reference_tsc = value;
      write_reference_page(hv, d);
      return true;
    case kTimeRefCount:
    case kTscFrequency:
    case kApicFrequency:
    case kSversion:
      return false;
    case kCrashCtl:
      if (value >> 63) d.shutdown_code = SHUTDOWN_crash;
      return true;
    default:
      return write_synic(hv, v, msr, value);
  }
}

void synthetic_timer_fired(Hypervisor& hv, Vcpu& v, unsigned n) {
  v.viridian.timers[n].timer = {};
  expire(hv, v, n);
}

void stop_synthetic_timers(Hypervisor& hv, Vcpu& v) {
  for (SyntheticTimer& t : v.viridian.timers) stop_timer(hv, t);
}

}  // namespace xensim::xen::hvm
