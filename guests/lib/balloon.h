/* A balloon driver: gives pages of a pool back to Xen and takes them again, in extents of 4 KiB or 2 MiB, and
 * follows the target that the toolstack writes to memory/target (`xl mem-set`). The pool is all free memory. What
 * pages hold is the affair of their user, who is asked before a page goes and told when one has come. */
#ifndef GUESTS_LIB_BALLOON_H
#define GUESTS_LIB_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#define BALLOON_BLOCK 512ul /* pages in 2 MiB */

struct balloon_cost {
  uint64_t cycles, pages, calls; /* of hypercalls, what they moved, how many */
};

/* Makes the pool, with all pages in; how many pages of RAM the memory map promises. leaving and came may be null.
 * Nothing can be taken by memory_take() any more. */
uint64_t balloon_init(void (*leaving)(uint64_t page), void (*came)(uint64_t page));
/* Pages in the pool, and the first one's frame; whether the guest has a page of it (0 is the first), and how many
 * it has. */
uint64_t balloon_pages(void);
uint64_t balloon_first(void);
bool balloon_has(uint64_t page);
uint64_t balloon_in(void);
uint64_t balloon_reservation(void);
uint64_t balloon_maximum(void);

/* Takes (in) or gives back that many pages in extents of 2^order; how many it could not. What is fresh was never
 * there, and `leaving` is not asked. */
uint64_t balloon_move(bool in, uint64_t pages, unsigned order, bool fresh, struct balloon_cost* cost);

/* Starts to follow the toolstack: what it says now belongs to the pages that the guest has now. Needs xenbus. */
void balloon_follow(void);
/* Whether there is a new target, within that time; the reservation to go to. */
bool balloon_target(uint64_t* reservation, uint64_t wait_ns);
/* Goes there, in 2 MiB extents as far as that goes; how many pages short. */
uint64_t balloon_go_to(uint64_t reservation, struct balloon_cost* cost);

#endif
