/* control: domctl: vCPUs' registers, memory, policies, roles, devices. */
#include "control_domctl.h"

#include <xen/hvm/save.h>
#include <xen/vm_event.h>
#define CONTEXT(bytes, at) op->u.hvmcontext.size = (bytes), op->u.hvmcontext.buffer.p = (void*)(at)

void context_rows(void) {
  about("domctl/gethvmcontext");
  long r = DOMCTL(XEN_DOMCTL_gethvmcontext, (void)0);
  row(r, "how-much");
  uint32_t size = op->u.hvmcontext.size;
  row(size > 0 && size <= kBuffer, "how-much/told");
  row(DOMCTL(XEN_DOMCTL_gethvmcontext, CONTEXT(16, buffer)), "too-small");
  row(DOMCTL(XEN_DOMCTL_gethvmcontext, CONTEXT(kBuffer, UNMAPPED)), "unmapped");
  row(OWN(XEN_DOMCTL_gethvmcontext, CONTEXT(kBuffer, buffer)), "own");
  about("domctl/gethvmcontext_partial");
#define PARTIAL(record, vcpu, bytes, at)                                                       \
  DOMCTL(XEN_DOMCTL_gethvmcontext_partial, op->u.hvmcontext_partial.type = (record);           \
         op->u.hvmcontext_partial.instance = (vcpu); op->u.hvmcontext_partial.bufsz = (bytes); \
         op->u.hvmcontext_partial.buffer.p = (void*)(at))
  r = PARTIAL(HVM_SAVE_CODE(CPU), 0, 0, 0);
  row_value(r, op->u.hvmcontext_partial.bufsz, "cpu-0-size");
  r = PARTIAL(HVM_SAVE_CODE(CPU), 0, kBuffer, buffer);
  row_value(r, op->u.hvmcontext_partial.bufsz, "cpu-0");
  row(((struct hvm_hw_cpu*)buffer)->cr0 & 1, "cpu-0/cr0-pe");
  row(PARTIAL(HVM_SAVE_CODE(CPU), 0, 8, buffer), "cpu-0-too-small");
  row(PARTIAL(HVM_SAVE_CODE(CPU), 1, kBuffer, buffer), "cpu-1");
  row(PARTIAL(HVM_SAVE_CODE(CPU), 2, kBuffer, buffer), "cpu-2");
  r = PARTIAL(HVM_SAVE_CODE(LAPIC), 1, kBuffer, buffer);
  row_value(r, op->u.hvmcontext_partial.bufsz, "lapic-1");
  r = PARTIAL(HVM_SAVE_CODE(MTRR), 0, kBuffer, buffer);
  row_value(r, op->u.hvmcontext_partial.bufsz, "mtrr-0");
  row(PARTIAL(HVM_SAVE_CODE(HEADER), 0, kBuffer, buffer), "header");
  row(PARTIAL(0, 0, kBuffer, buffer), "type-0");
  row(PARTIAL(99, 0, kBuffer, buffer), "type-99");
  about("domctl/sethvmcontext");
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(0, buffer)), "nothing");
  row(OWN(XEN_DOMCTL_sethvmcontext, CONTEXT(0, buffer)), "own");
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(64, UNMAPPED)), "unmapped");
  r = DOMCTL(XEN_DOMCTL_gethvmcontext, CONTEXT(kBuffer, buffer));
  row(r, "what-it-has");
  size = op->u.hvmcontext.size;
  uint8_t magic = buffer[8];
  buffer[8] = (uint8_t)~magic;
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(size, buffer)), "another-magic");
  buffer[8] = magic;
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(size, buffer)), "the-same");
}

static long frame_type(uint64_t gfn, uint64_t count) {
  uint64_t* list = (uint64_t*)buffer;
  *list = gfn;
  long r = DOMCTL(XEN_DOMCTL_getpageframeinfo3, op->u.getpageframeinfo3.num = count;
                  op->u.getpageframeinfo3.array.p = (void*)list);
  return r ? r : (long)*list;
}

static void log_dirty_rows(void) {
  about("domctl/shadow_op");
#define SHADOW(what, flags, count, map)                                                     \
  DOMCTL(XEN_DOMCTL_shadow_op, op->u.shadow_op.op = (what); op->u.shadow_op.mode = (flags); \
         op->u.shadow_op.pages = (count); op->u.shadow_op.dirty_bitmap.p = (void*)(map))
  long r = SHADOW(XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, 0, 0, 0);
  row_value(r, op->u.shadow_op.mb, "get_allocation");
  row(SHADOW(99, 0, 0, 0), "99");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE, 0, 0, 0), "enable-nothing");
  row(OWN(XEN_DOMCTL_shadow_op, op->u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION), "own");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, 0), "off-when-off");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0, 0), "enable");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0, 0), "enable-again");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 0, 64, buffer), "peek");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 8, 64, buffer), "peek-mode-8");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 0x4000, buffer), "clean");
  r = SHADOW(XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 0x4000, buffer);
  row_value(r, op->u.shadow_op.stats.dirty_count, "clean-a-paused-domain");
  r = SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 0, 0x4000, 0);
  row_value(r, op->u.shadow_op.stats.dirty_count, "peek-counts-alone");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 0, 64, UNMAPPED), "peek-unmapped");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, 0), "off");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE, XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY, 0, 0), "enable-by-mode");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, 0), "off-again");
}

void memory_rows(void) {
  about("domctl/max_mem");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  uint64_t pages = op->u.getdomaininfo.max_pages;
  row(DOMCTL(XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = 4 * (pages + 10) + 3), "more");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row((long)(op->u.getdomaininfo.max_pages - pages), "more/told");
  row(DOMCTL(XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = ~0ul), "most");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row((long)op->u.getdomaininfo.max_pages, "most/told");
  row(DOMCTL(XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = 4 * pages), "back");
  about("domctl/paging_mempool");
  long r = PLAIN(XEN_DOMCTL_get_paging_mempool_size, target_domid);
  uint64_t size = op->u.paging_mempool.size;
  row_value(r, size, "get");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = size + 1), "set-odd");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = 1ul << 50), "set-2-to-the-50");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = size + (4 << 20)), "set-more");
  r = PLAIN(XEN_DOMCTL_get_paging_mempool_size, target_domid);
  row_value(r, op->u.paging_mempool.size - size, "get-then");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = size), "set-back");
  about("domctl/getpageframeinfo3");
  row(frame_type(0, 0), "none");
  row(frame_type(0, 1025), "1025");
  row(frame_type(16, 1), "ram");
  row(frame_type(0x300000, 1) == (long)XEN_DOMCTL_PFINFO_XTAB, "hole-is-xtab");
  row(frame_type(~0ul, 1) == (long)XEN_DOMCTL_PFINFO_XTAB, "last-is-xtab");
  row(DOMCTL(XEN_DOMCTL_getpageframeinfo3, op->u.getpageframeinfo3.num = 1;
             op->u.getpageframeinfo3.array.p = (void*)UNMAPPED),
      "unmapped");
  about("domctl/hypercall_init");
  row(DOMCTL(XEN_DOMCTL_hypercall_init, op->u.hypercall_init.gmfn = 0x300000), "hole");
  row(DOMCTL(XEN_DOMCTL_hypercall_init, op->u.hypercall_init.gmfn = 0x3f00), "ram");
  about("domctl/mem_sharing_op");
  row(DOMCTL(XEN_DOMCTL_mem_sharing_op, (void)0), "control");
  about("domctl/set_access_required");
  row(OWN(XEN_DOMCTL_set_access_required, (void)0), "own");
  row(DOMCTL(XEN_DOMCTL_set_access_required, op->u.access_required.access_required = 1), "on");
  row(DOMCTL(XEN_DOMCTL_set_access_required, op->u.access_required.access_required = 0), "off");
  about("domctl/set_broken_page_p2m");
  row(DOMCTL(XEN_DOMCTL_set_broken_page_p2m, op->u.set_broken_page_p2m.pfn = 0x300000), "hole");
  about("domctl/setvnumainfo");
  row(DOMCTL(XEN_DOMCTL_setvnumainfo, op->u.vnuma.nr_vcpus = 5), "5-vcpus");
  log_dirty_rows();
}

void policy_rows(void) {
  about("domctl/get_cpu_policy");
  long r = DOMCTL(XEN_DOMCTL_get_cpu_policy, (void)0);
  row_value(r, op->u.cpu_policy.nr_leaves, "leaves");
  row(op->u.cpu_policy.nr_msrs, "msrs");
#define POLICY(command, leaf_count, msr_count)                                                       \
  DOMCTL(command, op->u.cpu_policy.nr_leaves = (leaf_count); op->u.cpu_policy.nr_msrs = (msr_count); \
         op->u.cpu_policy.leaves.p = (void*)buffer; op->u.cpu_policy.msrs.p = (void*)(buffer + 32768))
  row(POLICY(XEN_DOMCTL_get_cpu_policy, 1, 8), "room-for-one-leaf");
  row(POLICY(XEN_DOMCTL_get_cpu_policy, 200, 1), "room-for-one-msr");
  r = POLICY(XEN_DOMCTL_get_cpu_policy, 200, 8);
  row_value(r, op->u.cpu_policy.nr_msrs, "all");
  row(((xen_cpuid_leaf_t*)buffer)->leaf, "all/first");
  row(DOMCTL(XEN_DOMCTL_get_cpu_policy, op->u.cpu_policy.nr_leaves = 8;
             op->u.cpu_policy.leaves.p = (void*)UNMAPPED),
      "unmapped");
  about("domctl/set_cpu_policy");
  row(POLICY(XEN_DOMCTL_set_cpu_policy, 1, 0), "of-a-domain-that-ran");
  row(OWN(XEN_DOMCTL_set_cpu_policy, (void)0), "own");
  about("domctl/tscinfo");
  r = PLAIN(XEN_DOMCTL_gettscinfo, target_domid);
  row_value(r, op->u.tsc_info.tsc_mode, "mode");
  row(op->u.tsc_info.incarnation, "incarnation");
  row(op->u.tsc_info.gtsc_khz != 0, "khz");
  row(PLAIN(XEN_DOMCTL_gettscinfo, own_domid), "own");
  row(DOMCTL(XEN_DOMCTL_settscinfo, op->u.tsc_info.tsc_mode = 9), "set-mode-9");
  row(DOMCTL(XEN_DOMCTL_settscinfo, op->u.tsc_info.tsc_mode = 2; op->u.tsc_info.incarnation = 6), "set-never");
  r = PLAIN(XEN_DOMCTL_gettscinfo, target_domid);
  row_value(r, op->u.tsc_info.gtsc_khz, "khz-then");
  row(op->u.tsc_info.incarnation, "incarnation-then");
  row(DOMCTL(XEN_DOMCTL_settscinfo, (void)0), "set-default");
  about("domctl/address_size");
  row(PLAIN(XEN_DOMCTL_get_address_size, target_domid), "get");
  row(DOMCTL(XEN_DOMCTL_set_address_size, op->u.address_size.size = 64), "set");
  about("domctl/settimeoffset");
  row(DOMCTL(XEN_DOMCTL_settimeoffset, op->u.settimeoffset.time_offset_seconds = 3600), "hour");
  row(DOMCTL(XEN_DOMCTL_settimeoffset, (void)0), "none");
}

void role_rows(void) {
  about("domctl/set_target");
  row(DOMCTL(XEN_DOMCTL_set_target, op->u.set_target.target = target_domid), "itself");
  row(DOMCTL(XEN_DOMCTL_set_target, op->u.set_target.target = 0), "dom0");
  row(DOMCTL(XEN_DOMCTL_set_target, op->u.set_target.target = 0x1234), "unknown");
  about("domctl/subscribe");
  row(DOMCTL(XEN_DOMCTL_subscribe, (void)0), "port-0");
  about("domctl/set_virq_handler");
  row(DOMCTL(XEN_DOMCTL_set_virq_handler, op->u.set_virq_handler.virq = 99), "99");
  row(DOMCTL(XEN_DOMCTL_set_virq_handler, op->u.set_virq_handler.virq = VIRQ_TIMER), "not-global");
  about("domctl/vm_event_op");
#define VM_EVENT(what, ring) \
  DOMCTL(XEN_DOMCTL_vm_event_op, op->u.vm_event_op.op = (what); op->u.vm_event_op.mode = (ring))
  long r = VM_EVENT(XEN_VM_EVENT_GET_VERSION, 0);
  row_value(r, op->u.vm_event_op.u.version, "version");
  r = DOMCTL_OF(DOMID_INVALID, XEN_DOMCTL_vm_event_op, op->u.vm_event_op.op = XEN_VM_EVENT_GET_VERSION);
  row_value(r, op->u.vm_event_op.u.version, "version-of-nobody");
  row(VM_EVENT(XEN_VM_EVENT_ENABLE, 99), "mode-99");
  row(VM_EVENT(XEN_VM_EVENT_ENABLE, XEN_DOMCTL_VM_EVENT_OP_PAGING), "paging");
  row(VM_EVENT(XEN_VM_EVENT_ENABLE, XEN_DOMCTL_VM_EVENT_OP_SHARING), "sharing");
  row(VM_EVENT(XEN_VM_EVENT_DISABLE, XEN_DOMCTL_VM_EVENT_OP_MONITOR), "monitor-disable-what-is-off");
  row(VM_EVENT(XEN_VM_EVENT_RESUME, XEN_DOMCTL_VM_EVENT_OP_MONITOR), "monitor-resume-what-is-off");
  row(VM_EVENT(99, XEN_DOMCTL_VM_EVENT_OP_MONITOR), "monitor-99");
  row(OWN(XEN_DOMCTL_vm_event_op, op->u.vm_event_op.mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR), "own");
  about("domctl/monitor_op");
  row(OWN(XEN_DOMCTL_monitor_op, (void)0), "own");
  row(DOMCTL(XEN_DOMCTL_monitor_op, op->u.monitor_op.event = 32), "event-32");
}

void device_rows(void) {
  about("domctl/device");
  row(DOMCTL(XEN_DOMCTL_irq_permission, op->u.irq_permission.pirq = 100000), "irq_permission-far");
  row(DOMCTL(XEN_DOMCTL_iomem_permission, op->u.iomem_permission.first_mfn = ~0ul;
             op->u.iomem_permission.nr_mfns = 2),
      "iomem_permission-wraps");
  row(DOMCTL(XEN_DOMCTL_ioport_permission, op->u.ioport_permission.first_port = 0xffff;
             op->u.ioport_permission.nr_ports = 2),
      "ioport_permission-wraps");
  row(DOMCTL(XEN_DOMCTL_ioport_permission, (void)0), "ioport_permission-none");
  row(DOMCTL(XEN_DOMCTL_memory_mapping, op->u.memory_mapping.first_gfn = ~0ul; op->u.memory_mapping.nr_mfns = 2),
      "memory_mapping-wraps");
  row(DOMCTL(XEN_DOMCTL_memory_mapping, op->u.memory_mapping.first_mfn = 1ul << 40;
             op->u.memory_mapping.nr_mfns = 1),
      "memory_mapping-far");
  row(DOMCTL(XEN_DOMCTL_ioport_mapping, op->u.ioport_mapping.first_gport = 0xffff;
             op->u.ioport_mapping.nr_ports = 2),
      "ioport_mapping-wraps");
  row(DOMCTL(XEN_DOMCTL_bind_pt_irq, (void)0), "bind_pt_irq");
  row(DOMCTL(XEN_DOMCTL_unbind_pt_irq, (void)0), "unbind_pt_irq");
  row(DOMCTL(XEN_DOMCTL_assign_device, (void)0), "assign_device");
  row(DOMCTL_OF(DOMID_INVALID, XEN_DOMCTL_assign_device, (void)0), "assign_device-to-nobody");
  row(DOMCTL(XEN_DOMCTL_test_assign_device, (void)0), "test_assign_device");
  row(DOMCTL_OF(DOMID_INVALID, XEN_DOMCTL_test_assign_device, (void)0), "test_assign_device-nobody");
  row(DOMCTL(XEN_DOMCTL_get_device_group, (void)0), "get_device_group");
  row(DOMCTL(XEN_DOMCTL_psr_cmt_op, (void)0), "psr_cmt_op");
  row(DOMCTL(XEN_DOMCTL_psr_alloc, op->u.psr_alloc.cmd = XEN_DOMCTL_PSR_GET_L3_CBM), "psr_alloc");
  row(DOMCTL(XEN_DOMCTL_vmtrace_op, op->u.vmtrace_op.cmd = XEN_DOMCTL_vmtrace_enable), "vmtrace_op");
  row(DOMCTL(XEN_DOMCTL_debug_op, op->u.debug_op.op = 99), "debug_op-99");
  row(DOMCTL(XEN_DOMCTL_debug_op, op->u.debug_op.vcpu = 2), "debug_op-vcpu-2");
  row(DOMCTL(XEN_DOMCTL_audit_p2m, (void)0), "audit_p2m");
  row(DOMCTL(999, (void)0), "999");
  clear(op, sizeof *op);
  op->cmd = XEN_DOMCTL_pausedomain;
  op->interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
  op->domain = target_domid;
  row(control_call(__HYPERVISOR_domctl, (unsigned long)op, 0), "version");
  row(control_call(__HYPERVISOR_domctl, UNMAPPED, 0), "unmapped");
}
