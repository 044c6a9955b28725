/* errors: hvm_op. */
#include "errors.h"

#define NUMBER_OF_PARAMETERS 39

void hvm_rows(void) {
  about("hvm_op");
  for (int command = -1; command < 30; ++command) {
    /* Whether the processor has alternate p2m is asked first. */
    if (command == HVMOP_altp2m) continue;
    row(hypercall5(__HYPERVISOR_hvm_op, command, UNMAPPED, 0, 0, 0), "%d/pointer-unmapped", command);
  }
  row(hypercall5(__HYPERVISOR_hvm_op, 1l << 32 | HVMOP_get_param, UNMAPPED, 0, 0, 0), "command-high-bits");
  bad_pointers(__HYPERVISOR_hvm_op, HVMOP_get_param, 2);
  row(hvm_op(HVMOP_flush_tlbs, NULL), "flush_tlbs/null");
  row(hypercall5(__HYPERVISOR_hvm_op, HVMOP_flush_tlbs, 4, 0, 0, 0), "flush_tlbs/not-null");
  struct xen_hvm_get_time t;
  row(hvm_op(HVMOP_get_time, &t), "get_time");
  row(hypercall5(__HYPERVISOR_hvm_op, HVMOP_get_time, (long)read_only_page, 0, 0, 0), "get_time/read-only");
  row(hvm_op(HVMOP_guest_request_vm_event, NULL), "guest_request_vm_event/null");
  about("hvm_op/device-model");
  uint8_t zeros[64] = {0};
  for (int command = 0; command < 30; ++command) {
    if (command == HVMOP_altp2m || command == HVMOP_get_time || command == HVMOP_flush_tlbs ||
        command == HVMOP_set_param || command == HVMOP_set_evtchn_upcall_vector)
      continue;
    row(hypercall5(__HYPERVISOR_hvm_op, command, (long)zeros, 0, 0, 0), "%d/zeros", command);
  }
  about("hvm_op/set_evtchn_upcall_vector");
  static const struct {
    uint32_t vcpu;
    uint8_t vector;
  } upcalls[] = {{0, 0}, {0, 15}, {2, 0x40}, {0xffffffff, 0x40}, {2, 0}, {1, 0x40}, {1, 0xff}, {1, 0x10}};
  for (unsigned i = 0; i < sizeof upcalls / sizeof *upcalls; ++i) {
    struct xen_hvm_evtchn_upcall_vector u = {.vcpu = upcalls[i].vcpu, .vector = upcalls[i].vector};
    row(hvm_op(HVMOP_set_evtchn_upcall_vector, &u), "vcpu-%x/vector-%x", u.vcpu, u.vector);
  }
  about("hvm_op/pagetable_dying");
  for
    EACH_DOMAIN(n) {
      struct xen_hvm_pagetable_dying p = {.domid = n->domid};
      row(hvm_op(HVMOP_pagetable_dying, &p), "domid-%s", n->name);
    }
  about("hvm_op/get_mem_type");
  for
    EACH_DOMAIN(n) {
      struct xen_hvm_get_mem_type m = {.domid = n->domid, .pfn = 16};
      long r = hvm_op(HVMOP_get_mem_type, &m);
      row_value(r, m.mem_type, "domid-%s", n->name);
    }
  uint64_t page = new_pages(1) >> 12;
  const struct {
    const char* name;
    uint64_t frame;
  } frames[] = {{"ram", page},      {"hole", 0x300000},     {"shared_info", (uint64_t)0},
                {"far", 1ul << 36}, {"farther", 1ul << 52}, {"last", ~0ul}};
  for (unsigned i = 0; i < sizeof frames / sizeof *frames; ++i) {
    struct xen_hvm_get_mem_type m = {.domid = DOMID_SELF, .pfn = frames[i].frame};
    long r = hvm_op(HVMOP_get_mem_type, &m);
    row_value(r, m.mem_type, "%s", frames[i].name);
  }
  about("hvm_op/xentrace");
  struct xen_hvm_xentrace trace = {.event = 1, .extra_bytes = 4};
  row(hvm_op(HVMOP_xentrace, &trace), "good");
  trace.extra_bytes = 28;
  row(hvm_op(HVMOP_xentrace, &trace), "28-bytes");
  trace.extra_bytes = 29;
  row(hvm_op(HVMOP_xentrace, &trace), "29-bytes");
  trace.event = 0xffff, trace.extra_bytes = 0;
  row(hvm_op(HVMOP_xentrace, &trace), "event-ffff");
}

static long parameter(unsigned command, domid_t domid, uint32_t index, uint64_t* value) {
  struct xen_hvm_param p = {.domid = domid, .index = index, .value = *value};
  long r = hvm_op(command, &p);
  *value = p.value;
  return r;
}

void hvm_parameter_rows(void) {
  uint64_t value;
  for (uint32_t i = 0; i < NUMBER_OF_PARAMETERS + 3; ++i) {
    about("hvm_op/parameter-%u", i);
    value = 0x7777;
    long r = parameter(HVMOP_get_param, DOMID_SELF, i, &value);
    row_value(r, value, "get");
    /* What the guest's console and events stand on is left as it is. */
    if (i == HVM_PARAM_CALLBACK_IRQ || (r == 0 && i != HVM_PARAM_X87_FIP_WIDTH)) {
      uint64_t same = value;
      /* (A task-state segment of no size crashes the domain.) */
      if (r == 0 && i != HVM_PARAM_VM86_TSS_SIZED)
        row(parameter(HVMOP_set_param, DOMID_SELF, i, &same), "set-the-same");
    } else {
      value = 0;
      row(parameter(HVMOP_set_param, DOMID_SELF, i, &value), "set-0");
      value = ~0ul;
      row(parameter(HVMOP_set_param, DOMID_SELF, i, &value), "set-all-ones");
    }
    value = 0;
    row(parameter(HVMOP_get_param, 0, i, &value), "get-dom0");
    row(parameter(HVMOP_get_param, peer_domid, i, &value), "get-peer");
  }
  about("hvm_op/get_param");
  for
    EACH_DOMAIN(n) {
      value = 0;
      row(parameter(HVMOP_get_param, n->domid, HVM_PARAM_STORE_EVTCHN, &value), "domid-%s", n->name);
    }
  static const uint32_t far[] = {100, 0xffff, 0x80000000, 0xffffffff};
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i)
    row(parameter(HVMOP_get_param, DOMID_SELF, far[i], &value), "index-%x", far[i]);
  row(hypercall5(__HYPERVISOR_hvm_op, HVMOP_get_param, (long)read_only_page, 0, 0, 0), "read-only");
  about("hvm_op/set_param");
  for
    EACH_DOMAIN(n) {
      value = 0;
      row(parameter(HVMOP_set_param, n->domid, HVM_PARAM_CALLBACK_IRQ, &value), "domid-%s", n->name);
    }
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i)
    row(parameter(HVMOP_set_param, DOMID_SELF, far[i], &value), "index-%x", far[i]);
  static const struct {
    uint32_t index;
    uint64_t value;
  } settings[] = {{HVM_PARAM_STORE_EVTCHN, 77},
                  {HVM_PARAM_CONSOLE_EVTCHN, 77},
                  {HVM_PARAM_X87_FIP_WIDTH, 3},
                  {HVM_PARAM_X87_FIP_WIDTH, 4},
                  {HVM_PARAM_X87_FIP_WIDTH, 8},
                  {HVM_PARAM_X87_FIP_WIDTH, 0},
                  {HVM_PARAM_CALLBACK_IRQ, 0x7700000000000000},
                  {HVM_PARAM_CALLBACK_IRQ, ~0ul},
                  {HVM_PARAM_CALLBACK_IRQ, 0}};
  for (unsigned i = 0; i < sizeof settings / sizeof *settings; ++i) {
    value = settings[i].value;
    row(parameter(HVMOP_set_param, DOMID_SELF, settings[i].index, &value), "%u-%lx", settings[i].index,
        settings[i].value);
  }
}
