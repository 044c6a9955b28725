/* smp: starts every vCPU, has all of them fight for one ticket lock and compare their TSCs under it, and sends
 * interrupts from APIC to APIC.
 *   rounds=N (default 2000) acquisitions per vCPU     ipis=N (default 200) interrupts to each vCPU
 *   start=hypercall: start vCPUs by VCPUOP_initialise instead of INIT and SIPI */
#include "lib/smp.h"

#include "lib/apic.h"
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/interrupts.h"
#include "lib/layout.h"
#include "lib/lock.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/samples.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "smp";

enum { kIpiVector = 0x60, kMaxIpis = 4096 };

static struct ticket_lock contended __attribute__((aligned(64)));
static volatile uint64_t shared_count __attribute__((aligned(64)));
static uint64_t last_tsc, steps_back; /* by whoever has the lock */
static struct { uint64_t acquisitions, cycles, received; } __attribute__((aligned(64))) own[MAX_VCPUS];
static uint64_t round_trips[kMaxIpis];
static unsigned vcpus;
static uint64_t rounds;
static uint32_t ready, finished, go, stop;

static void compete(unsigned vcpu) {
  __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
  while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE)) pause();
  uint64_t begin = read_tsc_ordered();
  for (uint64_t i = 0; i < rounds; ++i) {
    lock(&contended);
    shared_count = shared_count + 1;
    uint64_t tsc = read_tsc_ordered();
    if (tsc < last_tsc) ++steps_back;
    last_tsc = tsc;
    unlock(&contended);
    ++own[vcpu].acquisitions;
  }
  own[vcpu].cycles = read_tsc_ordered() - begin;
  __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

static void on_ipi(struct frame* frame) {
  (void)frame;
  apic_end_of_interrupt();
  __atomic_fetch_add(&own[current_vcpu()].received, 1, __ATOMIC_RELEASE);
}

static void secondary(unsigned vcpu) {
  if (apic_id() != apic_id_of_vcpu(vcpu)) fail("vCPU %u has APIC ID %u", vcpu, apic_id());
  compete(vcpu);
  enable_interrupts();
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) pause();
  disable_interrupts();
}

static void ping(unsigned vcpu, uint64_t count) {
  uint64_t limit = system_time() + 20000000000ull;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t begin = read_tsc_ordered();
    apic_send(apic_id_of_vcpu(vcpu), APIC_FIXED | kIpiVector);
    while (__atomic_load_n(&own[vcpu].received, __ATOMIC_ACQUIRE) != i + 1) {
      pause();
      if ((read_tsc() & 0xfff) == 0 && system_time() > limit)
        fail("interrupt %lu to vCPU %u did not arrive", i, vcpu);
    }
    round_trips[i] = read_tsc_ordered() - begin;
  }
}

int main(void) {
  rounds = option_number("rounds", 2000);
  uint64_t ipis = option_number("ipis", 200);
  if (ipis > kMaxIpis) fail("ipis= is at most %u", (unsigned)kMaxIpis);
  apic_init();
  set_interrupt_handler(kIpiVector, on_ipi);
  vcpus = vcpu_count();
  print("%u vCPUs, %s\n", vcpus, apic_is_x2apic() ? "x2APIC" : "xAPIC");
  for (unsigned vcpu = 1; vcpu < vcpus; ++vcpu) {
    smp_start(vcpu, secondary);
    print("vCPU %u started\n", vcpu);
  }
  while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != vcpus - 1) pause();
  __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
  compete(0);
  while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) != vcpus) pause();
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu)
    print("vCPU %u: %lu acquisitions in %lu cycles\n", vcpu, own[vcpu].acquisitions, own[vcpu].cycles);
  if (shared_count != vcpus * rounds) fail("%lu increments, wanted %lu", shared_count, vcpus * rounds);
  if (steps_back != 0) fail("the TSC went back %lu times from one vCPU to the next", steps_back);
  for (unsigned vcpu = 1; vcpu < vcpus; ++vcpu) {
    ping(vcpu, ipis);
    print("vCPU %u ", vcpu);
    samples_print("interrupt until handled", "cycles", round_trips, ipis);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  return 0;
}
