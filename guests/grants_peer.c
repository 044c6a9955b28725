/* Two domains: the granter does what the mapper tells it through a page that it has granted; so all of the test is
 * the mapper's, and the granter can change its mind, or die, while its pages are mapped. */
#include "grants.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/string.h"
#include "lib/x86.h"

/* References: one that survives a change of version, and those of the pages. */
enum { kShared = 4, kFirst = 16, kPages = 64 };

enum command { kNone, kEntry, kTransitive, kPart, kFlags, kFill, kByte, kVersion, kRemove, kMapBack, kEnd };

/* What lies in the shared page. */
struct desk {
  volatile uint32_t command, done;
  volatile uint64_t a[6];
  volatile int64_t result;
};

static void sleep_us(uint64_t us) {
  struct sched_poll poll = {.nr_ports = 0, .timeout = system_time() + us * 1000};
  if (sched_op(SCHEDOP_poll, &poll) != 0) sched_op(SCHEDOP_yield, NULL);
}

/* --- The granter. */

static uint8_t* pages; /* kPages of them; entry kFirst + n is page n's at first */

static int64_t obey(const struct desk* d) {
  const uint64_t a0 = d->a[0], a1 = d->a[1], a2 = d->a[2], a3 = d->a[3], a4 = d->a[4], a5 = d->a[5];
  switch (d->command) {
    case kEntry: /* ref, flags, domid, frame (or page below kPages) */
      grant_entry((grant_ref_t)a0, (unsigned)a1, (domid_t)a2, a3 < kPages ? ((uint64_t)pages >> 12) + a3 : a3);
      return 0;
    case kTransitive:
      grant_entry_transitive((grant_ref_t)a0, (unsigned)a1, (domid_t)a2, (domid_t)a3, (grant_ref_t)a4);
      return 0;
    case kPart:
      grant_entry_part((grant_ref_t)a0, (unsigned)a1, (domid_t)a2, ((uint64_t)pages >> 12) + a3, (unsigned)a4,
                       (unsigned)a5);
      return 0;
    case kFlags:
      return grant_flags((grant_ref_t)a0);
    case kFill:
      memset(pages + a0 % kPages * 4096, (int)a1, 4096);
      return 0;
    case kByte:
      return ((volatile uint8_t*)pages)[a0 % (kPages * 4096ul)];
    case kVersion:
      return grant_set_version((unsigned)a0);
    case kRemove: { /* the page is given back to Xen */
      xen_pfn_t frame = ((uint64_t)pages >> 12) + a0 % kPages;
      struct xen_memory_reservation reservation = {.nr_extents = 1, .domid = DOMID_SELF};
      set_xen_guest_handle(reservation.extent_start, &frame);
      return memory_op(XENMEM_decrease_reservation, &reservation);
    }
    case kMapBack: /* maps what the other domain grants at a1 */
      return grant_map(fresh_hole(), GNTMAP_host_map, (grant_ref_t)a0, (domid_t)a1, NULL);
    default:
      return -1;
  }
}

void peer_serve(domid_t peer) {
  struct desk* d = (struct desk*)fresh_page(0);
  pages = (uint8_t*)memory_take(kPages * 4096ul, 4096);
  if (!pages) fail("no memory left");
  grant_table_map(1);
  for (unsigned i = 0; i < kPages; ++i) {
    memset(pages + i * 4096, (int)(0x40 + i), 4096);
    grant_access(kFirst + i, peer, pages + i * 4096, 0);
  }
  grant_access(kShared, peer, d, 0);
  print("domain %u grants to domain %u\n", this_domid(), peer);
  for (;;) {
    if (d->command == kNone) {
      sleep_us(20);
      continue;
    }
    if (d->command == kEnd) return;
    d->result = obey(d);
    d->command = kNone;
    compiler_barrier();
    ++d->done;
  }
}

/* --- The mapper. */

static struct desk* desk;
static grant_handle_t desk_handle;
static domid_t self, granter;

static int64_t tell(enum command command, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                    uint64_t a5) {
  const uint64_t a[6] = {a0, a1, a2, a3, a4, a5};
  for (unsigned i = 0; i < 6; ++i) desk->a[i] = a[i];
  const uint32_t done = desk->done;
  compiler_barrier();
  desk->command = command;
  if (command == kEnd) return 0;
  while (desk->done == done) sleep_us(20);
  return desk->result;
}

static void entry(grant_ref_t ref, unsigned flags, domid_t domid, uint64_t frame) {
  tell(kEntry, ref, flags, domid, frame, 0, 0);
}
static void row_flags(grant_ref_t ref) { row_hex("  flags", (unsigned long)tell(kFlags, ref, 0, 0, 0, 0, 0)); }

static struct side theirs(grant_ref_t ref, uint16_t offset) { return (struct side){ref, granter, offset}; }
static struct side mine(const void* page, uint16_t offset) {
  return (struct side){(uint64_t)page >> 12, DOMID_SELF, offset};
}

static void connect(void) {
  uint64_t hole = fresh_hole(), limit = system_time() + 60000000000ull;
  while (grant_map(hole, GNTMAP_host_map, kShared, granter, &desk_handle) != 0) {
    if (system_time() > limit) fail("domain %u does not grant its page", granter);
    sleep_us(500);
  }
  desk = (struct desk*)hole;
}

static void mappings(void) {
  grant_handle_t handle = 0, second = 0;
  uint64_t here = fresh_hole(), there = fresh_hole();
  row("map for writing", grant_map(here, GNTMAP_host_map, kFirst, granter, &handle));
  row_flags(kFirst);
  row_bytes("  other bytes", (uint8_t*)here, 0x40);
  *(volatile uint8_t*)(here + 5) = 0x99;
  row("  a written byte, as its owner sees it", tell(kByte, 5, 0, 0, 0, 0, 0));
  row("map for reading", grant_map(there, GNTMAP_host_map | GNTMAP_readonly, kFirst + 1, granter, &second));
  row_flags(kFirst + 1);
  *(volatile uint8_t*)there = 0x98; /* another's page: the write goes nowhere */
  row("  a byte that was written to", *(volatile uint8_t*)there);
  row("  and as its owner sees it", tell(kByte, 4096, 0, 0, 0, 0, 0));
  row("the granter changes the version", tell(kVersion, 2, 0, 0, 0, 0, 0));
  entry(kFirst, 0, 0, 0);
  row("revoked while mapped: a byte of it", *(volatile uint8_t*)(here + 5));
  row("unmap", grant_unmap(here, handle));
  row_flags(kFirst);
  row("map of what is revoked", grant_map(here, GNTMAP_host_map, kFirst, granter, NULL));
  entry(kFirst + 1, GTF_permit_access, 0, 1);
  row("map of what is for another domain now, and in use",
      grant_map(here, GNTMAP_host_map | GNTMAP_readonly, kFirst + 1, granter, &handle));
  row("unmap", grant_unmap(here, handle));
  row("unmap", grant_unmap(there, second));
  row_flags(kFirst + 1);
  entry(kFirst, GTF_permit_access, self, 0);
  entry(kFirst + 1, GTF_permit_access, self, 1);
  tell(kFill, 0, 0x40, 0, 0, 0, 0);
}

static void frames_of_others(void) {
  grant_handle_t handle = 0;
  uint64_t here = fresh_hole();
  uint8_t* page = fresh_page(0);
  row("map", grant_map(here, GNTMAP_host_map, kFirst + 2, granter, &handle));
  grant_entry(9, GTF_permit_access, self, here >> 12);
  row("map one's own grant of another's page", grant_map(fresh_hole(), GNTMAP_host_map, 9, self, NULL));
  grant_entry(10, GTF_permit_access, granter, here >> 12);
  row("the granter maps a grant of its own page", tell(kMapBack, 10, self, 0, 0, 0, 0));
  row("copy from another's page by its frame number", grant_copy(mine((void*)here, 0), mine(page, 0), 16, 0));
  row("query_size from another's page", grant_table_op(GNTTABOP_query_size, (void*)here, 1));
  row("XENMAPSPACE_grant_table over another's page", grant_map_frame(0, here));
  row("the granter gives the page up", tell(kRemove, 2, 0, 0, 0, 0, 0));
  row_bytes("  other bytes of it", (uint8_t*)here, 0x42);
  grant_handle_t second = 0;
  uint64_t there = fresh_hole();
  row("map it again", grant_map(there, GNTMAP_host_map | GNTMAP_readonly, kFirst + 2, granter, &second));
  row("unmap", grant_unmap(there, second));
  row("unmap", grant_unmap(here, handle));
}

static void copies(void) {
  uint8_t* page = fresh_page(0x55);
  const unsigned both = GNTCOPY_source_gref | GNTCOPY_dest_gref;
  row("copy from a grant", grant_copy(theirs(kFirst + 3, 0), mine(page, 0), 4096, GNTCOPY_source_gref));
  row_bytes("  other bytes", page, 0x43);
  row_flags(kFirst + 3);
  memset(page, 0x56, 4096);
  row("copy to a grant", grant_copy(mine(page, 0), theirs(kFirst + 3, 0), 4096, GNTCOPY_dest_gref));
  row("  a byte, as its owner sees it", tell(kByte, 3 * 4096, 0, 0, 0, 0, 0));
  row("copy from grant to grant", grant_copy(theirs(kFirst + 4, 0), theirs(kFirst + 5, 8), 8, both));
  row("  a byte, as its owner sees it", tell(kByte, 5 * 4096 + 15, 0, 0, 0, 0, 0));
  entry(kFirst + 6, GTF_permit_access | GTF_readonly, self, 6);
  row("copy to a readonly grant", grant_copy(mine(page, 0), theirs(kFirst + 6, 0), 1, GNTCOPY_dest_gref));
  struct side frame = {1, granter, 0};
  row("copy from another domain's frame", grant_copy(frame, mine(page, 0), 1, 0));
  row("copy to another domain's frame", grant_copy(mine(page, 0), frame, 1, 0));
}

static void second_version(void) {
  uint8_t* page = fresh_page(0x66);
  row("the granter maps its own table's version 2", tell(kVersion, 2, 0, 0, 0, 0, 0));
  /* The table is empty now, but for the shared page, which is in use. */
  for (unsigned i = 0; i < 4; ++i) entry(kFirst + i, GTF_permit_access, self, 8 + i);
  grant_handle_t handle = 0;
  uint64_t here = fresh_hole();
  row("map for writing", grant_map(here, GNTMAP_host_map, kFirst, granter, &handle));
  row_flags(kFirst);
  row("unmap", grant_unmap(here, handle));
  row_flags(kFirst);
  tell(kPart, kFirst + 1, GTF_permit_access | GTF_sub_page, self, 9, 100, 50);
  row("copy a part", grant_copy(theirs(kFirst + 1, 100), mine(page, 0), 50, GNTCOPY_source_gref));
  row("copy more than the part", grant_copy(theirs(kFirst + 1, 100), mine(page, 0), 51, GNTCOPY_source_gref));
  row("map a part", grant_map(fresh_hole(), GNTMAP_host_map, kFirst + 1, granter, NULL));
  /* The mapper grants to the granter, who grants that on to the mapper. */
  grant_access(11, granter, page, 0);
  tell(kTransitive, kFirst + 2, GTF_transitive, self, self, 11, 0);
  uint8_t* other = fresh_page(0);
  row("copy from a transitive grant",
      grant_copy(theirs(kFirst + 2, 60), mine(other, 60), 100, GNTCOPY_source_gref));
  row("  a byte of it", other[100]);
  row_hex("  flags of the grant behind it", grant_flags(11));
  row_flags(kFirst + 2);
  row("copy to a transitive grant", grant_copy(mine(other, 0), theirs(kFirst + 2, 0), 50, GNTCOPY_dest_gref));
  row("  a byte of the page behind it", page[10]);
  grant_access(11, granter, page, GTF_readonly);
  row("copy to it when the grant behind it is readonly",
      grant_copy(mine(other, 0), theirs(kFirst + 2, 0), 50, GNTCOPY_dest_gref));
  row("copy from it", grant_copy(theirs(kFirst + 2, 0), mine(other, 0), 50, GNTCOPY_source_gref));
  row("map a transitive grant", grant_map(fresh_hole(), GNTMAP_host_map, kFirst + 2, granter, NULL));
  grant_access(11, 0, page, 0);
  row("copy from it when the grant behind it is for another",
      grant_copy(theirs(kFirst + 2, 0), mine(other, 0), 50, GNTCOPY_source_gref));
  grant_set_version(2);
  grant_entry_transitive(12, GTF_transitive, granter, granter, kFirst);
  tell(kTransitive, kFirst + 3, GTF_transitive, self, self, 12, 0);
  row("copy from a transitive grant of a transitive grant",
      grant_copy(theirs(kFirst + 3, 0), mine(other, 0), 1, GNTCOPY_source_gref));
  row_flags(kFirst + 3);
}

/* The granter ends while a page of its is mapped. */
static void death(void) {
  grant_handle_t handle = 0, probe = 0;
  uint64_t here = fresh_hole(), there = fresh_hole(), limit = system_time() + 60000000000ull;
  entry(kFirst, GTF_permit_access, self, 20);
  entry(kFirst + 1, GTF_permit_access, self, 21);
  row("map", grant_map(here, GNTMAP_host_map, kFirst, granter, &handle));
  tell(kEnd, 0, 0, 0, 0, 0, 0);
  int status = 0;
  while ((status = grant_map(there, GNTMAP_host_map, kFirst + 1, granter, &probe)) == 0) {
    grant_unmap(there, probe);
    if (system_time() > limit) fail("domain %u does not end", granter);
    sleep_us(2000);
  }
  sleep_us(5000000);
  row("map another page of the dead granter", grant_map(there, GNTMAP_host_map, kFirst + 1, granter, &probe));
  row_bytes("  other bytes of the page that is mapped", (uint8_t*)here, 0x40 + 20);
  row("map it again", grant_map(there, GNTMAP_host_map, kFirst, granter, &probe));
  row("  unmap", grant_unmap(there, probe));
  uint8_t* page = fresh_page(0);
  row("copy from it", grant_copy(theirs(kFirst, 0), mine(page, 0), 4096, GNTCOPY_source_gref));
  row("unmap", grant_unmap(here, handle));
  row("unmap the shared page", grant_unmap((uint64_t)desk, desk_handle));
  row("map of the granter, which is gone", grant_map(there, GNTMAP_host_map, kFirst, granter, NULL));
}

void peer_cases(domid_t peer) {
  self = this_domid();
  granter = peer;
  connect();
  grant_table_map(1);
  mappings();
  frames_of_others();
  copies();
  measure(granter, kFirst + 16, 32);
  second_version();
  death();
}
