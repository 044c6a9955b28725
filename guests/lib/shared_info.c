#include "shared_info.h"

static uint8_t page[4096] __attribute__((aligned(4096)));

volatile struct shared_info* shared_info = (volatile struct shared_info*)page;

void shared_info_init(void) {
  struct xen_add_to_physmap map = {
      .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = (uint64_t)page >> 12};
  if (memory_op(XENMEM_add_to_physmap, &map) != 0) {
    struct sched_shutdown shutdown = {.reason = SHUTDOWN_crash};
    sched_op(SCHEDOP_shutdown, &shutdown);
  }
  for (unsigned word = 0; word < 64; ++word) shared_info->evtchn_mask[word] = ~0ul;
}
