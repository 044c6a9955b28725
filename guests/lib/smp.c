#include "smp.h"

#include <stddef.h>

#include "apic.h"
#include "command_line.h"
#include "exit.h"
#include "hypercall.h"
#include "interrupts.h"
#include "layout.h"
#include "pvclock.h"
#include "string.h"
#include "x86.h"

#include <xen/hvm/hvm_vcpu.h>

extern const char trampoline_begin[], trampoline_end[], secondary_start_hypercall[];

uint64_t secondary_stack;

static uint8_t stacks[MAX_VCPUS][STACK_SIZE] __attribute__((aligned(16)));
static unsigned starting;
static void (*starting_entry)(unsigned);
static uint32_t started;

unsigned vcpu_count(void) {
  unsigned count = 1;
  while (count < MAX_VCPUS && vcpu_op(VCPUOP_is_up, count, NULL) >= 0) ++count;
  return count;
}

void secondary_c(void);
void secondary_c(void) {
  unsigned vcpu = starting;
  void (*entry)(unsigned) = starting_entry;
  interrupts_init(vcpu);
  apic_init();
  __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
  entry(vcpu);
}

static void wait_ns(uint64_t ns) {
  uint64_t end = system_time() + ns;
  while (system_time() < end) pause();
}

static void start_by_sipi(unsigned vcpu) {
  memcpy((void*)TRAMPOLINE_ADDRESS, trampoline_begin, (size_t)(trampoline_end - trampoline_begin));
  uint32_t id = apic_id_of_vcpu(vcpu);
  apic_send(id, APIC_INIT);
  wait_ns(10000);
  apic_send(id, APIC_STARTUP | TRAMPOLINE_ADDRESS >> 12);
  wait_ns(200000);
  if (!__atomic_load_n(&started,
                       __ATOMIC_ACQUIRE)) /* a second one, as the SDM's sequence has; ignored if running */
    apic_send(id, APIC_STARTUP | TRAMPOLINE_ADDRESS >> 12);
}

static void start_by_hypercall(unsigned vcpu) {
  struct vcpu_hvm_context context = {.mode = VCPU_HVM_MODE_64B};
  context.cpu_regs.x86_64.rip = (uint64_t)secondary_start_hypercall;
  context.cpu_regs.x86_64.rsp = secondary_stack;
  context.cpu_regs.x86_64.rflags = 2;
  context.cpu_regs.x86_64.cr0 = read_cr0();
  context.cpu_regs.x86_64.cr3 = read_cr3();
  context.cpu_regs.x86_64.cr4 = read_cr4();
  context.cpu_regs.x86_64.efer = read_msr(0xc0000080);
  long result = vcpu_op(VCPUOP_initialise, vcpu, &context);
  if (result != 0) fail("VCPUOP_initialise of vCPU %u: %ld", vcpu, result);
  result = vcpu_op(VCPUOP_up, vcpu, NULL);
  if (result != 0) fail("VCPUOP_up of vCPU %u: %ld", vcpu, result);
}

void smp_start(unsigned vcpu, void (*entry)(unsigned)) {
  starting = vcpu;
  starting_entry = entry;
  secondary_stack = (uint64_t)stacks[vcpu] + STACK_SIZE;
  started = 0;
  if (option_is("start", "hypercall"))
    start_by_hypercall(vcpu);
  else
    start_by_sipi(vcpu);
  uint64_t limit = system_time() + 5000000000ull;
  while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE)) {
    if (system_time() > limit) fail("vCPU %u did not start", vcpu);
    pause();
  }
}
