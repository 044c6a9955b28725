/* Xen's paravirtual clock: system time in nanoseconds since the host booted, computed from the TSC. */
#ifndef GUESTS_LIB_PVCLOCK_H
#define GUESTS_LIB_PVCLOCK_H

#include <stdint.h>

uint64_t system_time(void);

/* TSC ticks per millisecond, by the clock's own scale. */
uint64_t tsc_khz(void);

#endif
