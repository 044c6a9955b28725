/* control: sysctl and platform_op. */
#include "control.h"

static struct xen_sysctl* s;
static struct xen_platform_op* p;
static uint8_t* buffer; /* a page */

static void clear(void* at, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) ((volatile uint8_t*)at)[i] = 0;
}

static long sysctl(uint32_t command) {
  s->cmd = command;
  s->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
  return control_call(__HYPERVISOR_sysctl, (unsigned long)s, 0);
}

static long platform(uint32_t command) {
  p->cmd = command;
  p->interface_version = XENPF_INTERFACE_VERSION;
  return control_call(__HYPERVISOR_platform_op, (unsigned long)p, 0);
}

/* Sets fields of an all-zero structure and calls. */
#define SYSCTL(command, ...) \
  ({                         \
    clear(s, sizeof *s);     \
    __VA_ARGS__;             \
    sysctl(command);         \
  })
#define PLATFORM(command, ...) \
  ({                           \
    clear(p, sizeof *p);       \
    __VA_ARGS__;               \
    platform(command);         \
  })

static void console_rows(void) {
  about("sysctl/readconsole");
  row(SYSCTL(XEN_SYSCTL_readconsole, s->u.readconsole.count = 0), "count-0");
  about("sysctl/tbuf_op");
  row(SYSCTL(XEN_SYSCTL_tbuf_op, s->u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_get_info), "get_info");
  row(SYSCTL(XEN_SYSCTL_tbuf_op, s->u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_enable), "enable-without-buffers");
  row(SYSCTL(XEN_SYSCTL_tbuf_op, s->u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_disable), "disable");
  row(SYSCTL(XEN_SYSCTL_tbuf_op, s->u.tbuf_op.cmd = 99), "99");
  about("sysctl/debug_keys");
  row(SYSCTL(XEN_SYSCTL_debug_keys, s->u.debug_keys.nr_keys = 0), "none");
  row(SYSCTL(XEN_SYSCTL_debug_keys, s->u.debug_keys.nr_keys = 1;
             set_xen_guest_handle(s->u.debug_keys.keys, (void*)UNMAPPED)),
      "unmapped");
}

static void domain_rows(void) {
  about("sysctl/getdomaininfolist");
  xen_domctl_getdomaininfo_t* list = (xen_domctl_getdomaininfo_t*)buffer;
  long r = SYSCTL(XEN_SYSCTL_getdomaininfolist, s->u.getdomaininfolist.max_domains = 1;
                  set_xen_guest_handle(s->u.getdomaininfolist.buffer, list));
  row_value(r, s->u.getdomaininfolist.num_domains, "first");
  row(list[0].domain, "first/domid");
  r = SYSCTL(XEN_SYSCTL_getdomaininfolist, s->u.getdomaininfolist.max_domains = 1;
             s->u.getdomaininfolist.first_domain = target_domid;
             set_xen_guest_handle(s->u.getdomaininfolist.buffer, list));
  row_value(r, s->u.getdomaininfolist.num_domains, "target");
  row(list[0].domain == target_domid, "target/domid");
  r = SYSCTL(XEN_SYSCTL_getdomaininfolist, s->u.getdomaininfolist.first_domain = 1);
  row_value(r, s->u.getdomaininfolist.num_domains, "none-wanted");
  r = SYSCTL(XEN_SYSCTL_getdomaininfolist, s->u.getdomaininfolist.max_domains = 1;
             s->u.getdomaininfolist.first_domain = 0x7000;
             set_xen_guest_handle(s->u.getdomaininfolist.buffer, list));
  row_value(r, s->u.getdomaininfolist.num_domains, "beyond-the-last");
  row(SYSCTL(XEN_SYSCTL_getdomaininfolist, s->u.getdomaininfolist.max_domains = 1;
             set_xen_guest_handle(s->u.getdomaininfolist.buffer, (void*)UNMAPPED)),
      "unmapped");
}

static void scheduler_rows(void) {
  about("sysctl/sched_id");
  long r = SYSCTL(XEN_SYSCTL_sched_id, (void)0);
  row_value(r, s->u.sched_id.sched_id, "id");
  about("sysctl/scheduler_op");
#define SCHEDULER(pool, id, command, us)                                                                    \
  SYSCTL(XEN_SYSCTL_scheduler_op, s->u.scheduler_op.cpupool_id = (pool); s->u.scheduler_op.sched_id = (id); \
         s->u.scheduler_op.cmd = (command); s->u.scheduler_op.u.sched_credit2.ratelimit_us = (us))
  row(SCHEDULER(0, XEN_SCHEDULER_CREDIT2, 99, 0), "command-99");
  row(SCHEDULER(7, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, 0), "pool-7");
  row(SCHEDULER(0, XEN_SCHEDULER_CREDIT, XEN_SYSCTL_SCHEDOP_getinfo, 0), "credit");
  r = SCHEDULER(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, 0);
  row_value(r, s->u.scheduler_op.u.sched_credit2.ratelimit_us, "getinfo");
  row(SCHEDULER(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, 99), "putinfo-99us");
  row(SCHEDULER(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, 500001), "putinfo-500001us");
  r = SCHEDULER(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, 2000);
  row_value(r, s->u.scheduler_op.u.sched_credit2.ratelimit_us, "putinfo-2000us");
  r = SCHEDULER(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, 1000);
  row_value(r, s->u.scheduler_op.u.sched_credit2.ratelimit_us, "putinfo-1000us");
}

static long pool(uint32_t command, uint32_t id, uint32_t domid, uint32_t cpu) {
  return SYSCTL(XEN_SYSCTL_cpupool_op, s->u.cpupool_op.op = command; s->u.cpupool_op.cpupool_id = id;
                s->u.cpupool_op.domid = domid; s->u.cpupool_op.cpu = cpu; s->u.cpupool_op.cpumap.nr_bits = 16;
                set_xen_guest_handle(s->u.cpupool_op.cpumap.bitmap, buffer));
}

static void pool_rows(void) {
  about("sysctl/cpupool_op");
  buffer[0] = buffer[1] = 0xff;
  long r = pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0, 0, 0);
  row_value(r, s->u.cpupool_op.sched_id, "info");
  row(buffer[0] & 1, "info/pcpu-0");
  row(buffer[1], "info/pcpus-8-to-15");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1, 0, 0), "info-1");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 7, 0, 0), "destroy-7");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 0, 0, 0), "destroy-0");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 7, 0, 0), "addcpu-7");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 0, 999), "addcpu-999");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 0, 0), "addcpu-that-it-has");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_ADDCPU, 0, 0, XEN_SYSCTL_CPUPOOL_PAR_ANY), "addcpu-any");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 7, 0, 0), "rmcpu-7");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0, 0, 999), "rmcpu-999");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, target_domid, 0), "move-to-where-it-is");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 7, target_domid, 0), "move-to-7");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, own_domid, 0), "move-own");
  row(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0x1234, 0), "move-unknown");
  r = pool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0, 0, 0);
  row_value(r, buffer[0], "freeinfo");
  row(pool(99, 0, 0, 0), "99");
}

static void host_rows(void) {
  about("sysctl/physinfo");
  long r = SYSCTL(XEN_SYSCTL_physinfo, (void)0);
  row_value(r, s->u.physinfo.threads_per_core, "threads_per_core");
  row(s->u.physinfo.nr_nodes, "nr_nodes");
  row(s->u.physinfo.max_node_id, "max_node_id");
  row(s->u.physinfo.max_cpu_id + 1 - s->u.physinfo.nr_cpus, "pcpus-without-gaps");
  row((s->u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_hvm) != 0, "hvm");
  row((s->u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_hap) != 0, "hap");
  row((s->u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v1) != 0, "gnttab_v1");
  row((s->u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2) != 0, "gnttab_v2");
  row(s->u.physinfo.free_pages < s->u.physinfo.total_pages, "free-is-less-than-total");
  about("sysctl/cputopoinfo");
  uint32_t pcpus = s->u.physinfo.nr_cpus;
  r = SYSCTL(XEN_SYSCTL_cputopoinfo, (void)0);
  row_value(r, s->u.cputopoinfo.num_cpus == pcpus, "how-many");
  xen_sysctl_cputopo_t* places = (xen_sysctl_cputopo_t*)buffer;
  r = SYSCTL(XEN_SYSCTL_cputopoinfo, s->u.cputopoinfo.num_cpus = 1;
             set_xen_guest_handle(s->u.cputopoinfo.cputopo, places));
  row_value(r, s->u.cputopoinfo.num_cpus, "one");
  row(places[0].core | places[0].socket | places[0].node, "one/place");
  about("sysctl/numainfo");
  r = SYSCTL(XEN_SYSCTL_numainfo, (void)0);
  row_value(r, s->u.numainfo.num_nodes, "how-many");
  xen_sysctl_meminfo_t* memory = (xen_sysctl_meminfo_t*)buffer;
  uint32_t* distance = (uint32_t*)(buffer + 2048);
  r = SYSCTL(XEN_SYSCTL_numainfo, s->u.numainfo.num_nodes = 8; set_xen_guest_handle(s->u.numainfo.meminfo, memory);
             set_xen_guest_handle(s->u.numainfo.distance, distance));
  row_value(r, s->u.numainfo.num_nodes, "all");
  row(distance[0], "distance");
  row(memory[0].memsize > memory[0].memfree, "memory");
  about("sysctl/availheap");
  r = SYSCTL(XEN_SYSCTL_availheap, s->u.availheap.node = -1);
  row_value(r, s->u.availheap.avail_bytes != 0, "all");
  r = SYSCTL(XEN_SYSCTL_availheap, s->u.availheap.node = 5);
  row_value(r, s->u.availheap.avail_bytes, "node-5");
  r = SYSCTL(XEN_SYSCTL_availheap, s->u.availheap.node = -1; s->u.availheap.max_bitwidth = 12);
  row_value(r, s->u.availheap.avail_bytes, "up-to-12-bits");
  about("sysctl/getcpuinfo");
  r = SYSCTL(XEN_SYSCTL_getcpuinfo, s->u.getcpuinfo.max_cpus = 1;
             set_xen_guest_handle(s->u.getcpuinfo.info, (xen_sysctl_cpuinfo_t*)buffer));
  row_value(r, s->u.getcpuinfo.nr_cpus, "one");
  row(SYSCTL(XEN_SYSCTL_getcpuinfo, s->u.getcpuinfo.max_cpus = 1;
             set_xen_guest_handle(s->u.getcpuinfo.info, (void*)UNMAPPED)),
      "unmapped");
}

static void policy_rows(void) {
  about("sysctl/get_cpu_featureset");
  long r = SYSCTL(XEN_SYSCTL_get_cpu_featureset, (void)0);
  row_value(r, s->u.cpu_featureset.nr_features, "how-many");
  static const uint32_t indices[] = {XEN_SYSCTL_cpu_featureset_raw, XEN_SYSCTL_cpu_featureset_host,
                                     XEN_SYSCTL_cpu_featureset_hvm, 9};
  static const char* const names[] = {"raw", "host", "hvm", "9"};
  for (unsigned i = 0; i < 4; ++i)
    row(SYSCTL(XEN_SYSCTL_get_cpu_featureset, s->u.cpu_featureset.index = indices[i];
               s->u.cpu_featureset.nr_features = 64;
               set_xen_guest_handle(s->u.cpu_featureset.features, (uint32_t*)buffer)),
        names[i]);
  r = SYSCTL(XEN_SYSCTL_get_cpu_featureset, s->u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_hvm;
             s->u.cpu_featureset.nr_features = 1;
             set_xen_guest_handle(s->u.cpu_featureset.features, (uint32_t*)buffer));
  row(r, "room-for-one");
  row(s->u.cpu_featureset.nr_features, "room-for-one/written");
  about("sysctl/get_cpu_policy");
  r = SYSCTL(XEN_SYSCTL_get_cpu_policy, s->u.cpu_policy.index = XEN_SYSCTL_cpu_policy_host);
  row_value(r, s->u.cpu_policy.nr_leaves, "leaves");
  row(s->u.cpu_policy.nr_msrs, "msrs");
  row(SYSCTL(XEN_SYSCTL_get_cpu_policy, s->u.cpu_policy.index = 9), "9");
  row(SYSCTL(XEN_SYSCTL_get_cpu_policy, s->u.cpu_policy._rsvd = 1), "reserved");
  row(SYSCTL(XEN_SYSCTL_get_cpu_policy, s->u.cpu_policy.index = XEN_SYSCTL_cpu_policy_hvm_max;
             s->u.cpu_policy.nr_leaves = 1;
             set_xen_guest_handle(s->u.cpu_policy.leaves, (xen_cpuid_leaf_t*)buffer)),
      "room-for-one-leaf");
  row(SYSCTL(XEN_SYSCTL_get_cpu_policy, s->u.cpu_policy.index = XEN_SYSCTL_cpu_policy_hvm_max;
             s->u.cpu_policy.nr_leaves = 150;
             set_xen_guest_handle(s->u.cpu_policy.leaves, (xen_cpuid_leaf_t*)buffer)),
      "all-leaves");
  about("sysctl/get_cpu_levelling_caps");
  row(SYSCTL(XEN_SYSCTL_get_cpu_levelling_caps, (void)0), "caps");
}

static void other_rows(void) {
  about("sysctl/other");
  row(SYSCTL(XEN_SYSCTL_perfc_op, (void)0), "perfc_op");
  row(SYSCTL(XEN_SYSCTL_lockprof_op, (void)0), "lockprof_op");
  row(SYSCTL(XEN_SYSCTL_coverage_op, (void)0), "coverage_op");
  row(SYSCTL(XEN_SYSCTL_psr_cmt_op, (void)0), "psr_cmt_op");
  row(SYSCTL(XEN_SYSCTL_psr_alloc, (void)0), "psr_alloc");
  row(SYSCTL(XEN_SYSCTL_pcitopoinfo, (void)0), "pcitopoinfo-null");
  row(SYSCTL(XEN_SYSCTL_page_offline_op, s->u.page_offline.start = 2; s->u.page_offline.end = 1),
      "page_offline-backwards");
  row(SYSCTL(XEN_SYSCTL_get_pmstat, s->u.get_pmstat.cpuid = 999), "get_pmstat-999");
  row(SYSCTL(XEN_SYSCTL_pm_op, s->u.pm_op.cpuid = 999), "pm_op-999");
  row(SYSCTL(XEN_SYSCTL_get_pmstat, s->u.get_pmstat.type = 0x11), "get_pmstat-px");
  row(SYSCTL(XEN_SYSCTL_get_pmstat, s->u.get_pmstat.type = 0x70), "get_pmstat-70");
  row(SYSCTL(XEN_SYSCTL_livepatch_op, s->u.livepatch.cmd = 99), "livepatch_op-99");
  row(SYSCTL(XEN_SYSCTL_cpu_hotplug, s->u.cpu_hotplug.cpu = 999;
             s->u.cpu_hotplug.op = XEN_SYSCTL_CPU_HOTPLUG_OFFLINE),
      "cpu_hotplug-offline-999");
  row(SYSCTL(XEN_SYSCTL_cpu_hotplug, s->u.cpu_hotplug.op = 99), "cpu_hotplug-99");
  row(SYSCTL(XEN_SYSCTL_cpu_hotplug, s->u.cpu_hotplug.op = XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE), "smt");
  row(SYSCTL(99, (void)0), "99");
  clear(s, sizeof *s);
  s->cmd = XEN_SYSCTL_sched_id;
  s->interface_version = XEN_SYSCTL_INTERFACE_VERSION + 1;
  row(control_call(__HYPERVISOR_sysctl, (unsigned long)s, 0), "version");
  row(control_call(__HYPERVISOR_sysctl, UNMAPPED, 0), "unmapped");
}

void sysctl_rows(void) {
  s = control_memory(sizeof *s);
  buffer = control_memory(8192);
  console_rows();
  domain_rows();
  scheduler_rows();
  pool_rows();
  host_rows();
  policy_rows();
  other_rows();
}

static void processor_rows(void) {
  about("platform_op/get_cpuinfo");
  long r = PLATFORM(XENPF_get_cpuinfo, (void)0);
  row_value(r, p->u.pcpu_info.flags, "0");
  r = PLATFORM(XENPF_get_cpuinfo, p->u.pcpu_info.xen_cpuid = 999);
  row_value(r, p->u.pcpu_info.flags, "999");
  about("platform_op/get_cpu_version");
  r = PLATFORM(XENPF_get_cpu_version, (void)0);
  row_value(r, p->u.pcpu_version.family != 0, "0");
  r = PLATFORM(XENPF_get_cpu_version, p->u.pcpu_version.xen_cpuid = 999);
  row_value(r, p->u.pcpu_version.family | (uint8_t)p->u.pcpu_version.vendor_id[0], "999");
  about("platform_op/cpu");
  row(PLATFORM(XENPF_cpu_online, p->u.cpu_ol.cpuid = 0), "online-0");
  row(PLATFORM(XENPF_cpu_online, p->u.cpu_ol.cpuid = 999), "online-999");
  row(PLATFORM(XENPF_cpu_offline, p->u.cpu_ol.cpuid = 0), "offline-0");
  row(PLATFORM(XENPF_cpu_offline, p->u.cpu_ol.cpuid = 999), "offline-999");
  about("platform_op/core_parking");
  r = PLATFORM(XENPF_core_parking, p->u.core_parking.type = XEN_CORE_PARKING_GET);
  row_value(r, p->u.core_parking.idle_nums, "get");
  row(PLATFORM(XENPF_core_parking, p->u.core_parking.type = 9), "type-9");
  row(PLATFORM(XENPF_change_freq, (void)0), "change_freq");
  row(PLATFORM(XENPF_getidletime, (void)0), "getidletime");
  row(PLATFORM(XENPF_set_processor_pminfo, p->u.set_pminfo.type = 9), "pminfo-type-9");
}

static long resources(uint32_t count, uint32_t cpu, uint32_t command, uint64_t index, uint32_t reserved) {
  xenpf_resource_entry_t* e = (xenpf_resource_entry_t*)buffer;
  for (unsigned i = 0; i < 4; ++i)
    e[i] = (xenpf_resource_entry_t){.u.cmd = command, .rsvd = reserved, .idx = index};
  return PLATFORM(XENPF_resource_op, p->u.resource_op.nr_entries = count; p->u.resource_op.cpu = cpu;
                  set_xen_guest_handle(p->u.resource_op.entries, e));
}

static void resource_rows(void) {
  xenpf_resource_entry_t* e = (xenpf_resource_entry_t*)buffer;
  about("platform_op/resource_op");
  row(resources(0, 0, 0, 0, 0), "none");
  row(resources(4, 0, 0, 0, 0), "four");
  row(resources(1, 0, XEN_RESOURCE_OP_MSR_READ, 0x10, 0), "tsc");
  row(resources(3, 0, XEN_RESOURCE_OP_MSR_READ, 0x10, 0), "tsc-three-times");
  row(resources(1, 999, XEN_RESOURCE_OP_MSR_READ, 0x10, 0), "tsc-of-999");
  row(resources(1, 0, XEN_RESOURCE_OP_MSR_WRITE, 0x10, 0), "write-tsc");
  row(e[0].u.ret, "write-tsc/result");
  row(resources(1, 0, XEN_RESOURCE_OP_MSR_READ, 0x174, 0), "another-msr");
  row(e[0].u.ret, "another-msr/result");
  row(resources(1, 0, XEN_RESOURCE_OP_MSR_READ, 1ul << 32, 0), "msr-of-33-bits");
  row(e[0].u.ret, "msr-of-33-bits/result");
  row(resources(1, 0, 9, 0x10, 0), "command-9");
  row(e[0].u.ret, "command-9/result");
  row(resources(1, 0, XEN_RESOURCE_OP_MSR_READ, 0x10, 1), "reserved");
  row(e[0].u.ret, "reserved/result");
}

void platform_rows(void) {
  p = control_memory(sizeof *p);
  processor_rows();
  resource_rows();
  about("platform_op/settime64");
  row(PLATFORM(XENPF_settime64, p->u.settime64.mbz = 1), "mbz");
  about("platform_op/memtype");
  row(PLATFORM(XENPF_read_memtype, p->u.read_memtype.reg = 99), "read-99");
  row(PLATFORM(XENPF_read_memtype, p->u.read_memtype.reg = 7), "read-7");
  row(PLATFORM(XENPF_del_memtype, p->u.del_memtype.handle = 1), "del-handle-1");
  about("platform_op/firmware_info");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = XEN_FW_DISK_INFO; p->u.firmware_info.index = 999),
      "disk-999");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = XEN_FW_DISK_MBR_SIGNATURE;
               p->u.firmware_info.index = 999),
      "mbr-999");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = XEN_FW_VBEDDC_INFO; p->u.firmware_info.index = 1),
      "vbeddc-1");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = XEN_FW_EFI_INFO), "efi");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS), "kbd");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
               p->u.firmware_info.index = 1),
      "kbd-1");
  row(PLATFORM(XENPF_firmware_info, p->u.firmware_info.type = 99), "99");
  about("platform_op/other");
  row(PLATFORM(XENPF_efi_runtime_call, (void)0), "efi_runtime_call");
  row(PLATFORM(XENPF_platform_quirk, p->u.platform_quirk.quirk_id = 99), "platform_quirk-99");
  row(PLATFORM(XENPF_platform_quirk, p->u.platform_quirk.quirk_id = QUIRK_IOAPIC_GOOD_REGSEL),
      "platform_quirk-good-regsel");
  row(PLATFORM(XENPF_enter_acpi_sleep, p->u.enter_acpi_sleep.flags = 0x100), "enter_acpi_sleep-flags");
  row(PLATFORM(XENPF_microcode_update, (void)0), "microcode_update-nothing");
  row(PLATFORM(XENPF_mem_hotadd, (void)0), "mem_hotadd-nothing");
  row(PLATFORM(XENPF_core_parking, p->u.core_parking.type = XEN_CORE_PARKING_SET), "core_parking-set-0");
  row(PLATFORM(XENPF_get_symbol, p->u.symdata.symnum = 0xffffffff), "get_symbol-ffffffff");
  row(PLATFORM(99, (void)0), "99");
  clear(p, sizeof *p);
  p->cmd = XENPF_get_cpuinfo;
  p->interface_version = XENPF_INTERFACE_VERSION + 1;
  row(control_call(__HYPERVISOR_platform_op, (unsigned long)p, 0), "version");
  row(control_call(__HYPERVISOR_platform_op, UNMAPPED, 0), "unmapped");
}
