/* suspend: keeps writing memory and ticking timers while it is saved, restored or moved, and checks itself.
 *
 * Each vCPU has a region of its own and writes to it step by step; which words of which page, and what, follows
 * from the step's number alone, so that the content after N steps is known. It is checked as a whole after every
 * suspend and at the end, and summed up: the checksum is that of a run without any suspend. Each vCPU's
 * single-shot timer ticks all the time. The TSC must never go back.
 *
 *   pages=N (256)       each vCPU's region, of 4 KiB pages
 *   steps=N (20000)     0: until the toolstack asks for the end
 *   period_us=N (1000)  of the ticks
 *   ignore=1            does not answer requests to suspend; ignore=2: answers, and goes on
 *   stay=1              when all steps are done, waits until the toolstack asks for the end
 *   halt=1              one step a tick, and halted in between
 *   grow=N              gives N pages back at first, and takes one again at each step of vCPU 0 */
#include <stdbool.h>

#include "lib/apic.h"
#include "lib/balloon.h"
#include "lib/command_line.h"
#include "lib/console.h"
#include "lib/exit.h"
#include "lib/grants.h"
#include "lib/interrupts.h"
#include "lib/layout.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/smp.h"
#include "lib/start.h"
#include "lib/suspend.h"
#include "lib/timers.h"
#include "lib/x86.h"
#include "lib/xenbus.h"

const char guest_name[] = "suspend";

static struct {
  uint64_t *words, *last; /* the region; of each page the number of its last step, plus one */
  uint64_t steps;         /* done */
  uint64_t ticks, deadline, tsc;
} own[MAX_VCPUS] __attribute__((aligned(64)));
static uint64_t pages, steps, period_ns, ignore, halts, stays, grows, grown;
static unsigned vcpus, suspends, cancelled;
static uint32_t generation, over, finished;

static uint64_t mixed(uint64_t x) {
  x *= 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
  return x ^ x >> 32;
}

static uint64_t page_of(unsigned vcpu, uint64_t step) { return mixed(step << 8 | vcpu) % pages; }
static uint64_t value_of(unsigned vcpu, uint64_t step, unsigned part) {
  return mixed((step << 8 | vcpu) * 4 + part) | 1;
}

static void on_tick(evtchn_port_t port) {
  (void)port;
  unsigned vcpu = current_vcpu();
  ++own[vcpu].ticks;
  uint64_t now = system_time();
  own[vcpu].deadline += period_ns;
  if (own[vcpu].deadline < now) own[vcpu].deadline = now + period_ns; /* fell behind */
  timer_set_singleshot(own[vcpu].deadline);
}

static void start_ticks(unsigned vcpu) {
  timer_init(on_tick);
  own[vcpu].deadline = system_time() + period_ns;
  timer_set_singleshot(own[vcpu].deadline);
  enable_interrupts();
}

static void check_tsc(unsigned vcpu) {
  uint64_t now = read_tsc_ordered();
  if (now < own[vcpu].tsc) fail("vCPU %u: TSC went from %lu back to %lu", vcpu, own[vcpu].tsc, now);
  own[vcpu].tsc = now;
}

static void mark_page(uint64_t page) { *(uint64_t*)((balloon_first() + page) << 12) = mixed(page) | 1; }

static void shrink(void) {
  if (balloon_init(NULL, mark_page) < grows) fail("no %lu pages to give back", grows);
  struct balloon_cost cost = {0, 0, 0};
  if (balloon_move(false, grows, 0, true, &cost) != 0) fail("could not give back %lu pages", grows);
}

static void grow(void) {
  struct balloon_cost cost = {0, 0, 0};
  if (grown < grows && balloon_move(true, 1, 0, false, &cost) == 0) ++grown;
}

static void check_grown(void) {
  for (uint64_t page = balloon_pages() - grown; page < balloon_pages(); ++page) {
    uint64_t found = *(const uint64_t*)((balloon_first() + page) << 12);
    if (found != (mixed(page) | 1)) fail("page %lu that came back: %lx", page, found);
  }
}

/* Writes four words of a page, at its begin, its end, and in between. */
static void do_step(unsigned vcpu) {
  uint64_t step = own[vcpu].steps, page = page_of(vcpu, step);
  uint64_t* words = own[vcpu].words + page * 512;
  for (unsigned part = 0; part < 4; ++part) words[part * 170 + (part == 3)] = value_of(vcpu, step, part);
  own[vcpu].last[page] = step + 1;
  own[vcpu].steps = step + 1;
  check_tsc(vcpu);
}

/* Against what the steps' numbers say, not against what was noted on the way. */
static uint64_t check(unsigned vcpu) {
  uint64_t sum = 0;
  for (uint64_t page = 0; page < pages; ++page) {
    uint64_t last = own[vcpu].last[page];
    if (last > own[vcpu].steps || (last && page_of(vcpu, last - 1) != page))
      fail("vCPU %u, page %lu: last step %lu of %lu", vcpu, page, last, own[vcpu].steps);
    for (unsigned word = 0; word < 512; ++word) {
      uint64_t want = 0;
      for (unsigned part = 0; part < 4; ++part)
        if (last && word == part * 170 + (part == 3)) want = value_of(vcpu, last - 1, part);
      uint64_t found = own[vcpu].words[page * 512 + word];
      if (found != want) fail("vCPU %u, page %lu, word %u: %lx, expected %lx", vcpu, page, word, found, want);
      sum = sum * 31 + found;
    }
  }
  return sum;
}

static void suspend_all(void) {
  print("suspending: domain %u, step %lu\n", this_domid(), own[0].steps);
  suspend_parking_begin(vcpus);
  uint64_t before = read_tsc_ordered();
  bool elsewhere = suspend();
  uint64_t away = read_tsc_ordered() - before;
  if (elsewhere) {
    ++suspends;
    __atomic_fetch_add(&generation, 1, __ATOMIC_SEQ_CST);
    start_ticks(0);
  } else {
    ++cancelled;
  }
  print("%s: domain %u, step %lu, after %lu cycles\n", elsewhere ? "resumed" : "cancelled", this_domid(),
        own[0].steps, away);
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) check(vcpu);
  suspend_parking_end();
}

static bool all_steps_done(void) {
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu)
    if (__atomic_load_n(&own[vcpu].steps, __ATOMIC_ACQUIRE) < steps) return false;
  return steps != 0;
}

static void between_steps(void) {
  if (!halts && !(stays && all_steps_done())) return;
  wait_for_interrupt();
  enable_interrupts();
}

static void secondary(unsigned vcpu) {
  events_init();
  start_ticks(vcpu);
  uint32_t seen = generation;
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    if (suspend_parking()) {
      suspend_park();
      if (__atomic_load_n(&generation, __ATOMIC_ACQUIRE) != seen) {
        seen = generation;
        events_init();
        start_ticks(vcpu);
      }
    }
    if (steps == 0 || own[vcpu].steps < steps) {
      do_step(vcpu);
      between_steps();
    } else {
      pause();
    }
  }
  disable_interrupts();
  __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

/* false: the toolstack wants the end. */
static bool obey(void) {
  if (ignore == 1) return true;
  switch (suspend_request()) {
    case REQUEST_NONE:
      return true;
    case REQUEST_SUSPEND:
      if (ignore == 0) suspend_all();
      return true;
    case REQUEST_POWEROFF:
    case REQUEST_REBOOT:
      return false;
  }
  return true;
}

int main(void) {
  pages = option_number("pages", 256);
  steps = option_number("steps", 20000);
  period_ns = option_number("period_us", 1000) * 1000;
  ignore = option_number("ignore", 0);
  halts = option_number("halt", 0);
  stays = option_number("stay", 0);
  grows = option_number("grow", 0);
  if (pages == 0 || period_ns == 0) fail("pages= and period_us= are above 0");
  vcpus = vcpu_count();
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) {
    own[vcpu].words = (uint64_t*)memory_take(pages * 4096, 4096);
    own[vcpu].last = (uint64_t*)memory_take(pages * 8, 4096);
    if (!own[vcpu].words || !own[vcpu].last) fail("no memory for %lu pages of vCPU %u", pages, vcpu);
  }
  apic_init();
  events_init();
  xenbus_init();
  suspend_init();
  for (unsigned vcpu = 1; vcpu < vcpus; ++vcpu) smp_start(vcpu, secondary);
  if (grows) shrink();
  start_ticks(0);
  print("domain %u, %u vCPUs, %lu pages each\n", this_domid(), vcpus, pages);
  console_flush();
  while (obey() && (stays || !all_steps_done())) {
    if (steps == 0 || own[0].steps < steps) do_step(0);
    if (grows) grow();
    between_steps();
  }
  disable_interrupts();
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) != vcpus - 1) pause();
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) {
    print("vCPU %u: %lu steps, checksum %016lx\n", vcpu, own[vcpu].steps, check(vcpu));
    if (own[vcpu].ticks == 0) fail("vCPU %u had no tick", vcpu);
  }
  if (grows) {
    check_grown();
    print("grew by %lu of %lu pages\n", grown, grows);
  }
  print("ticks of vCPU 0: %lu, resumed %u times, cancelled %u times\n", own[0].ticks, suspends, cancelled);
  return 0;
}
