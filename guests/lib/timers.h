/* Xen's timers of a vCPU, which arrive as VIRQ_TIMER (xen/vcpu.h). Each acts on the vCPU that calls; 0 or Xen's
 * error. */
#ifndef GUESTS_LIB_TIMERS_H
#define GUESTS_LIB_TIMERS_H

#include "events.h"

/* Binds VIRQ_TIMER of the calling vCPU to a handler and stops its periodic timer. Needs events_init. */
void timer_init(event_handler* handler);

long timer_set_periodic(uint64_t period_ns);
long timer_stop_periodic(void);

/* At a system time; one that has passed fires at once. */
long timer_set_singleshot(uint64_t deadline_ns);

#endif
