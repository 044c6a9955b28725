/* random: executes pseudo-random bytes. For the robustness of whatever runs it: anything may happen, up to a
 * triple fault; if the guest survives, it prints a digest of how the blocks ended and powers off. seed=N level=0|3
 * privilege level (default 3)   blocks=N (default 2000)   slice_us=N longest block (default 1000) */
#include "lib/apic.h"
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/probe.h"
#include "lib/pvclock.h"
#include "lib/start.h"
#include "lib/string.h"
#include "lib/timers.h"
#include "lib/x86.h"

const char guest_name[] = "random";

enum { kCodePages = 4, kCode = kCodePages * 4096, kUpcall = 0x50 };

static uint64_t random_state, ended_by[256];
static interrupt_handler* upcall;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545f4914f6cdd1d;
}

static void on_tick(evtchn_port_t port) { (void)port; }

static void end_of_slice(struct frame* frame) {
  upcall(frame);
  if (probe_running()) probe_stop(frame);
}

/* What code at level 0 may have changed and what the next block needs; the rest is its own affair. */
static void repair(uint64_t cr0, uint64_t cr3, uint64_t cr4) {
  write_cr0(cr0);
  write_cr4(cr4);
  write_cr3(cr3);
  interrupts_reload();
  uint32_t control = 0x1f80;
  asm volatile("fninit; ldmxcsr %0" : : "m"(control));
  asm volatile("mov %0, %%dr7" : : "r"(0x400ul));
}

int main(void) {
  random_state = option_number("seed", 1) * 0x9e3779b97f4a7c15 | 1;
  uint64_t blocks = option_number("blocks", 2000), slice = option_number("slice_us", 1000) * 1000;
  bool user = option_number("level", 3) != 0;
  uint64_t physical = memory_take(kCode + 4096, 4096);
  if (!physical) fail("no memory");
  memory_map(WINDOW, physical, kCode + 4096, false, PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER);
  for (unsigned vector = 0; vector < 256; ++vector) probe_catch(vector);
  apic_init();
  events_init();
  timer_init(on_tick);
  upcall = interrupt_handler_of(kUpcall);
  set_interrupt_handler(kUpcall, end_of_slice);
  for (unsigned vector = 0; vector < 256 && !user; ++vector)
    set_interrupt_stack(vector, 1); /* the stack pointer is anywhere */
  uint64_t cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
  print("%lu blocks at level %u\n", blocks, user ? 3 : 0);
  for (uint64_t block = 0; block < blocks; ++block) {
    uint64_t* code = (uint64_t*)physical;
    for (unsigned i = 0; i < kCode / 8; i += block % 16 ? 64 : 1)
      code[(i + next_random()) % (kCode / 8)] = next_random();
    timer_set_singleshot(system_time() + slice);
    probe_run(WINDOW + next_random() % kCode, user, WINDOW + kCode + 2048, 0x202);
    ++ended_by[probe_end.vector & 255];
    repair(cr0, cr3, cr4);
  }
  for (unsigned vector = 0; vector < 256; ++vector)
    if (ended_by[vector]) print("vector %u ended %lu blocks\n", vector, ended_by[vector]);
  return 0;
}
