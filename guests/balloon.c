/* balloon: gives memory back to Xen and takes it again, to targets given in MiB, in 4 KiB and in 2 MiB extents,
 * while it checks that what it keeps stays as it was. Prints cycles per page.
 *
 *   targets=A,B,…   reservations to go to, one after the other (default: three quarters, half, and all of the
 * first) order=0|9       extents of 4 KiB or 2 MiB (default: each target with both, on the way there and back)
 *   thrash=N        after that, N times gives back and takes again a random part
 *   over=write      instead: writes to all memory that the memory map promises, without giving back what it has
 * not got over=read       the same, only reading: pages that stay zero need no memory of their own for long
 *
 * A domain with memory < maxmem has more in its memory map than it has got. Like any balloon driver, this one
 * gives back the difference before it touches it. */
#include <stdbool.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "balloon";

#define BLOCK 512ul /* pages in 2 MiB */
#define BATCH 512ul /* extents in a hypercall */
#define MOST_TARGETS 16

enum state { OUT, IN };

static uint64_t pool, pool_blocks; /* first frame, 2 MiB blocks */
static uint8_t* state_of;          /* of each page of the pool */
static uint64_t* extents;
static uint64_t pages_in;

static uint64_t reservation(void) {
  domid_t self = DOMID_SELF;
  return (uint64_t)memory_op(XENMEM_current_reservation, &self);
}

static uint64_t maximum(void) {
  domid_t self = DOMID_SELF;
  return (uint64_t)memory_op(XENMEM_maximum_reservation, &self);
}

static uint64_t* words_of(uint64_t page) { return (uint64_t*)((pool + page) << 12); }
static uint64_t pattern(uint64_t page) { return (pool + page) * 0x9e3779b97f4a7c15ull | 1; }

static void fill(uint64_t page) {
  uint64_t* words = words_of(page);
  words[0] = words[170] = words[511] = pattern(page);
}

static void check(uint64_t page) {
  const uint64_t* words = words_of(page);
  if (words[0] != pattern(page) || words[170] != pattern(page) || words[511] != pattern(page))
    fail("page %lx is %lx %lx %lx, expected %lx", pool + page, words[0], words[170], words[511], pattern(page));
}

static void check_all(void) {
  for (uint64_t page = 0; page < pool_blocks * BLOCK; ++page)
    if (state_of[page] == IN) check(page);
}

struct cost {
  uint64_t cycles, pages, calls;
};

static uint64_t per_page(const struct cost* c) { return c->pages ? c->cycles / c->pages : 0; }

/* One hypercall; how many extents were done. */
static uint64_t call(unsigned op, uint64_t count, unsigned order, struct cost* cost) {
  struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = DOMID_SELF};
  set_xen_guest_handle(r.extent_start, extents);
  uint64_t begin = read_tsc_ordered();
  long done = memory_op(op, &r);
  cost->cycles += read_tsc_ordered() - begin;
  if (done < 0 || (uint64_t)done > count) fail("memory_op %u of %lu extents: %ld", op, count, done);
  cost->pages += (uint64_t)done << order;
  ++cost->calls;
  return (uint64_t)done;
}

static bool block_is(uint64_t block, enum state s) {
  for (uint64_t i = 0; i < BLOCK; ++i)
    if (state_of[block * BLOCK + i] != s) return false;
  return true;
}

/* Moves `pages` pages from one state to the other; how many it could not. From the top of the pool: what it gives
 * back it found in the state in which it left it, unless fresh. */
static uint64_t move(enum state to, uint64_t pages, unsigned order, bool fresh, struct cost* cost) {
  const enum state from = to == IN ? OUT : IN;
  const uint64_t size = 1ul << order;
  uint64_t at = pool_blocks * BLOCK;
  while (pages >= size) {
    uint64_t n = 0;
    while (n < BATCH && n * size + size <= pages && at >= size) {
      at -= size;
      if (order == 0 ? state_of[at] != from : !block_is(at / BLOCK, from)) continue;
      if (from == IN && !fresh)
        for (uint64_t i = 0; i < size; ++i) check(at + i);
      extents[n++] = pool + at;
    }
    if (n == 0) break;
    uint64_t done = call(to == IN ? XENMEM_populate_physmap : XENMEM_decrease_reservation, n, order, cost);
    for (uint64_t i = 0; i < done; ++i)
      for (uint64_t k = 0; k < size; ++k) {
        uint64_t page = extents[i] - pool + k;
        state_of[page] = to;
        if (to == IN) fill(page);
      }
    pages -= done * size;
    if (to == IN)
      pages_in += done * size;
    else
      pages_in -= done * size;
    if (done < n) break;
  }
  return pages;
}

static void go_to(uint64_t target, unsigned order) {
  const uint64_t now = reservation();
  struct cost cost = {0, 0, 0};
  const bool in = target > now;
  const uint64_t wanted = in ? target - now : now - target;
  const uint64_t left = move(in ? IN : OUT, wanted, order, false, &cost);
  check_all();
  const uint64_t after = reservation();
  if (after != (in ? now + cost.pages : now - cost.pages))
    fail("reservation %lu, %s %lu: %lu", now, in ? "plus" : "minus", cost.pages, after);
  print("%s %lu MiB, order %u: %lu pages in %lu calls, %lu cycles per page", in ? "up to" : "down to", target >> 8,
        order, cost.pages, cost.calls, per_page(&cost));
  if (left >= 1ul << order) print(", %lu pages short", left);
  print("\n");
}

static uint64_t random_state = 88172645463325252ull;
static uint64_t random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static void thrash(uint64_t rounds) {
  struct cost out = {0, 0, 0}, in = {0, 0, 0};
  for (uint64_t i = 0; i < rounds; ++i) {
    const unsigned order = random_number() & 1 ? 9 : 0;
    const uint64_t pages = 1 + random_number() % (pages_in ? pages_in : 1);
    const uint64_t before = reservation();
    move(OUT, pages, order, false, &out);
    const uint64_t taken = before - reservation();
    const uint64_t left = move(IN, taken, random_number() & 1 ? 9 : 0, false, &in);
    if (left && move(IN, left, 0, false, &in)) fail("%lu pages did not come back", left);
    check_all();
  }
  print("thrash: %lu rounds, %lu pages out at %lu cycles each, %lu pages in at %lu\n", rounds, out.pages,
        per_page(&out), in.pages, per_page(&in));
}

static void over(bool write) {
  uint64_t sum = 0;
  const uint64_t begin = read_tsc_ordered();
  for (uint64_t page = 0; page < pool_blocks * BLOCK; ++page) {
    if (write) fill(page);
    sum |= words_of(page)[0];
    if (page % 4096 == 0) print("touched %lu MiB, reservation %lu\n", page >> 8, reservation());
  }
  print("touched all %lu pages, %lu cycles per page, reservation %lu, content %s\n", pool_blocks * BLOCK,
        (read_tsc_ordered() - begin) / (pool_blocks * BLOCK), reservation(), sum ? "written" : "zero");
}

static unsigned read_targets(uint64_t* targets) {
  const char key[] = "targets=";
  unsigned n = 0;
  for (const char* p = command_line(); *p; ++p) {
    unsigned i = 0;
    while (key[i] && p[i] == key[i]) ++i;
    if (key[i] || (p != command_line() && p[-1] != ' ')) continue;
    p += i;
    while (n < MOST_TARGETS && *p >= '0' && *p <= '9') {
      uint64_t value = 0;
      for (; *p >= '0' && *p <= '9'; ++p) value = value * 10 + (uint64_t)(*p - '0');
      targets[n++] = value << 8;
      if (*p == ',') ++p;
    }
    return n;
  }
  return 0;
}

/* All free memory is the pool; how many pages of RAM the memory map has. */
static uint64_t make_pool(void) {
  const struct hvm_memmap_table_entry* map = (const void*)start_info->memmap_paddr;
  uint64_t ram = 0;
  for (uint32_t i = 0; i < start_info->memmap_entries; ++i)
    if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM) ram += map[i].size >> 12;
  extents = (uint64_t*)memory_take(BATCH * sizeof *extents, 4096);
  state_of = (uint8_t*)memory_take(memory_left() >> 12, 4096);
  if (!extents || !state_of) fail("no memory");
  pool_blocks = memory_left() >> 21;
  pool = memory_take(4096, 0x200000) >> 12;
  if (!pool || pool_blocks < 4) fail("too little memory");
  return ram;
}

int main(void) {
  const uint64_t ram = make_pool();
  uint64_t has = reservation();
  print("memory map %lu MiB, reservation %lu pages, at most %lu; pool %lx-%lx\n", ram >> 8, has, maximum(), pool,
        pool + pool_blocks * BLOCK - 1);
  for (uint64_t page = 0; page < pool_blocks * BLOCK; ++page) state_of[page] = IN;
  pages_in = pool_blocks * BLOCK;
  if (option_is("over", "write") || option_is("over", "read")) {
    over(option_is("over", "write"));
    return 0;
  }
  /* What the map promises beyond what the domain has got. The reservation includes pages outside RAM. */
  if (ram > has) {
    struct cost cost = {0, 0, 0};
    const uint64_t missing = (ram - has + BLOCK - 1) & -BLOCK;
    const uint64_t left = move(OUT, missing, 9, true, &cost);
    print("gave back %lu pages that it never had, %lu cycles per page, reservation %lu\n", cost.pages,
          per_page(&cost), reservation());
    if (left) fail("%lu pages could not be given back", left);
  }
  for (uint64_t page = 0; page < pool_blocks * BLOCK; ++page)
    if (state_of[page] == IN) fill(page);
  has = reservation();
  uint64_t targets[MOST_TARGETS];
  unsigned n = read_targets(targets);
  if (n == 0) {
    n = 3;
    targets[0] = has * 3 / 4;
    targets[1] = has / 2;
    targets[2] = has;
  }
  const uint64_t only = option_number("order", 99);
  for (unsigned order = 0; order <= 9; order += 9)
    for (unsigned i = 0; i < n; ++i)
      if (only == 99 || only == order) go_to(targets[i], order);
  thrash(option_number("thrash", 4));
  print("reservation %lu\n", reservation());
  return 0;
}
