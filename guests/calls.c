/* calls: how many cycles each way into Xen takes: hypercalls, CPUID, MSRs, a port, memory that is not there. On a
 * machine that executes one instruction per tick of the TSC, or two, this counts the instructions of a real Xen
 * (docs/costs.md).
 *
 *   rounds=N (64)   samples of each
 *
 * Each line is the time of one call, the measuring itself included: "nothing" is that. What takes lists has lines
 * for one element and for 17, so that a sixteenth of the difference is that of an element. */
#include <stdbool.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/samples.h"
#include "lib/x86.h"

#include <xen/grant_table.h>

const char guest_name[] = "calls";

enum { kMostRounds = 256, kMany = 17, kHole = 0xc0000000 };

static uint64_t samples[kMostRounds];
static uint64_t rounds;
static uint64_t frames, large; /* what is given back and taken again */
static xen_pfn_t list[kMany];
static uint64_t apic_base;
static evtchn_port_t pending_port, idle_port;
static multicall_entry_t entries[kMany];

static long reservation(unsigned command, uint64_t first, unsigned count, unsigned order) {
  for (unsigned i = 0; i < count; ++i) list[i] = (first >> 12) + ((uint64_t)i << order);
  struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = DOMID_SELF};
  set_xen_guest_handle(r.extent_start, list);
  return memory_op(command, &r);
}

static void nothing(void) {}
static void no_hypercall(void) { hypercall4(63, 0, 0, 0, 0); }
static void version(void) { xen_version(XENVER_version, NULL); }
static void small_hypercall(void) { hypercall4(__HYPERVISOR_xsm_op, 0, 0, 0, 0); }
static void vm_assist(void) { hypercall4(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 99, 0, 0); }
static void set_timer(void) { hypercall4(__HYPERVISOR_set_timer_op, 0, 0, 0, 0); }
static void vcpu_is_up(void) { vcpu_op(VCPUOP_is_up, 0, NULL); }
static void stop_timer(void) { vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL); }
static void yield(void) { sched_op(SCHEDOP_yield, NULL); }
static void poll(void) {
  struct sched_poll p = {.nr_ports = 1, .timeout = 1};
  set_xen_guest_handle(p.ports, &pending_port);
  sched_op(SCHEDOP_poll, &p);
}
static void get_param(void) {
  uint64_t value;
  hvm_get_param(HVM_PARAM_STORE_EVTCHN, &value);
}
static void send_pending(void) {
  struct evtchn_send send = {.port = pending_port};
  event_channel_op(EVTCHNOP_send, &send);
}
static void port_status(void) {
  struct evtchn_status status = {.dom = DOMID_SELF, .port = idle_port};
  event_channel_op(EVTCHNOP_status, &status);
}
static void alloc_and_close(void) {
  struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
  event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
  struct evtchn_close close = {.port = alloc.port};
  event_channel_op(EVTCHNOP_close, &close);
}
static void current_reservation(void) {
  domid_t self = DOMID_SELF;
  memory_op(XENMEM_current_reservation, &self);
}
static void query_size(void) {
  struct gnttab_query_size size = {.dom = DOMID_SELF};
  hypercall4(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, (long)&size, 1, 0);
}
static void multicall(unsigned count) {
  for (unsigned i = 0; i < count; ++i)
    entries[i] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
  hypercall4(__HYPERVISOR_multicall, (long)entries, count, 0, 0);
}
static void multicall_1(void) { multicall(1); }
static void multicall_17(void) { multicall(kMany); }
static void release_1(void) { reservation(XENMEM_decrease_reservation, frames, 1, 0); }
static void release_17(void) { reservation(XENMEM_decrease_reservation, frames, kMany, 0); }
static void populate_1(void) { reservation(XENMEM_populate_physmap, frames, 1, 0); }
static void populate_17(void) { reservation(XENMEM_populate_physmap, frames, kMany, 0); }
static void release_large(void) { reservation(XENMEM_decrease_reservation, large, 1, 9); }
static void populate_large(void) { reservation(XENMEM_populate_physmap, large, 1, 9); }
static void cpuid_leaf(void) { cpuid(0, 0); }
static void read_an_msr(void) { apic_base = read_msr(0x1b); /* IA32_APIC_BASE */ }
static void write_an_msr(void) { write_msr(0x1b, apic_base); }
static void read_port(void) {
  uint8_t value;
  asm volatile("inb $0x80, %0" : "=a"(value));
}
static void read_hole(void) { (void)*(volatile uint32_t*)kHole; }

/* Memory is there before and after each round; what comes before and after the call is not timed. */
static const struct {
  const char* name;
  void (*call)(void);
  void (*before)(void);
  void (*after)(void);
} all[] = {
    {"nothing", nothing, nothing, nothing},
    {"unknown hypercall", no_hypercall, nothing, nothing},
    {"xen_version", version, nothing, nothing},
    {"xsm_op", small_hypercall, nothing, nothing},
    {"vm_assist", vm_assist, nothing, nothing},
    {"set_timer_op", set_timer, nothing, nothing},
    {"vcpu_op is_up", vcpu_is_up, nothing, nothing},
    {"vcpu_op stop_singleshot_timer", stop_timer, nothing, nothing},
    {"sched_op yield", yield, nothing, nothing},
    {"sched_op poll", poll, nothing, nothing},
    {"hvm_op get_param", get_param, nothing, nothing},
    {"event send to a pending port", send_pending, nothing, nothing},
    {"event status", port_status, nothing, nothing},
    {"event alloc_unbound and close", alloc_and_close, nothing, nothing},
    {"memory_op current_reservation", current_reservation, nothing, nothing},
    {"grant query_size", query_size, nothing, nothing},
    {"multicall of 1", multicall_1, nothing, nothing},
    {"multicall of 17", multicall_17, nothing, nothing},
    {"decrease_reservation of 1", release_1, nothing, populate_1},
    {"decrease_reservation of 17", release_17, nothing, populate_17},
    {"populate_physmap of 1", populate_1, release_1, nothing},
    {"populate_physmap of 17", populate_17, release_17, nothing},
    {"populate_physmap of 2 MiB", populate_large, release_large, nothing},
    {"decrease_reservation of 2 MiB", release_large, nothing, populate_large},
    {"CPUID", cpuid_leaf, nothing, nothing},
    {"RDMSR", read_an_msr, nothing, nothing},
    {"WRMSR", write_an_msr, nothing, nothing},
    {"IN", read_port, nothing, nothing},
    {"load from a hole", read_hole, nothing, nothing},
};

static evtchn_port_t unbound_port(void) {
  struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
  if (event_channel_op(EVTCHNOP_alloc_unbound, &alloc) != 0) fail("no port");
  return alloc.port;
}

int main(void) {
  rounds = option_number("rounds", 64);
  if (rounds == 0 || rounds > kMostRounds) fail("rounds= is 1 to %u", kMostRounds);
  frames = memory_take(kMany * 4096ul, 4096);
  large = memory_take(2ul << 20, 2ul << 20);
  if (!frames || !large) fail("needs 16 MiB");
  idle_port = unbound_port();
  struct evtchn_bind_ipi ipi = {.vcpu = 0};
  if (event_channel_op(EVTCHNOP_bind_ipi, &ipi) != 0) fail("no IPI port");
  pending_port = ipi.port; /* masked for good, and pending after the first send */
  send_pending();
  for (unsigned i = 0; i < sizeof all / sizeof *all; ++i) {
    for (unsigned k = 0; k < rounds; ++k) {
      all[i].before();
      uint64_t begin = read_tsc_ordered();
      all[i].call();
      samples[k] = read_tsc_ordered() - begin;
      all[i].after();
    }
    samples_print(all[i].name, "cycles", samples, rounds);
  }
  return 0;
}
