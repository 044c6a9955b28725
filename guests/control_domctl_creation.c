/* control: domctl: domains that are made, and refused. */
#include "control_domctl.h"

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
/* A domain that could be, with one thing changed. */
static const struct xen_domctl_createdomain kGood = {
    .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
    .max_vcpus = 2,
    .max_evtchn_port = 1023,
    .max_grant_frames = -1,
    .max_maptrack_frames = -1,
    .grant_opts = XEN_DOMCTL_GRANT_version(2),
    .arch = {.emulation_flags = XEN_X86_EMU_LAPIC},
};
#define CREATE(domid, ...) DOMCTL_OF(domid, XEN_DOMCTL_createdomain, op->u.createdomain = kGood; __VA_ARGS__)

void refused_creation_rows(void) {
  about("domctl/createdomain");
#define C op->u.createdomain
  row(CREATE(0, C.flags |= 1u << 30), "unknown-flag");
  row(CREATE(0, C.grant_opts |= 1u << 8), "unknown-grant-option");
  row(CREATE(0, C.max_vcpus = 0), "no-vcpus");
  row(CREATE(0, C.max_vcpus = 129), "129-vcpus");
  row(CREATE(0, C.flags = XEN_DOMCTL_CDF_hap), "hap-without-hvm");
  row(CREATE(0, C.flags |= XEN_DOMCTL_CDF_iommu), "iommu");
  row(CREATE(0, C.iommu_opts = 1), "iommu-options-alone");
  row(CREATE(0, C.vmtrace_size = 4096), "vmtrace");
  row(CREATE(0, C.flags |= XEN_DOMCTL_CDF_vpmu), "vpmu");
  row(CREATE(0, C.flags |= XEN_DOMCTL_CDF_nested_virt; C.flags &= ~XEN_DOMCTL_CDF_hap), "nested-without-hap");
  row(CREATE(0, C.arch.misc_flags = 2), "unknown-misc-flag");
  row(CREATE(0, C.arch.emulation_flags = 0), "no-emulation");
  row(CREATE(0, C.arch.emulation_flags = XEN_X86_EMU_PIT), "pit-alone");
  row(CREATE(0, C.grant_opts = 0), "grant-version-0");
  row(CREATE(0, C.grant_opts = 3), "grant-version-3");
  row(CREATE(0, C.max_grant_frames = 0), "no-grant-frames");
  row(CREATE(0, C.max_grant_frames = 65), "65-grant-frames");
  row(CREATE(0, C.max_maptrack_frames = 1025), "1025-maptrack-frames");
  row(CREATE(0, C.cpupool_id = 7), "cpupool-7");
  row(CREATE(target_domid, (void)0), "number-in-use");
}

static long populate(domid_t domid, unsigned long count) {
  xen_pfn_t* frames = (xen_pfn_t*)buffer;
  struct xen_memory_reservation* r = (struct xen_memory_reservation*)(buffer + 4096);
  for (unsigned i = 0; i < count; ++i) frames[i] = i;
  *r = (struct xen_memory_reservation){.nr_extents = count, .domid = domid};
  set_xen_guest_handle(r->extent_start, frames);
  return control_call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, (unsigned long)r);
}

static long memory_call(unsigned command, const void* structure, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) buffer[i] = ((const uint8_t*)structure)[i];
  return control_call(__HYPERVISOR_memory_op, command, (unsigned long)buffer);
}

static long parameter(unsigned command, domid_t domid, uint32_t index, uint64_t* value) {
  struct xen_hvm_param* p = (struct xen_hvm_param*)buffer;
  *p = (struct xen_hvm_param){.domid = domid, .index = index, .value = *value};
  long r = control_call(__HYPERVISOR_hvm_op, command, (unsigned long)p);
  *value = p->value;
  return r;
}

/* What a toolstack does to a new domain by other hypercalls. */
static void other_hypercall_rows(domid_t made) {
  about("memory_op/of-another");
  struct xen_memory_domain d = {.domid = made};
  row(memory_call(XENMEM_current_reservation, &d, sizeof d), "current_reservation");
  row(memory_call(XENMEM_maximum_reservation, &d, sizeof d), "maximum_reservation");
  row(memory_call(XENMEM_maximum_gpfn, &d, sizeof d), "maximum_gpfn");
  struct xen_memory_reservation claim = {.nr_extents = 1, .domid = made};
  row(memory_call(XENMEM_claim_pages, &claim, sizeof claim), "claim-less-than-it-has");
  claim.nr_extents = 20;
  row(memory_call(XENMEM_claim_pages, &claim, sizeof claim), "claim-more-than-its-limit");
  claim.nr_extents = 0;
  row(memory_call(XENMEM_claim_pages, &claim, sizeof claim), "claim-nothing");
  struct xen_foreign_memory_map map = {.domid = made, .map = {.nr_entries = 1}};
  map.map.buffer.p = buffer + 4096;
  row(memory_call(XENMEM_set_memory_map, &map, sizeof map), "set_memory_map");
  map.map.nr_entries = 1000;
  row(memory_call(XENMEM_set_memory_map, &map, sizeof map), "set_memory_map-1000");
  xen_pod_target_t pod = {.domid = made};
  row(memory_call(XENMEM_get_pod_target, &pod, sizeof pod), "get_pod_target");
  pod.target_pages = 1000;
  row(memory_call(XENMEM_set_pod_target, &pod, sizeof pod), "set_pod_target-beyond-the-limit");
  struct xen_remove_from_physmap remove = {.domid = made, .gpfn = 3};
  row(memory_call(XENMEM_remove_from_physmap, &remove, sizeof remove), "remove_from_physmap");
  row(memory_call(XENMEM_remove_from_physmap, &remove, sizeof remove), "remove_from_physmap-again");
  about("hvm_op/of-another");
  static const struct {
    uint32_t index;
    const char* name;
  } parameters[] = {{HVM_PARAM_STORE_PFN, "store_pfn"},
                    {HVM_PARAM_STORE_EVTCHN, "store_evtchn"},
                    {HVM_PARAM_CONSOLE_PFN, "console_pfn"},
                    {HVM_PARAM_IOREQ_SERVER_PFN, "ioreq_server_pfn"},
                    {HVM_PARAM_TRIPLE_FAULT_REASON, "triple_fault_reason"},
                    {HVM_PARAM_TIMER_MODE, "timer_mode"},
                    {HVM_PARAM_VIRIDIAN, "viridian"},
                    {HVM_PARAM_DM_DOMAIN, "dm_domain"}};
  for (unsigned i = 0; i < sizeof parameters / sizeof *parameters; ++i) {
    uint64_t value = 1;
    row(parameter(HVMOP_set_param, made, parameters[i].index, &value), parameters[i].name);
    value = 77;
    long r = parameter(HVMOP_get_param, made, parameters[i].index, &value);
    row_value(r, value, "and-back");
  }
  about("event_channel_op/of-another");
  struct evtchn_alloc_unbound* a = (struct evtchn_alloc_unbound*)buffer;
  *a = (struct evtchn_alloc_unbound){.dom = made, .remote_dom = 0};
  long r = control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (unsigned long)a);
  row_value(r, a->port, "alloc_unbound");
  struct evtchn_status* s = (struct evtchn_status*)buffer;
  *s = (struct evtchn_status){.dom = made, .port = 1};
  r = control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, (unsigned long)s);
  row_value(r, s->status, "status");
  struct evtchn_reset* reset = (struct evtchn_reset*)buffer;
  reset->dom = made;
  row(control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, (unsigned long)reset), "reset");
  *s = (struct evtchn_status){.dom = made, .port = 1};
  r = control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, (unsigned long)s);
  row_value(r, s->status, "status-after-that");
  about("sched_op/of-another");
  struct sched_remote_shutdown* shutdown = (struct sched_remote_shutdown*)buffer;
  *shutdown = (struct sched_remote_shutdown){.domain_id = made, .reason = SHUTDOWN_watchdog};
  row(control_call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, (unsigned long)shutdown), "remote_shutdown");
  PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row(op->u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, "reason");
  row(PLAIN(XEN_DOMCTL_soft_reset, made), "soft_reset");
  PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row((op->u.getdomaininfo.flags & XEN_DOMINF_shutdown) != 0, "shut-down-then");
  about("domctl/createdomain");
}

void creation_rows(void) {
  row(CREATE(0, (void)0), "good");
  domid_t made = op->domain;
  long r = PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row_value(r, op->u.getdomaininfo.flags, "info");
  row_value(r, op->u.getdomaininfo.max_vcpu_id, "info/max_vcpu_id");
  row((long)op->u.getdomaininfo.max_pages, "info/max_pages");
  row(DOMCTL_OF(made, XEN_DOMCTL_getvcpuinfo, (void)0), "vcpu-before-there-is-one");
  row(DOMCTL_OF(made, XEN_DOMCTL_shadow_op, op->u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION),
      "shadow_op-before-there-is-a-vcpu");
  row(PLAIN(XEN_DOMCTL_get_paging_mempool_size, made), "paging_mempool");
  row(DOMCTL_OF(made, XEN_DOMCTL_max_vcpus, op->u.max_vcpus.max = 2), "max_vcpus");
  r = DOMCTL_OF(made, XEN_DOMCTL_getvcpuinfo, op->u.getvcpuinfo.vcpu = 1);
  row_value(r, op->u.getvcpuinfo.online, "vcpu-1");
  row(DOMCTL_OF(made, XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = 2 << 20),
      "set-paging_mempool");
  row(populate(made, 4), "populate-without-limit");
  row(DOMCTL_OF(made, XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = 64), "max_mem");
  row(populate(made, 32), "populate-32-of-16");
  PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row((long)op->u.getdomaininfo.tot_pages, "info/tot_pages");
  r = DOMCTL_OF(made, XEN_DOMCTL_get_cpu_policy, op->u.cpu_policy.nr_leaves = 200; op->u.cpu_policy.nr_msrs = 8;
                op->u.cpu_policy.leaves.p = (void*)buffer; op->u.cpu_policy.msrs.p = (void*)(buffer + 32768));
  row(r, "get_cpu_policy");
  uint32_t leaves = op->u.cpu_policy.nr_leaves;
  xen_cpuid_leaf_t* leaf = (xen_cpuid_leaf_t*)buffer;
#define SET(count)                                                                 \
  DOMCTL_OF(made, XEN_DOMCTL_set_cpu_policy, op->u.cpu_policy.nr_leaves = (count); \
            op->u.cpu_policy.leaves.p = (void*)buffer)
  row(SET(leaves), "set_cpu_policy");
  row(SET(121), "set_cpu_policy-121-leaves");
  uint32_t most = leaf->a;
  leaf->a = 0xff;
  r = SET(1);
  row(r, "set_cpu_policy-more-leaves");
  row(op->u.cpu_policy.err_leaf, "set_cpu_policy-more-leaves/leaf");
  leaf->a = most;
  leaf->leaf = 0x1234;
  r = SET(1);
  row(r, "set_cpu_policy-leaf-1234");
  row(op->u.cpu_policy.err_leaf, "set_cpu_policy-leaf-1234/leaf");
  leaf->leaf = 0;
  /* Without SSE4.2, if it had it: a feature can be taken away. */
  for (uint32_t i = 0; i < leaves; ++i)
    if (leaf[i].leaf == 1) leaf[i].c &= ~(1u << 23);
  row(SET(leaves), "set_cpu_policy-without-popcnt");
  DOMCTL_OF(made, XEN_DOMCTL_get_cpu_policy, op->u.cpu_policy.nr_leaves = 200;
            op->u.cpu_policy.leaves.p = (void*)buffer);
  for (uint32_t i = 0; i < leaves; ++i)
    if (leaf[i].leaf == 1) row(leaf[i].c >> 23 & 1, "popcnt");
  other_hypercall_rows(made);
  row(PLAIN(XEN_DOMCTL_unpausedomain, made), "unpause");
  row(SET(1), "set_cpu_policy-afterwards");
  row(PLAIN(XEN_DOMCTL_destroydomain, made), "destroy");
  row(PLAIN(XEN_DOMCTL_pausedomain, made), "and-it-is-gone");
  row(CREATE(5000, (void)0), "by-number");
  row(op->domain, "by-number/domid");
  row(CREATE(5000, (void)0), "by-number-again");
  row(PLAIN(XEN_DOMCTL_destroydomain, 5000), "destroy-by-number");
}
