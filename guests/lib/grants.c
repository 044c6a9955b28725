#include "grants.h"

#include <xen/arch-x86/cpuid.h>

#include "exit.h"
#include "x86.h"

static unsigned version = 1, mapped_frames;

long grant_map_frame(uint64_t index, uint64_t address) {
  struct xen_add_to_physmap add = {
      .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .idx = index, .gpfn = address >> 12};
  return memory_op(XENMEM_add_to_physmap, &add);
}

static void map_frames(uint64_t first_index, unsigned count, uint64_t address) {
  /* The highest first: one growth instead of many. */
  for (unsigned i = count; i-- > 0;) {
    long result = grant_map_frame(first_index + i, address + i * 4096ul);
    if (result != 0) fail("XENMAPSPACE_grant_table %lx: %ld", first_index + i, result);
  }
}

void grant_table_map(unsigned frames) {
  mapped_frames = frames;
  map_frames(0, frames, GRANT_FRAMES);
  if (version == 2) map_frames(XENMAPIDX_grant_table_status, (frames * 256 + 2047) / 2048, GRANT_STATUS);
}

long grant_set_version(unsigned wanted) {
  struct gnttab_set_version set = {.version = wanted};
  long result = grant_table_op(GNTTABOP_set_version, &set, 1);
  if (result != 0) return result;
  version = set.version;
  if (mapped_frames) grant_table_map(mapped_frames);
  return 0;
}

unsigned grant_version(void) { return version; }

domid_t this_domid(void) {
  struct cpuid leaf = cpuid(xen_cpuid_base() + 4, 0);
  if (!(leaf.eax & XEN_HVM_CPUID_DOMID_PRESENT)) fail("CPUID does not say the domid");
  return (domid_t)leaf.ecx;
}

static volatile grant_entry_v1_t* entry_v1(grant_ref_t ref) { return (grant_entry_v1_t*)GRANT_FRAMES + ref; }
static volatile grant_entry_v2_t* entry_v2(grant_ref_t ref) { return (grant_entry_v2_t*)GRANT_FRAMES + ref; }
static volatile grant_status_t* status_v2(grant_ref_t ref) { return (grant_status_t*)GRANT_STATUS + ref; }

void grant_entry(grant_ref_t ref, unsigned flags, domid_t domid, uint64_t frame) {
  if (version == 1) {
    volatile grant_entry_v1_t* e = entry_v1(ref);
    e->flags = 0;
    e->domid = domid;
    e->frame = (uint32_t)frame;
    compiler_barrier();
    e->flags = (uint16_t)flags;
  } else {
    grant_entry_part(ref, flags, domid, frame, 0, 0);
  }
}

void grant_entry_part(grant_ref_t ref, unsigned flags, domid_t domid, uint64_t frame, unsigned offset,
                      unsigned length) {
  volatile grant_entry_v2_t* e = entry_v2(ref);
  e->hdr.flags = 0;
  e->hdr.domid = domid;
  e->sub_page.page_off = (uint16_t)offset;
  e->sub_page.length = (uint16_t)length;
  e->sub_page.frame = frame;
  compiler_barrier();
  e->hdr.flags = (uint16_t)flags;
}

void grant_entry_transitive(grant_ref_t ref, unsigned flags, domid_t domid, domid_t owner, grant_ref_t theirs) {
  volatile grant_entry_v2_t* e = entry_v2(ref);
  e->hdr.flags = 0;
  e->hdr.domid = domid;
  e->transitive.trans_domid = owner;
  e->transitive.pad0 = 0;
  e->transitive.gref = theirs;
  compiler_barrier();
  e->hdr.flags = (uint16_t)flags;
}

unsigned grant_flags(grant_ref_t ref) {
  if (version == 1) return entry_v1(ref)->flags;
  return entry_v2(ref)->hdr.flags | *status_v2(ref);
}

int grant_map(uint64_t address, unsigned flags, grant_ref_t ref, domid_t domid, grant_handle_t* handle) {
  struct gnttab_map_grant_ref map = {.host_addr = address, .flags = flags, .ref = ref, .dom = domid};
  long result = grant_table_op(GNTTABOP_map_grant_ref, &map, 1);
  if (result != 0) fail("GNTTABOP_map_grant_ref: %ld", result);
  if (map.status == GNTST_okay && handle) *handle = map.handle;
  return map.status;
}

int grant_unmap(uint64_t address, grant_handle_t handle) {
  struct gnttab_unmap_grant_ref unmap = {.host_addr = address, .handle = handle};
  long result = grant_table_op(GNTTABOP_unmap_grant_ref, &unmap, 1);
  if (result != 0) fail("GNTTABOP_unmap_grant_ref: %ld", result);
  return unmap.status;
}
