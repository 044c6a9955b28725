/* The table as a whole: which operations there are, versions, sizes, where its frames are. */
#include "grants.h"
#include "lib/exit.h"
#include "lib/memory.h"

#define NOBODY 9999 /* a domain that there is not */

static void version_of(const char* what, domid_t domid) {
  struct gnttab_get_version get = {.dom = domid, .version = 77};
  row(what, grant_table_op(GNTTABOP_get_version, &get, 1));
  row("  version", get.version);
}

static void set(const char* what, unsigned version) {
  struct gnttab_set_version set = {.version = version};
  row(what, grant_table_op(GNTTABOP_set_version, &set, 1));
  row("  version", set.version);
}

static void versions(void) {
  version_of("get_version of DOMID_SELF", DOMID_SELF);
  version_of("get_version of the domain's own number", this_domid());
  version_of("get_version of domain 0", 0);
  version_of("get_version of nobody", NOBODY);
  version_of("get_version of DOMID_XEN", DOMID_XEN);
  set("set_version 0", 0);
  set("set_version 3", 3);
  set("set_version 1, which it is", 1);
  set("set_version 2", 2);
  set("set_version 2, which it is", 2);
  version_of("get_version of DOMID_SELF", DOMID_SELF);
  set("set_version 1", 1);
  row("set_version from a bad address", grant_table_op(GNTTABOP_set_version, (void*)WINDOW, 1));
  row("get_version from a bad address", grant_table_op(GNTTABOP_get_version, (void*)WINDOW, 1));
}

static void size_of(const char* what, domid_t domid) {
  struct gnttab_query_size query = {.dom = domid, .nr_frames = 77, .max_nr_frames = 77, .status = 77};
  row(what, grant_table_op(GNTTABOP_query_size, &query, 1));
  row("  status", query.status);
  row("  frames", query.nr_frames);
  row("  most frames", query.max_nr_frames);
}

static void sizes(void) {
  struct gnttab_query_size query = {.dom = DOMID_SELF};
  size_of("query_size of DOMID_SELF", DOMID_SELF);
  size_of("query_size of the domain's own number", this_domid());
  size_of("query_size of domain 0", 0);
  size_of("query_size of nobody", NOBODY);
  row("query_size, count 0", grant_table_op(GNTTABOP_query_size, &query, 0));
  row("query_size, count 2", grant_table_op(GNTTABOP_query_size, &query, 2));
  row("query_size from a bad address", grant_table_op(GNTTABOP_query_size, (void*)WINDOW, 1));
}

static xen_pfn_t list[128];

static void setup(const char* what, domid_t domid, unsigned frames, void* to) {
  struct gnttab_setup_table setup = {.dom = domid, .nr_frames = frames, .status = 77};
  set_xen_guest_handle(setup.frame_list, to);
  for (unsigned i = 0; i < 128; ++i) list[i] = 77;
  row(what, grant_table_op(GNTTABOP_setup_table, &setup, 1));
  row("  status", setup.status);
}

static void setups(void) {
  setup("setup_table, no frames", DOMID_SELF, 0, list);
  setup("setup_table, one frame", DOMID_SELF, 1, list);
  row_hex("  where frame 0 is", list[0]);
  row("map frame 0", grant_map_frame(0, GRANT_FRAMES));
  setup("setup_table, one frame that is mapped", this_domid(), 1, list);
  row_hex("  where frame 0 is", list[0]);
  row("map frame 0 elsewhere", grant_map_frame(0, GRANT_FRAMES + 0x10000));
  setup("setup_table, one frame that has moved", DOMID_SELF, 1, list);
  row_hex("  where frame 0 is", list[0]);
  setup("setup_table, three frames", DOMID_SELF, 3, list);
  row_hex("  where frame 2 is", list[2]);
  size_of("query_size after it", DOMID_SELF);
  setup("setup_table, fewer frames", DOMID_SELF, 1, list);
  size_of("query_size after it", DOMID_SELF);
  setup("setup_table, one frame more than there may be", DOMID_SELF, 17, list);
  setup("setup_table, all ones", DOMID_SELF, ~0u, list);
  setup("setup_table of domain 0", 0, 1, list);
  setup("setup_table of nobody", NOBODY, 1, list);
  setup("setup_table, a bad list", DOMID_SELF, 1, (void*)WINDOW);
  struct gnttab_setup_table setup = {.dom = DOMID_SELF};
  row("setup_table, count 0", grant_table_op(GNTTABOP_setup_table, &setup, 0));
  row("setup_table, count 2", grant_table_op(GNTTABOP_setup_table, &setup, 2));
  row("setup_table from a bad address", grant_table_op(GNTTABOP_setup_table, (void*)WINDOW, 1));
}

static void frames(void) {
  row("map the first frame that there may not be", grant_map_frame(16, GRANT_FRAMES + 0x20000));
  row("map a frame far beyond", grant_map_frame(0x7fffffff, GRANT_FRAMES + 0x20000));
  row("map frame 2^32", grant_map_frame(1ul << 32, GRANT_FRAMES + 0x20000));
  row("map a status frame in version 1", grant_map_frame(XENMAPIDX_grant_table_status, GRANT_STATUS));
  row("map frame 4: the table grows", grant_map_frame(4, GRANT_FRAMES + 0x4000));
  size_of("query_size after it", DOMID_SELF);
  set("set_version 2", 2);
  row("map status frame 0", grant_map_frame(XENMAPIDX_grant_table_status, GRANT_STATUS));
  row("map status frame 1: the table grows",
      grant_map_frame(XENMAPIDX_grant_table_status | 1, GRANT_STATUS + 0x1000));
  size_of("query_size after it", DOMID_SELF);
  row("map status frame 2, which there may not be",
      grant_map_frame(XENMAPIDX_grant_table_status | 2, GRANT_STATUS + 0x2000));
  set("set_version 1 with status frames mapped", 1);
  setup("setup_table after it", DOMID_SELF, 1, list);
  row_hex("  where frame 0 is", list[0]);
  row_hex("  what was the status frame reads", *(volatile uint16_t*)GRANT_STATUS);
}

static void operations(void) {
  static uint64_t page[512];
  const struct {
    const char* name;
    unsigned number;
  } absent[] = {
      {"dump_table", 3},   {"transfer", 4},      {"unmap_and_replace", 7}, {"get_status_frames", 9},
      {"cache_flush", 12}, {"operation 13", 13}, {"operation -1", ~0u},    {"map with bits above", 0x1000}};
  for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; ++i)
    row(absent[i].name, grant_table_op(absent[i].number, page, 1));
  row("map, count 0", grant_table_op(GNTTABOP_map_grant_ref, page, 0));
  row("map, count 2^31", grant_table_op(GNTTABOP_map_grant_ref, page, 1u << 31));
  row("map, count 2^32 - 1", grant_table_op(GNTTABOP_map_grant_ref, page, ~0u));
  row("map from a bad address", grant_table_op(GNTTABOP_map_grant_ref, (void*)WINDOW, 1));
  row("unmap from a bad address", grant_table_op(GNTTABOP_unmap_grant_ref, (void*)WINDOW, 1));
  row("copy from a bad address", grant_table_op(GNTTABOP_copy, (void*)WINDOW, 1));
  row("swap from a bad address", grant_table_op(GNTTABOP_swap_grant_ref, (void*)WINDOW, 1));
}

void table_cases(void) {
  operations();
  versions();
  sizes();
  setups();
  frames();
  grant_table_map(4);
  row("the toolstack's entry for the console", grant_flags(GNTTAB_RESERVED_CONSOLE) & GTF_type_mask);
  row("the toolstack's entry for xenstore", grant_flags(GNTTAB_RESERVED_XENSTORE) & GTF_type_mask);
}
