/* The page that Xen shares with the domain: event bits, clocks (xen/xen.h). */
#ifndef GUESTS_LIB_SHARED_INFO_H
#define GUESTS_LIB_SHARED_INFO_H

#include <stdbool.h>

#include "hypercall.h"

extern volatile struct shared_info* shared_info;

/* Maps the page over a page of this image and masks every event. */
void shared_info_init(void);

static inline void event_clear(evtchn_port_t port) {
  __atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

static inline bool event_pending(evtchn_port_t port) {
  return __atomic_load_n(&shared_info->evtchn_pending[port / 64], __ATOMIC_ACQUIRE) >> port % 64 & 1;
}

#endif
