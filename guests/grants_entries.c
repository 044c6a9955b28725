/* Mapping, unmapping and swapping: what an entry allows, what Xen makes of one that changes, who counts. */
#include "grants.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/probe.h"
#include "lib/x86.h"

#define NOBODY 9999
#define HOST GNTMAP_host_map
#define READ (GNTMAP_host_map | GNTMAP_readonly)

static domid_t self;

/* Maps entry 8 as it stands. */
static int map8(unsigned flags) { return grant_map(fresh_hole(), flags, 8, self, NULL); }

static void allow(unsigned flags) { grant_access(8, self, fresh_page(0x11), flags); }

static void map_flags(void) {
  allow(0);
  row("map without flags", map8(0));
  row("map, readonly alone", map8(GNTMAP_readonly));
  row("map, device_map", map8(GNTMAP_device_map));
  row("map, device_map and host_map", map8(HOST | GNTMAP_device_map));
  row("map, application_map", map8(HOST | GNTMAP_application_map));
  row("map, contains_pte", map8(HOST | GNTMAP_contains_pte));
  row("map, an unknown flag", map8(HOST | 0x100));
  row("map, a flag for guests", map8(HOST | 1u << _GNTMAP_guest_avail0));
  row_hex("flags after failures", grant_flags(8));
}

static void map_domains(void) {
  const struct {
    const char* what;
    domid_t domid;
  } cases[] = {{"map of nobody's", NOBODY},        {"map of DOMID_SELF's", DOMID_SELF},
               {"map of DOMID_IO's", DOMID_IO},    {"map of DOMID_XEN's", DOMID_XEN},
               {"map of DOMID_COW's", DOMID_COW},  {"map of DOMID_INVALID's", DOMID_INVALID},
               {"map of DOMID_IDLE's", DOMID_IDLE}};
  for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; ++i)
    row(cases[i].what, grant_map(fresh_hole(), HOST, 8, cases[i].domid, NULL));
  row("map of domain 0's, a reference that it cannot have", grant_map(fresh_hole(), HOST, 1u << 20, 0, NULL));
}

static void map_entries(void) {
  grant_ref_t end = grant_version() == 1 ? 512 : 256;
  struct gnttab_query_size size = {.dom = DOMID_SELF};
  grant_table_op(GNTTABOP_query_size, &size, 1);
  row("map, the first reference that is none", grant_map(fresh_hole(), HOST, size.nr_frames * end, self, NULL));
  row("map, reference 2^32 - 1", grant_map(fresh_hole(), HOST, ~0u, self, NULL));
  row("map, the last reference, which is empty",
      grant_map(fresh_hole(), HOST, size.nr_frames * end - 1, self, NULL));
  grant_entry(8, GTF_invalid, self, 0x100);
  row("map of an invalid entry", map8(HOST));
  grant_entry(8, GTF_accept_transfer, self, 0x100);
  row("map of an entry that accepts a transfer", map8(HOST));
  grant_entry(8, GTF_transitive, self, 0x100);
  row("map of a transitive entry", map8(HOST));
  allow(GTF_sub_page);
  row("map of a sub-page entry", map8(HOST));
  grant_access(8, 0, fresh_page(0x12), 0);
  row("map of an entry for another domain", map8(HOST));
  grant_access(8, DOMID_SELF, fresh_page(0x12), 0);
  row("map of an entry for DOMID_SELF", map8(HOST));
  allow(GTF_readonly);
  row("map of a readonly entry", map8(HOST));
  row_hex("  flags", grant_flags(8));
  grant_entry(8, GTF_permit_access, self, 0xc0000);
  row("map of a frame that is not there", map8(HOST));
  row_hex("  flags", grant_flags(8));
  grant_entry(8, GTF_permit_access, self, 0xffffffff);
  row("map of frame 2^32 - 1", map8(HOST));
  grant_entry(8, GTF_permit_access, self, 1ul << 50 | 0xc0000);
  row("map of a frame above 2^50", map8(READ));
}

static void map_addresses(void) {
  grant_handle_t handle = 0, second = 0;
  uint8_t* page = fresh_page(0x21);
  uint64_t hole = fresh_hole();
  allow(0);
  row("map at an address that nothing can have", grant_map(1ul << 52, HOST, 8, self, NULL));
  row_hex("  flags", grant_flags(8));
  row("map elsewhere: the page has lost its frame number", map8(HOST));
  grant_access(8, self, page, 0);
  row("map", grant_map(hole + 0x123, HOST, 8, self, &handle));
  row("  handle", handle);
  row_hex("  flags", grant_flags(8));
  row_bytes("  other bytes there", (uint8_t*)hole, 0x21);
  *(volatile uint8_t*)hole = 0x22;
  row("  a byte that was written", *(volatile uint8_t*)hole);
  row_hex("  where the page was, there is", *(volatile uint8_t*)page);
  uint8_t* covered = fresh_page(0x23);
  row("map over RAM", grant_map((uint64_t)covered, HOST, 8, self, &second));
  row("  the byte there", *(volatile uint8_t*)covered);
  row("unmap it", grant_unmap((uint64_t)covered, second));
  row_hex("  what is left there", *(volatile uint8_t*)covered);
  row_hex("  flags", grant_flags(8));
  row("unmap the first", grant_unmap(hole, handle));
  row_hex("  flags", grant_flags(8));
  row_hex("  what is left there", *(volatile uint8_t*)hole);
  row("map again: the page has no frame number any more", map8(HOST));
}

static void unmap_arguments(void) {
  grant_handle_t handle = 0, other = 0;
  uint64_t hole = fresh_hole(), other_hole = fresh_hole();
  allow(0);
  grant_access(9, self, fresh_page(0x31), 0);
  row("map", grant_map(hole, HOST, 8, self, &handle));
  row("map another", grant_map(other_hole, READ, 9, self, &other));
  row("  handle", other);
  row("unmap a handle that never was", grant_unmap(hole, 200));
  row("unmap handle 2^20", grant_unmap(hole, 1u << 20));
  row("unmap handle 2^32 - 1", grant_unmap(hole, ~0u));
  row("unmap at no address", grant_unmap(0, handle));
  row_hex("  flags", grant_flags(8));
  row("unmap at an empty address", grant_unmap(fresh_hole(), handle));
  row("unmap at the other's address", grant_unmap(other_hole, handle));
  row("unmap at RAM", grant_unmap((uint64_t)fresh_page(0), handle));
  row("unmap at an address that nothing can have", grant_unmap(1ul << 52, handle));
  struct gnttab_unmap_grant_ref unmap = {.host_addr = hole, .dev_bus_addr = 0x1000, .handle = handle};
  row("unmap with a bus address", grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1));
  row("  status", unmap.status);
  row("unmap again", grant_unmap(hole, handle));
  row("unmap the other", grant_unmap(other_hole, other));
  row_hex("  flags", grant_flags(9));
}

static void readers_and_writers(void) {
  grant_handle_t reader = 0, writer = 0;
  uint64_t here = fresh_hole(), there = fresh_hole();
  allow(GTF_readonly);
  row("map a readonly entry for reading", grant_map(here, READ, 8, self, &reader));
  row_hex("  flags", grant_flags(8));
  row("map it for writing while it is mapped", map8(HOST));
  row_hex("  flags", grant_flags(8));
  row("unmap", grant_unmap(here, reader));
  row_hex("  flags", grant_flags(8));
  allow(0);
  row("map for reading", grant_map(here, READ, 8, self, &reader));
  row_hex("  flags", grant_flags(8));
  row("map for writing too", grant_map(there, HOST, 8, self, &writer));
  row_hex("  flags", grant_flags(8));
  row("unmap the writer", grant_unmap(there, writer));
  row_hex("  flags", grant_flags(8));
  row("unmap the reader", grant_unmap(here, reader));
  row_hex("  flags", grant_flags(8));
}

/* An entry that changes while it is in use: what was mapped counts. */
static void changes(void) {
  grant_handle_t first = 0, second = 0;
  uint64_t here = fresh_hole(), there = fresh_hole();
  grant_access(8, self, fresh_page(0x41), 0);
  row("map for reading", grant_map(here, READ, 8, self, &first));
  grant_access(8, 0, fresh_page(0x42), GTF_readonly);
  row("map again: now it is another page, for domain 0", grant_map(there, READ, 8, self, &second));
  row_bytes("  other bytes than the first page's", (uint8_t*)there, 0x41);
  row("map for writing: now it is readonly", map8(HOST));
  row("unmap", grant_unmap(there, second));
  row_hex("  flags", grant_flags(8));
  grant_entry(8, 0, 0, 0);
  row_bytes("revoked: other bytes than before", (uint8_t*)here, 0x41);
  row("map a revoked entry that is in use", grant_map(there, READ, 8, self, &second));
  row("unmap", grant_unmap(there, second));
  row("unmap", grant_unmap(here, first));
  row_hex("  flags", grant_flags(8));
}

static volatile uint8_t* target;
static void write_target(void) {
  *target = 1;
  asm volatile("int3");
}

static void write_to_readonly(void) {
  grant_handle_t handle = 0;
  uint64_t here = fresh_hole();
  grant_access(8, self, fresh_page(0x51), 0);
  row("map for reading", grant_map(here, READ, 8, self, &handle));
  target = (uint8_t*)here;
  probe_catch(3);
  probe_catch(13);
  probe_catch(14);
  probe_run((uint64_t)write_target, false, 0, 2);
  row("  the vector that a write ends with", (long)probe_end.vector);
  row_bytes("  other bytes after it", target, 0x51);
  row("unmap", grant_unmap(here, handle));
}

/* Sixteen bits count readers and writers, eight each; the upper half of each is for overflow. */
static void counts(void) {
  static grant_handle_t handles[300];
  static uint64_t holes[300];
  grant_access(8, self, fresh_page(0x61), 0);
  unsigned made = 0, status = 0;
  for (unsigned kind = 0; kind < 2; ++kind) {
    unsigned of_kind = 0;
    for (; made < 300; ++made, ++of_kind) {
      holes[made] = fresh_hole();
      status = (unsigned)grant_map(holes[made], kind ? HOST : READ, 8, self, &handles[made]);
      if (status) break;
    }
    row(kind ? "mappings that write, at most" : "mappings that read, at most", of_kind);
    row("  status of the next", (int)status);
  }
  row_hex("  flags", grant_flags(8));
  unsigned undone = 0;
  while (undone < made && grant_unmap(holes[undone], handles[undone]) == 0) ++undone;
  row("  unmapped", undone);
  row_hex("  flags", grant_flags(8));
}

static void batches(void) {
  static struct gnttab_map_grant_ref maps[64];
  static struct gnttab_unmap_grant_ref unmaps[64];
  grant_access(8, self, fresh_page(0x71), 0);
  grant_access(9, self, fresh_page(0x72), GTF_readonly);
  for (unsigned i = 0; i < 64; ++i) {
    maps[i] = (struct gnttab_map_grant_ref){
        .host_addr = fresh_hole(), .flags = i % 7 == 3 ? 0 : HOST, .ref = i % 5 == 2 ? 9 : 8, .dom = self};
    maps[i].status = 77;
  }
  row("map 64", grant_table_op(GNTTABOP_map_grant_ref, maps, 64));
  long sum = 0;
  unsigned good = 0;
  for (unsigned i = 0; i < 64; ++i) {
    sum += maps[i].status * (long)(i + 1);
    good += maps[i].status == 0;
    unmaps[i] = (struct gnttab_unmap_grant_ref){
        .host_addr = maps[i].host_addr, .handle = maps[i].status ? ~0u : maps[i].handle, .status = 77};
  }
  row("  mapped", good);
  row("  statuses, weighed", sum);
  row("unmap 64", grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, 64));
  sum = 0;
  for (unsigned i = 0; i < 64; ++i) sum += unmaps[i].status * (long)(i + 1);
  row("  statuses, weighed", sum);
  row_hex("  flags", grant_flags(8));
  /* A batch of which the second half is not there. */
  uint8_t* edge = fresh_page(0);
  memory_map(WINDOW + 0x100000, (uint64_t)edge, 4096, false, PAGE_PRESENT | PAGE_WRITABLE);
  struct gnttab_map_grant_ref* last = (void*)(WINDOW + 0x101000 - sizeof *last);
  *last =
      (struct gnttab_map_grant_ref){.host_addr = fresh_hole(), .flags = READ, .ref = 9, .dom = self, .status = 77};
  row("map 2, the second of which cannot be read", grant_table_op(GNTTABOP_map_grant_ref, last, 2));
  row("  status of the first", last->status);
  row("unmap", grant_unmap(last->host_addr, last->handle));
}

/* Xen reads and writes arguments in the domain's own memory, not in what it has mapped. */
static void arguments_in_a_grant(void) {
  grant_handle_t handle = 0;
  uint64_t here = fresh_hole();
  grant_access(8, self, fresh_page(0), 0);
  row("map", grant_map(here, HOST, 8, self, &handle));
  *(volatile uint16_t*)here = DOMID_SELF;
  row("query_size from a mapped grant", grant_table_op(GNTTABOP_query_size, (void*)here, 1));
  /* What is mapped, and the domain's own, can be granted again. */
  grant_handle_t second = 0;
  uint64_t there = fresh_hole();
  grant_entry(9, GTF_permit_access, self, here >> 12);
  row("map a grant of the mapping", grant_map(there, READ, 9, self, &second));
  row("  the domain number there", *(volatile uint16_t*)there);
  row("unmap", grant_unmap(there, second));
  row("unmap", grant_unmap(here, handle));
}

static void swap(const char* what, grant_ref_t a, grant_ref_t b) {
  struct gnttab_swap_grant_ref swap = {.ref_a = a, .ref_b = b, .status = 77};
  row(what, grant_table_op(GNTTABOP_swap_grant_ref, &swap, 1));
  row("  status", swap.status);
}

static void swaps(void) {
  grant_handle_t handle = 0;
  uint64_t here = fresh_hole();
  grant_access(8, self, fresh_page(0x81), 0);
  grant_access(9, 0, fresh_page(0x82), GTF_readonly);
  swap("swap", 8, 9);
  row_hex("  flags of the first", grant_flags(8));
  row_hex("  flags of the second", grant_flags(9));
  row("map of the second", grant_map(here, HOST, 9, self, &handle));
  row_bytes("  other bytes than the first's", (uint8_t*)here, 0x81);
  swap("swap with one in use", 8, 9);
  swap("swap one in use with another", 9, 8);
  swap("swap one in use with itself", 9, 9);
  swap("swap a bad reference", 1u << 20, 8);
  swap("swap with a bad reference", 8, ~0u);
  row("unmap", grant_unmap(here, handle));
}

static void versions_in_use(void) {
  grant_handle_t handle = 0, reserved = 0;
  uint64_t here = fresh_hole(), there = fresh_hole();
  unsigned other = 3 - grant_version();
  grant_access(8, self, fresh_page(0x91), 0);
  grant_access(5, self, fresh_page(0x92), 0);
  row("map", grant_map(here, HOST, 8, self, &handle));
  row("map entry 5", grant_map(there, HOST, 5, self, &reserved));
  row("set_version with an entry in use", grant_set_version(other));
  row("unmap", grant_unmap(here, handle));
  row("set_version with entry 5 in use", grant_set_version(other));
  row_hex("  flags of entry 5", grant_flags(5));
  row_hex("  flags of entry 8", grant_flags(8));
  row_bytes("  other bytes of its page", (uint8_t*)there, 0x92);
  row("unmap entry 5", grant_unmap(there, reserved));
  row_hex("  flags of entry 5", grant_flags(5));
  if (other == 2) {
    grant_entry_transitive(6, GTF_transitive, self, 0, 0);
    row("set_version 1 with a transitive entry 6", grant_set_version(1));
    grant_entry(6, GTF_permit_access, self, 1ul << 32);
    row("set_version 1 with an entry 6 of a frame above 2^32", grant_set_version(1));
    grant_entry(6, GTF_accept_transfer, self, 0x100);
    row("set_version 1 with an entry 6 that accepts a transfer", grant_set_version(1));
    row_hex("  flags of entry 6", grant_flags(6));
  } else {
    row("set_version", grant_set_version(2));
  }
  grant_entry(5, 0, 0, 0);
  grant_entry(6, 0, 0, 0);
}

void entry_cases(void) {
  self = this_domid();
  map_flags();
  map_domains();
  map_entries();
  map_addresses();
  unmap_arguments();
  readers_and_writers();
  changes();
  write_to_readonly();
  counts();
  batches();
  arguments_in_a_grant();
  swaps();
  versions_in_use();
}

void limit_cases(void) {
  /* The domain file allows two frames of handles. */
  self = this_domid();
  unsigned made = 0;
  int status = 0;
  for (unsigned ref = 100; ref < 106 && status == 0; ++ref) {
    grant_access(ref, self, fresh_page(0xa1), 0);
    for (unsigned i = 0; i < 120 && status == 0; ++i)
      if ((status = grant_map(fresh_hole(), READ, ref, self, NULL)) == 0) ++made;
  }
  row("handles, at most", made);
  row("  status of the next", status);
}
