/* share: pages with equal content, for a toolstack to merge; then a write to each.
 *
 * Fills one region with pages that are all alike and another with pages that all differ, says so, and waits until
 * Xen reports that sharing saves frames and the number has come to rest, or until the time is over. Then it checks
 * every page, writes to each page of both regions, times each write, and checks after each that no other page
 * changed. pages=N (64)   of each region      wait_ms=N (100)   at most */
/* Xen's headers give the numbers of sharing's statistics to tools only. NOLINTNEXTLINE: Xen's own name */
#define __XEN_TOOLS__ 1
#include "lib/command_line.h"
#include "lib/console.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/samples.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "share";

enum { kMaxPages = 1024, kWords = 512 };

static uint64_t pages, alike, different;
static uint64_t cycles[kMaxPages];

static uint64_t pattern(uint64_t seed, uint64_t index) {
  uint64_t x = (seed << 20 ^ index) * 0x9e3779b97f4a7c15ull;
  return x ^ x >> 31;
}

static uint64_t* page_of(uint64_t region, uint64_t page) { return (uint64_t*)(region + page * 4096); }
static uint64_t seed_of(uint64_t region, uint64_t page) { return region == alike ? 1 : 1000 + page; }
static uint64_t written_word(uint64_t page) { return page * 7 % kWords; }

static void fill(uint64_t region) {
  for (uint64_t page = 0; page < pages; ++page)
    for (uint64_t i = 0; i < kWords; ++i) page_of(region, page)[i] = pattern(seed_of(region, page), i);
}

/* Pages before `written` have had their write. */
static void check(uint64_t region, uint64_t written) {
  for (uint64_t page = 0; page < pages; ++page)
    for (uint64_t i = 0; i < kWords; ++i) {
      uint64_t want = pattern(seed_of(region, page), i);
      if (page < written && i == written_word(page)) want = ~want;
      if (page_of(region, page)[i] != want)
        fail("page %lu, word %lu: %lx, wanted %lx", page, i, page_of(region, page)[i], want);
    }
}

static void check_one(uint64_t region, uint64_t page, bool written) {
  uint64_t i = written_word(page), want = pattern(seed_of(region, page), i);
  if (page_of(region, page)[i] != (written ? ~want : want)) fail("page %lu changed with another", page);
}

static void write_each(uint64_t region, const char* what) {
  for (uint64_t page = 0; page < pages; ++page) {
    volatile uint64_t* word = &page_of(region, page)[written_word(page)];
    uint64_t value = ~*word, begin = read_tsc_ordered();
    *word = value;
    cycles[page] = read_tsc_ordered() - begin;
    for (uint64_t other = 0; other < pages; ++other) check_one(region, other, other <= page);
  }
  check(region, pages);
  samples_print(what, "cycles", cycles, pages);
}

static void sleep_until(uint64_t time) {
  while (system_time() < time) {
    struct sched_poll poll = {.nr_ports = 0, .timeout = time};
    if (sched_op(SCHEDOP_poll, &poll) != 0) pause();
  }
}

static long wait_for_sharing(uint64_t limit) {
  long last = 0;
  for (unsigned rest = 0; rest < 3 && system_time() < limit;) {
    sleep_until(system_time() + 1000000);
    long saved = memory_op(XENMEM_get_sharing_freed_pages, 0);
    rest = saved > 0 && saved == last ? rest + 1 : 0;
    last = saved;
  }
  return last;
}

int main(void) {
  pages = option_number("pages", 64);
  uint64_t wait = option_number("wait_ms", 100) * 1000000;
  if (pages == 0 || pages > kMaxPages) fail("pages= is 1 to %u", (unsigned)kMaxPages);
  alike = memory_take(pages * 4096, 4096);
  different = memory_take(pages * 4096, 4096);
  if (!alike || !different) fail("no memory for 2 x %lu pages", pages);
  fill(alike);
  fill(different);
  print("alike: gfn %lx to %lx\n", alike >> 12, (alike >> 12) + pages - 1);
  print("different: gfn %lx to %lx\n", different >> 12, (different >> 12) + pages - 1);
  console_flush();
  long before = wait_for_sharing(system_time() + wait);
  print("frames saved by sharing: %ld\n", before);
  check(alike, 0);
  check(different, 0);
  write_each(different, "write to a page of its own");
  write_each(alike, before > 0 ? "write to a shared page" : "write to a page that could be shared");
  long after = memory_op(XENMEM_get_sharing_freed_pages, 0);
  print("frames saved by sharing: %ld\n", after);
  if (after > before) fail("writing saved frames");
  return 0;
}
