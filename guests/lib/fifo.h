/* Event channels in the FIFO ABI: a word per port, in pages that the guest adds, and for each vCPU a control block
 * with 16 queues of ports (xen/event_channel.h). Queue 0 has the highest priority. */
#ifndef GUESTS_LIB_FIFO_H
#define GUESTS_LIB_FIFO_H

#include <stdbool.h>

#include "hypercall.h"

#define FIFO_PENDING (1u << EVTCHN_FIFO_PENDING)
#define FIFO_MASKED (1u << EVTCHN_FIFO_MASKED)
#define FIFO_LINKED (1u << EVTCHN_FIFO_LINKED)
#define FIFO_BUSY (1u << EVTCHN_FIFO_BUSY)

/* Gives Xen a control block for the vCPU; the first one switches the domain to the FIFO ABI. 0 or Xen's error. */
long fifo_init_control(unsigned vcpu);

/* Adds a page of words, for the next 1024 ports, all of them masked. 0 or Xen's error. */
long fifo_expand(void);

/* The port's word, or NULL while its page is missing. */
volatile uint32_t* fifo_word(evtchn_port_t port);

static inline bool fifo_has(evtchn_port_t port, uint32_t bits) {
  return (__atomic_load_n(fifo_word(port), __ATOMIC_ACQUIRE) & bits) == bits;
}

static inline void fifo_mask(evtchn_port_t port) {
  __atomic_fetch_or(fifo_word(port), FIFO_MASKED, __ATOMIC_SEQ_CST);
}

/* By itself if the port is not pending; otherwise Xen must link it: true. */
bool fifo_unmask(evtchn_port_t port);

/* Takes every event from the vCPU's queues, the highest priority first, and calls handle for those that are
 * pending and not masked. How many ports it took off a queue. */
unsigned fifo_take_all(unsigned vcpu, void (*handle)(evtchn_port_t port, unsigned queue));

/* After EVTCHNOP_reset: Xen has forgotten control blocks and words. */
void fifo_forget(void);

#endif
