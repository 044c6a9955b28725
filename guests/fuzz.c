/* fuzz: makes hypercalls with random numbers, arguments, structures and shared pages, as a domain without
 * privilege. What it must not manage: to end the simulator, to see a byte of another domain, to change one.
 *
 * seed=      the random sequence (1)
 * calls=     hypercalls (20000)
 * peer=      another domain that runs this guest with victim=1: its pattern is searched for in this one's memory
 * at the end store=1    also scribbles over the ring of xenstore victim=1   fills its memory with its pattern,
 * waits until the domain `peer` has come and gone, and says whether it is intact
 *
 * Every domain fills its free RAM with a pattern of its own, periodic in 8 bytes. A copied piece of 15 bytes or
 * more holds the pattern, in one of 8 rotations, at an aligned word. The guest spares what it lives on: its image,
 * its console, and calls that end or stop it. */
#include "fuzz.h"

#include <xen/grant_table.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/shared_info.h"
#include "lib/start.h"
#include "lib/string.h"

const char guest_name[] = "fuzz";

#define LINK_PORT 3 /* the first port that a victim allocates */

uint64_t arena, scratch;
domid_t own_domid, peer_domid;
static uint64_t filled_begin, filled_end, results[3];

static uint64_t pattern_of(domid_t domid) {
  return 0xa5d1c37e00e97b00 | (uint64_t)(domid & 0xff) << 32 | (domid & 0xff);
}

static uint64_t rotate(uint64_t value, unsigned bytes) {
  return bytes ? value >> 8 * bytes | value << (64 - 8 * bytes) : value;
}

static void fill_memory(void) {
  uint64_t size = memory_left();
  filled_begin = memory_take(size & ~4095ul, 4096);
  if (!filled_begin) fail("no memory");
  filled_end = filled_begin + (size & ~4095ul);
  uint64_t pattern = pattern_of(own_domid);
  for (uint64_t* word = (uint64_t*)filled_begin; word != (uint64_t*)filled_end; ++word) *word = pattern;
}

/* Whether a piece of the domain's pattern is in [begin, end). */
static bool holds_pattern(uint64_t begin, uint64_t end, domid_t domid) {
  const uint64_t own = pattern_of(own_domid), pattern = pattern_of(domid);
  uint64_t wanted[8];
  for (unsigned i = 0; i < 8; ++i) wanted[i] = rotate(pattern, i);
  for (const uint64_t* word = (const uint64_t*)begin; word != (const uint64_t*)end; ++word) {
    if (*word == own || *word == 0) continue;
    for (unsigned i = 0; i < 8; ++i)
      if (*word == wanted[i]) return true;
  }
  return false;
}

static bool is_intact(void) {
  uint64_t pattern = pattern_of(own_domid);
  for (const uint64_t* word = (const uint64_t*)filled_begin; word != (const uint64_t*)filled_end; ++word)
    if (*word != pattern) {
      print("changed at %p: %lx\n", (const void*)word, *word);
      return false;
    }
  return true;
}

static int link_status(evtchn_port_t port) {
  struct evtchn_status status = {.dom = DOMID_SELF, .port = port};
  return event_channel_op(EVTCHNOP_status, &status) == 0 ? (int)status.status : -1;
}

static void sleep_ms(uint64_t ms) {
  uint64_t end = system_time() + ms * 1000000;
  struct sched_poll poll = {.timeout = end};
  while (system_time() < end) sched_op(SCHEDOP_poll, &poll);
}

static int be_a_victim(void) {
  fill_memory();
  struct evtchn_alloc_unbound link = {.dom = DOMID_SELF, .remote_dom = peer_domid};
  if (event_channel_op(EVTCHNOP_alloc_unbound, &link) != 0 || link.port != LINK_PORT) fail("no port for the link");
  while (link_status(link.port) == EVTCHNSTAT_unbound) sleep_ms(1);
  while (link_status(link.port) == EVTCHNSTAT_interdomain) sleep_ms(1);
  print("the other one has gone\n");
  if (!is_intact()) fail("memory was changed");
  if (holds_pattern(0x1000, 0x90000, peer_domid) || holds_pattern(filled_begin, filled_end, peer_domid))
    fail("the other one's pattern is here");
  print("intact\n");
  return 0;
}

static void count(long result) { ++results[result == 0 ? 0 : result > 0 ? 1 : 2]; }

int main(void) {
  own_domid = domid_by_cpuid();
  peer_domid = (domid_t)option_number("peer", 0);
  if (option_number("victim", 0)) return be_a_victim();
  uint64_t calls = option_number("calls", 20000), seed = option_number("seed", 1);
  evtchn_port_t link = 0;
  if (peer_domid) {
    struct evtchn_bind_interdomain bind = {.remote_dom = peer_domid, .remote_port = LINK_PORT};
    while (event_channel_op(EVTCHNOP_bind_interdomain, &bind) != 0) sleep_ms(1);
    link = bind.local_port;
  }
  scratch = memory_take(SCRATCH_PAGES * 4096, 4096);
  arena = memory_take(ARENA_PAGES * 4096, 4096);
  fill_memory();
  if (!scratch || !arena) fail("no memory");
  fuzz_init(seed, link, option_number("store", 0));
  print("seed %lu, %lu calls\n", seed, calls);
  for (uint64_t i = 0; i < calls; ++i) {
    struct call call;
    next_call(&call);
    count(make_call(&call));
  }
  shared_info_init(); /* it may be elsewhere by now, and clocks with it */
  print("%lu returned 0, %lu more, %lu an error\n", results[0], results[1], results[2]);
  /* All RAM but the image, which holds the numbers of which the pattern is made. */
  if (peer_domid && (holds_pattern(0x1000, 0x90000, peer_domid) || holds_pattern(scratch, filled_end, peer_domid)))
    fail("the other one's pattern is here");
  print("no pattern but its own\n");
  return 0;
}
