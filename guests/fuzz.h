/* The random calls of the guest `fuzz`. */
#ifndef GUESTS_FUZZ_H
#define GUESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/hypercall.h"

/* Pages for structures and lists, and pages whose frames the calls are about. */
#define SCRATCH_PAGES 8
#define ARENA_PAGES 256
extern uint64_t scratch, arena;
extern domid_t own_domid, peer_domid;

struct call {
  uint64_t number, arguments[5];
};

domid_t domid_by_cpuid(void);

/* link: a port to spare, or 0. store: also writes into the ring of xenstore. */
void fuzz_init(uint64_t seed, evtchn_port_t link, bool store);

/* Writes what the call points to. */
void next_call(struct call* call);
long make_call(const struct call* call);

#endif
