/* struct vcpu_time_info in xen/xen.h: version is odd while Xen writes; the time at a TSC value is
 * system_time + (((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >> 32). */
#include "pvclock.h"

#include "interrupts.h"
#include "shared_info.h"
#include "x86.h"

static uint64_t scale(uint64_t ticks, uint32_t multiplier, int shift) {
  ticks = shift >= 0 ? ticks << (shift & 63) : ticks >> (-shift & 63);
  return (uint64_t)((unsigned __int128)ticks * multiplier >> 32);
}

uint64_t system_time(void) {
  volatile struct vcpu_time_info* time = &shared_info->vcpu_info[current_vcpu()].time;
  for (;;) {
    uint32_t version = __atomic_load_n(&time->version, __ATOMIC_ACQUIRE);
    uint64_t now = time->system_time +
                   scale(read_tsc_ordered() - time->tsc_timestamp, time->tsc_to_system_mul, time->tsc_shift);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (!(version & 1) && version == time->version) return now;
    pause();
  }
}

uint64_t tsc_khz(void) {
  volatile struct vcpu_time_info* time = &shared_info->vcpu_info[0].time;
  uint32_t multiplier = time->tsc_to_system_mul;
  if (multiplier == 0) return 0;
  uint64_t khz = (1000000ull << 32) / multiplier;
  int shift = time->tsc_shift;
  return shift >= 0 ? khz >> (shift & 63) : khz << (-shift & 63);
}
