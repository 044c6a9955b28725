/* An upcall takes all pending, unmasked bits of the ports that are bound to its vCPU: a word of the selector may
 * cover other vCPUs' ports too, and those are left to them. */
#include "events.h"

#include <stddef.h>

#include "apic.h"
#include "command_line.h"
#include "exit.h"
#include "interrupts.h"
#include "shared_info.h"

enum { kUpcallVector = 0x50, kPorts = 1024 };

static event_handler* handlers[kPorts];
static uint8_t port_vcpu[kPorts];
static bool through_apic;

static void upcall(struct frame* frame) {
  (void)frame;
  if (through_apic) apic_end_of_interrupt();
  unsigned vcpu = current_vcpu();
  volatile struct vcpu_info* info = &shared_info->vcpu_info[vcpu];
  while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
    uint64_t words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (; words; words &= words - 1) {
      unsigned word = (unsigned)__builtin_ctzl(words);
      uint64_t bits = shared_info->evtchn_pending[word] & ~shared_info->evtchn_mask[word];
      for (; bits; bits &= bits - 1) {
        evtchn_port_t port = word * 64 + (unsigned)__builtin_ctzl(bits);
        if (port >= kPorts || !handlers[port] || port_vcpu[port] != vcpu) continue;
        event_clear(port);
        handlers[port](port);
      }
    }
  }
}

void events_init(void) {
  set_interrupt_handler(kUpcallVector, upcall);
  unsigned vcpu = current_vcpu();
  struct xen_hvm_evtchn_upcall_vector vector = {.vcpu = vcpu, .vector = kUpcallVector};
  through_apic = !option_is("upcall", "callback") && hvm_op(HVMOP_set_evtchn_upcall_vector, &vector) == 0;
  if (through_apic) return;
  long result = hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | kUpcallVector);
  if (result != 0) fail("HVM_PARAM_CALLBACK_IRQ: %ld", result);
}

static evtchn_port_t bound(const char* what, long result, evtchn_port_t port, unsigned vcpu) {
  if (result != 0) fail("%s: %ld", what, result);
  if (port >= kPorts) fail("%s: port %u", what, port);
  port_vcpu[port] = (uint8_t)vcpu;
  return port;
}

evtchn_port_t event_bind_ipi(unsigned vcpu) {
  struct evtchn_bind_ipi bind = {.vcpu = vcpu};
  long result = event_channel_op(EVTCHNOP_bind_ipi, &bind);
  return bound("EVTCHNOP_bind_ipi", result, bind.port, vcpu);
}

evtchn_port_t event_bind_virq(unsigned virq, unsigned vcpu) {
  struct evtchn_bind_virq bind = {.virq = virq, .vcpu = vcpu};
  long result = event_channel_op(EVTCHNOP_bind_virq, &bind);
  return bound("EVTCHNOP_bind_virq", result, bind.port, vcpu);
}

evtchn_port_t event_alloc_unbound(domid_t remote) {
  struct evtchn_alloc_unbound allocate = {.dom = DOMID_SELF, .remote_dom = remote};
  long result = event_channel_op(EVTCHNOP_alloc_unbound, &allocate);
  return bound("EVTCHNOP_alloc_unbound", result, allocate.port, 0);
}

long event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t* port) {
  struct evtchn_bind_interdomain bind = {.remote_dom = remote, .remote_port = remote_port};
  long result = event_channel_op(EVTCHNOP_bind_interdomain, &bind);
  if (result == 0) *port = bound("EVTCHNOP_bind_interdomain", 0, bind.local_port, 0);
  return result;
}

void event_enable(evtchn_port_t port, event_handler* handler) {
  handlers[port % kPorts] = handler;
  struct evtchn_unmask unmask = {.port = port};
  long result = event_channel_op(EVTCHNOP_unmask, &unmask);
  if (result != 0) fail("EVTCHNOP_unmask of port %u: %ld", port, result);
}

void event_send(evtchn_port_t port) {
  struct evtchn_send send = {.port = port};
  event_channel_op(EVTCHNOP_send, &send);
}

void event_close(evtchn_port_t port) {
  struct evtchn_close close = {.port = port};
  event_channel_op(EVTCHNOP_close, &close);
}
