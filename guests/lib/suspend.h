/* The guest's part of `xl save`, `xl restore` and `xl migrate`: takes requests from control/shutdown, suspends,
 * and sets up again what does not travel with a domain. */
#ifndef GUESTS_LIB_SUSPEND_H
#define GUESTS_LIB_SUSPEND_H

#include <stdbool.h>
#include <stdint.h>

/* Watches control/shutdown and says that the guest can suspend. Needs events_init and xenbus_init. */
void suspend_init(void);

enum request { REQUEST_NONE, REQUEST_SUSPEND, REQUEST_POWEROFF, REQUEST_REBOOT };
/* What the toolstack wants by now; a request that this returns has been acknowledged. */
enum request suspend_request(void);

/* Suspends the domain: of one vCPU, the others being parked or down. true: the domain is another one now (memory
 * and registers are the same, but event ports, timers, shared pages and watches are gone); the library's own have
 * been set up again, ports are the caller's affair. false: the suspend was cancelled, everything is as it was. */
bool suspend(void);

/* The other vCPUs: suspend_parking() says that they should park. suspend_park() returns when the domain goes on.
 */
void suspend_parking_begin(unsigned vcpus);
void suspend_parking_end(void);
bool suspend_parking(void);
void suspend_park(void);

#endif
