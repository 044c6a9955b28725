/* errors: grant_table_op. Grants are made by this domain for itself, for dom0 and for its peer; it maps only its
 * own. */
#include "errors.h"

#include <xen/grant_table.h>

/* Of a hypercall, before what it wrote is looked at. */
static long result;

static grant_entry_v1_t* table; /* the first shared frame, in version 1 */

static long grant_op(unsigned command, void* op, unsigned count) {
  return hypercall5(__HYPERVISOR_grant_table_op, command, (long)op, count, 0, 0);
}

static void set_grant(unsigned ref, domid_t domid, uint64_t frame, uint16_t flags) {
  table[ref].flags = 0;
  table[ref].domid = domid;
  table[ref].frame = (uint32_t)frame;
  __atomic_store_n(&table[ref].flags, flags, __ATOMIC_SEQ_CST);
}

static void command_rows(void) {
  about("grant_table_op");
  for (int command = -1; command < 18; ++command) {
    row(hypercall5(__HYPERVISOR_grant_table_op, command, UNMAPPED, 1, 0, 0), "%d/pointer-unmapped", command);
    row(hypercall5(__HYPERVISOR_grant_table_op, command, UNMAPPED, 0, 0, 0), "%d/count-0", command);
    row(hypercall5(__HYPERVISOR_grant_table_op, command, UNMAPPED, 0x80000000, 0, 0), "%d/count-negative",
        command);
  }
  bad_pointers(__HYPERVISOR_grant_table_op, GNTTABOP_get_version, 2);
}

static void table_rows(void) {
  about("grant_table_op/query_size");
  for
    EACH_DOMAIN(n) {
      struct gnttab_query_size q = {.dom = n->domid};
      long r = grant_op(GNTTABOP_query_size, &q, 1);
      row(r, "domid-%s", n->name);
      row(q.status, "domid-%s/status", n->name);
      if (r == 0 && q.status == 0) row(q.max_nr_frames, "domid-%s/max", n->name);
    }
  struct gnttab_query_size q = {.dom = DOMID_SELF};
  row(grant_op(GNTTABOP_query_size, &q, 2), "two");
  about("grant_table_op/get_version");
  for
    EACH_DOMAIN(n) {
      struct gnttab_get_version v = {.dom = n->domid};
      result = grant_op(GNTTABOP_get_version, &v, 1);
      row_value(result, v.version, "domid-%s", n->name);
    }
  struct gnttab_get_version v = {.dom = DOMID_SELF};
  row(grant_op(GNTTABOP_get_version, &v, 2), "two");
  about("grant_table_op/set_version");
  static const unsigned versions[] = {0, 3, 0xffffffff, 1, 2, 2, 1};
  for (unsigned i = 0; i < sizeof versions / sizeof *versions; ++i) {
    struct gnttab_set_version s = {.version = versions[i]};
    long r = grant_op(GNTTABOP_set_version, &s, 1);
    row(r, "%x", versions[i]);
    row(s.version, "%x/version", versions[i]);
  }
  struct gnttab_set_version s = {.version = 1};
  row(grant_op(GNTTABOP_set_version, &s, 2), "two");
  about("grant_table_op/setup_table");
  xen_pfn_t frames[8];
  for
    EACH_DOMAIN(n) {
      struct gnttab_setup_table t = {.dom = n->domid, .nr_frames = 1};
      set_xen_guest_handle(t.frame_list, frames);
      long r = grant_op(GNTTABOP_setup_table, &t, 1);
      row(r, "domid-%s", n->name);
      row(t.status, "domid-%s/status", n->name);
    }
  static const unsigned counts[] = {0, 2, 65, 1000, 0xffffffff};
  for (unsigned i = 0; i < sizeof counts / sizeof *counts; ++i) {
    struct gnttab_setup_table t = {.dom = DOMID_SELF, .nr_frames = counts[i]};
    set_xen_guest_handle(t.frame_list, frames);
    row(grant_op(GNTTABOP_setup_table, &t, 1), "frames-%x", counts[i]);
    row(t.status, "frames-%x/status", counts[i]);
  }
  struct gnttab_setup_table t = {.dom = DOMID_SELF, .nr_frames = 1};
  row(grant_op(GNTTABOP_setup_table, &t, 2), "two");
  set_xen_guest_handle(t.frame_list, (void*)UNMAPPED);
  row(grant_op(GNTTABOP_setup_table, &t, 1), "list-unmapped");
  row(t.status, "list-unmapped/status");
  about("grant_table_op/get_status_frames");
  uint64_t list[8];
  for
    EACH_DOMAIN(n) {
      struct gnttab_get_status_frames g = {.dom = n->domid, .nr_frames = 1};
      set_xen_guest_handle(g.frame_list, list);
      row(grant_op(GNTTABOP_get_status_frames, &g, 1), "domid-%s", n->name);
      row(g.status, "domid-%s/status", n->name);
    }
  about("grant_table_op/dump_table");
  for
    EACH_DOMAIN(n) {
      struct gnttab_dump_table d = {.dom = n->domid};
      row(grant_op(GNTTABOP_dump_table, &d, 1), "domid-%s", n->name);
      row(d.status, "domid-%s/status", n->name);
    }
}

static void transfer_rows(void) {
  about("grant_table_op/transfer");
  uint64_t frame = new_pages(1) >> 12;
  for
    EACH_DOMAIN(n) {
      struct gnttab_transfer t = {.mfn = frame, .domid = n->domid, .ref = 5};
      row(grant_op(GNTTABOP_transfer, &t, 1), "domid-%s", n->name);
      row(t.status, "domid-%s/status", n->name);
    }
  about("grant_table_op/cache_flush");
  for (unsigned op = 0; op < 6; ++op) {
    struct gnttab_cache_flush f = {.op = op};
    row(grant_op(GNTTABOP_cache_flush, &f, 1), "op-%u", op);
  }
  about("grant_table_op/swap_grant_ref");
  static const unsigned refs[][2] = {{20, 21}, {20, 20}, {20, 100000}, {100000, 20}, {0xffffffff, 0}};
  for (unsigned i = 0; i < sizeof refs / sizeof *refs; ++i) {
    struct gnttab_swap_grant_ref s = {.ref_a = refs[i][0], .ref_b = refs[i][1]};
    row(grant_op(GNTTABOP_swap_grant_ref, &s, 1), "%x-%x", refs[i][0], refs[i][1]);
    row(s.status, "%x-%x/status", refs[i][0], refs[i][1]);
  }
}

static struct gnttab_map_grant_ref map(domid_t domid, grant_ref_t ref, uint32_t flags, uint64_t address) {
  struct gnttab_map_grant_ref m = {.dom = domid, .ref = ref, .flags = flags, .host_addr = address};
  grant_op(GNTTABOP_map_grant_ref, &m, 1);
  return m;
}

static long unmap(grant_handle_t handle, uint64_t address) {
  struct gnttab_unmap_grant_ref u = {.handle = handle, .host_addr = address};
  long r = grant_op(GNTTABOP_unmap_grant_ref, &u, 1);
  return r ? r : u.status;
}

static void map_rows(void) {
  about("grant_table_op/map_grant_ref");
  uint64_t page = new_pages(1), frame = page >> 12, place = 0x300000ul << 12;
  for
    EACH_DOMAIN(n) {
      struct gnttab_map_grant_ref m = {.dom = n->domid, .ref = 8, .flags = GNTMAP_host_map, .host_addr = place};
      row(grant_op(GNTTABOP_map_grant_ref, &m, 1), "domid-%s", n->name);
      row(m.status, "domid-%s/status", n->name);
    }
  static const grant_ref_t refs[] = {8, 511, 512, 100000, 0x80000000, 0xffffffff};
  for (unsigned i = 0; i < sizeof refs / sizeof *refs; ++i)
    row(map(own_domid, refs[i], GNTMAP_host_map, place).status, "own/ref-%x", refs[i]);
  static const uint32_t flags[] = {0,
                                   GNTMAP_device_map,
                                   GNTMAP_application_map,
                                   GNTMAP_host_map | GNTMAP_application_map,
                                   GNTMAP_host_map | GNTMAP_contains_pte,
                                   GNTMAP_host_map | 0x100,
                                   GNTMAP_host_map | GNTMAP_readonly};
  for (unsigned i = 0; i < sizeof flags / sizeof *flags; ++i)
    row(map(own_domid, 8, flags[i], place).status, "own/free-ref/flags-%x", flags[i]);
  set_grant(10, own_domid, frame, GTF_permit_access);
  set_grant(11, own_domid, frame, GTF_permit_access | GTF_readonly);
  set_grant(12, 0, frame, GTF_permit_access);
  set_grant(13, own_domid, 0x300000, GTF_permit_access);
  set_grant(14, own_domid, frame, GTF_accept_transfer);
  set_grant(15, own_domid, 0xffffffff, GTF_permit_access);
  row(map(own_domid, 12, GNTMAP_host_map, place).status, "granted-to-dom0");
  row(map(own_domid, 13, GNTMAP_host_map, place).status, "frame-not-there");
  row(map(own_domid, 15, GNTMAP_host_map, place).status, "frame-last");
  row(map(own_domid, 14, GNTMAP_host_map, place).status, "transfer-entry");
  row(map(own_domid, 11, GNTMAP_host_map, place).status, "write-to-read-only");
  struct gnttab_map_grant_ref a = map(own_domid, 10, GNTMAP_host_map, place);
  row(a.status, "good");
  row(a.status ? 0 : (long)a.handle, "good/handle");
  struct gnttab_map_grant_ref b = map(own_domid, 10, GNTMAP_host_map, place + 0x1000);
  row(b.status, "second");
  row(b.status ? 0 : (long)b.handle, "second/handle");
  row(map(own_domid, 10, GNTMAP_host_map, place + 0x2001).status, "address-not-aligned");
  row(map(own_domid, 10, GNTMAP_host_map, 1ul << 60).status, "address-far");
  row(map(own_domid, 10, GNTMAP_device_map, 0).status, "device");
  row(table[10].flags, "flags-while-mapped");
  about("grant_table_op/unmap_grant_ref");
  static const grant_handle_t handles[] = {1000, 100000, 0x80000000, 0xffffffff};
  for (unsigned i = 0; i < sizeof handles / sizeof *handles; ++i)
    row(unmap(handles[i], place), "handle-%x", handles[i]);
  if (a.status == 0) {
    row(unmap(a.handle, place + 0x5000), "other-address");
    row(unmap(a.handle, place), "good");
    row(unmap(a.handle, place), "again");
  }
  if (b.status == 0) row(unmap(b.handle, place + 0x1000), "second");
  row(table[10].flags, "flags-afterwards");
  struct gnttab_map_grant_ref ro = map(own_domid, 11, GNTMAP_host_map | GNTMAP_readonly, place);
  row(ro.status, "read-only/map");
  row(table[11].flags, "read-only/flags");
  if (ro.status == 0) row(unmap(ro.handle, place), "read-only/unmap");
  struct gnttab_unmap_and_replace u = {.host_addr = place, .new_addr = place + 0x1000, .handle = 0};
  about("grant_table_op/unmap_and_replace");
  row(grant_op(GNTTABOP_unmap_and_replace, &u, 1), "handle-0");
  row(u.status, "handle-0/status");
  for (unsigned i = 10; i < 16; ++i) set_grant(i, 0, 0, 0);
}

void grant_rows(void) {
  command_rows();
  table_rows();
  /* The first shared frame, in place of a page of RAM. */
  uint64_t page = new_pages(1);
  struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .gpfn = page >> 12};
  about("grant_table_op");
  row(memory_op(XENMEM_add_to_physmap, &x), "map-the-table");
  table = (grant_entry_v1_t*)page;
  row(table[0].flags, "first-entry-flags");
  transfer_rows();
  map_rows();
}

static long copy(domid_t from, uint64_t source, uint16_t from_offset, domid_t to, uint64_t target,
                 uint16_t to_offset, uint16_t length, uint16_t flags) {
  struct gnttab_copy c = {.len = length, .flags = flags};
  c.source.domid = from;
  c.source.offset = from_offset;
  if (flags & GNTCOPY_source_gref)
    c.source.u.ref = (grant_ref_t)source;
  else
    c.source.u.gmfn = source;
  c.dest.domid = to;
  c.dest.offset = to_offset;
  if (flags & GNTCOPY_dest_gref)
    c.dest.u.ref = (grant_ref_t)target;
  else
    c.dest.u.gmfn = target;
  long r = grant_op(GNTTABOP_copy, &c, 1);
  return r ? r : c.status;
}

void grant_copy_rows(void) {
  about("grant_table_op/copy");
  if (!table) return;
  uint64_t page = new_pages(2), a = page >> 12, b = a + 1;
  for
    EACH_DOMAIN(n) {
      row(copy(n->domid, a, 0, DOMID_SELF, b, 0, 16, 0), "from-%s", n->name);
      row(copy(DOMID_SELF, a, 0, n->domid, b, 0, 16, 0), "to-%s", n->name);
      row(copy(n->domid, 9, 0, DOMID_SELF, b, 0, 16, GNTCOPY_source_gref), "from-%s/reference", n->name);
      row(copy(DOMID_SELF, a, 0, n->domid, 9, 0, 16, GNTCOPY_dest_gref), "to-%s/reference", n->name);
    }
  row(copy(DOMID_SELF, a, 4000, DOMID_SELF, b, 0, 97, 0), "source-beyond-the-page");
  row(copy(DOMID_SELF, a, 4000, DOMID_SELF, b, 0, 96, 0), "source-to-the-end");
  row(copy(DOMID_SELF, a, 0, DOMID_SELF, b, 4000, 97, 0), "target-beyond-the-page");
  row(copy(DOMID_SELF, a, 0, DOMID_SELF, b, 0, 0, 0), "length-0");
  row(copy(DOMID_SELF, a, 0, DOMID_SELF, b, 0, 4096, 0), "length-4096");
  row(copy(DOMID_SELF, a, 0, DOMID_SELF, b, 0, 4097, 0), "length-4097");
  row(copy(DOMID_SELF, a, 0xffff, DOMID_SELF, b, 0, 1, 0), "offset-ffff");
  row(copy(DOMID_SELF, 0x300000, 0, DOMID_SELF, b, 0, 16, 0), "source-not-there");
  row(copy(DOMID_SELF, a, 0, DOMID_SELF, 0x300000, 0, 16, 0), "target-not-there");
  row(copy(DOMID_SELF, ~0ul, 0, DOMID_SELF, b, 0, 16, 0), "source-last");
  row(copy(DOMID_SELF, a, 0, DOMID_SELF, b, 0, 16, 0x10), "unknown-flag");
  set_grant(10, own_domid, a, GTF_permit_access);
  set_grant(11, own_domid, a, GTF_permit_access | GTF_readonly);
  row(copy(own_domid, 10, 0, DOMID_SELF, b, 0, 16, GNTCOPY_source_gref), "from-own-reference");
  row(copy(DOMID_SELF, 10, 0, DOMID_SELF, b, 0, 16, GNTCOPY_source_gref), "from-self-reference");
  row(copy(DOMID_SELF, b, 0, own_domid, 10, 0, 16, GNTCOPY_dest_gref), "to-own-reference");
  row(copy(DOMID_SELF, b, 0, own_domid, 11, 0, 16, GNTCOPY_dest_gref), "to-read-only-reference");
  row(copy(own_domid, 11, 0, own_domid, 10, 0, 16, GNTCOPY_source_gref | GNTCOPY_dest_gref), "both-references");
  row(copy(own_domid, 100000, 0, DOMID_SELF, b, 0, 16, GNTCOPY_source_gref), "reference-far");
  row(table[10].flags | table[11].flags << 16, "flags-afterwards");
  static struct gnttab_copy two[2];
  for (unsigned i = 0; i < 2; ++i) {
    two[i] = (struct gnttab_copy){.len = 8, .status = 99};
    two[i].source.domid = two[i].dest.domid = DOMID_SELF;
    two[i].source.u.gmfn = i == 0 ? 0x300000 : a;
    two[i].dest.u.gmfn = b;
  }
  row(grant_op(GNTTABOP_copy, two, 2), "two-of-which-one-is-bad");
  row(two[0].status, "two-of-which-one-is-bad/first");
  row(two[1].status, "two-of-which-one-is-bad/second");
}
