/* How long mapping and unmapping n pages takes, against copying them. Lines that begin with "measure" are times.
 */
#include "grants.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/samples.h"
#include "lib/x86.h"

enum { kMost = 64, kRounds = 40 };

static struct gnttab_map_grant_ref maps[kMost];
static struct gnttab_unmap_grant_ref unmaps[kMost];
static struct gnttab_copy copies[kMost];
static uint64_t samples[3][kRounds];

static void map_round(domid_t granter, grant_ref_t first, unsigned pages, uint64_t window, unsigned round) {
  for (unsigned i = 0; i < pages; ++i)
    maps[i] = (struct gnttab_map_grant_ref){
        .host_addr = window + i * 4096ul, .flags = GNTMAP_host_map, .ref = first + i, .dom = granter};
  uint64_t begin = read_tsc_ordered();
  long result = grant_table_op(GNTTABOP_map_grant_ref, maps, pages);
  uint64_t middle = read_tsc_ordered();
  for (unsigned i = 0; i < pages; ++i) {
    if (result != 0 || maps[i].status != 0) fail("measure: map %u: %ld, %d", i, result, maps[i].status);
    unmaps[i] = (struct gnttab_unmap_grant_ref){.host_addr = maps[i].host_addr, .handle = maps[i].handle};
  }
  uint64_t third = read_tsc_ordered();
  result = grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, pages);
  uint64_t end = read_tsc_ordered();
  for (unsigned i = 0; i < pages; ++i)
    if (result != 0 || unmaps[i].status != 0) fail("measure: unmap %u: %ld, %d", i, result, unmaps[i].status);
  samples[0][round] = middle - begin;
  samples[1][round] = end - third;
}

static void copy_round(domid_t granter, grant_ref_t first, unsigned pages, const uint8_t* to, unsigned length,
                       unsigned round) {
  for (unsigned i = 0; i < pages; ++i) {
    copies[i] = (struct gnttab_copy){.len = (uint16_t)length, .flags = GNTCOPY_source_gref};
    copies[i].source.u.ref = first + i;
    copies[i].source.domid = granter;
    copies[i].dest.u.gmfn = ((uint64_t)to >> 12) + i;
    copies[i].dest.domid = DOMID_SELF;
  }
  uint64_t begin = read_tsc_ordered();
  long result = grant_table_op(GNTTABOP_copy, copies, pages);
  samples[2][round] = read_tsc_ordered() - begin;
  for (unsigned i = 0; i < pages; ++i)
    if (result != 0 || copies[i].status != 0) fail("measure: copy %u: %ld, %d", i, result, copies[i].status);
}

static void report(const char* what, unsigned pages, uint64_t* of) {
  char line[64];
  const char* from = what;
  unsigned n = 0;
  for (const char* prefix = "measure "; *prefix;) line[n++] = *prefix++;
  while (*from && n < 40) line[n++] = *from++;
  line[n++] = ' ';
  if (pages >= 10) line[n++] = (char)('0' + pages / 10);
  line[n++] = (char)('0' + pages % 10);
  line[n] = 0;
  samples_print(line, "cycles", of, kRounds);
}

void measure(domid_t granter, grant_ref_t first, unsigned count) {
  const uint8_t* to = (const uint8_t*)memory_take(kMost * 4096ul, 4096);
  uint64_t window = fresh_hole();
  for (unsigned i = 1; i < kMost; ++i) fresh_hole();
  if (!to) fail("no memory left");
  for (unsigned pages = 1; pages <= kMost && pages <= count; pages *= 2) {
    for (unsigned i = 0; i < kRounds; ++i) map_round(granter, first, pages, window, i);
    report("map, pages", pages, samples[0]);
    report("unmap, pages", pages, samples[1]);
    for (unsigned i = 0; i < kRounds; ++i) copy_round(granter, first, pages, to, 4096, i);
    report("copy, pages", pages, samples[2]);
    for (unsigned i = 0; i < kRounds; ++i) copy_round(granter, first, pages, to, 64, i);
    report("copy of 64 bytes each, pages", pages, samples[2]);
  }
}
