/* The domain's grant table: pages that others may use, and pages of others (xen/grant_table.h). Entries of both
 * versions of the ABI; frames lie at fixed guest-physical addresses above the domain's RAM. */
#ifndef GUESTS_LIB_GRANTS_H
#define GUESTS_LIB_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "hypercall.h"

#include <xen/grant_table.h>

#define GRANT_FRAMES 0xd0000000ul /* where the table is */
#define GRANT_STATUS 0xd4000000ul /* where its status frames are (version 2) */
#define GRANT_WINDOW 0xd8000000ul /* from here on nothing is mapped: room for pages of others */

static inline long grant_table_op(unsigned command, void* argument, unsigned count) {
  return hypercall4(__HYPERVISOR_grant_table_op, command, (long)argument, count, 0);
}

/* Xen's result for XENMAPSPACE_grant_table: frame `index` of the table appears at the address. */
long grant_map_frame(uint64_t index, uint64_t address);

/* Maps the first `frames` frames (and what status frames they need) in the version that is set; fails the guest if
 * Xen refuses. After every change of version. */
void grant_table_map(unsigned frames);

/* GNTTABOP_set_version; Xen's result. On success, maps as many frames again as were mapped. */
long grant_set_version(unsigned version);
unsigned grant_version(void);

/* The domain that runs this, by CPUID. */
domid_t this_domid(void);

/* An entry: its flags come last, so that it is whole when it becomes valid. */
void grant_entry(grant_ref_t ref, unsigned flags, domid_t domid, uint64_t frame);
/* Parts of a page, and other domains' grants, in version 2. */
void grant_entry_part(grant_ref_t ref, unsigned flags, domid_t domid, uint64_t frame, unsigned offset,
                      unsigned length);
void grant_entry_transitive(grant_ref_t ref, unsigned flags, domid_t domid, domid_t owner, grant_ref_t theirs);

/* The flags of an entry, those included that Xen keeps in the status frames. */
unsigned grant_flags(grant_ref_t ref);

/* Lets a domain use a page: an entry with GTF_permit_access and these flags besides. */
static inline void grant_access(grant_ref_t ref, domid_t domid, const volatile void* page, unsigned flags) {
  grant_entry(ref, GTF_permit_access | flags, domid, (uint64_t)page >> 12);
}

/* Maps a page of another domain at a free guest-physical address; a GNTST_* status. */
int grant_map(uint64_t address, unsigned flags, grant_ref_t ref, domid_t domid, grant_handle_t* handle);
int grant_unmap(uint64_t address, grant_handle_t handle);

#endif
