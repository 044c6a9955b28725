/* evfifo: the FIFO event-channel ABI, and what it costs beside the 2-level one.
 *   abi=fifo (default): first proves the ABI, step by step: errors, events from before the switch and from before
 *     their word exists, priorities, order, masking, ports that move and close while they are queued, reset.
 *   abi=2l: the measurements only.
 *   ports=N (default 1000) ports take part in the measurements; 2-level: 4000 at most. The domain file must allow
 *     them, and 100 more (max_event_channels).
 *   rounds=N (default 200) samples of what is not measured once per port.
 * Every line that holds numbers of cycles says so in its end; all other lines are alike wherever this runs. */
#include "lib/fifo.h"

#include "lib/apic.h"
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/interrupts.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/samples.h"
#include "lib/shared_info.h"
#include "lib/smp.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "evfifo";

enum { kUpcallVector = 0x51, kMostPorts = 16384, kLog = 4096 };

static bool fifo, through_apic;

/* What arrived, in order. */
static struct {
  evtchn_port_t port;
  uint8_t queue, vcpu;
} arrived[kLog];
static unsigned arrived_count;
static uint64_t event_count, event_time;

static void record(evtchn_port_t port, unsigned queue) {
  event_time = read_tsc_ordered();
  unsigned i = __atomic_fetch_add(&arrived_count, 1, __ATOMIC_SEQ_CST) % kLog;
  arrived[i].port = port;
  arrived[i].queue = (uint8_t)queue;
  arrived[i].vcpu = (uint8_t)current_vcpu();
  __atomic_fetch_add(&event_count, 1, __ATOMIC_SEQ_CST);
}

static unsigned two_level_take_all(unsigned vcpu) {
  volatile struct vcpu_info* info = &shared_info->vcpu_info[vcpu];
  unsigned taken = 0;
  uint64_t words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
  for (; words; words &= words - 1) {
    unsigned word = (unsigned)__builtin_ctzl(words);
    uint64_t bits;
    while ((bits = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word]) != 0) {
      evtchn_port_t port = word * 64 + (unsigned)__builtin_ctzl(bits);
      event_clear(port);
      ++taken;
      record(port, 0);
    }
  }
  return taken;
}

static unsigned take_all(unsigned vcpu) { return fifo ? fifo_take_all(vcpu, record) : two_level_take_all(vcpu); }

static void upcall(struct frame* frame) {
  (void)frame;
  if (through_apic) apic_end_of_interrupt();
  unsigned vcpu = current_vcpu();
  volatile struct vcpu_info* info = &shared_info->vcpu_info[vcpu];
  while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) take_all(vcpu);
}

static void upcall_init(void) {
  set_interrupt_handler(kUpcallVector, upcall);
  struct xen_hvm_evtchn_upcall_vector vector = {.vcpu = current_vcpu(), .vector = kUpcallVector};
  through_apic = !option_is("upcall", "callback") && hvm_op(HVMOP_set_evtchn_upcall_vector, &vector) == 0;
  if (!through_apic) hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | kUpcallVector);
}

/* Lets what is pending arrive: an upcall that is announced is on its way. */
static void let_in(void) {
  volatile uint8_t* announced = &shared_info->vcpu_info[current_vcpu()].evtchn_upcall_pending;
  enable_interrupts();
  for (unsigned tries = 0; *announced && tries < 100000000; ++tries) pause();
  pause();
  disable_interrupts();
}

static void mask(evtchn_port_t port) {
  if (fifo)
    fifo_mask(port);
  else
    __atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
}

/* The hypercalls, with Xen's result. */
static long op_port(unsigned op, evtchn_port_t port) {
  struct evtchn_send one = {.port = port}; /* close and unmask have the same structure */
  return event_channel_op(op, &one);
}
static long send(evtchn_port_t port) { return op_port(EVTCHNOP_send, port); }
static long unmask(evtchn_port_t port) { return op_port(EVTCHNOP_unmask, port); }
static long close_port(evtchn_port_t port) { return op_port(EVTCHNOP_close, port); }
static long set_priority(evtchn_port_t port, unsigned priority) {
  struct evtchn_set_priority set = {.port = port, .priority = priority};
  return event_channel_op(EVTCHNOP_set_priority, &set);
}
static long bind_vcpu(evtchn_port_t port, unsigned vcpu) {
  struct evtchn_bind_vcpu bind = {.port = port, .vcpu = vcpu};
  return event_channel_op(EVTCHNOP_bind_vcpu, &bind);
}
static long status_of(evtchn_port_t port, struct evtchn_status* status) {
  *status = (struct evtchn_status){.dom = DOMID_SELF, .port = port};
  return event_channel_op(EVTCHNOP_status, status);
}
static long bind_ipi(unsigned vcpu, evtchn_port_t* port) {
  struct evtchn_bind_ipi bind = {.vcpu = vcpu};
  long result = event_channel_op(EVTCHNOP_bind_ipi, &bind);
  *port = bind.port;
  return result;
}
static evtchn_port_t new_port(unsigned vcpu) {
  evtchn_port_t port;
  long result = bind_ipi(vcpu, &port);
  if (result != 0) fail("EVTCHNOP_bind_ipi: %ld", result);
  if (fifo && fifo_word(port)) fifo_mask(port); /* whoever had it before may have left it open */
  return port;
}

static void expect(const char* what, long got, long wanted) {
  print("%s: %ld\n", what, got);
  if (got != wanted) fail("%s: %ld instead of %ld", what, got, wanted);
}

static void forget_arrivals(void) { arrived_count = 0; }

/* ---- The proof of the ABI, from the switch on. ---- */

static evtchn_port_t early; /* bound and sent to under the 2-level ABI */

static long init_control(unsigned vcpu, uint64_t gfn, uint32_t offset) {
  struct evtchn_init_control init = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};
  return event_channel_op(EVTCHNOP_init_control, &init);
}

static void prove_switch(void) {
  uint64_t page = memory_take(4096, 4096) >> 12;
  early = new_port(0);
  expect("2-level: set_priority", set_priority(early, 0), -38);
  expect("2-level: expand_array", fifo_expand(), -95);
  expect("2-level: send to a masked port", send(early), 0);
  expect("2-level: it is pending", event_pending(early), 1);
  expect("init_control of a vCPU that is not there", init_control(999, page, 0), -2);
  expect("init_control across a page's end", init_control(0, page, 4096 - 64), -22);
  expect("init_control at an odd offset", init_control(0, page, 4), -22);
  expect("init_control with no page", init_control(0, 1ull << 40, 0), -22);
  expect("still 2-level: set_priority", set_priority(early, 0), -38);
  expect("init_control", fifo_init_control(0), 0);
  expect("init_control again", init_control(0, page, 0), -22);
  expect("set_priority without a word", set_priority(early, 7), 0);
  expect("unmask without a word", unmask(early), 0);
  struct evtchn_expand_array nowhere = {.array_gfn = 1ull << 40};
  expect("expand_array with no page", event_channel_op(EVTCHNOP_expand_array, &nowhere), -22);
  expect("expand_array", fifo_expand(), 0);
  expect("the event from before the switch is pending", fifo_has(early, FIFO_PENDING | FIFO_MASKED), 1);
  expect("and masked, so not linked", fifo_has(early, FIFO_LINKED), 0);
  forget_arrivals();
  expect("unmask links it", unmask(early), 0);
  let_in();
  expect("it arrived", arrived_count == 1 && arrived[0].port == early, 1);
  expect("once", fifo_has(early, FIFO_PENDING) || fifo_has(early, FIFO_LINKED), 0);
}

static void prove_errors(void) {
  evtchn_port_t port = new_port(0);
  expect("set_priority 15", set_priority(port, 15), 0);
  expect("set_priority 16", set_priority(port, 16), -22);
  expect("close", close_port(port), 0);
  expect("set_priority of a closed port", set_priority(port, 1), -13);
  expect("unmask of a closed port", unmask(port), 0);
  expect("send to a closed port", send(port), -22);
  expect("close of a closed port", close_port(port), -22);
  expect("port 0: close", close_port(0), -22);
  expect("port 0: send", send(0), -22);
  expect("port 0: unmask", unmask(0), 0);
  expect("port 0: set_priority", set_priority(0, 1), -13);
  struct evtchn_status status;
  expect("port 0: status", status_of(0, &status), 0);
  expect("port 0 is closed", status.status, EVTCHNSTAT_closed);
  expect("port 63, never used: status", status_of(63, &status), 0);
  expect("port 64, in no bucket: status", status_of(64, &status), -22);
  expect("port 64: unmask", unmask(64), -22);
  expect("port 64: set_priority", set_priority(64, 1), -22);
  expect("port 64: bind_vcpu", bind_vcpu(64, 0), -22);
  expect("bind_vcpu to a vCPU that is not there", bind_vcpu(port, 999), -2);
  expect("bind_vcpu of an IPI's port", bind_vcpu(early, 0), -22);
  evtchn_port_t none;
  expect("bind_ipi to a vCPU that is not there", bind_ipi(999, &none), -2);
  struct evtchn_bind_virq virq = {.virq = NR_VIRQS, .vcpu = 0};
  expect("bind_virq beyond the last", event_channel_op(EVTCHNOP_bind_virq, &virq), -22);
  virq = (struct evtchn_bind_virq){.virq = VIRQ_CONSOLE, .vcpu = 1};
  expect("bind_virq, a global one, on vCPU 1", event_channel_op(EVTCHNOP_bind_virq, &virq), -22);
  virq = (struct evtchn_bind_virq){.virq = VIRQ_DEBUG, .vcpu = 999};
  expect("bind_virq on a vCPU that is not there", event_channel_op(EVTCHNOP_bind_virq, &virq), -2);
  virq.vcpu = 0;
  expect("bind_virq", event_channel_op(EVTCHNOP_bind_virq, &virq), 0);
  expect("bind_virq again", event_channel_op(EVTCHNOP_bind_virq, &virq), -17);
  expect("send to a VIRQ's port", send(virq.port), -22);
  expect("bind_vcpu of a per-vCPU VIRQ's port", bind_vcpu(virq.port, 0), -22);
  expect("close of a VIRQ's port", close_port(virq.port), 0);
  struct evtchn_bind_pirq pirq = {.pirq = 5};
  expect("bind_pirq", event_channel_op(EVTCHNOP_bind_pirq, &pirq), 0);
  expect("its status", status_of(pirq.port, &status), 0);
  expect("is that of a PIRQ", status.status == EVTCHNSTAT_pirq && status.u.pirq == 5, 1);
  evtchn_port_t pirq_port = pirq.port;
  expect("bind_pirq again", event_channel_op(EVTCHNOP_bind_pirq, &pirq), -17);
  expect("send to a PIRQ's port", send(pirq_port), -22);
  expect("close of a PIRQ's port", close_port(pirq_port), 0);
  pirq.pirq = 100000;
  expect("bind_pirq beyond the last", event_channel_op(EVTCHNOP_bind_pirq, &pirq), -22);
  struct evtchn_alloc_unbound unbound = {.dom = 0, .remote_dom = DOMID_SELF};
  expect("alloc_unbound in another domain", event_channel_op(EVTCHNOP_alloc_unbound, &unbound), -1);
  unbound.dom = 32000;
  expect("alloc_unbound in no domain", event_channel_op(EVTCHNOP_alloc_unbound, &unbound), -3);
  struct evtchn_bind_interdomain interdomain = {.remote_dom = 32000, .remote_port = 1};
  expect("bind_interdomain to no domain", event_channel_op(EVTCHNOP_bind_interdomain, &interdomain), -3);
  interdomain = (struct evtchn_bind_interdomain){.remote_dom = DOMID_SELF, .remote_port = early};
  expect("bind_interdomain to a port that is bound", event_channel_op(EVTCHNOP_bind_interdomain, &interdomain),
         -22);
  expect("an operation that does not exist", event_channel_op(99, &interdomain), -38);
  expect("a structure that is not mapped",
         hypercall4(__HYPERVISOR_event_channel_op, EVTCHNOP_send, 1l << 46, 0, 0), -14);
}

enum { kQueued = 48 };

/* Three events for each priority, sent in an order that mixes them. */
static void prove_priorities(void) {
  evtchn_port_t ports[kQueued];
  for (unsigned i = 0; i < kQueued; ++i) {
    ports[i] = new_port(0);
    if (set_priority(ports[i], 15 - i % 16) != 0) fail("set_priority");
    fifo_unmask(ports[i]);
  }
  forget_arrivals();
  for (unsigned i = 0; i < kQueued; ++i) send(ports[i * 5 % kQueued]);
  let_in();
  expect("events of 16 priorities that arrived", arrived_count, kQueued);
  unsigned wrong = 0;
  for (unsigned i = 0; i < kQueued; ++i) wrong += arrived[i].queue != i / 3;
  expect("out of the order of priorities", wrong, 0);
  /* Within a queue, in the order in which they were sent. */
  unsigned sent_at[kQueued];
  for (unsigned i = 0; i < kQueued; ++i) sent_at[i * 5 % kQueued] = i;
  for (unsigned i = 1; i < kQueued; ++i) {
    if (arrived[i].queue != arrived[i - 1].queue) continue;
    wrong += sent_at[arrived[i].port - ports[0]] < sent_at[arrived[i - 1].port - ports[0]];
  }
  expect("out of order within a priority", wrong, 0);
  /* A new priority counts from the next event on. */
  forget_arrivals();
  send(ports[0]);
  set_priority(ports[0], 3);
  send(ports[0]);
  let_in();
  send(ports[0]);
  let_in();
  expect("priority changed while queued: old queue, then new",
         arrived_count == 2 && arrived[0].queue == 15 && arrived[1].queue == 3, 1);
  for (unsigned i = 0; i < kQueued; ++i) close_port(ports[i]);
}

static void prove_masking(void) {
  evtchn_port_t port = new_port(0);
  forget_arrivals();
  send(port);
  expect("masked: pending, not linked", fifo_has(port, FIFO_PENDING) && !fifo_has(port, FIFO_LINKED), 1);
  let_in();
  expect("masked: arrived", arrived_count, 0);
  expect("unmasking needs Xen", fifo_unmask(port), 1);
  let_in();
  expect("unmasked: arrived", arrived_count, 1);
  send(port);
  fifo_mask(port);
  let_in();
  expect("masked while linked: arrived", arrived_count, 1);
  expect("masked while linked: pending, not linked", fifo_has(port, FIFO_PENDING) && !fifo_has(port, FIFO_LINKED),
         1);
  fifo_unmask(port);
  let_in();
  expect("unmasked again: arrived", arrived_count, 2);
  send(port);
  send(port);
  send(port);
  let_in();
  expect("three sends, one event", arrived_count, 3);
  /* Closed while it is linked: the number is not given out until the port is off its queue. */
  send(port);
  close_port(port);
  evtchn_port_t other = new_port(0);
  expect("closed while linked: its number is given out", other == port, 0);
  let_in();
  expect("closed while linked: arrived", arrived_count, 3);
  evtchn_port_t again = new_port(0);
  expect("taken off the queue: its number is given out", again == port, 1);
  close_port(again);
  close_port(other);
}

/* More ports than the first page has words for: an event that comes before its word is kept. */
static void prove_expansion(void) {
  static evtchn_port_t ports[1100];
  unsigned n = 0;
  do ports[n] = new_port(0);
  while (ports[n++] < 1024);
  evtchn_port_t beyond = ports[n - 1];
  expect("the first port beyond the words", beyond, 1024);
  forget_arrivals();
  expect("send to it", send(beyond), 0);
  let_in();
  expect("before its word: arrived", arrived_count, 0);
  expect("expand_array", fifo_expand(), 0);
  expect("now it is pending", fifo_has(beyond, FIFO_PENDING), 1);
  fifo_unmask(beyond);
  let_in();
  expect("after its word: arrived", arrived_count == 1 && arrived[0].port == beyond, 1);
  for (unsigned i = 0; i < n; ++i) close_port(ports[i]);
}

/* ---- vCPU 1. ---- */

static uint32_t second_is_up, second_stops;
static evtchn_port_t second_ends;

static void second(unsigned vcpu) {
  (void)vcpu;
  upcall_init();
  __atomic_store_n(&second_is_up, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n(&second_stops, __ATOMIC_ACQUIRE)) wait_for_interrupt();
}

static void wait_for(const uint64_t* counter, uint64_t value) {
  while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value) pause();
}

static void prove_vcpus(void) {
  evtchn_port_t unbound = 0, port = 0;
  struct evtchn_alloc_unbound allocate = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
  expect("alloc_unbound", event_channel_op(EVTCHNOP_alloc_unbound, &allocate), 0);
  unbound = allocate.port;
  expect("send to an unbound port", send(unbound), 0);
  struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF, .remote_port = unbound};
  expect("bind_interdomain", event_channel_op(EVTCHNOP_bind_interdomain, &bind), 0);
  port = bind.local_port;
  expect("a new interdomain port is pending", fifo_has(port, FIFO_PENDING), 1);
  expect("the other end is not", fifo_has(unbound, FIFO_PENDING), 0);
  expect("bind_vcpu 1", bind_vcpu(unbound, 1), 0);
  fifo_unmask(unbound);
  expect("send to a vCPU without control block", send(port), 0);
  expect("is lost", fifo_has(unbound, FIFO_PENDING), 0);
  expect("init_control of vCPU 1", fifo_init_control(1), 0);
  smp_start(1, second);
  while (!__atomic_load_n(&second_is_up, __ATOMIC_ACQUIRE)) pause();
  forget_arrivals();
  uint64_t before = event_count;
  send(port);
  wait_for(&event_count, before + 1);
  expect("it arrived on vCPU 1", arrived[0].port == unbound && arrived[0].vcpu == 1, 1);
  expect("bind_vcpu 0", bind_vcpu(unbound, 0), 0);
  send(port);
  let_in();
  expect("it arrived on vCPU 0", arrived_count == 2 && arrived[1].vcpu == 0, 1);
  struct evtchn_status status;
  status_of(port, &status);
  expect("its peer by status", status.status == EVTCHNSTAT_interdomain && status.u.interdomain.port == unbound, 1);
  close_port(port);
  status_of(unbound, &status);
  expect("after its peer is closed it is unbound", status.status, EVTCHNSTAT_unbound);
  close_port(unbound);
}

static void start_second(void) {
  if (!fifo) {
    smp_start(1, second);
    while (!__atomic_load_n(&second_is_up, __ATOMIC_ACQUIRE)) pause();
  }
  second_ends = new_port(1);
  unmask(second_ends);
}

static void stop_second(void) {
  __atomic_store_n(&second_stops, 1, __ATOMIC_RELEASE);
  send(second_ends);
}

static bool is_to_dom0(const struct evtchn_status* status) {
  return status->status == EVTCHNSTAT_interdomain && status->u.interdomain.dom == 0;
}

/* Closes every port, and binds those of xenstore and console again to dom0's, with the numbers they had: without
 * its port the console does not work. */
static void prove_reset(void) {
  enum { kFirst = 64 };
  struct evtchn_status before[kFirst];
  for (unsigned port = 1; port < kFirst; ++port)
    if (status_of(port, &before[port]) != 0) fail("EVTCHNOP_status");
  struct evtchn_reset reset = {.dom = DOMID_SELF};
  long result = event_channel_op(EVTCHNOP_reset, &reset);
  fifo_forget();
  fifo = false;
  long priority = set_priority(1, 1);
  struct evtchn_status status;
  unsigned open = 0;
  for (unsigned port = 1; port < kFirst; ++port)
    open += status_of(port, &status) == 0 && status.status != EVTCHNSTAT_closed;
  unsigned last = 0;
  for (unsigned port = 1; port < kFirst; ++port)
    if (is_to_dom0(&before[port])) last = port;
  for (unsigned port = 1; port <= last; ++port) {
    if (!is_to_dom0(&before[port])) {
      new_port(0); /* keeps the place */
      continue;
    }
    struct evtchn_bind_interdomain bind = {.remote_dom = 0, .remote_port = before[port].u.interdomain.port};
    if (event_channel_op(EVTCHNOP_bind_interdomain, &bind) != 0 || bind.local_port != port)
      shut_down(SHUTDOWN_crash);
  }
  for (unsigned port = 1; port < last; ++port)
    if (!is_to_dom0(&before[port])) close_port(port);
  expect("reset", result, 0);
  expect("ports left open", open, 0);
  expect("2-level again: set_priority", priority, -38);
  struct evtchn_reset none = {.dom = 32000};
  expect("reset of no domain", event_channel_op(EVTCHNOP_reset, &none), -3);
  none.dom = 0;
  expect("reset of another domain", event_channel_op(EVTCHNOP_reset, &none), -1);
  expect("a reset goes on that was not begun", event_channel_op(14, &reset), -16);
  expect("init_control", fifo_init_control(0), 0);
  fifo = true;
  expect("expand_array", fifo_expand(), 0);
}

/* ---- The measurements. ---- */

static evtchn_port_t* load;
static uint64_t load_count, rounds, *samples;

static uint64_t timed(unsigned op, evtchn_port_t port) {
  struct evtchn_send one = {.port = port};
  uint64_t begin = read_tsc_ordered();
  event_channel_op(op, &one);
  return read_tsc_ordered() - begin;
}

static void measure_ports(void) {
  for (uint64_t i = 0; i < load_count; ++i) {
    struct evtchn_bind_ipi bind = {.vcpu = 0};
    uint64_t begin = read_tsc_ordered();
    long result = event_channel_op(EVTCHNOP_bind_ipi, &bind);
    samples[i] = read_tsc_ordered() - begin;
    if (result != 0) fail("port %lu of %lu: EVTCHNOP_bind_ipi: %ld", i + 1, load_count, result);
    if (fifo)
      while (!fifo_word(bind.port))
        if (fifo_expand() != 0) fail("EVTCHNOP_expand_array");
    load[i] = bind.port;
  }
  samples_print("bind_ipi", "cycles", samples, load_count);
  for (uint64_t i = 0; i < load_count; ++i) samples[i] = timed(EVTCHNOP_send, load[i]);
  samples_print("send, masked", "cycles", samples, load_count);
  for (uint64_t i = 0; i < load_count; ++i) samples[i] = timed(EVTCHNOP_send, load[i]);
  samples_print("send, pending already", "cycles", samples, load_count);
  for (uint64_t i = 0; i < load_count; ++i) samples[i] = timed(EVTCHNOP_unmask, load[i]);
  samples_print("unmask, pending", "cycles", samples, load_count);
  let_in();
}

/* All ports at once: what a send costs, then what the guest spends per event. */
static void measure_burst(void) {
  uint64_t per_event[16];
  for (unsigned round = 0; round < 16; ++round) {
    for (uint64_t i = 0; i < load_count; ++i) samples[i] = timed(EVTCHNOP_send, load[i * 7 % load_count]);
    uint64_t before = event_count, begin = read_tsc_ordered();
    let_in();
    per_event[round] = (read_tsc_ordered() - begin) / load_count;
    if (event_count - before != load_count) fail("%lu of %lu events arrived", event_count - before, load_count);
  }
  samples_print("send, unmasked", "cycles", samples, load_count);
  samples_print("all ports pending, per event", "cycles", per_event, 16);
}

/* One event among many ports: from the send to the handler, on this vCPU and on the other. */
static void measure_latency(void) {
  for (uint64_t i = 0; i < rounds; ++i) {
    evtchn_port_t port = load[i * 37 % load_count];
    uint64_t before = event_count;
    enable_interrupts();
    uint64_t begin = read_tsc_ordered();
    send(port);
    wait_for(&event_count, before + 1);
    disable_interrupts();
    samples[i] = event_time - begin;
  }
  samples_print("one event, to this vCPU", "cycles", samples, rounds);
  evtchn_port_t port = new_port(1);
  unmask(port);
  for (uint64_t i = 0; i < rounds; ++i) {
    uint64_t before = __atomic_load_n(&event_count, __ATOMIC_ACQUIRE);
    uint64_t begin = read_tsc_ordered();
    send(port);
    wait_for(&event_count, before + 1);
    samples[i] = __atomic_load_n(&event_time, __ATOMIC_ACQUIRE) - begin;
  }
  samples_print("one event, to a vCPU that halts", "cycles", samples, rounds);
  close_port(port);
}

static void measure_order(void) {
  unsigned n = load_count < 64 ? (unsigned)load_count : 64;
  forget_arrivals();
  for (unsigned i = 0; i < n; ++i) send(load[n - 1 - i]);
  let_in();
  unsigned by_arrival = 0, by_number = 0;
  for (unsigned i = 0; i < n; ++i) {
    by_arrival += arrived[i].port == load[n - 1 - i];
    by_number += arrived[i].port == load[i];
  }
  print("sent from the highest port down, they arrive %s\n", by_arrival == n  ? "in the order they were sent"
                                                             : by_number == n ? "by number"
                                                                              : "in some order");
}

static void measure_close(void) {
  for (uint64_t i = 0; i < load_count; ++i) {
    mask(load[i]);
    samples[i] = timed(EVTCHNOP_close, load[i]);
  }
  samples_print("close", "cycles", samples, load_count);
}

int main(void) {
  load_count = option_number("ports", 1000);
  rounds = option_number("rounds", 200);
  fifo = !option_is("abi", "2l");
  uint64_t most = load_count > rounds ? load_count : rounds;
  load = (evtchn_port_t*)memory_take(load_count * sizeof *load, 4096);
  samples = (uint64_t*)memory_take(most * sizeof *samples, 4096);
  if (load_count == 0 || rounds == 0 || most > kMostPorts || !load || !samples)
    fail("ports= or rounds= does not fit");
  if (vcpu_count() < 2) fail("needs two vCPUs");
  apic_init();
  upcall_init();
  print("%s ABI, %lu ports\n", fifo ? "FIFO" : "2-level", load_count);
  if (fifo) {
    prove_switch();
    prove_errors();
    prove_priorities();
    prove_masking();
    prove_expansion();
    prove_vcpus();
  }
  start_second();
  measure_ports();
  measure_burst();
  measure_latency();
  measure_order();
  measure_close();
  stop_second();
  if (fifo) prove_reset();
  return 0;
}
