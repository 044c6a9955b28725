/* errors: the same hypercalls made by 32-bit code, whose structures with longs, frames and pointers are laid out
 * in another way (xen's "compat" layouts). Structures are written here as words, as a 32-bit compiler would place
 * them. */
#include "errors.h"

#include <xen/grant_table.h>

#include "lib/pvclock.h"

/* Of a hypercall, before what it wrote is looked at. */
static long result;

static uint32_t* words; /* below 4 GiB */

static long call32(uint32_t number, uint32_t a1, uint32_t a2) { return hypercall_32bit(number, a1, a2, 0, 0, 0); }

static uint32_t fill(const uint32_t* values, unsigned count) {
  for (unsigned i = 0; i < count; ++i) words[i] = values[i];
  return (uint32_t)(uint64_t)words;
}
#define FILL(...) fill((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void number_rows(void) {
  about("32bit/number");
  for (uint32_t n = 0; n < 64; ++n) row(hypercall_32bit(n, HOLE | 0x7777, HOLE, HOLE, HOLE, HOLE), "%u", n);
  row(hypercall_32bit(0x80000000, 0, 0, 0, 0, 0), "80000000");
  row(hypercall_32bit(0xffffffff, 0, 0, 0, 0, 0), "ffffffff");
}

static void version_rows_32bit(void) {
  about("32bit/xen_version");
  row(call32(__HYPERVISOR_xen_version, XENVER_version, 0), "version");
  row(call32(__HYPERVISOR_xen_version, XENVER_pagesize, 0), "pagesize");
  uint32_t at = FILL(0, 0);
  result = call32(__HYPERVISOR_xen_version, XENVER_platform_parameters, at);
  row_value(result, words[0], "platform_parameters");
  row(words[1], "platform_parameters/word-behind");
  at = FILL(0, 0);
  result = call32(__HYPERVISOR_xen_version, XENVER_get_features, at);
  row_value(result, words[1], "get_features");
  row(call32(__HYPERVISOR_xen_version, XENVER_get_features, HOLE), "get_features/pointer-hole");
}

static void memory_rows_32bit(void) {
  about("32bit/memory_op");
  uint32_t page = (uint32_t)(new_pages(2) >> 12);
  uint32_t* list = (uint32_t*)new_pages(1);
  uint32_t at_list = (uint32_t)(uint64_t)list;
  for (uint32_t command = 0; command < 30; ++command) {
    if (command == XENMEM_maximum_ram_page) continue;
    row(call32(__HYPERVISOR_memory_op, command, HOLE), "%u/pointer-hole", command);
  }
  list[0] = page, list[1] = page + 1;
  row(call32(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, FILL(at_list, 2, 0, 0, DOMID_SELF)),
      "decrease-two");
  row(call32(__HYPERVISOR_memory_op, XENMEM_populate_physmap, FILL(at_list, 2, 0, 0, DOMID_SELF)), "populate-two");
  row(call32(__HYPERVISOR_memory_op, XENMEM_decrease_reservation | 1 << 6, FILL(at_list, 2, 0, 0, DOMID_SELF)),
      "decrease-second");
  row(call32(__HYPERVISOR_memory_op, XENMEM_populate_physmap | 1 << 6, FILL(at_list, 2, 0, 0, DOMID_SELF)),
      "populate-second");
  row(call32(__HYPERVISOR_memory_op, XENMEM_populate_physmap, FILL(at_list, 2, 0, 0, 0x1234)),
      "populate-unknown-domid");
  row(call32(__HYPERVISOR_memory_op, XENMEM_populate_physmap, FILL(at_list, 2, 0, 0, 0)), "populate-dom0");
  row(call32(__HYPERVISOR_memory_op, XENMEM_populate_physmap, FILL(HOLE, 2, 0, 0, DOMID_SELF)), "list-hole");
  row(call32(__HYPERVISOR_memory_op, XENMEM_populate_physmap, FILL(at_list, 0xffffffff, 0, 0, DOMID_SELF)),
      "too-many");
  row(call32(__HYPERVISOR_memory_op, XENMEM_maximum_reservation, FILL(DOMID_SELF)), "maximum_reservation");
  row(call32(__HYPERVISOR_memory_op, XENMEM_current_reservation, FILL(0)), "current_reservation/dom0");
  row(call32(__HYPERVISOR_memory_op, XENMEM_add_to_physmap,
             FILL(DOMID_SELF, XENMAPSPACE_gmfn, 0x300000, 0x300001)),
      "add_to_physmap/not-there");
  row(call32(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, FILL(DOMID_SELF, XENMAPSPACE_shared_info, 1, page)),
      "add_to_physmap/index-1");
  row(call32(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, FILL(0, XENMAPSPACE_gmfn, 0x300000, 0x300001)),
      "add_to_physmap/dom0");
  row(call32(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, FILL(DOMID_SELF, 0x300000)),
      "remove_from_physmap");
  uint32_t at = FILL(64, at_list);
  result = call32(__HYPERVISOR_memory_op, XENMEM_memory_map, at);
  row_value(result, words[0], "memory_map");
  row(call32(__HYPERVISOR_memory_op, XENMEM_memory_map, FILL(64, HOLE)), "memory_map/buffer-hole");
  list[0] = page, list[2] = page;
  at = FILL(at_list, 1, 0, 0, DOMID_SELF, at_list + 8, 1, 0, 0, DOMID_SELF, 0);
  row(call32(__HYPERVISOR_memory_op, XENMEM_exchange, at), "exchange");
  row(call32(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, FILL(DOMID_SELF, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
      "get_vnumainfo");
  row(call32(__HYPERVISOR_memory_op, XENMEM_claim_pages, FILL(0, 1, 0, 0, own_domid)), "claim_pages");
}

static void event_rows_32bit(void) {
  about("32bit/event_channel_op");
  uint32_t at = FILL(DOMID_SELF, 0);
  result = call32(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, at);
  row_value(result, words[1], "alloc_unbound");
  uint32_t port = words[1];
  row(call32(__HYPERVISOR_event_channel_op, EVTCHNOP_send, FILL(port)), "send");
  row(call32(__HYPERVISOR_event_channel_op, EVTCHNOP_close, FILL(port)), "close");
  row(call32(__HYPERVISOR_event_channel_op, EVTCHNOP_close, FILL(port)), "close-again");
  row(call32(__HYPERVISOR_event_channel_op, EVTCHNOP_send, HOLE), "pointer-hole");
  row(call32(__HYPERVISOR_event_channel_op, 100, HOLE), "unknown");
  row(call32(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, FILL(100, 0, 0)), "virq-100");
}

static void grant_rows_32bit(void) {
  about("32bit/grant_table_op");
  for (uint32_t command = 0; command < 14; ++command)
    row(hypercall_32bit(__HYPERVISOR_grant_table_op, command, HOLE, 1, 0, 0), "%u/pointer-hole", command);
  uint32_t at = FILL(DOMID_SELF, 0, 0, 0);
  row(hypercall_32bit(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, at, 1, 0, 0), "query_size");
  row((int16_t)words[3], "query_size/status");
  row(words[2], "query_size/max");
  at = FILL(DOMID_SELF, 1, 0, (uint32_t)(uint64_t)(words + 16));
  row(hypercall_32bit(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, at, 1, 0, 0), "setup_table");
  row((int16_t)words[2], "setup_table/status");
  at = FILL(DOMID_SELF, 0);
  row(hypercall_32bit(__HYPERVISOR_grant_table_op, GNTTABOP_get_version, at, 1, 0, 0), "get_version");
  row(words[1], "get_version/version");
  /* map: an address of 64 bits, flags, reference, domid, status, handle, bus address. */
  at = FILL(0, 3, GNTMAP_host_map, 500, 0x1234, 0, 0, 0);
  row(hypercall_32bit(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, at, 1, 0, 0), "map");
  row((int16_t)(words[4] >> 16), "map/status");
  /* copy: {reference or frame, domid, offset} twice, length, flags, status. */
  at = FILL(0x300000, DOMID_SELF, 0x300000, DOMID_SELF, 16, 0);
  row(hypercall_32bit(__HYPERVISOR_grant_table_op, GNTTABOP_copy, at, 1, 0, 0), "copy");
  row((int16_t)words[5], "copy/status");
}

static void vcpu_rows_32bit(void) {
  about("32bit/vcpu_op");
  for (uint32_t command = 0; command < 16; ++command) {
    if (command == VCPUOP_down || command == VCPUOP_send_nmi) continue;
    row(hypercall_32bit(__HYPERVISOR_vcpu_op, command, 0, HOLE, 0, 0), "%u/pointer-hole", command);
  }
  for (unsigned i = 0; i < 16; ++i) words[i] = 0x7777;
  row(hypercall_32bit(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, (uint32_t)(uint64_t)words, 0, 0),
      "get_runstate_info");
  row(words[0], "get_runstate_info/state");
  row(words[11], "get_runstate_info/word-behind");
  row(hypercall_32bit(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, FILL(0), 0, 0),
      "no-runstate-area");
  row(hypercall_32bit(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, FILL(1, 0, 1), 0, 0),
      "singleshot-past-future-only");
  row(hypercall_32bit(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, FILL(1, 0, 0), 0, 0),
      "singleshot-past");
  row(hypercall_32bit(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0, 0, 0), "stop_singleshot");
  row(hypercall_32bit(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, FILL(100, 0), 0, 0), "periodic-100ns");
}

static void other_rows_32bit(void) {
  about("32bit/sched_op");
  for (uint32_t command = 0; command < 10; ++command)
    if (command != SCHEDOP_block) row(call32(__HYPERVISOR_sched_op, command, HOLE), "%u/pointer-hole", command);
  words[30] = 3000;
  row(call32(__HYPERVISOR_sched_op, SCHEDOP_poll, FILL((uint32_t)(uint64_t)(words + 30), 1, 1, 0)),
      "poll/bad-port");
  row(call32(__HYPERVISOR_sched_op, SCHEDOP_poll, FILL((uint32_t)(uint64_t)(words + 30), 200, 1, 0)),
      "poll/200-ports");
  row(call32(__HYPERVISOR_sched_op, SCHEDOP_poll, FILL(0, 0, 1, 0)), "poll/past-timeout");
  row(call32(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, FILL(0x1234, 0)), "remote_shutdown/unknown");
  row(call32(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, FILL(0, 0)), "remote_shutdown/dom0");
  about("32bit/hvm_op");
  uint32_t at = FILL(DOMID_SELF, HVM_PARAM_STORE_EVTCHN, 0x7777, 0);
  result = call32(__HYPERVISOR_hvm_op, HVMOP_get_param, at);
  row_value(result, words[2] | (uint64_t)words[3] << 32, "get_param");
  row(call32(__HYPERVISOR_hvm_op, HVMOP_get_param, FILL(DOMID_SELF, 100, 0, 0)), "get_param/100");
  row(call32(__HYPERVISOR_hvm_op, HVMOP_get_param, FILL(0, HVM_PARAM_STORE_EVTCHN, 0, 0)), "get_param/dom0");
  row(call32(__HYPERVISOR_hvm_op, 100, HOLE), "unknown");
  about("32bit/domctl");
  row(hypercall_32bit(__HYPERVISOR_domctl, HOLE, 0, 0, 0, 0), "pointer-hole");
  row(hypercall_32bit(__HYPERVISOR_domctl, FILL(3, 0x15, own_domid), 0, 0, 0, 0), "pausedomain/own");
  row(hypercall_32bit(__HYPERVISOR_domctl, FILL(3, 0x15, 0x1234), 0, 0, 0, 0), "pausedomain/unknown");
  row(hypercall_32bit(__HYPERVISOR_sysctl, FILL(3, 0x15), 0, 0, 0, 0), "sysctl-physinfo");
  row(hypercall_32bit(__HYPERVISOR_platform_op, FILL(62, 0x03000001), 0, 0, 0, 0), "platform_op-settime64");
  about("32bit/multicall");
  at = FILL(__HYPERVISOR_xen_version, 0, XENVER_version, 0, 0, 0, 0, 0, 1000, 0, 0, 0, 0, 0, 0, 0);
  row(call32(__HYPERVISOR_multicall, at, 2), "two");
  row((int32_t)words[1], "two/first");
  row((int32_t)words[9], "two/second");
  row(call32(__HYPERVISOR_multicall, HOLE, 2), "pointer-hole");
  about("32bit/set_timer_op");
  row(call32(__HYPERVISOR_set_timer_op, 0xffffffff, 0xffffffff), "negative");
  row(call32(__HYPERVISOR_set_timer_op, 0, 0), "stop");
}

void compat_rows(void) {
  words = (uint32_t*)new_pages(1);
  number_rows();
  version_rows_32bit();
  memory_rows_32bit();
  event_rows_32bit();
  grant_rows_32bit();
  vcpu_rows_32bit();
  other_rows_32bit();
}
