/* The parts of the guest `grants`. */
#ifndef GUESTS_GRANTS_H
#define GUESTS_GRANTS_H

#include "lib/grants.h"

/* One row of the table: what was asked, what came back. The same on every Xen 4.17. */
void row(const char* what, long result);
/* The same in hexadecimal, for flags. */
void row_hex(const char* what, unsigned long value);

/* A fresh page of RAM, filled with a pattern. A page that the domain grants to itself and maps is never seen at
 * its own address again, so each case takes its own. */
uint8_t* fresh_page(uint8_t pattern);
/* A guest-physical address at which nothing has ever been. */
uint64_t fresh_hole(void);
/* "all N", or how many bytes of a page are not N. */
void row_bytes(const char* what, const volatile uint8_t* page, uint8_t pattern);

/* One copy; its status. flags: GNTCOPY_*. A side is a reference or a frame of the domain. */
struct side {
  uint64_t at;
  domid_t domid;
  uint16_t offset;
};
int grant_copy(struct side from, struct side to, uint16_t length, unsigned flags);

void table_cases(void);        /* sizes, versions, frames */
void entry_cases(void);        /* map, unmap, swap, in the version that is set */
void copy_cases(void);         /* likewise */
void limit_cases(void);        /* of handles */
void peer_cases(domid_t peer); /* the mapper of two domains */
void peer_serve(domid_t peer); /* the granter: does what the mapper says */
void measure(domid_t granter, grant_ref_t first, unsigned count);

#endif
