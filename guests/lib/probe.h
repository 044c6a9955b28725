/* Runs code that is expected to fault, and says how it did. */
#ifndef GUESTS_LIB_PROBE_H
#define GUESTS_LIB_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "interrupts.h"

/* What ended the latest probe. */
struct probe_end {
  uint64_t vector, error_code, rip, cs, cr2;
};
extern struct probe_end probe_end;

/* Makes a vector end the running probe. Outside of a probe it is reported as any other. */
void probe_catch(unsigned vector);

/* The handler of such a vector. */
void probe_stop(struct frame* frame);

bool probe_running(void);

/* Jumps to code at privilege level 0 on the current stack, or at level 3 with the given stack, with these flags;
 * comes back when a caught vector arrives. Code may change every general register and the stack pointer. */
void probe_run(uint64_t code, bool user, uint64_t user_stack, uint64_t flags);

#endif
