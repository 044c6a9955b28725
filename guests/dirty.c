/* dirty: writes to known pages of a region, in rounds at known times, for log-dirty mode to find.
 *
 * In round k, which begins when system time is k periods, every page of the region that the round's pattern
 * chooses is written once (two of its words, so that both halves of the page change). When all rounds are over,
 * each round's pages are printed as a bitmap (bit n of the hexadecimal digits, the first digit holding pages 0 to
 * 3, is page n of the region), with the cycles that its writes took, and the content of all pages is checked.
 * Between rounds the vCPU is blocked in Xen. pages=N (2048)   region, of 4 KiB pages, at a 2 MiB boundary rounds=N
 * (4) period_us=N (2000)   from one round to the next      first=N   number of the first round (default: the next)
 *   share=N (4)   one page in N is written in a round; 0: the whole region in every round                       */
#include "lib/command_line.h"
#include "lib/console.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "dirty";

enum { kMaxRounds = 64 };

extern const char image_start[], image_end[];

static uint64_t pages, share, first, region;
static uint64_t cycles[kMaxRounds], written[kMaxRounds], begun[kMaxRounds];

static bool chosen(uint64_t round, uint64_t page) {
  if (share == 0) return true;
  uint64_t x = (round << 32 ^ page) * 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
  return (x >> 32) % share == 0;
}

static uint64_t* word(uint64_t page, unsigned half) { return (uint64_t*)(region + page * 4096 + half * 2048 + 8); }
static uint64_t value(uint64_t round, uint64_t page) { return (round << 32 | page) ^ 0x5555aaaa00000000ull; }

static void wait_until(uint64_t time) {
  while (system_time() < time) {
    struct sched_poll poll = {.nr_ports = 0, .timeout = time};
    if (sched_op(SCHEDOP_poll, &poll) != 0) pause();
  }
}

static void write_round(unsigned n) {
  uint64_t begin = read_tsc_ordered();
  for (uint64_t page = 0; page < pages; ++page) {
    if (!chosen(first + n, page)) continue;
    *word(page, 0) = value(first + n, page);
    *word(page, 1) = ~value(first + n, page);
    ++written[n];
  }
  cycles[n] = read_tsc_ordered() - begin;
}

static void print_round(unsigned n) {
  print("round %lu: began %lu ns, %lu pages, %lu cycles: ", first + n, begun[n], written[n], cycles[n]);
  char digits[65];
  for (uint64_t page = 0; page < pages;) {
    unsigned at = 0;
    for (; at < 64 && page < pages; page += 4) {
      unsigned digit = 0;
      for (unsigned bit = 0; bit < 4 && page + bit < pages; ++bit)
        digit |= (unsigned)chosen(first + n, page + bit) << bit;
      digits[at++] = "0123456789abcdef"[digit];
    }
    digits[at] = 0;
    print("%s", digits);
  }
  print("\n");
}

static void check(uint64_t rounds) {
  for (uint64_t page = 0; page < pages; ++page) {
    uint64_t want[2] = {page, ~page};
    for (uint64_t n = 0; n < rounds; ++n)
      if (chosen(first + n, page)) want[0] = value(first + n, page), want[1] = ~want[0];
    for (unsigned half = 0; half < 2; ++half)
      if (*word(page, half) != want[half])
        fail("page %lu holds %lx, wanted %lx", page, *word(page, half), want[half]);
  }
}

int main(void) {
  pages = option_number("pages", 2048);
  share = option_number("share", 4);
  uint64_t rounds = option_number("rounds", 4), period = option_number("period_us", 2000) * 1000;
  if (rounds == 0 || rounds > kMaxRounds || period == 0)
    fail("rounds= is 1 to %u, period_us= above 0", kMaxRounds);
  region = memory_take(pages * 4096, 0x200000);
  if (!region) fail("no memory for %lu pages", pages);
  for (uint64_t page = 0; page < pages; ++page) *word(page, 0) = page, *word(page, 1) = ~page;
  first = option_number("first", system_time() / period + 2);
  print("image: gfn %lx to %lx\n", (uint64_t)image_start >> 12, ((uint64_t)image_end >> 12) - 1);
  print("region: gfn %lx to %lx\n", region >> 12, (region >> 12) + pages - 1);
  console_flush();
  if (system_time() >= first * period) fail("round %lu should have begun", first);
  for (unsigned n = 0; n < rounds; ++n) {
    wait_until((first + n) * period);
    begun[n] = system_time();
    write_round(n);
  }
  wait_until((first + rounds) * period);
  for (unsigned n = 0; n < rounds; ++n) print_round(n);
  check(rounds);
  return 0;
}
