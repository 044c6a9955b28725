/* Copies: between a granted page and one of the domain's, or two granted pages; parts of pages, and grants that
 * stand for others (version 2). */
#include "grants.h"
#include "lib/exit.h"
#include "lib/memory.h"

#define NOBODY 9999

static domid_t self;
static uint8_t *from, *to; /* entries 8 and 9 */

static struct side ref(grant_ref_t r, uint16_t offset) { return (struct side){r, self, offset}; }
static struct side frame(const void* page, uint16_t offset) {
  return (struct side){(uint64_t)page >> 12, DOMID_SELF, offset};
}

static void prepare(void) {
  from = fresh_page(0xb1);
  to = fresh_page(0xb2);
  grant_access(8, self, from, GTF_readonly);
  grant_access(9, self, to, 0);
}

static void directions(void) {
  uint8_t* page = fresh_page(0);
  prepare();
  row("copy from a grant", grant_copy(ref(8, 0), frame(page, 0), 4096, GNTCOPY_source_gref));
  row_bytes("  other bytes", page, 0xb1);
  row_hex("  flags", grant_flags(8));
  row("copy to a grant", grant_copy(frame(page, 0), ref(9, 0), 4096, GNTCOPY_dest_gref));
  row_bytes("  other bytes", to, 0xb1);
  row_hex("  flags", grant_flags(9));
  for (unsigned i = 0; i < 4096; ++i) from[i] = (uint8_t)i;
  row("copy a part, from grant to grant",
      grant_copy(ref(8, 100), ref(9, 200), 5, GNTCOPY_source_gref | GNTCOPY_dest_gref));
  row_bytes("  other bytes", to, 0xb1);
  row("  the first of them", to[200]);
  row("  the last of them", to[204]);
  row("copy between pages of the domain", grant_copy(frame(page, 0), frame(to, 0), 4096, 0));
  row_bytes("  other bytes", to, 0xb1);
  row("copy within a page", grant_copy(frame(from, 0), frame(from, 2048), 2048, 0));
  row("  a byte of it", from[2048 + 77]);
  row("copy nothing", grant_copy(ref(8, 4095), frame(page, 4095), 0, GNTCOPY_source_gref));
  row("copy by the domain's own number", grant_copy(ref(8, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  struct side other = {8, DOMID_SELF, 0};
  row("copy by DOMID_SELF", grant_copy(other, frame(page, 0), 1, GNTCOPY_source_gref));
}

static void refusals(void) {
  uint8_t* page = fresh_page(0);
  prepare();
  const unsigned both = GNTCOPY_source_gref | GNTCOPY_dest_gref;
  struct side own = {(uint64_t)page >> 12, self, 0}, nobody = {8, NOBODY, 0}, xen = {8, DOMID_XEN, 0};
  struct side zero = {1u << 20, 0, 0};
  row("copy from a frame by the domain's own number", grant_copy(own, frame(page, 0), 1, 0));
  row("copy to a frame by the domain's own number", grant_copy(frame(page, 0), own, 1, 0));
  row("copy from nobody", grant_copy(nobody, frame(page, 0), 1, GNTCOPY_source_gref));
  row("copy to nobody", grant_copy(ref(8, 0), nobody, 1, both));
  row("copy from DOMID_XEN", grant_copy(xen, frame(page, 0), 1, GNTCOPY_source_gref));
  row("copy from domain 0, a reference that it cannot have",
      grant_copy(zero, frame(page, 0), 1, GNTCOPY_source_gref));
  row("copy from a bad reference", grant_copy(ref(1u << 20, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  row("copy to a bad reference", grant_copy(ref(8, 0), ref(~0u, 0), 1, both));
  row("copy to a readonly grant", grant_copy(frame(page, 0), ref(8, 0), 1, GNTCOPY_dest_gref));
  row_hex("  flags", grant_flags(8));
  grant_access(10, 0, page, 0);
  row("copy from a grant to another domain", grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry(10, 0, self, (uint64_t)page >> 12);
  row("copy from an invalid entry", grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry(10, GTF_accept_transfer, self, (uint64_t)page >> 12);
  row("copy from an entry that accepts a transfer",
      grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry(10, GTF_permit_access, self, 0xc0000);
  row("copy from a grant of no page", grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  struct side hole = {0xc0000, DOMID_SELF, 0}, far = {1ul << 50, DOMID_SELF, 0};
  row("copy from no page", grant_copy(hole, frame(page, 0), 1, 0));
  row("copy to no page", grant_copy(frame(page, 0), hole, 1, 0));
  row("copy from frame 2^50", grant_copy(far, frame(page, 0), 1, 0));
  row("copy beyond the end of the source", grant_copy(ref(8, 4000), frame(page, 0), 97, GNTCOPY_source_gref));
  row("copy up to the end of the source", grant_copy(ref(8, 4000), frame(page, 0), 96, GNTCOPY_source_gref));
  row("copy beyond the end of the destination", grant_copy(ref(8, 0), frame(page, 1), 4096, GNTCOPY_source_gref));
  row("copy more than a page", grant_copy(ref(8, 0), frame(page, 0), 4097, GNTCOPY_source_gref));
  row("copy 65535 bytes", grant_copy(ref(8, 0), frame(page, 0), 65535, GNTCOPY_source_gref));
  row("copy from offset 65535", grant_copy(ref(8, 65535), frame(page, 0), 1, GNTCOPY_source_gref));
}

/* A mapped grant can be copied too; its counts add up. */
static void while_mapped(void) {
  grant_handle_t handle = 0;
  uint64_t hole = fresh_hole();
  uint8_t* page = fresh_page(0);
  prepare();
  row("map for reading", grant_map(hole, GNTMAP_host_map | GNTMAP_readonly, 9, self, &handle));
  row("copy from it", grant_copy(ref(9, 0), frame(page, 0), 4096, GNTCOPY_source_gref));
  row_bytes("  other bytes", page, 0xb2);
  row_hex("  flags", grant_flags(9));
  grant_handle_t writer = 0;
  uint64_t there = fresh_hole();
  row("map for writing", grant_map(there, GNTMAP_host_map, 9, self, &writer));
  row("copy to it", grant_copy(frame(from, 0), ref(9, 0), 4096, GNTCOPY_dest_gref));
  row_bytes("  other bytes", (uint8_t*)hole, 0xb1);
  row("copy from the mapping's frame number", grant_copy(frame((void*)hole, 0), frame(page, 0), 4096, 0));
  row("unmap", grant_unmap(there, writer));
  row("unmap", grant_unmap(hole, handle));
  row_hex("  flags", grant_flags(9));
}

static void batch(void) {
  enum { kCopies = 40 };
  static struct gnttab_copy copies[kCopies];
  uint8_t* page = fresh_page(0);
  prepare();
  for (unsigned i = 0; i < kCopies; ++i) {
    copies[i] = (struct gnttab_copy){.len = 64, .flags = GNTCOPY_source_gref, .status = 77};
    copies[i].source.u.ref = i % 9 == 4 ? 1u << 20 : 8;
    copies[i].source.domid = i % 11 == 6 ? NOBODY : self;
    copies[i].source.offset = (uint16_t)(i * 64);
    copies[i].dest.u.gmfn = (uint64_t)page >> 12;
    copies[i].dest.domid = DOMID_SELF;
    copies[i].dest.offset = (uint16_t)(i * 64);
  }
  row("copy 40 parts", grant_table_op(GNTTABOP_copy, copies, kCopies));
  long sum = 0;
  for (unsigned i = 0; i < kCopies; ++i) sum += copies[i].status * (long)(i + 1);
  row("  statuses, weighed", sum);
  row_bytes("  other bytes than copied ones", page, 0xb1);
  row_hex("  flags", grant_flags(8));
}

static void parts(void) {
  uint8_t* page = fresh_page(0);
  prepare();
  if (grant_version() == 1) {
    grant_access(8, self, from, GTF_sub_page);
    row("copy from an entry with GTF_sub_page", grant_copy(ref(8, 0), frame(page, 0), 4096, GNTCOPY_source_gref));
    return;
  }
  const unsigned part = GTF_permit_access | GTF_sub_page;
  grant_entry_part(8, part, self, (uint64_t)from >> 12, 256, 512);
  row("copy the part that is granted", grant_copy(ref(8, 256), frame(page, 0), 512, GNTCOPY_source_gref));
  row("copy within it", grant_copy(ref(8, 300), frame(page, 0), 100, GNTCOPY_source_gref));
  row("copy from before it", grant_copy(ref(8, 255), frame(page, 0), 10, GNTCOPY_source_gref));
  row("copy beyond it", grant_copy(ref(8, 700), frame(page, 0), 69, GNTCOPY_source_gref));
  row("copy nothing at its end", grant_copy(ref(8, 768), frame(page, 0), 0, GNTCOPY_source_gref));
  row("copy nothing before it", grant_copy(ref(8, 0), frame(page, 0), 0, GNTCOPY_source_gref));
  row("copy to it", grant_copy(frame(page, 0), ref(8, 256), 512, GNTCOPY_dest_gref));
  row("map it", grant_map(fresh_hole(), GNTMAP_host_map, 8, self, NULL));
  grant_entry_part(8, part | GTF_readonly, self, (uint64_t)from >> 12, 0, 16);
  row("copy to a readonly part", grant_copy(frame(page, 0), ref(8, 0), 16, GNTCOPY_dest_gref));
  grant_entry_part(8, part, self, (uint64_t)from >> 12, 4000, 4000);
  row("copy from a part that goes beyond the page",
      grant_copy(ref(8, 4000), frame(page, 0), 96, GNTCOPY_source_gref));
  row("copy beyond the page from it", grant_copy(ref(8, 4000), frame(page, 0), 97, GNTCOPY_source_gref));
  grant_entry_part(8, part, self, (uint64_t)from >> 12, 0x8000, 32);
  row("copy from a part that begins at 32768", grant_copy(ref(8, 0), frame(page, 0), 32, GNTCOPY_source_gref));
}

static void transitive(void) {
  uint8_t* page = fresh_page(0);
  if (grant_version() == 1) return;
  prepare();
  grant_entry_transitive(10, GTF_transitive, self, self, 8);
  row("copy from a transitive entry of the domain's own",
      grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry_transitive(10, GTF_transitive, self, NOBODY, 8);
  row("copy from one of nobody's", grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry_transitive(10, GTF_transitive, self, DOMID_SELF, 8);
  row("copy from one of DOMID_SELF's", grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry_transitive(10, GTF_transitive, self, 0, 1u << 20);
  row("copy from one of a bad reference of domain 0",
      grant_copy(ref(10, 0), frame(page, 0), 1, GNTCOPY_source_gref));
  grant_entry_transitive(10, GTF_transitive | GTF_readonly, self, 0, 8);
  row("copy to a readonly one", grant_copy(frame(page, 0), ref(10, 0), 1, GNTCOPY_dest_gref));
  row_hex("  flags", grant_flags(10));
}

void copy_cases(void) {
  self = this_domid();
  directions();
  refusals();
  while_mapped();
  batch();
  parts();
  transitive();
}
