/* memops: asks every sub-operation of memory_op for what is odd, wrong or not allowed, and prints what Xen says,
 * so that two Xens can be compared line by line. Numbers of frames and of pages are differences, so that they do
 * not depend on the machine. */
#define __XEN_TOOLS__ 1 /* the toolstack's operations, too */
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/shared_info.h"

const char guest_name[] = "memops";

#define HOLE 0xf0000ul     /* nothing is there */
#define VLAPIC 0xfee00ul   /* the APIC's page */
#define SPECIAL 0xfeff8ul  /* the first of Xen's special pages */
#define BEYOND (1ul << 40) /* more than any guest has */

static uint64_t list[1024], own; /* own: the first of 2 MiB of its own */
static int32_t errors[64];

static uint64_t reservation(void) {
  domid_t self = DOMID_SELF;
  return (uint64_t)memory_op(XENMEM_current_reservation, &self);
}

static uint64_t at_start;

static void say(const char* what, long result) {
  print("%s: %ld, pages %ld\n", what, result, (long)(reservation() - at_start));
}

static long reserve(unsigned op, uint64_t count, unsigned order, unsigned flags, domid_t domid, uint64_t first) {
  struct xen_memory_reservation r = {
      .nr_extents = count, .extent_order = order, .mem_flags = flags, .domid = domid};
  set_xen_guest_handle(r.extent_start, list);
  for (uint64_t i = 0; i < 1024; ++i) list[i] = first + (i << (order < 20 ? order : 0));
  return memory_op(op, &r);
}

static long populate(uint64_t count, unsigned order, uint64_t first) {
  return reserve(XENMEM_populate_physmap, count, order, 0, DOMID_SELF, first);
}
static long decrease(uint64_t count, unsigned order, uint64_t first) {
  return reserve(XENMEM_decrease_reservation, count, order, 0, DOMID_SELF, first);
}

static long add(domid_t domid, unsigned space, uint64_t index, uint64_t gfn, uint16_t size) {
  struct xen_add_to_physmap map = {.domid = domid, .size = size, .space = space, .idx = index, .gpfn = gfn};
  return memory_op(XENMEM_add_to_physmap, &map);
}

static long batch(domid_t domid, uint16_t space, uint16_t size, uint16_t foreign, uint64_t first_index,
                  uint64_t first_gfn) {
  static xen_ulong_t indices[64];
  struct xen_add_to_physmap_batch b = {
      .domid = domid, .space = space, .size = size, .u = {.foreign_domid = foreign}};
  for (unsigned i = 0; i < 64; ++i) {
    indices[i] = first_index + i;
    list[i] = first_gfn + i;
    errors[i] = 99;
  }
  set_xen_guest_handle(b.idxs, indices);
  set_xen_guest_handle(b.gpfns, list);
  set_xen_guest_handle(b.errs, errors);
  return memory_op(XENMEM_add_to_physmap_batch, &b);
}

static long take_away(domid_t domid, uint64_t gfn) {
  struct xen_remove_from_physmap r = {.domid = domid, .gpfn = gfn};
  return memory_op(XENMEM_remove_from_physmap, &r);
}

static void exchange(const char* what, uint64_t in, unsigned in_order, uint64_t out, unsigned out_order,
                     domid_t domid, uint64_t done, uint64_t gfn) {
  static uint64_t to[1024];
  for (unsigned i = 0; i < 1024; ++i) list[i] = to[i] = gfn + i;
  struct xen_memory_exchange x = {.in = {.nr_extents = in, .extent_order = in_order, .domid = domid},
                                  .out = {.nr_extents = out, .extent_order = out_order, .domid = DOMID_SELF},
                                  .nr_exchanged = done};
  set_xen_guest_handle(x.in.extent_start, list);
  set_xen_guest_handle(x.out.extent_start, to);
  long result = memory_op(XENMEM_exchange, &x);
  print("exchange %s: %ld, exchanged %lu, pages %ld\n", what, result, (uint64_t)x.nr_exchanged,
        (long)(reservation() - at_start));
}

static void reservations(void) {
  say("populate nothing", populate(0, 0, HOLE));
  say("populate a hole", populate(4, 0, HOLE));
  say("populate it again", populate(1, 0, HOLE));
  say("populate at an odd place, order 2", populate(1, 2, HOLE + 9));
  say("populate order 9 at an odd place", populate(1, 9, HOLE + 0x101));
  say("decrease it", decrease(1, 9, HOLE + 0x101));
  say("populate order 10", populate(1, 10, HOLE + 0x400));
  say("populate order 19", populate(1, 19, 0));
  say("populate order 64", populate(1, 64, HOLE));
  say("populate order 4294967295", populate(1, 0xffffffff, HOLE));
  say("populate beyond", populate(1, 0, BEYOND));
  say("populate the highest number", populate(1, 0, ~0ul));
  say("populate up to the highest number", populate(1, 3, ~0ul - 3));
  say("populate too many extents", populate(1ul << 26, 0, HOLE));
  say("populate more than it may have", populate(1024, 0, HOLE + 0x1000));
  say("decrease those", decrease(1024, 0, HOLE + 0x1000));
  say("populate another domain", reserve(XENMEM_populate_physmap, 1, 0, 0, 0, HOLE));
  say("populate no domain", reserve(XENMEM_populate_physmap, 1, 0, 0, 1234, HOLE));
  say("populate DOMID_XEN", reserve(XENMEM_populate_physmap, 1, 0, 0, DOMID_XEN, HOLE));
  say("populate on demand",
      reserve(XENMEM_populate_physmap, 1, 0, XENMEMF_populate_on_demand, DOMID_SELF, HOLE + 32));
  say("populate below 12 bits",
      reserve(XENMEM_populate_physmap, 1, 0, XENMEMF_address_bits(12), DOMID_SELF, HOLE + 32));
  say("populate on a node", reserve(XENMEM_populate_physmap, 1, 0, XENMEMF_node(0), DOMID_SELF, HOLE + 32));
  say("populate exactly on a node",
      reserve(XENMEM_populate_physmap, 1, 0, XENMEMF_exact_node(0), DOMID_SELF, HOLE + 33));
  say("decrease a hole", decrease(1, 0, HOLE + 0x2000));
  say("decrease half a hole", decrease(2, 0, HOLE + 3));
  say("decrease order 9 of which one is there", decrease(1, 9, HOLE));
  say("decrease the APIC's page", decrease(1, 0, VLAPIC));
  say("decrease beyond", decrease(1, 0, BEYOND));
  say("decrease the highest number", decrease(1, 0, ~0ul));
  say("decrease order 10", decrease(1, 10, own));
  say("decrease order 64", decrease(1, 64, own));
  say("decrease the same page twice", decrease(1, 0, own + 5) * 10 + decrease(1, 0, own + 5));
  say("populate it again", populate(1, 0, own + 5));
  say("increase", reserve(XENMEM_increase_reservation, 3, 0, 0, DOMID_SELF, 0));
  say("increase order 10", reserve(XENMEM_increase_reservation, 1, 10, 0, DOMID_SELF, 0));
  say("bad pointer", memory_op(XENMEM_populate_physmap, (void*)0x7000000000));
  say("bad pointer, continued", memory_op(XENMEM_populate_physmap | 3 << 6, (void*)0x7000000000));
}

static void physmap(void) {
  const uint64_t here = (uint64_t)shared_info >> 12;
  say("shared_info elsewhere", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, own + 7, 0));
  say("its old place is a hole", decrease(1, 0, here));
  say("decrease shared_info", decrease(1, 0, own + 7));
  say("shared_info back", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, here, 0));
  say("populate the page that it covered", populate(1, 0, own + 7));
  say("shared_info 1", add(DOMID_SELF, XENMAPSPACE_shared_info, 1, own + 7, 0));
  say("shared_info beyond", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, BEYOND, 0));
  say("shared_info back again", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, here, 0));
  say("shared_info at no frame", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, ~0ul, 0));
  say("space 6", add(DOMID_SELF, 6, 0, own + 7, 0));
  say("space 4294967295", add(DOMID_SELF, 0xffffffff, 0, own + 7, 0));
  say("dev_mmio", add(DOMID_SELF, XENMAPSPACE_dev_mmio, 0, own + 7, 0));
  say("foreign, without a list", add(DOMID_SELF, XENMAPSPACE_gmfn_foreign, 0, own + 7, 0));
  say("gmfn moves", add(DOMID_SELF, XENMAPSPACE_gmfn, own + 8, HOLE + 0x3000, 0));
  say("gmfn from where it was", add(DOMID_SELF, XENMAPSPACE_gmfn, own + 8, HOLE + 0x3001, 0));
  say("gmfn back", add(DOMID_SELF, XENMAPSPACE_gmfn, HOLE + 0x3000, own + 8, 0));
  say("gmfn onto itself", add(DOMID_SELF, XENMAPSPACE_gmfn, own + 8, own + 8, 0));
  say("gmfn onto another page", add(DOMID_SELF, XENMAPSPACE_gmfn, own + 9, own + 8, 0));
  say("populate where it was", populate(1, 0, own + 9));
  say("gmfn beyond", add(DOMID_SELF, XENMAPSPACE_gmfn, BEYOND, own + 8, 0));
  say("gmfn of shared_info", add(DOMID_SELF, XENMAPSPACE_gmfn, here, HOLE + 0x3002, 0));
  say("shared_info back", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, here, 0));
  say("range of three", add(DOMID_SELF, XENMAPSPACE_gmfn_range, own + 16, HOLE + 0x3010, 3));
  say("range of none", add(DOMID_SELF, XENMAPSPACE_gmfn_range, own + 16, HOLE + 0x3010, 0));
  say("range with a hole in it", add(DOMID_SELF, XENMAPSPACE_gmfn_range, own + 17, HOLE + 0x3020, 3));
  say("range that wraps", add(DOMID_SELF, XENMAPSPACE_gmfn_range, own + 16, ~0ul - 1, 3));
  say("range that overlaps", add(DOMID_SELF, XENMAPSPACE_gmfn_range, HOLE + 0x3010, HOLE + 0x3011, 3));
  say("another domain", add(0, XENMAPSPACE_shared_info, 0, own + 7, 0));
  say("no domain", add(1234, XENMAPSPACE_shared_info, 0, own + 7, 0));
  long result = batch(DOMID_SELF, XENMAPSPACE_gmfn, 4, 0, own + 30, HOLE + 0x3030);
  say("batch", result);
  print("  %d %d %d %d %d\n", errors[0], errors[1], errors[2], errors[3], errors[4]);
  result = batch(DOMID_SELF, XENMAPSPACE_gmfn, 3, 0, HOLE + 0x3032, HOLE + 0x3040);
  say("batch with holes", result);
  print("  %d %d %d\n", errors[0], errors[1], errors[2]);
  say("batch of none", batch(DOMID_SELF, XENMAPSPACE_gmfn, 0, 0, own, HOLE));
  say("batch of a range", batch(DOMID_SELF, XENMAPSPACE_gmfn_range, 1, 0, own, HOLE));
  result = batch(DOMID_SELF, XENMAPSPACE_gmfn_foreign, 2, 0, 0, HOLE + 0x3050);
  say("batch of dom0's", result);
  print("  %d %d\n", errors[0], errors[1]);
  result = batch(DOMID_SELF, XENMAPSPACE_gmfn_foreign, 1, DOMID_XEN, 0, HOLE + 0x3050);
  say("batch of Xen's", result);
  print("  %d\n", errors[0]);
  say("batch for another domain", batch(0, XENMAPSPACE_gmfn, 1, 0, own, HOLE));
  say("batch of dev_mmio", batch(DOMID_SELF, XENMAPSPACE_dev_mmio, 1, 0, own, HOLE));
  say("remove a page", take_away(DOMID_SELF, own + 40));
  say("remove it again", take_away(DOMID_SELF, own + 40));
  say("remove shared_info", take_away(DOMID_SELF, here));
  say("shared_info back", add(DOMID_SELF, XENMAPSPACE_shared_info, 0, here, 0));
  say("remove beyond", take_away(DOMID_SELF, BEYOND));
  say("remove the APIC's page", take_away(DOMID_SELF, VLAPIC));
  say("remove from another domain", take_away(0, own));
  say("remove a special page", take_away(DOMID_SELF, SPECIAL));
  say("bad pointer", memory_op(XENMEM_add_to_physmap, (void*)0x7000000000));
  say("bad pointer", memory_op(XENMEM_remove_from_physmap, (void*)0x7000000000));
  say("continued too far", memory_op(XENMEM_add_to_physmap | 0x10000l << 6, list));
}

static void exchanges(void) {
  exchange("one page", 1, 0, 1, 0, DOMID_SELF, 0, own + 50);
  exchange("a hole", 1, 0, 1, 0, DOMID_SELF, 0, HOLE + 0x4000);
  exchange("nothing", 0, 0, 0, 0, DOMID_SELF, 0, own + 50);
  exchange("what is done", 1, 0, 1, 0, DOMID_SELF, 1, own + 50);
  exchange("more than there is", 1, 0, 1, 0, DOMID_SELF, 2, own + 50);
  exchange("sizes that differ", 2, 0, 1, 0, DOMID_SELF, 0, own + 50);
  exchange("small for large", 512, 0, 1, 9, DOMID_SELF, 0, own);
  exchange("large for small", 1, 9, 512, 0, DOMID_SELF, 0, own);
  exchange("an order too large", 1, 10, 1, 10, DOMID_SELF, 0, own);
  exchange("an order of 64", 1, 64, 1, 64, DOMID_SELF, 0, own);
  exchange("sizes that overflow", 1ul << 63, 9, 1ul << 63, 9, DOMID_SELF, 0, own);
  exchange("domains that differ", 1, 0, 1, 0, 0, 0, own + 50);
  exchange("shared_info", 1, 0, 1, 0, DOMID_SELF, 0, (uint64_t)shared_info >> 12);
  say("exchange, bad pointer", memory_op(XENMEM_exchange, (void*)0x7000000000));
  say("exchange, continued", memory_op(XENMEM_exchange | 1 << 6, list));
}

static void numbers(void) {
  domid_t domid = 0;
  say("current_reservation of dom0", memory_op(XENMEM_current_reservation, &domid));
  domid = 1234;
  say("maximum_reservation of no domain", memory_op(XENMEM_maximum_reservation, &domid));
  domid = DOMID_IO;
  say("maximum_gpfn of DOMID_IO", memory_op(XENMEM_maximum_gpfn, &domid));
  domid = DOMID_SELF;
  say("current_reservation, continued", memory_op(XENMEM_current_reservation | 1 << 6, &domid));
  say("maximum_gpfn", memory_op(XENMEM_maximum_gpfn, &domid));
  say("current_reservation, bad pointer", memory_op(XENMEM_current_reservation, (void*)0x7000000000));
  print("maximum_ram_page: %s\n", memory_op(XENMEM_maximum_ram_page, 0) > 0 ? "positive" : "not positive");
  say("maximum_ram_page, continued", memory_op(XENMEM_maximum_ram_page | 1 << 6, 0));
  struct xen_memory_reservation claim = {.nr_extents = 100, .domid = DOMID_SELF};
  say("claim for itself", memory_op(XENMEM_claim_pages, &claim));
  claim.domid = 0;
  say("claim for dom0", memory_op(XENMEM_claim_pages, &claim));
  claim.extent_order = 1;
  say("claim with an order", memory_op(XENMEM_claim_pages, &claim));
  static uint8_t buffer[20 * 64];
  struct xen_memory_map map = {.nr_entries = 64};
  set_xen_guest_handle(map.buffer, (void*)buffer);
  long result = memory_op(XENMEM_memory_map, &map);
  print("memory_map: %ld, %u entries\n", result, map.nr_entries);
  map.nr_entries = 1;
  result = memory_op(XENMEM_memory_map, &map);
  print("memory_map of one: %ld, %u entries\n", result, map.nr_entries);
  set_xen_guest_handle(map.buffer, (void*)0x7000000000);
  say("memory_map, bad buffer", memory_op(XENMEM_memory_map, &map));
  say("memory_map, continued", memory_op(XENMEM_memory_map | 1 << 6, &map));
  say("machine_memory_map", memory_op(XENMEM_machine_memory_map, &map));
  say("machphys_mapping", memory_op(XENMEM_machphys_mapping, buffer));
  static uint64_t frames[4];
  struct xen_machphys_mfn_list mfns = {.max_extents = 1};
  set_xen_guest_handle(mfns.extent_start, frames);
  result = memory_op(XENMEM_machphys_mfn_list, &mfns);
  print("machphys_mfn_list: %ld, %u, %s\n", result, mfns.nr_extents, frames[0] ? "a frame" : "none");
  say("machphys_compat_mfn_list", memory_op(XENMEM_machphys_compat_mfn_list, &mfns));
  struct xen_foreign_memory_map foreign = {.domid = 0, .map = {.nr_entries = 1}};
  set_xen_guest_handle(foreign.map.buffer, (void*)buffer);
  say("set_memory_map of dom0", memory_op(XENMEM_set_memory_map, &foreign));
  foreign.map.nr_entries = 5000;
  say("set_memory_map of 5000 entries", memory_op(XENMEM_set_memory_map, &foreign));
  struct {
    uint64_t target, pages, cache, entries;
    domid_t domid;
  } pod = {.target = 100, .domid = DOMID_SELF};
  say("set_pod_target", memory_op(XENMEM_set_pod_target, &pod));
  say("get_pod_target", memory_op(XENMEM_get_pod_target, &pod));
  pod.domid = 0;
  say("get_pod_target of dom0", memory_op(XENMEM_get_pod_target, &pod));
  say("get_sharing_freed_pages", memory_op(XENMEM_get_sharing_freed_pages, 0));
  say("get_sharing_shared_pages", memory_op(XENMEM_get_sharing_shared_pages, 0));
  uint64_t resource[8] = {0};
  say("acquire_resource", memory_op(XENMEM_acquire_resource, resource));
  say("acquire_resource, bad pointer", memory_op(XENMEM_acquire_resource, (void*)0x7000000000));
  uint64_t vnuma[8] = {DOMID_SELF};
  say("get_vnumainfo", memory_op(XENMEM_get_vnumainfo, vnuma));
  vnuma[0] = 0;
  say("get_vnumainfo of dom0", memory_op(XENMEM_get_vnumainfo, vnuma));
  vnuma[0] = 1 << 16;
  say("get_vnumainfo, padding", memory_op(XENMEM_get_vnumainfo, vnuma));
  uint64_t rdm[4] = {0};
  say("reserved_device_memory_map", memory_op(XENMEM_reserved_device_memory_map, rdm));
  rdm[0] = 2;
  say("reserved_device_memory_map, flags", memory_op(XENMEM_reserved_device_memory_map, rdm));
  for (unsigned op = 29; op < 64; op += 7) say("no such operation", memory_op(op, list));
}

int main(void) {
  own = memory_take(0x200000, 0x200000) >> 12;
  if (!own) fail("no memory");
  at_start = reservation();
  reservations();
  physmap();
  exchanges();
  numbers();
  return 0;
}
