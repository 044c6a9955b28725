/* Measurements and their order statistics. */
#ifndef GUESTS_LIB_SAMPLES_H
#define GUESTS_LIB_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

void samples_sort(uint64_t* samples, size_t count);

/* Of sorted samples: the smallest one that no fewer than permille thousandths of them are at or below. */
uint64_t samples_quantile(const uint64_t* samples, size_t count, unsigned permille);

uint64_t samples_mean(const uint64_t* samples, size_t count);

/* Sorts and prints "what: n … min … mean … p50 … p90 … p99 … max … unit". */
void samples_print(const char* what, const char* unit, uint64_t* samples, size_t count);

#endif
