/* errors: grant_table_op under version 2 of the grant table. The table goes back to version 1 in the end. */
#include "errors.h"

#include <xen/grant_table.h>

static long grant_op(unsigned command, void* op, unsigned count) {
  return hypercall5(__HYPERVISOR_grant_table_op, command, (long)op, count, 0, 0);
}

static union grant_entry_v2* table;
static uint16_t* statuses;

static long set_version(unsigned version) {
  struct gnttab_set_version s = {.version = version};
  return grant_op(GNTTABOP_set_version, &s, 1);
}

static void set_entry(unsigned ref, domid_t domid, uint64_t frame, uint16_t flags) {
  table[ref].hdr.flags = 0;
  table[ref].hdr.domid = domid;
  table[ref].full_page.frame = frame;
  __atomic_store_n(&table[ref].hdr.flags, flags, __ATOMIC_SEQ_CST);
}

static void status_frame_rows(void) {
  about("grant_table_op/v2/get_status_frames");
  uint64_t list[8];
  static const unsigned counts[] = {0, 1, 2, 1000, 0xffffffff};
  for (unsigned i = 0; i < sizeof counts / sizeof *counts; ++i) {
    struct gnttab_get_status_frames g = {.dom = DOMID_SELF, .nr_frames = counts[i]};
    set_xen_guest_handle(g.frame_list, list);
    row(grant_op(GNTTABOP_get_status_frames, &g, 1), "frames-%x", counts[i]);
    row(g.status, "frames-%x/status", counts[i]);
  }
  for
    EACH_DOMAIN(n) {
      struct gnttab_get_status_frames g = {.dom = n->domid, .nr_frames = 1};
      set_xen_guest_handle(g.frame_list, list);
      row(grant_op(GNTTABOP_get_status_frames, &g, 1), "domid-%s", n->name);
      row(g.status, "domid-%s/status", n->name);
    }
  struct gnttab_get_status_frames g = {.dom = DOMID_SELF, .nr_frames = 1};
  set_xen_guest_handle(g.frame_list, (void*)UNMAPPED);
  row(grant_op(GNTTABOP_get_status_frames, &g, 1), "list-unmapped");
  row(g.status, "list-unmapped/status");
  row(grant_op(GNTTABOP_get_status_frames, &g, 2), "two");
}

static void map_frame_rows(uint64_t page) {
  about("grant_table_op/v2/add_to_physmap");
  static const uint64_t indices[] = {0, XENMAPIDX_grant_table_status, XENMAPIDX_grant_table_status | 1,
                                     XENMAPIDX_grant_table_status | 100, 64};
  for (unsigned i = 0; i < sizeof indices / sizeof *indices; ++i) {
    struct xen_add_to_physmap x = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = indices[i], .gpfn = page >> 12};
    row(memory_op(XENMEM_add_to_physmap, &x), "index-%lx", indices[i]);
  }
  struct xen_add_to_physmap x = {.domid = DOMID_SELF,
                                 .space = XENMAPSPACE_grant_table,
                                 .idx = XENMAPIDX_grant_table_status,
                                 .gpfn = (page >> 12) + 1};
  memory_op(XENMEM_add_to_physmap, &x);
  x.idx = 0;
  x.gpfn = page >> 12;
  row(memory_op(XENMEM_add_to_physmap, &x), "the-table");
  table = (union grant_entry_v2*)page;
  statuses = (uint16_t*)(page + 4096);
}

static long copy(uint64_t ref, uint64_t target, uint16_t offset, uint16_t length) {
  struct gnttab_copy c = {.len = length, .flags = GNTCOPY_source_gref};
  c.source.domid = own_domid;
  c.source.offset = offset;
  c.source.u.ref = (grant_ref_t)ref;
  c.dest.domid = DOMID_SELF;
  c.dest.u.gmfn = target;
  long r = grant_op(GNTTABOP_copy, &c, 1);
  return r ? r : c.status;
}

static void copy_rows(uint64_t page) {
  about("grant_table_op/v2/copy");
  uint64_t from = page >> 12, to = from + 1;
  set_entry(40, own_domid, from, GTF_permit_access);
  row(copy(40, to, 0, 16), "whole-page");
  row(statuses[40], "whole-page/status-word");
  set_entry(41, own_domid, from, GTF_permit_access | GTF_sub_page);
  table[41].sub_page.page_off = 100;
  table[41].sub_page.length = 50;
  row(copy(41, to, 0, 50), "sub-page");
  row(copy(41, to, 1, 50), "sub-page-beyond");
  row(copy(41, to, 0, 51), "sub-page-too-long");
  set_entry(42, 0, from, GTF_permit_access);
  row(copy(42, to, 0, 16), "granted-to-dom0");
  set_entry(43, own_domid, 0x300000, GTF_permit_access);
  row(copy(43, to, 0, 16), "not-there");
  set_entry(44, own_domid, from, GTF_transitive);
  table[44].transitive.trans_domid = own_domid;
  table[44].transitive.gref = 40;
  row(copy(44, to, 0, 16), "transitive-to-own");
  table[44].transitive.trans_domid = 0x1234;
  row(copy(44, to, 0, 16), "transitive-to-unknown");
  row(copy(600, to, 0, 16), "reference-beyond-the-frame");
  for (unsigned ref = 40; ref < 45; ++ref) set_entry(ref, 0, 0, 0);
}

static void other_rows(uint64_t place, uint64_t page) {
  about("grant_table_op/v2");
  set_entry(45, own_domid, page >> 12, GTF_permit_access | GTF_sub_page);
  struct gnttab_map_grant_ref m = {.dom = own_domid, .ref = 45, .flags = GNTMAP_host_map, .host_addr = place};
  row(grant_op(GNTTABOP_map_grant_ref, &m, 1), "map-sub-page");
  row(m.status, "map-sub-page/status");
  m.ref = 46;
  row(grant_op(GNTTABOP_map_grant_ref, &m, 1), "map-free-ref");
  row(m.status, "map-free-ref/status");
  set_entry(45, 0, 0, 0);
  struct gnttab_swap_grant_ref s = {.ref_a = 50, .ref_b = 300};
  row(grant_op(GNTTABOP_swap_grant_ref, &s, 1), "swap-beyond-the-frame");
  row(s.status, "swap-beyond-the-frame/status");
  struct gnttab_setup_table t = {.dom = DOMID_SELF, .nr_frames = 65};
  xen_pfn_t frames[8];
  set_xen_guest_handle(t.frame_list, frames);
  row(grant_op(GNTTABOP_setup_table, &t, 1), "setup-65");
  row(t.status, "setup-65/status");
  struct gnttab_get_version v = {.dom = DOMID_SELF};
  long r = grant_op(GNTTABOP_get_version, &v, 1);
  row_value(r, v.version, "get_version");
  struct gnttab_transfer x = {.mfn = page >> 12, .domid = own_domid, .ref = 5};
  row(grant_op(GNTTABOP_transfer, &x, 1), "transfer-to-own");
  row(x.status, "transfer-to-own/status");
}

void grant_v2_rows(void) {
  about("grant_table_op/v2");
  row(set_version(2), "set_version");
  uint64_t frames = new_pages(2), pages = new_pages(3);
  status_frame_rows();
  map_frame_rows(frames);
  copy_rows(pages);
  other_rows(pages + 8192, pages);
  about("grant_table_op/v2");
  struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = (frames >> 12) + 1};
  row(memory_op(XENMEM_remove_from_physmap, &r), "unmap-the-status-frame");
  row(set_version(1), "back-to-1");
}
