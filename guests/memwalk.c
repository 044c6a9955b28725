/* memwalk: what a load costs, by how much memory the loads touch.
 *
 * A chain of dependent loads visits places in a random order (one cycle through all of them, so that no prefetcher
 * can guess the next); after a warm-up round, the chain is timed. What is printed is cycles per load, nothing
 * subtracted. stride 64: every line of the footprint: cache levels (with 2 MiB pages, the TLB plays no part).
 * stride 4096: one line per page, a different line of each: TLB levels, when compared between page sizes.
 *   min_kib=4 max_kib=16384   footprints, doubling       accesses=N   timed loads (default 20480)
 *   stride=64|4096, page=4|2048 (KiB): only that; default all                                              */
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "memwalk";

static uint64_t random_state = 88172645463325252ull;

static uint64_t random_below(uint64_t limit) {
  random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
  return (uint64_t)((unsigned __int128)random_state * limit >> 64);
}

static uint64_t* place(uint64_t base, uint64_t stride, uint64_t index) {
  uint64_t offset = stride >= 4096 ? (index % 16 * 4 + index / 16) % 64 * 64 : 0;
  return (uint64_t*)(base + index * stride + offset);
}

/* Sattolo's shuffle: a permutation that is one cycle. */
static void link_places(uint64_t base, uint64_t stride, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) *place(base, stride, i) = (uint64_t)place(base, stride, i);
  for (uint64_t i = count - 1; i > 0; --i) {
    uint64_t *a = place(base, stride, i), *b = place(base, stride, random_below(i));
    uint64_t target = *a;
    *a = *b;
    *b = target;
  }
}

static uint64_t chase(uint64_t address, uint64_t rounds) {
  asm volatile("1: .rept 16\n mov (%0), %0\n .endr\n dec %1\n jnz 1b" : "+r"(address), "+r"(rounds) : : "memory");
  return address;
}

static uint64_t measure(uint64_t base, uint64_t stride, uint64_t footprint, uint64_t accesses) {
  uint64_t count = footprint / stride, rounds = (accesses + 15) / 16;
  link_places(base, stride, count);
  uint64_t at = chase(base, (count + 15) / 16 + 1);
  uint64_t begin = read_tsc_ordered();
  at = chase(at, rounds);
  uint64_t end = read_tsc_ordered();
  if (at < base || at >= base + footprint) fail("the chain led to %lx", at);
  return (end - begin) * 100 / (rounds * 16);
}

int main(void) {
  uint64_t min = option_number("min_kib", 4) << 10, max = option_number("max_kib", 16384) << 10;
  uint64_t accesses = option_number("accesses", 20480);
  uint64_t only_stride = option_number("stride", 0), only_page = option_number("page", 0) << 10;
  while (max > min && max + (4ull << 20) > memory_left()) max /= 2;
  uint64_t size = max < 0x200000 ? 0x200000 : max, physical = memory_take(size, 0x200000);
  if (!physical || min < 4096) fail("no memory for a footprint of %lu KiB", max >> 10);
  print("footprint_kib stride page_kib cycles_per_access_x100\n");
  for (unsigned large = 2; large-- > 0;) {
    uint64_t page = large ? 0x200000 : 0x1000, base = WINDOW + large * (1ull << 32);
    if (only_page && only_page != page) continue;
    memory_map(base, physical, size, large, PAGE_PRESENT | PAGE_WRITABLE);
    for (uint64_t stride = 64; stride <= 4096; stride *= 64) {
      if (only_stride && only_stride != stride) continue;
      for (uint64_t footprint = min; footprint <= max; footprint *= 2)
        print("%lu %lu %lu %lu\n", footprint >> 10, stride, page >> 10,
              measure(base, stride, footprint, accesses));
    }
  }
  return 0;
}
