/* A fair spinlock: take a ticket, wait until it is called. */
#ifndef GUESTS_LIB_LOCK_H
#define GUESTS_LIB_LOCK_H

#include <stdint.h>

#include "x86.h"

struct ticket_lock {
  uint32_t next, serving;
};

static inline void lock(struct ticket_lock* l) {
  uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
  while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket) pause();
}

static inline void unlock(struct ticket_lock* l) {
  __atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE);
}

#endif
