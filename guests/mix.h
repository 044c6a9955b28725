/* A fixed mix of work, the same for the guest `compute` and for the program `compute-native`. */
#ifndef GUESTS_MIX_H
#define GUESTS_MIX_H

#include <stdint.h>

/* Runs iterations of the mix, each about 1,800 instructions, on its own state; returns a checksum over
 * everything since the first call. */
uint64_t mix_run(uint64_t iterations);

#endif
