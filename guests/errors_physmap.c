/* errors: memory_op's commands on the physmap, exchange, and the paging, sharing and access subcommands. */
#include "errors.h"

static void add_rows(void) {
  about("memory_op/add_to_physmap");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, 2);
  uint64_t a = new_pages(4) >> 12;
  for
    EACH_DOMAIN(n) {
      /* A frame that is not there: nothing moves, whoever may. */
      struct xen_add_to_physmap x = {
          .domid = n->domid, .space = XENMAPSPACE_gmfn, .idx = 0x300000, .gpfn = 0x300001};
      row(memory_op(XENMEM_add_to_physmap, &x), "gmfn/domid-%s", n->name);
    }
  static const unsigned spaces[] = {2, 3, 4, 5, 6, 7, 0x80000000, 0xffffffff};
  for (unsigned i = 0; i < sizeof spaces / sizeof *spaces; ++i) {
    struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = spaces[i], .idx = 0x300000, .gpfn = 0x300001};
    row(memory_op(XENMEM_add_to_physmap, &x), "space-%x", spaces[i]);
    x.domid = 0;
    row(memory_op(XENMEM_add_to_physmap, &x), "space-%x/dom0", spaces[i]);
  }
  static const uint64_t indices[] = {1, 2, 1000, 1ul << 32, ~0ul};
  for (unsigned i = 0; i < sizeof indices / sizeof *indices; ++i) {
    struct xen_add_to_physmap x = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .idx = indices[i], .gpfn = a};
    row(memory_op(XENMEM_add_to_physmap, &x), "shared_info/index-%lx", indices[i]);
  }
  static const uint64_t grants[] = {0,         1,   31, 63, 64, 0x80000000, 0x8000000000000000, 0x8000000000000001,
                                    1ul << 32, ~0ul};
  for (unsigned i = 0; i < sizeof grants / sizeof *grants; ++i) {
    struct xen_add_to_physmap x = {
        .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = grants[i], .gpfn = a + 1};
    row(memory_op(XENMEM_add_to_physmap, &x), "grant_table/index-%lx", grants[i]);
  }
  /* The victim page may have been replaced; bring plain memory back. */
  xen_pfn_t frame = a + 1;
  struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
  set_xen_guest_handle(r.extent_start, &frame);
  row(memory_op(XENMEM_populate_physmap, &r), "populate-over-grant-table");
  struct xen_add_to_physmap x = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = a, .gpfn = a};
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn/onto-itself");
  x.gpfn = 0x300000;
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn/move-to-a-hole");
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn/move-again");
  x.idx = 0x300000, x.gpfn = a;
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn/and-back");
  static const uint64_t far[] = {1ul << 27, 1ul << 28, 1ul << 36, 1ul << 40, 1ul << 52, ~0ul};
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i) {
    x = (struct xen_add_to_physmap){
        .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .idx = far[i], .gpfn = 0x300000};
    row(memory_op(XENMEM_add_to_physmap, &x), "gmfn/from-%lx", far[i]);
  }
  x = (struct xen_add_to_physmap){
      .domid = DOMID_SELF, .size = 2, .space = XENMAPSPACE_gmfn_range, .idx = a + 2, .gpfn = 0x300000};
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn_range/two");
  x = (struct xen_add_to_physmap){
      .domid = DOMID_SELF, .size = 3, .space = XENMAPSPACE_gmfn_range, .idx = 0x300000, .gpfn = a + 2};
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn_range/back-and-one-that-is-not-there");
  x = (struct xen_add_to_physmap){
      .domid = DOMID_SELF, .size = 0, .space = XENMAPSPACE_gmfn_range, .idx = 0x300000, .gpfn = a};
  row(memory_op(XENMEM_add_to_physmap, &x), "gmfn_range/none");
}

static void batch_rows(void) {
  about("memory_op/add_to_physmap_batch");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch, 2);
  uint64_t a = new_pages(2) >> 12;
  xen_ulong_t indices[4] = {a, 0x300100};
  xen_pfn_t frames[4] = {0x300000, 0x300001};
  int errors[4] = {99, 99, 99, 99};
  struct xen_add_to_physmap_batch b = {.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .size = 2};
  set_xen_guest_handle(b.idxs, indices);
  set_xen_guest_handle(b.gpfns, frames);
  set_xen_guest_handle(b.errs, errors);
  row(memory_op(XENMEM_add_to_physmap_batch, &b), "gmfn/two");
  row(errors[0], "gmfn/two/first");
  row(errors[1], "gmfn/two/second");
  indices[0] = 0x300000, frames[0] = a, b.size = 1;
  row(memory_op(XENMEM_add_to_physmap_batch, &b), "gmfn/back");
  b.size = 0;
  row(memory_op(XENMEM_add_to_physmap_batch, &b), "none");
  b.size = 1;
  for
    EACH_DOMAIN(n) {
      b.domid = n->domid;
      row(memory_op(XENMEM_add_to_physmap_batch, &b), "gmfn/domid-%s", n->name);
    }
  b.domid = DOMID_SELF;
  for (unsigned space = 2; space < 8; ++space) {
    b.space = (uint16_t)space;
    row(memory_op(XENMEM_add_to_physmap_batch, &b), "space-%u", space);
  }
  b.space = XENMAPSPACE_gmfn_foreign;
  for
    EACH_DOMAIN(n) {
      b.u.foreign_domid = n->domid;
      errors[0] = 99;
      row(memory_op(XENMEM_add_to_physmap_batch, &b), "foreign/domid-%s", n->name);
      row(errors[0], "foreign/domid-%s/error", n->name);
    }
  b.space = XENMAPSPACE_gmfn;
  set_xen_guest_handle(b.errs, (void*)UNMAPPED);
  row(memory_op(XENMEM_add_to_physmap_batch, &b), "errors-unmapped");
  set_xen_guest_handle(b.errs, errors);
  set_xen_guest_handle(b.idxs, (void*)UNMAPPED);
  row(memory_op(XENMEM_add_to_physmap_batch, &b), "indices-unmapped");
  set_xen_guest_handle(b.idxs, indices);
  set_xen_guest_handle(b.gpfns, (void*)UNMAPPED);
  row(memory_op(XENMEM_add_to_physmap_batch, &b), "frames-unmapped");
  set_xen_guest_handle(b.gpfns, frames);
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch | 1 << 6, (long)&b, 0, 0, 0), "all-started");
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_add_to_physmap_batch | 2 << 6, (long)&b, 0, 0, 0), "more-started");
}

static void remove_rows(void) {
  about("memory_op/remove_from_physmap");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, 2);
  uint64_t a = new_pages(1) >> 12;
  for
    EACH_DOMAIN(n) {
      struct xen_remove_from_physmap r = {.domid = n->domid, .gpfn = 0x300000};
      row(memory_op(XENMEM_remove_from_physmap, &r), "domid-%s", n->name);
    }
  static const uint64_t far[] = {1ul << 27, 1ul << 36, 1ul << 40, 1ul << 52, ~0ul};
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i) {
    struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = far[i]};
    row(memory_op(XENMEM_remove_from_physmap, &r), "frame-%lx", far[i]);
  }
  struct xen_memory_domain self = {.domid = DOMID_SELF};
  long before = memory_op(XENMEM_current_reservation, &self);
  struct xen_remove_from_physmap r = {.domid = DOMID_SELF, .gpfn = a};
  row(memory_op(XENMEM_remove_from_physmap, &r), "good");
  row(memory_op(XENMEM_remove_from_physmap, &r), "again");
  /* The page is not mapped any more, and the domain owns it still. */
  row(memory_op(XENMEM_current_reservation, &self) - before, "pages-less");
}

void physmap_rows(void) {
  add_rows();
  batch_rows();
  remove_rows();
}

static struct xen_memory_exchange exchange(xen_pfn_t* in, unsigned long in_count, unsigned in_order,
                                           xen_pfn_t* out, unsigned long out_count, unsigned out_order) {
  struct xen_memory_exchange x = {
      .in = {.nr_extents = in_count, .extent_order = in_order, .domid = DOMID_SELF},
      .out = {.nr_extents = out_count, .extent_order = out_order, .domid = DOMID_SELF},
  };
  set_xen_guest_handle(x.in.extent_start, in);
  set_xen_guest_handle(x.out.extent_start, out);
  return x;
}

static void do_exchange(struct xen_memory_exchange x, const char* name) {
  long r = memory_op(XENMEM_exchange, &x);
  row(r, "%s", name);
  row((long)x.nr_exchanged, "%s/exchanged", name);
}

void exchange_rows(void) {
  about("memory_op/exchange");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_exchange, 2);
  uint64_t a = new_pages(8) >> 12;
  xen_pfn_t in[4] = {a, a + 1, a + 2, a + 3}, out[4] = {a, a + 1, a + 2, a + 3};
  do_exchange(exchange(in, 0, 0, out, 0, 0), "none");
  do_exchange(exchange(in, 2, 0, out, 1, 0), "sizes-differ");
  do_exchange(exchange(in, 1, 64, out, 1, 64), "order-64");
  do_exchange(exchange(in, 1, 20, out, 1, 20), "order-20");
  do_exchange(exchange(in, ~0ul, 0, out, ~0ul, 0), "count-overflows");
  do_exchange(exchange(in, 1, 2, out, 2, 1), "orders-not-multiples");
  for
    EACH_DOMAIN(n) {
      struct xen_memory_exchange x = exchange(in, 1, 0, out, 1, 0);
      in[0] = out[0] = 0x300000;
      x.in.domid = x.out.domid = n->domid;
      row(memory_op(XENMEM_exchange, &x), "domid-%s", n->name);
    }
  struct xen_memory_exchange x = exchange(in, 1, 0, out, 1, 0);
  x.out.domid = 0;
  row(memory_op(XENMEM_exchange, &x), "domids-differ");
  x = exchange(in, 1, 0, out, 1, 0);
  x.nr_exchanged = 1;
  row(memory_op(XENMEM_exchange, &x), "all-done-already");
  x.nr_exchanged = 2;
  row(memory_op(XENMEM_exchange, &x), "more-done-already");
  do_exchange(exchange((void*)UNMAPPED, 1, 0, out, 1, 0), "in-unmapped");
  do_exchange(exchange(in, 1, 0, (void*)UNMAPPED, 1, 0), "out-unmapped");
  do_exchange(exchange(in, 1, 0, out, 1, 0), "in-not-there");
  row(hypercall5(__HYPERVISOR_memory_op, XENMEM_exchange | 1 << 6, (long)&x, 0, 0, 0), "started");
  in[0] = out[0] = a;
  do_exchange(exchange(in, 1, 0, out, 1, 0), "one");
  do_exchange(exchange(in, 2, 0, out, 2, 0), "two");
  do_exchange(exchange(in, 2, 0, out, 1, 1), "two-for-order-1");
  in[0] = a + 4, out[0] = a + 4, out[1] = a + 5;
  do_exchange(exchange(in, 1, 1, out, 2, 0), "order-1-for-two");
  struct xen_memory_domain self = {.domid = DOMID_SELF};
  row(memory_op(XENMEM_current_reservation, &self) > 0, "pages-left");

  /* Whose subcommands need VT-x and EPT on the reference's side: only what comes before that is asked. */
  about("memory_op/access_op");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_access_op, 2);
  static const domid_t nobody[] = {0x1234, DOMID_IO, DOMID_XEN, DOMID_INVALID};
  for (unsigned i = 0; i < 4; ++i) {
    xen_mem_access_op_t op = {.op = XENMEM_access_op_get_access, .domid = nobody[i]};
    row(memory_op(XENMEM_access_op, &op), "domid-%x", nobody[i]);
  }
  about("memory_op/paging_op");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_paging_op, 2);
  for
    EACH_DOMAIN(n) {
      xen_mem_paging_op_t op = {.op = XENMEM_paging_op_evict, .domain = n->domid};
      row(memory_op(XENMEM_paging_op, &op), "domid-%s", n->name);
    }
  about("memory_op/sharing_op");
  bad_pointers(__HYPERVISOR_memory_op, XENMEM_sharing_op, 2);
  for
    EACH_DOMAIN(n) {
      xen_mem_sharing_op_t op = {.op = XENMEM_sharing_op_nominate_gfn, .domain = n->domid};
      row(memory_op(XENMEM_sharing_op, &op), "domid-%s", n->name);
    }
}
