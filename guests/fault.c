/* fault: provokes every exception that a program can, and checks how the processor reports each: vector, error
 * code, RIP, and CR2 for page faults. The cases are in fault_cases.S. triple=1   triple-faults instead crash=1
 * says SHUTDOWN_crash instead */
#include "fault_cases.h"
#include "lib/command_line.h"
#include "lib/console.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/layout.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/probe.h"
#include "lib/start.h"
#include "lib/string.h"
#include "lib/x86.h"

const char guest_name[] = "fault";

struct fault_case {
  const char* name;
  uint64_t code, rip, vector, error_code, cr2, needs;
};

extern const struct fault_case fault_cases[], fault_cases_end[];
extern const char user_cases_begin[], user_cases_end[];
extern uint64_t gdt[];

static uint64_t clean_cr0, clean_cr4;
static unsigned failures;

static void map_pages(void) {
  uint64_t page = memory_take(7 * 4096, 4096);
  if (!page) fail("no memory");
  const uint64_t flags = PAGE_PRESENT | PAGE_WRITABLE;
  memory_map(READ_ONLY_PAGE, page, 4096, false, PAGE_PRESENT);
  memory_map(NO_EXECUTE_PAGE, page + 0x1000, 4096, false, flags | PAGE_NO_EXECUTE);
  memory_map(RESERVED_BIT_PAGE, page + 0x2000, 4096, false, flags | 1ull << 51);
  memory_map(USER_DATA_PAGE, page + 0x3000, 4096, false, flags | PAGE_USER);
  memory_map(SUPERVISOR_PAGE, page + 0x4000, 4096, false, flags);
  memory_map(USER_CODE_PAGE, page + 0x5000, 4096, false, flags | PAGE_USER);
  memory_map(ABSENT_PAGE, 0, 4096, false, 0);
  memory_map(ABSENT_PAGE - 4096, page + 0x6000, 4096, false, flags);
  memcpy((void*)(page + 0x5000), user_cases_begin, (size_t)(user_cases_end - user_cases_begin));
}

/* Some cases load the spare descriptor: not present, except for the one that takes it as a task-state segment that
 * ends after the fault stack's entry. */
static void set_spare_descriptor(uint64_t vector) {
  uint64_t* spare = &gdt[SELECTOR_SPARE / 8];
  spare[0] = 0x00cf13000000ffff;
  spare[1] = 0;
  if (vector != 10) return;
  const uint64_t* tss = &gdt[SELECTOR_TSS / 8];
  spare[0] = ((tss[0] & ~0xffffull) | 0x2b) & ~(2ull << 40); /* short, and not busy */
  spare[1] = tss[1];
}

static void clean_up(void) {
  write_cr0(clean_cr0);
  write_cr4(clean_cr4);
  asm volatile("mov %0, %%dr7; mov %1, %%dr6" : : "r"(0x400ul), "r"(0xffff0ff0ul));
  uint32_t control = 0x1f80;
  asm volatile("fninit; ldmxcsr %0" : : "m"(control));
  gdt[SELECTOR_TSS / 8] &= ~(2ull << 40);
  asm volatile("ltr %w0" : : "r"(SELECTOR_TSS));
}

static bool available(const struct fault_case* c) {
  struct cpuid features = cpuid(0, 0).eax >= 7 ? cpuid(7, 0) : (struct cpuid){0};
  if (c->needs & NEEDS_SMEP) return features.ebx >> 7 & 1;
  if (c->needs & NEEDS_SMAP) return features.ebx >> 20 & 1;
  return true;
}

static void try_case(const struct fault_case* c) {
  if (!available(c)) {
    print("%s: not on this processor\n", c->name);
    return;
  }
  bool user = c->needs & NEEDS_USER;
  uint64_t move = 0, rip = c->rip;
  if (user) {
    move = USER_CODE_PAGE - (uint64_t)user_cases_begin;
    if (rip < WINDOW) rip += move;
  }
  set_spare_descriptor(c->vector);
  if (c->needs & NEEDS_SMEP) write_cr4(clean_cr4 | 1 << 20);
  if (c->needs & NEEDS_SMAP) write_cr4(clean_cr4 | 1 << 21);
  if (c->vector == 17) write_cr0(clean_cr0 | 1 << 18);
  probe_run(c->code + move, user, USER_DATA_PAGE + 4096, 2);
  struct probe_end end = probe_end;
  clean_up();
  bool right = end.vector == c->vector && end.error_code == c->error_code && end.rip == rip &&
               end.cs == (user ? SELECTOR_USER_CODE64 : SELECTOR_CODE64) &&
               (c->cr2 == (uint64_t)ANY_ADDRESS || end.cr2 == c->cr2);
  print("%s: vector %lu error code %lx%s", c->name, end.vector, end.error_code, right ? "\n" : "");
  if (right) return;
  ++failures;
  print(" at %lx CR2 %lx; WRONG: wanted vector %lu error code %lx at %lx CR2 %lx\n", end.rip, end.cr2, c->vector,
        c->error_code, rip, c->cr2);
}

static void triple_fault(void) {
  print("triple fault\n");
  console_flush();
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } nothing = {0, 0};
  asm volatile("lidt %0; ud2" : : "m"(nothing));
}

int main(void) {
  if (option_number("triple", 0)) triple_fault();
  if (option_number("crash", 0)) {
    print("crash\n");
    shut_down(SHUTDOWN_crash);
  }
  map_pages();
  clean_cr0 = read_cr0();
  clean_cr4 = read_cr4();
  for (unsigned vector = 0; vector < 32; ++vector) probe_catch(vector);
  probe_catch(NOTHING_HAPPENED);
  probe_catch(DISTANT_STACK);
  probe_catch(PRIVILEGED);
  set_interrupt_user_callable(3);
  set_interrupt_user_callable(NOTHING_HAPPENED);
  set_interrupt_stack(DISTANT_STACK, 7);
  unsigned count = 0;
  for (const struct fault_case* c = fault_cases; c != fault_cases_end; ++c, ++count) try_case(c);
  print("%u cases, %u wrong\n", count, failures);
  if (failures) fail("%u cases", failures);
  return 0;
}
