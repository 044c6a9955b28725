/* events: how long an event takes, there and back.
 *   count=N (default 2000) round trips
 * Alone, with two vCPUs or more: IPI events between vCPU 0 and vCPU 1, both spinning, then both halting.
 *   peer=DOMID: interdomain events with another such guest, whose peer= names this one. The guest with the lower
 * domid allocates the port, first of all, so that its number is known: the first that a domain's toolstack leaves
 * free (peer_port=, default 3); the other binds to it, tries until it is there, and measures. */
#include "lib/events.h"

#include <xen/arch-x86/cpuid.h>

#include "lib/apic.h"
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/samples.h"
#include "lib/shared_info.h"
#include "lib/smp.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "events";

static evtchn_port_t to_first, to_second, channel;
static uint64_t count, *round_trips;
static uint64_t answers, requests;
static uint32_t second_halts, second_stops;

static void on_request(evtchn_port_t port) {
  (void)port;
  __atomic_fetch_add(&requests, 1, __ATOMIC_SEQ_CST);
  event_send(to_first);
}

static void on_answer(evtchn_port_t port) {
  (void)port;
  __atomic_store_n(&answers, answers + 1, __ATOMIC_RELEASE);
}

static void second(unsigned vcpu) {
  (void)vcpu;
  events_init();
  enable_interrupts();
  while (!__atomic_load_n(&second_stops, __ATOMIC_ACQUIRE)) {
    if (__atomic_load_n(&second_halts, __ATOMIC_ACQUIRE)) {
      disable_interrupts();
      if (!__atomic_load_n(&second_stops, __ATOMIC_ACQUIRE)) wait_for_interrupt();
      enable_interrupts();
    }
    pause();
  }
  disable_interrupts();
}

/* Sends count events, each when the answer to the one before has come. */
static void ping(const char* what, evtchn_port_t port, bool halt) {
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t expected = __atomic_load_n(&answers, __ATOMIC_ACQUIRE) + 1;
    uint64_t begin = read_tsc_ordered();
    event_send(port);
    if (halt) {
      disable_interrupts();
      while (__atomic_load_n(&answers, __ATOMIC_ACQUIRE) != expected) wait_for_interrupt();
    } else {
      enable_interrupts();
      while (__atomic_load_n(&answers, __ATOMIC_ACQUIRE) != expected) pause();
      disable_interrupts();
    }
    round_trips[i] = read_tsc_ordered() - begin;
  }
  samples_print(what, "cycles", round_trips, count);
}

static void between_vcpus(void) {
  if (vcpu_count() < 2) fail("needs two vCPUs, or peer=DOMID");
  events_init();
  to_first = event_bind_ipi(0);
  to_second = event_bind_ipi(1);
  smp_start(1, second);
  event_enable(to_first, on_answer);
  event_enable(to_second, on_request);
  ping("IPI event, spinning", to_second, false);
  __atomic_store_n(&second_halts, 1, __ATOMIC_RELEASE);
  ping("IPI event, halting", to_second, true);
  __atomic_store_n(&second_stops, 1, __ATOMIC_RELEASE);
  event_send(to_second);
}

static unsigned own_domid(void) {
  struct cpuid leaf = cpuid(xen_cpuid_base() + 4, 0);
  if (!(leaf.eax & XEN_HVM_CPUID_DOMID_PRESENT)) fail("CPUID does not say the domid");
  return leaf.ecx;
}

static void on_remote_request(evtchn_port_t port) {
  __atomic_store_n(&requests, requests + 1, __ATOMIC_RELEASE);
  event_send(port);
}

static void sleep_ns(uint64_t ns) {
  struct sched_poll poll = {.nr_ports = 0, .timeout = system_time() + ns};
  if (sched_op(SCHEDOP_poll, &poll) != 0) sched_op(SCHEDOP_yield, NULL);
}

static void serve(domid_t peer) {
  channel = event_alloc_unbound(peer);
  print("port %u waits for domain %u\n", channel, peer);
  events_init();
  event_enable(channel, on_remote_request);
  while (__atomic_load_n(&requests, __ATOMIC_ACQUIRE) < count) wait_for_interrupt();
  print("answered %lu events\n", requests);
}

static void call(domid_t peer) {
  events_init();
  evtchn_port_t remote = (evtchn_port_t)option_number("peer_port", 3);
  uint64_t limit = system_time() + 30000000000ull;
  for (long result; (result = event_bind_interdomain(peer, remote, &channel)) != 0;) {
    if (system_time() > limit)
      fail("EVTCHNOP_bind_interdomain to port %u of domain %u: %ld", remote, peer, result);
    sleep_ns(1000000);
  }
  event_clear(channel); /* binding leaves the port pending */
  event_enable(channel, on_answer);
  ping("interdomain event, halting", channel, true);
}

int main(void) {
  count = option_number("count", 2000);
  round_trips = (uint64_t*)memory_take(count * 8, 4096);
  if (count == 0 || !round_trips) fail("count=%lu does not fit", count);
  uint64_t peer = option_number("peer", DOMID_INVALID);
  apic_init();
  if (peer == DOMID_INVALID)
    between_vcpus();
  else if (own_domid() < peer)
    serve((domid_t)peer);
  else
    call((domid_t)peer);
  return 0;
}
