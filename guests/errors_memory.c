/* errors: memory_op. */
#include "errors.h"

static struct xen_memory_reservation extents(xen_pfn_t* frames, unsigned long count, unsigned order,
                                             domid_t domid) {
  struct xen_memory_reservation r = {.nr_extents = count, .extent_order = order, .domid = domid};
  set_xen_guest_handle(r.extent_start, frames);
  return r;
}

static void command_rows(void) {
  about("memory_op");
  for (unsigned command = 0; command < 40; ++command) {
    /* The machine's size. */
    if (command == XENMEM_maximum_ram_page) continue;
    row(hypercall5(__HYPERVISOR_memory_op, command, UNMAPPED, 0, 0, 0), "%u/pointer-unmapped", command);
  }
  /* The upper bits say how many extents are done: most commands want none. */
  for (unsigned command = 0; command < 30; ++command)
    row(hypercall5(__HYPERVISOR_memory_op, command | 1 << 6, UNMAPPED, 0, 0, 0), "%u/started", command);
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_add_to_physmap | 1ul << 22, UNMAPPED, 0, 0, 0), "7/started-65536");
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch | 1ul << 22, UNMAPPED, 0, 0, 0),
      "23/started-65536");
  row(hypercall5(__HYPERVISOR_memory_op, 63, 0, 0, 0, 0), "63");
  row(memory_op(XENMEM_maximum_ram_page, NULL) > 0, "maximum_ram_page/positive");
}

static void stat_rows(unsigned command, const char* name) {
  about("memory_op/%s", name);
  bad_pointers(__HYPERVISOR_memory_op, command, 2);
  for
    EACH_DOMAIN(n) {
      struct xen_memory_domain d = {.domid = n->domid};
      long r = memory_op(command, &d);
      row(r, "domid-%s", n->name);
    }
}

static void reservation_rows(unsigned command, const char* name) {
  about("memory_op/%s", name);
  bad_pointers(__HYPERVISOR_memory_op, command, 2);
  xen_pfn_t* frames = (xen_pfn_t*)new_pages(1);
  uint64_t victim = new_pages(2) >> 12;
  for
    EACH_DOMAIN(n) {
      frames[0] = 0x300000; /* 12 GiB: nothing there */
      struct xen_memory_reservation r = extents(frames, 1, 0, n->domid);
      /* That nothing is populated there, or that the page comes and goes. */
      long result = memory_op(command, &r);
      row(result, "domid-%s", n->name);
      if (command != XENMEM_decrease_reservation && result == 1) {
        frames[0] = 0x300000;
        memory_op(XENMEM_decrease_reservation, &r);
      }
    }
  struct xen_memory_reservation r = extents(frames, 0, 0, DOMID_SELF);
  row(memory_op(command, &r), "no-extents");
  r = extents((xen_pfn_t*)UNMAPPED, 2, 0, DOMID_SELF);
  row(memory_op(command, &r), "list-unmapped");
  r = extents((xen_pfn_t*)HOLE, 2, 0, DOMID_SELF);
  row(memory_op(command, &r), "list-hole");
  r = extents(frames, 1ul << 32, 0, DOMID_SELF);
  row(memory_op(command, &r), "too-many-extents");
  r = extents(frames, 0x3ffffff + 1, 0, DOMID_SELF);
  row(memory_op(command, &r), "one-extent-too-many");
  static const unsigned orders[] = {10, 18, 19, 31, 32, 52, 63, 64, 0x7fffffff, 0xffffffff};
  for (unsigned i = 0; i < sizeof orders / sizeof *orders; ++i) {
    frames[0] = 0x300000;
    r = extents(frames, 1, orders[i], DOMID_SELF);
    row(memory_op(command, &r), "order-%x", orders[i]);
  }
  static const uint64_t far[] = {0x40000,   0x400000,  0x8000000, 1ul << 27, 1ul << 28,
                                 1ul << 36, 1ul << 40, 1ul << 52, ~0ul,      ~0ul - 1};
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i) {
    if (command != XENMEM_decrease_reservation && i < 2) continue;
    frames[0] = far[i];
    r = extents(frames, 1, 0, DOMID_SELF);
    row(memory_op(command, &r), "frame-%lx", far[i]);
  }
  frames[0] = victim, frames[1] = 0x300001;
  r = extents(frames, 2, 0, DOMID_SELF);
  row(hypercall5(__HYPERVISOR_memory_op, command | 2 << 6, (long)&r, 0, 0, 0), "all-started");
  row(hypercall5(__HYPERVISOR_memory_op, command | 5 << 6, (long)&r, 0, 0, 0), "more-started");
}

static void balloon_rows(void) {
  about("memory_op/balloon");
  xen_pfn_t* frames = (xen_pfn_t*)new_pages(1);
  uint64_t victim = new_pages(4) >> 12;
  frames[0] = victim, frames[1] = victim + 1;
  struct xen_memory_reservation r = extents(frames, 2, 0, DOMID_SELF);
  row(memory_op(XENMEM_decrease_reservation, &r), "decrease-two");
  row(memory_op(XENMEM_decrease_reservation, &r), "decrease-them-again");
  row(hypercall5(__HYPERVISOR_xen_version, XENVER_get_features, (long)(victim << 12), 0, 0, 0), "use-one");
  frames[0] = victim, frames[1] = victim + 1;
  row(memory_op(XENMEM_populate_physmap, &r), "populate-two");
  row(memory_op(XENMEM_populate_physmap, &r), "populate-them-again");
  r = extents(frames, 1, 1, DOMID_SELF);
  frames[0] = victim + 1; /* odd or even: an extent of order 1 at either */
  row(memory_op(XENMEM_decrease_reservation, &r), "decrease-order-1");
  row(memory_op(XENMEM_populate_physmap, &r), "populate-order-1");
  /* Down, a hole, up: how far it gets. */
  frames[0] = victim, frames[1] = 0x300000, frames[2] = victim + 1;
  r = extents(frames, 3, 0, DOMID_SELF);
  row(memory_op(XENMEM_decrease_reservation, &r), "decrease-with-a-hole-between");
  frames[0] = victim, frames[1] = victim + 1, frames[2] = victim + 2;
  row(memory_op(XENMEM_populate_physmap, &r), "populate-three");
  r = extents(frames, 3, 0, DOMID_SELF);
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_decrease_reservation | 1 << 6, (long)&r, 0, 0, 0),
      "decrease-two-of-three");
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_populate_physmap | 1 << 6, (long)&r, 0, 0, 0),
      "populate-two-of-three");
  struct xen_memory_domain self = {.domid = DOMID_SELF};
  row(memory_op(XENMEM_current_reservation, &self), "current");
  row(memory_op(XENMEM_maximum_reservation, &self), "maximum");
  /* More than the maximum: extents as long as there is room. */
  frames[0] = 0x300000;
  r = extents(frames, 1, 9, DOMID_SELF);
  row(memory_op(XENMEM_populate_physmap, &r), "populate-2MiB-beyond-the-maximum");
  xen_pfn_t* many = (xen_pfn_t*)new_pages(2);
  for (unsigned i = 0; i < 1024; ++i) many[i] = 0x300000 + i;
  r = extents(many, 1024, 0, DOMID_SELF);
  long done = memory_op(XENMEM_populate_physmap, &r);
  row(done, "populate-1024-beyond-the-maximum");
  r = extents(many, (unsigned long)done, 0, DOMID_SELF);
  row(done > 0 ? memory_op(XENMEM_decrease_reservation, &r) - done : 0, "and-back");
  row(memory_op(XENMEM_current_reservation, &self), "current-at-the-end");
  frames[0] = victim;
  r = extents(frames, 1, 0, DOMID_SELF);
  r.mem_flags = 0x80000000;
  row(memory_op(XENMEM_populate_physmap, &r), "populate-unknown-flag");
  r.mem_flags = XENMEMF_populate_on_demand;
  row(memory_op(XENMEM_populate_physmap, &r), "populate-on-demand");
  r.mem_flags = XENMEMF_exact_node(63);
  row(memory_op(XENMEM_decrease_reservation, &r), "decrease-flag-node");
  row(memory_op(XENMEM_populate_physmap, &r), "populate-exact-node-that-is-not-there");
  r.mem_flags = 0;
  row(memory_op(XENMEM_populate_physmap, &r), "populate-one");
  /* An increase without a list is legal. */
  struct xen_memory_reservation plain = {.nr_extents = 1, .domid = DOMID_SELF};
  row(memory_op(XENMEM_increase_reservation, &plain), "increase-without-list");
  row(memory_op(XENMEM_current_reservation, &self), "current-after-increase");
}

static void map_rows(void) {
  about("memory_op/memory_map");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_memory_map, 2);
  struct xen_memory_map map = {.nr_entries = 64};
  uint64_t buffer = new_pages(1);
  set_xen_guest_handle(map.buffer, (void*)buffer);
  long r = memory_op(XENMEM_memory_map, &map);
  row_value(r, map.nr_entries, "64-entries");
  map.nr_entries = 1;
  r = memory_op(XENMEM_memory_map, &map);
  row_value(r, map.nr_entries, "1-entry");
  map.nr_entries = 0;
  r = memory_op(XENMEM_memory_map, &map);
  row_value(r, map.nr_entries, "0-entries");
  map.nr_entries = 64;
  set_xen_guest_handle(map.buffer, (void*)UNMAPPED);
  row(memory_op(XENMEM_memory_map, &map), "buffer-unmapped");
  about("memory_op/machine_memory_map");
  set_xen_guest_handle(map.buffer, (void*)buffer);
  row(memory_op(XENMEM_machine_memory_map, &map), "good");
  about("memory_op/set_memory_map");
  struct xen_foreign_memory_map foreign = {.map = {.nr_entries = 1}};
  set_xen_guest_handle(foreign.map.buffer, (void*)buffer);
  for
    EACH_DOMAIN(n) {
      if (n->domid == DOMID_SELF || n->domid == own_domid) continue; /* below */
      foreign.domid = n->domid;
      row(memory_op(XENMEM_set_memory_map, &foreign), "domid-%s", n->name);
    }
  foreign.domid = DOMID_SELF;
  foreign.map.nr_entries = 1000;
  row(memory_op(XENMEM_set_memory_map, &foreign), "self/1000-entries");
  foreign.map.nr_entries = 1;
  set_xen_guest_handle(foreign.map.buffer, (void*)UNMAPPED);
  row(memory_op(XENMEM_set_memory_map, &foreign), "self/buffer-unmapped");
}

static void machine_rows(void) {
  about("memory_op/machphys");
  uint64_t buffer = new_pages(1);
  struct xen_machphys_mfn_list list = {.max_extents = 1};
  set_xen_guest_handle(list.extent_start, (void*)buffer);
  row(memory_op(XENMEM_machphys_mfn_list, &list), "mfn_list");
  list.max_extents = 0;
  row(memory_op(XENMEM_machphys_mfn_list, &list), "mfn_list/0");
  row(memory_op(XENMEM_machphys_mapping, (void*)buffer), "mapping");
  row(memory_op(XENMEM_machphys_compat_mfn_list, &list), "compat_mfn_list");
  about("memory_op/pod_target");
  for
    EACH_DOMAIN(n) {
      struct xen_pod_target t = {.domid = n->domid};
      row(memory_op(XENMEM_get_pod_target, &t), "get/domid-%s", n->name);
      row(memory_op(XENMEM_set_pod_target, &t), "set/domid-%s", n->name);
    }
  about("memory_op/sharing");
  row(memory_op(XENMEM_get_sharing_freed_pages, NULL), "freed");
  row(memory_op(XENMEM_get_sharing_shared_pages, NULL), "shared");
  about("memory_op/claim_pages");
  for
    EACH_DOMAIN(n) {
      struct xen_memory_reservation r = {.nr_extents = 1, .domid = n->domid};
      row(memory_op(XENMEM_claim_pages, &r), "domid-%s", n->name);
    }
  struct xen_memory_reservation r = {.nr_extents = 1, .domid = own_domid};
  set_xen_guest_handle(r.extent_start, (void*)buffer);
  row(memory_op(XENMEM_claim_pages, &r), "with-a-list");
  r = (struct xen_memory_reservation){.nr_extents = 1, .extent_order = 1, .domid = own_domid};
  row(memory_op(XENMEM_claim_pages, &r), "order-1");
  r = (struct xen_memory_reservation){.nr_extents = 1, .mem_flags = 1, .domid = own_domid};
  row(memory_op(XENMEM_claim_pages, &r), "flags");
}

static void vnuma_rows(void) {
  about("memory_op/get_vnumainfo");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, 2);
  for
    EACH_DOMAIN(n) {
      struct xen_vnuma_topology_info t = {.domid = n->domid};
      row(memory_op(XENMEM_get_vnumainfo, &t), "domid-%s", n->name);
    }
  struct xen_vnuma_topology_info t = {.domid = DOMID_SELF, .pad = 1};
  row(memory_op(XENMEM_get_vnumainfo, &t), "pad");
  about("memory_op/reserved_device_memory_map");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_reserved_device_memory_map, 2);
}

static void resource_rows(void) {
  about("memory_op/acquire_resource");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_acquire_resource, 2);
  xen_pfn_t frame = 0x300000;
  for
    EACH_DOMAIN(n)
  for (unsigned type = 0; type < 4; ++type) {
    struct xen_mem_acquire_resource a = {.domid = n->domid, .type = (uint16_t)type, .nr_frames = 1};
    set_xen_guest_handle(a.frame_list, &frame);
    row(memory_op(XENMEM_acquire_resource, &a), "type-%u/domid-%s", type, n->name);
  }
  struct xen_mem_acquire_resource a = {.domid = peer_domid, .type = 1, .nr_frames = 1, .pad = 1};
  row(memory_op(XENMEM_acquire_resource, &a), "pad");
  a = (struct xen_mem_acquire_resource){.domid = peer_domid, .type = 1};
  row(memory_op(XENMEM_acquire_resource, &a), "size-of-resource");
  a = (struct xen_mem_acquire_resource){.domid = peer_domid, .type = 1, .nr_frames = 1000};
  row(memory_op(XENMEM_acquire_resource, &a), "1000-frames-no-list");
}

void memory_rows(void) {
  command_rows();
  stat_rows(XENMEM_current_reservation, "current_reservation");
  stat_rows(XENMEM_maximum_reservation, "maximum_reservation");
  stat_rows(XENMEM_maximum_gpfn, "maximum_gpfn");
  reservation_rows(XENMEM_increase_reservation, "increase_reservation");
  reservation_rows(XENMEM_decrease_reservation, "decrease_reservation");
  reservation_rows(XENMEM_populate_physmap, "populate_physmap");
  balloon_rows();
  map_rows();
  machine_rows();
  vnuma_rows();
  resource_rows();
}
