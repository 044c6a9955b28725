#include "console.h"

#include <stddef.h>
#include <stdint.h>

#include <xen/io/console.h>

#include "hypercall.h"
#include "pvclock.h"
#include "shared_info.h"

static struct xencons_interface* ring;
static evtchn_port_t port;

void console_init(void) {
  uint64_t frame, channel;
  if (hvm_get_param(HVM_PARAM_CONSOLE_PFN, &frame) != 0 || hvm_get_param(HVM_PARAM_CONSOLE_EVTCHN, &channel) != 0)
    return;
  if (frame == 0 || frame >= 1 << 20) /* not among the first 4 GiB, which are what is mapped */
    return;
  port = (evtchn_port_t)channel;
  ring = (struct xencons_interface*)(frame << 12);
}

static void put(char c) {
  uint32_t produced = ring->out_prod;
  while (produced - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) >= sizeof ring->out) {
    console_notify();
    sched_op(SCHEDOP_yield, NULL);
  }
  ring->out[MASK_XENCONS_IDX(produced, ring->out)] = c;
  __atomic_store_n(&ring->out_prod, produced + 1, __ATOMIC_RELEASE);
}

void console_put(char c) {
  if (!ring) return;
  if (c == '\n') put('\r');
  put(c);
}

void console_notify(void) {
  if (!ring) return;
  struct evtchn_send send = {.port = port};
  event_channel_op(EVTCHNOP_send, &send);
}

/* The daemon sends an event for what it writes or takes; the time-out covers one that came before the poll. */
static void wait_for_daemon(void) {
  struct sched_poll poll = {.nr_ports = 1, .timeout = system_time() + 10000000};
  set_xen_guest_handle(poll.ports, &port);
  if (sched_op(SCHEDOP_poll, &poll) != 0) sched_op(SCHEDOP_yield, NULL);
}

char console_get(void) {
  uint32_t consumed = ring->in_cons;
  while (consumed == __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE)) {
    event_clear(port);
    if (consumed == __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE)) wait_for_daemon();
  }
  char c = ring->in[MASK_XENCONS_IDX(consumed, ring->in)];
  __atomic_store_n(&ring->in_cons, consumed + 1, __ATOMIC_RELEASE);
  console_notify();
  return c;
}

static uint32_t produced_before;

uint32_t console_skew(uint32_t distance) {
  uint32_t taken = ring->in_cons;
  produced_before = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
  __atomic_store_n(&ring->in_cons, produced_before - distance, __ATOMIC_RELEASE);
  return taken;
}

uint32_t console_unskew(uint32_t taken) {
  uint32_t moved = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE) - produced_before;
  __atomic_store_n(&ring->in_cons, taken, __ATOMIC_RELEASE);
  return moved;
}

void console_flush(void) {
  if (!ring) return;
  console_notify();
  while (__atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) != ring->out_prod) {
    event_clear(port);
    if (__atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) == ring->out_prod) break;
    wait_for_daemon();
  }
}
