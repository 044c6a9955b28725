/* Event channels, in the 2-level ABI: a bit per port in shared_info says pending, another says masked; Xen
 * interrupts the vCPU that a port is bound to (xen/event_channel.h). */
#ifndef GUESTS_LIB_EVENTS_H
#define GUESTS_LIB_EVENTS_H

#include "hypercall.h"

typedef void event_handler(evtchn_port_t port);

/* For the vCPU that runs this: events arrive as an interrupt through its APIC. With "upcall=callback" on the
 * command line, or under a Xen without per-vCPU vectors, Xen injects the vector itself. Needs apic_init. */
void events_init(void);

/* Each of these binds a port, to the given vCPU or to vCPU 0, masked; they fail the guest if Xen refuses. */
evtchn_port_t event_bind_ipi(unsigned vcpu);
evtchn_port_t event_bind_virq(unsigned virq, unsigned vcpu);
evtchn_port_t event_alloc_unbound(domid_t remote);

/* 0 and the local port, or Xen's error code. */
long event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t* port);

/* Sets the handler, which runs with interrupts off, and opens the port. */
void event_enable(evtchn_port_t port, event_handler* handler);

void event_send(evtchn_port_t port);
void event_close(evtchn_port_t port);

#endif
