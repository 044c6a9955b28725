/* errors: event_channel_op. Ports are written down as the numbers that come out: 1 and 2 are the store's and the
 * console's. */
#include "errors.h"

/* Of a hypercall, before what it wrote is looked at. */
static long result;

static void command_rows(void) {
  about("event_channel_op");
  for (int command = -1; command < 20; ++command)
    row(hypercall5(__HYPERVISOR_event_channel_op, command, UNMAPPED, 0, 0, 0), "%d/pointer-unmapped", command);
  row(hypercall5(__HYPERVISOR_event_channel_op, 1l << 32 | EVTCHNOP_send, UNMAPPED, 0, 0, 0), "command-high-bits");
  bad_pointers(__HYPERVISOR_event_channel_op, EVTCHNOP_send, 2);
  bad_pointers(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, 2);
}

static long status(domid_t domid, evtchn_port_t port, const char* name) {
  struct evtchn_status s = {.dom = domid, .port = port};
  long r = event_channel_op(EVTCHNOP_status, &s);
  uint64_t value = s.status | (uint64_t)s.vcpu << 8;
  if (r == 0 && s.status == EVTCHNSTAT_unbound) value |= (uint64_t)s.u.unbound.dom << 16;
  if (r == 0 && s.status == EVTCHNSTAT_interdomain && s.u.interdomain.dom != own_domid)
    value |= (uint64_t)s.u.interdomain.dom << 16 | (uint64_t)s.u.interdomain.port << 32;
  if (r == 0 && s.status == EVTCHNSTAT_virq) value |= (uint64_t)s.u.virq << 16;
  row_value(r, value, "%s", name);
  return r;
}

static evtchn_port_t unbound_rows(void) {
  about("event_channel_op/alloc_unbound");
  for
    EACH_DOMAIN(n) {
      struct evtchn_alloc_unbound a = {.dom = n->domid, .remote_dom = 0};
      long r = event_channel_op(EVTCHNOP_alloc_unbound, &a);
      row_value(r, a.port, "domid-%s", n->name);
      struct evtchn_close c = {.port = a.port};
      if (r == 0) event_channel_op(EVTCHNOP_close, &c);
    }
  for
    EACH_DOMAIN(n) {
      struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = n->domid};
      long r = event_channel_op(EVTCHNOP_alloc_unbound, &a);
      row_value(r, a.port, "remote-%s", n->name);
      struct evtchn_close c = {.port = a.port};
      if (r == 0) event_channel_op(EVTCHNOP_close, &c);
    }
  struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
  row(event_channel_op(EVTCHNOP_alloc_unbound, &a), "for-oneself");
  row(hypercall5(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (long)read_only_page, 0, 0, 0),
      "read-only");
  return a.port;
}

static void interdomain_rows(evtchn_port_t unbound) {
  about("event_channel_op/bind_interdomain");
  for
    EACH_DOMAIN(n) {
      struct evtchn_bind_interdomain b = {.remote_dom = n->domid, .remote_port = 4000};
      row(event_channel_op(EVTCHNOP_bind_interdomain, &b), "domid-%s", n->name);
    }
  static const evtchn_port_t ports[] = {0, 1, 2, 100, 4095, 4096, 0x20000, 0x7fffffff, 0xffffffff};
  for (unsigned i = 0; i < sizeof ports / sizeof *ports; ++i) {
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = ports[i]};
    row(event_channel_op(EVTCHNOP_bind_interdomain, &b), "self/port-%x", ports[i]);
  }
  struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF, .remote_port = unbound};
  long r = event_channel_op(EVTCHNOP_bind_interdomain, &b);
  row_value(r, b.local_port - unbound, "self/good");
  row(event_channel_op(EVTCHNOP_bind_interdomain, &b), "self/taken");
  b = (struct evtchn_bind_interdomain){.remote_dom = peer_domid, .remote_port = 1};
  row(event_channel_op(EVTCHNOP_bind_interdomain, &b), "peer/not-for-us");
  b = (struct evtchn_bind_interdomain){.remote_dom = 0, .remote_port = 0};
  row(event_channel_op(EVTCHNOP_bind_interdomain, &b), "dom0/port-0");
}

static void virq_rows(void) {
  about("event_channel_op/bind_virq");
  for (unsigned virq = 0; virq < 26; ++virq) {
    struct evtchn_bind_virq b = {.virq = virq, .vcpu = 0};
    long r = event_channel_op(EVTCHNOP_bind_virq, &b);
    row_value(r, b.port, "%u", virq);
    if (r != 0) continue;
    row(event_channel_op(EVTCHNOP_bind_virq, &b), "%u/again", virq);
    struct evtchn_bind_virq other = {.virq = virq, .vcpu = 1};
    r = event_channel_op(EVTCHNOP_bind_virq, &other);
    row_value(r, other.port, "%u/vcpu-1", virq);
    struct evtchn_close c = {.port = other.port};
    if (r == 0) event_channel_op(EVTCHNOP_close, &c);
    status(DOMID_SELF, b.port, "status");
    struct evtchn_bind_vcpu move = {.port = b.port, .vcpu = 1};
    row(event_channel_op(EVTCHNOP_bind_vcpu, &move), "%u/move", virq);
    struct evtchn_send send = {.port = b.port};
    row(event_channel_op(EVTCHNOP_send, &send), "%u/send", virq);
    c.port = b.port;
    row(event_channel_op(EVTCHNOP_close, &c), "%u/close", virq);
  }
  static const unsigned far[] = {100, 0xffff, 0x80000000, 0xffffffff};
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i) {
    struct evtchn_bind_virq b = {.virq = far[i], .vcpu = 0};
    row(event_channel_op(EVTCHNOP_bind_virq, &b), "%x", far[i]);
    b = (struct evtchn_bind_virq){.virq = VIRQ_TIMER, .vcpu = far[i]};
    row(event_channel_op(EVTCHNOP_bind_virq, &b), "timer/vcpu-%x", far[i]);
  }
  struct evtchn_bind_virq b = {.virq = VIRQ_TIMER, .vcpu = 2};
  row(event_channel_op(EVTCHNOP_bind_virq, &b), "timer/vcpu-2");
  b = (struct evtchn_bind_virq){.virq = VIRQ_DOM_EXC, .vcpu = 5};
  row(event_channel_op(EVTCHNOP_bind_virq, &b), "dom_exc/vcpu-5");
}

static void ipi_rows(void) {
  about("event_channel_op/bind_ipi");
  static const unsigned vcpus[] = {0, 1, 2, 31, 128, 0xffffffff};
  for (unsigned i = 0; i < sizeof vcpus / sizeof *vcpus; ++i) {
    struct evtchn_bind_ipi b = {.vcpu = vcpus[i]};
    long r = event_channel_op(EVTCHNOP_bind_ipi, &b);
    row_value(r, b.port, "vcpu-%x", vcpus[i]);
    if (r != 0) continue;
    status(DOMID_SELF, b.port, "status");
    struct evtchn_bind_vcpu move = {.port = b.port, .vcpu = 0};
    row(event_channel_op(EVTCHNOP_bind_vcpu, &move), "move");
    struct evtchn_send send = {.port = b.port};
    row(event_channel_op(EVTCHNOP_send, &send), "send");
    struct evtchn_close c = {.port = b.port};
    row(event_channel_op(EVTCHNOP_close, &c), "close");
    row(event_channel_op(EVTCHNOP_close, &c), "close-again");
    row(event_channel_op(EVTCHNOP_send, &send), "send-to-closed");
  }
  about("event_channel_op/bind_pirq");
  static const unsigned pirqs[] = {0, 1, 15, 16, 255, 1000, 0xffffffff};
  for (unsigned i = 0; i < sizeof pirqs / sizeof *pirqs; ++i) {
    struct evtchn_bind_pirq b = {.pirq = pirqs[i]};
    row(event_channel_op(EVTCHNOP_bind_pirq, &b), "%x", pirqs[i]);
  }
}

static void port_rows(void) {
  static const evtchn_port_t ports[] = {0, 1000, 2047, 4094, 4095, 4096, 0x1ffff, 0x20000, 0x7fffffff, 0xffffffff};
  for (unsigned i = 0; i < sizeof ports / sizeof *ports; ++i) {
    about("event_channel_op/port-%u", ports[i]);
    struct evtchn_send s = {.port = ports[i]};
    row(event_channel_op(EVTCHNOP_send, &s), "send");
    row(event_channel_op(EVTCHNOP_close, &s), "close");
    row(event_channel_op(EVTCHNOP_unmask, &s), "unmask");
    struct evtchn_bind_vcpu move = {.port = ports[i], .vcpu = 0};
    row(event_channel_op(EVTCHNOP_bind_vcpu, &move), "bind_vcpu");
    struct evtchn_set_priority p = {.port = ports[i], .priority = 7};
    row(event_channel_op(EVTCHNOP_set_priority, &p), "set_priority");
    status(DOMID_SELF, ports[i], "status");
  }
  about("event_channel_op/status");
  for
    EACH_DOMAIN(n) {
      struct evtchn_status s = {.dom = n->domid, .port = 1};
      row(event_channel_op(EVTCHNOP_status, &s), "domid-%s", n->name);
    }
  struct evtchn_status s = {.dom = DOMID_SELF, .port = 1};
  result = event_channel_op(EVTCHNOP_status, &s);
  row_value(result, s.status, "store");
  s.port = 2;
  result = event_channel_op(EVTCHNOP_status, &s);
  row_value(result, s.status, "console");
  about("event_channel_op/reset");
  for
    EACH_DOMAIN(n) {
      if (n->domid == DOMID_SELF || n->domid == own_domid) continue; /* the console goes with it */
      struct evtchn_reset r = {.dom = n->domid};
      row(event_channel_op(EVTCHNOP_reset, &r), "domid-%s", n->name);
      row(event_channel_op(14 /* reset_cont */, &r), "cont/domid-%s", n->name);
    }
}

static void unbound_port_rows(void) {
  about("event_channel_op/unbound");
  struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = peer_domid};
  result = event_channel_op(EVTCHNOP_alloc_unbound, &a);
  row_value(result, a.port, "alloc");
  struct evtchn_send s = {.port = a.port};
  row(event_channel_op(EVTCHNOP_send, &s), "send");
  row(event_channel_op(EVTCHNOP_unmask, &s), "unmask");
  static const unsigned vcpus[] = {0, 1, 2, 0xffffffff};
  for (unsigned i = 0; i < sizeof vcpus / sizeof *vcpus; ++i) {
    struct evtchn_bind_vcpu move = {.port = a.port, .vcpu = vcpus[i]};
    row(event_channel_op(EVTCHNOP_bind_vcpu, &move), "bind_vcpu-%x", vcpus[i]);
  }
  status(DOMID_SELF, a.port, "status");
  for (unsigned priority = 0; priority < 17; priority += 4) {
    struct evtchn_set_priority p = {.port = a.port, .priority = priority};
    row(event_channel_op(EVTCHNOP_set_priority, &p), "priority-%u", priority);
  }
  row(event_channel_op(EVTCHNOP_close, &s), "close");
  status(DOMID_SELF, a.port, "status-closed");
}

/* Ports until there are none left: how many, and what comes then. */
static void exhaustion_rows(void) {
  about("event_channel_op/exhaustion");
  struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 0};
  long r;
  unsigned count = 0;
  evtchn_port_t first = 0, last = 0;
  while ((r = event_channel_op(EVTCHNOP_alloc_unbound, &a)) == 0 && count < 10000) {
    if (count++ == 0) first = a.port;
    last = a.port;
  }
  row(r, "result");
  row((long)count, "ports");
  row((long)first, "first");
  row((long)last, "last");
  struct evtchn_bind_ipi i = {.vcpu = 0};
  row(event_channel_op(EVTCHNOP_bind_ipi, &i), "bind_ipi");
  struct evtchn_bind_virq v = {.virq = VIRQ_DEBUG, .vcpu = 0};
  row(event_channel_op(EVTCHNOP_bind_virq, &v), "bind_virq");
  for (evtchn_port_t p = first; p <= last; ++p) {
    struct evtchn_close c = {.port = p};
    event_channel_op(EVTCHNOP_close, &c);
  }
}

void event_rows(void) {
  command_rows();
  evtchn_port_t unbound = unbound_rows();
  interdomain_rows(unbound);
  virq_rows();
  ipi_rows();
  port_rows();
  unbound_port_rows();
  exhaustion_rows();
}

static long init_control(uint64_t frame, uint32_t offset, uint32_t vcpu) {
  struct evtchn_init_control c = {.control_gfn = frame, .offset = offset, .vcpu = vcpu};
  return event_channel_op(EVTCHNOP_init_control, &c);
}

static long expand_array(uint64_t frame) {
  struct evtchn_expand_array e = {.array_gfn = frame};
  return event_channel_op(EVTCHNOP_expand_array, &e);
}

/* Last of all parts: the console's port is in the event array from here on. */
void fifo_rows(void) {
  about("event_channel_op/fifo");
  uint64_t page = new_pages(3) >> 12;
  row(expand_array(page), "expand-before-init");
  row(init_control(0x300000, 0, 0), "init/frame-not-there");
  row(init_control(1ul << 36, 0, 0), "init/frame-far");
  row(init_control(~0ul, 0, 0), "init/frame-last");
  row(init_control(page, 0, 2), "init/vcpu-2");
  row(init_control(page, 0, 0xffffffff), "init/vcpu-ffffffff");
  row(init_control(page, 4, 0), "init/offset-4");
  row(init_control(page, 1, 0), "init/offset-1");
  row(init_control(page, 4096, 0), "init/offset-4096");
  row(init_control(page, 4096 - 64, 0), "init/offset-at-the-end");
  row(expand_array(page + 2), "expand-before-init-still");
  struct evtchn_set_priority p = {.port = 1, .priority = 7};
  row(event_channel_op(EVTCHNOP_set_priority, &p), "set_priority-before-init");
  row(init_control(page, 64, 0), "init/good");
  row(init_control(page, 64, 0), "init/again");
  row(init_control(page + 1, 0, 0), "init/elsewhere");
  row(init_control(page + 1, 0, 1), "init/vcpu-1");
  row(expand_array(0x300000), "expand/frame-not-there");
  row(expand_array(1ul << 40), "expand/frame-far");
  row(expand_array(page + 2), "expand/good");
  static const unsigned priorities[] = {0, 7, 14, 15, 16, 0xffffffff};
  for (unsigned i = 0; i < sizeof priorities / sizeof *priorities; ++i) {
    p.priority = priorities[i];
    row(event_channel_op(EVTCHNOP_set_priority, &p), "priority-%x", priorities[i]);
  }
  static const evtchn_port_t ports[] = {0, 3, 1000, 0x20000, 0xffffffff};
  for (unsigned i = 0; i < sizeof ports / sizeof *ports; ++i) {
    struct evtchn_unmask u = {.port = ports[i]};
    row(event_channel_op(EVTCHNOP_unmask, &u), "unmask-%x", ports[i]);
    p = (struct evtchn_set_priority){.port = ports[i], .priority = 3};
    row(event_channel_op(EVTCHNOP_set_priority, &p), "set_priority-%x", ports[i]);
  }
  struct evtchn_bind_ipi ipi = {.vcpu = 1};
  result = event_channel_op(EVTCHNOP_bind_ipi, &ipi);
  row_value(result, ipi.port, "bind_ipi");
  struct evtchn_send one = {.port = ipi.port};
  row(event_channel_op(EVTCHNOP_send, &one), "send");
  struct evtchn_bind_vcpu move = {.port = ipi.port, .vcpu = 0};
  row(event_channel_op(EVTCHNOP_bind_vcpu, &move), "bind_vcpu-of-ipi");
  p = (struct evtchn_set_priority){.port = ipi.port, .priority = 15};
  row(event_channel_op(EVTCHNOP_set_priority, &p), "set_priority-while-pending");
  row(event_channel_op(EVTCHNOP_close, &one), "close-while-pending");
  row(event_channel_op(EVTCHNOP_send, &one), "send-to-closed");
  row(event_channel_op(EVTCHNOP_unmask, &one), "unmask-closed");
  row(expand_array(page + 2), "expand/second-with-the-same-frame");
  xen_pfn_t frame = page + 2;
  struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
  set_xen_guest_handle(r.extent_start, &frame);
  row(memory_op(XENMEM_decrease_reservation, &r), "give-an-array-page-away");
}
