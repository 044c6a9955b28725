#include "balloon.h"

#include "exit.h"
#include "hypercall.h"
#include "memory.h"
#include "start.h"
#include "x86.h"
#include "xenbus.h"

#define BATCH 512ul /* extents in a hypercall */

enum state { OUT, IN };

static uint64_t pool, blocks; /* first frame, 2 MiB blocks */
static uint8_t* state_of;     /* of each page of the pool */
static uint64_t* extents;
static uint64_t pages_in;
static void (*is_leaving)(uint64_t page);
static void (*has_come)(uint64_t page);
static int64_t offset; /* of the reservation from what the toolstack calls the target, in pages */

uint64_t balloon_reservation(void) {
  domid_t self = DOMID_SELF;
  return (uint64_t)memory_op(XENMEM_current_reservation, &self);
}

uint64_t balloon_maximum(void) {
  domid_t self = DOMID_SELF;
  return (uint64_t)memory_op(XENMEM_maximum_reservation, &self);
}

uint64_t balloon_pages(void) { return blocks * BALLOON_BLOCK; }
uint64_t balloon_first(void) { return pool; }
bool balloon_has(uint64_t page) { return state_of[page] == IN; }
uint64_t balloon_in(void) { return pages_in; }

uint64_t balloon_init(void (*leaving)(uint64_t page), void (*came)(uint64_t page)) {
  const struct hvm_memmap_table_entry* map = (const void*)start_info->memmap_paddr;
  uint64_t ram = 0;
  for (uint32_t i = 0; i < start_info->memmap_entries; ++i)
    if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM) ram += map[i].size >> 12;
  is_leaving = leaving;
  has_come = came;
  extents = (uint64_t*)memory_take(BATCH * sizeof *extents, 4096);
  state_of = (uint8_t*)memory_take(memory_left() >> 12, 4096);
  if (!extents || !state_of) fail("no memory");
  blocks = memory_left() >> 21;
  pool = memory_take(4096, 0x200000) >> 12;
  if (!pool || blocks < 4) fail("too little memory");
  pages_in = balloon_pages();
  for (uint64_t page = 0; page < pages_in; ++page) state_of[page] = IN;
  return ram;
}

/* One hypercall; how many extents were done. */
static uint64_t call(unsigned op, uint64_t count, unsigned order, struct balloon_cost* cost) {
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
  for (uint64_t i = 0; i < BALLOON_BLOCK; ++i)
    if (state_of[block * BALLOON_BLOCK + i] != s) return false;
  return true;
}

static void moved(uint64_t extent, uint64_t size, enum state to) {
  for (uint64_t k = 0; k < size; ++k) {
    uint64_t page = extent - pool + k;
    state_of[page] = to;
    if (to == IN && has_come) has_come(page);
  }
  pages_in += to == IN ? size : -size;
}

/* From the top of the pool. */
uint64_t balloon_move(bool in, uint64_t pages, unsigned order, bool fresh, struct balloon_cost* cost) {
  const enum state to = in ? IN : OUT, from = in ? OUT : IN;
  const uint64_t size = 1ul << order;
  uint64_t at = balloon_pages();
  while (pages >= size) {
    uint64_t n = 0;
    while (n < BATCH && n * size + size <= pages && at >= size) {
      at -= size;
      if (order == 0 ? state_of[at] != from : !block_is(at / BALLOON_BLOCK, from)) continue;
      if (!in && !fresh && is_leaving)
        for (uint64_t i = 0; i < size; ++i) is_leaving(at + i);
      extents[n++] = pool + at;
    }
    if (n == 0) break;
    uint64_t done = call(in ? XENMEM_populate_physmap : XENMEM_decrease_reservation, n, order, cost);
    for (uint64_t i = 0; i < done; ++i) moved(extents[i], size, to);
    pages -= done * size;
    if (done < n) break;
  }
  return pages;
}

void balloon_follow(void) {
  offset = (int64_t)balloon_reservation() - (int64_t)(xenbus_read_number("memory/target") >> 2);
  const char* error = xenbus_watch("memory/target", "balloon");
  if (error) fail("watch of memory/target: %s", error);
}

bool balloon_target(uint64_t* reservation, uint64_t wait_ns) {
  struct xenbus_event event;
  if (!xenbus_next_event(&event, wait_ns)) return false;
  int64_t wanted = (int64_t)(xenbus_read_number("memory/target") >> 2) + offset;
  *reservation = wanted > 0 ? (uint64_t)wanted : 0;
  return true;
}

uint64_t balloon_go_to(uint64_t reservation, struct balloon_cost* cost) {
  const uint64_t now = balloon_reservation();
  const bool in = reservation > now;
  const uint64_t left = balloon_move(in, in ? reservation - now : now - reservation, 9, false, cost);
  return balloon_move(in, left, 0, false, cost);
}
