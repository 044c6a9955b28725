/* control: domctl. */
#include "control.h"

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/sched.h>
#include <xen/vm_event.h>

static struct xen_domctl* op;
static uint8_t* buffer; /* 64 KiB */
enum { kBuffer = 65536 };

static void clear(void* at, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) ((volatile uint8_t*)at)[i] = 0;
}

static long domctl(uint32_t command, domid_t domid) {
  op->cmd = command;
  op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op->domain = domid;
  return control_call(__HYPERVISOR_domctl, (unsigned long)op, 0);
}

/* Sets fields of an all-zero structure and calls. */
#define DOMCTL_OF(domid, command, ...) \
  ({                                   \
    clear(op, sizeof *op);             \
    __VA_ARGS__;                       \
    domctl(command, domid);            \
  })
#define DOMCTL(command, ...) DOMCTL_OF(target_domid, command, __VA_ARGS__)
#define OWN(command, ...) DOMCTL_OF(own_domid, command, __VA_ARGS__)
#define PLAIN(command, domid) DOMCTL_OF(domid, command, (void)0)

#define GDBSX(command, id) DOMCTL(command, op->u.gdbsx_pauseunp_vcpu.vcpu = (id))

static void debugger_rows(void) {
  about("domctl/gdbsx");
  row(GDBSX(XEN_DOMCTL_gdbsx_pausevcpu, 2), "pausevcpu-2");
  row(GDBSX(XEN_DOMCTL_gdbsx_unpausevcpu, 0), "unpausevcpu-what-is-not-paused");
  row(GDBSX(XEN_DOMCTL_gdbsx_pausevcpu, 0), "pausevcpu");
  row(GDBSX(XEN_DOMCTL_gdbsx_pausevcpu, 0), "pausevcpu-again");
  row(GDBSX(XEN_DOMCTL_gdbsx_unpausevcpu, 0), "unpausevcpu");
  row(GDBSX(XEN_DOMCTL_gdbsx_unpausevcpu, 0), "unpausevcpu-again");
  row(GDBSX(XEN_DOMCTL_gdbsx_unpausevcpu, 0), "unpausevcpu-once-more");
  long r = PLAIN(XEN_DOMCTL_gdbsx_domstatus, target_domid);
  row_value(r, op->u.gdbsx_domstatus.paused, "domstatus");
  row(op->u.gdbsx_domstatus.vcpu_id == ~0u, "domstatus/no-vcpu");
  row(DOMCTL(XEN_DOMCTL_gdbsx_guestmemio, (void)0), "guestmemio-nothing");
}

static void life_rows(void) {
  about("domctl/gdbsx");
  row(GDBSX(XEN_DOMCTL_gdbsx_pausevcpu, 0), "pausevcpu-of-a-domain-that-runs");
  row(GDBSX(XEN_DOMCTL_gdbsx_unpausevcpu, 0), "unpausevcpu-of-a-domain-that-runs");
  about("domctl/pausedomain");
  row(PLAIN(XEN_DOMCTL_unpausedomain, target_domid), "unpause-what-runs");
  row(PLAIN(XEN_DOMCTL_pausedomain, target_domid), "pause");
  row(PLAIN(XEN_DOMCTL_pausedomain, target_domid), "pause-again");
  row(PLAIN(XEN_DOMCTL_unpausedomain, target_domid), "unpause");
  row(PLAIN(XEN_DOMCTL_pausedomain, own_domid), "own");
  row(PLAIN(XEN_DOMCTL_pausedomain, 0x1234), "unknown");
  row(PLAIN(XEN_DOMCTL_pausedomain, DOMID_SELF), "self");
  about("domctl/getdomaininfo");
  long r = PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row_value(r, op->u.getdomaininfo.flags, "flags");
  row(op->u.getdomaininfo.max_vcpu_id, "max_vcpu_id");
  row(op->u.getdomaininfo.nr_online_vcpus, "nr_online_vcpus");
  row((long)op->u.getdomaininfo.tot_pages, "tot_pages");
  row((long)op->u.getdomaininfo.max_pages, "max_pages");
  row((long)op->u.getdomaininfo.outstanding_pages, "outstanding_pages");
  row((long)(op->u.getdomaininfo.shr_pages + op->u.getdomaininfo.paged_pages), "shared-and-paged");
  row((long)op->u.getdomaininfo.cpupool, "cpupool");
  row(op->u.getdomaininfo.arch_config.emulation_flags, "emulation_flags");
  row(PLAIN(XEN_DOMCTL_getdomaininfo, 0x7000), "beyond-the-last");
  row(PLAIN(XEN_DOMCTL_getdomaininfo, DOMID_SELF), "self");
  r = PLAIN(XEN_DOMCTL_getdomaininfo, 0);
  row_value(r, op->domain, "dom0");
  about("domctl/resumedomain");
  row(PLAIN(XEN_DOMCTL_resumedomain, own_domid), "own");
  row(PLAIN(XEN_DOMCTL_resumedomain, target_domid), "not-shut-down");
  about("domctl/soft_reset");
  row(PLAIN(XEN_DOMCTL_soft_reset, own_domid), "own");
  row(PLAIN(XEN_DOMCTL_soft_reset, target_domid), "not-shut-down");
  about("domctl/destroydomain");
  row(PLAIN(XEN_DOMCTL_destroydomain, own_domid), "own");
  row(PLAIN(XEN_DOMCTL_destroydomain, 0x1234), "unknown");
  about("domctl/max_vcpus");
  row(DOMCTL(XEN_DOMCTL_max_vcpus, op->u.max_vcpus.max = 2), "2");
  row(DOMCTL(XEN_DOMCTL_max_vcpus, op->u.max_vcpus.max = 1), "1");
  row(DOMCTL(XEN_DOMCTL_max_vcpus, op->u.max_vcpus.max = 3), "3");
  row(OWN(XEN_DOMCTL_max_vcpus, op->u.max_vcpus.max = 1), "own");
  about("domctl/setdomainhandle");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  uint8_t handle[16];
  for (unsigned i = 0; i < 16; ++i) handle[i] = op->u.getdomaininfo.handle[i];
  row(DOMCTL(XEN_DOMCTL_setdomainhandle, op->u.setdomainhandle.handle[3] = 77), "set");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row(op->u.getdomaininfo.handle[3], "told");
  row(DOMCTL(XEN_DOMCTL_setdomainhandle,
             for (unsigned i = 0; i < 16; ++i) op->u.setdomainhandle.handle[i] = handle[i]),
      "set-back");
  about("domctl/setdebugging");
  row(DOMCTL(XEN_DOMCTL_setdebugging, op->u.setdebugging.enable = 1), "on");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row((op->u.getdomaininfo.flags & XEN_DOMINF_debugged) != 0, "told");
  row(DOMCTL(XEN_DOMCTL_setdebugging, op->u.setdebugging.enable = 0), "off");
  row(OWN(XEN_DOMCTL_setdebugging, op->u.setdebugging.enable = 0), "own");
}

static void scheduler_rows(void) {
  about("domctl/scheduler_op");
#define SCHEDULER(id, command, w, c)                                                                      \
  DOMCTL(XEN_DOMCTL_scheduler_op, op->u.scheduler_op.sched_id = (id); op->u.scheduler_op.cmd = (command); \
         op->u.scheduler_op.u.credit2.weight = (w); op->u.scheduler_op.u.credit2.cap = (c))
#define TOLD (op->u.scheduler_op.u.credit2.weight | (uint64_t)op->u.scheduler_op.u.credit2.cap << 16)
  row(SCHEDULER(XEN_SCHEDULER_CREDIT, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), "credit");
  row(SCHEDULER(XEN_SCHEDULER_CREDIT2, 99, 0, 0), "command-99");
  row(SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_getvcpuinfo, 0, 0), "getvcpuinfo");
  long r = SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0);
  row_value(r, TOLD, "getinfo");
  row(SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 512, 50), "putinfo");
  r = SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0);
  row_value(r, TOLD, "getinfo-then");
  row(SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 300, 201), "putinfo-cap-201");
  r = SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0);
  row_value(r, TOLD, "getinfo-after-that");
  row(SCHEDULER(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, 256, 0), "putinfo-back");
}

static uint32_t map_of(void) { return buffer[0] | (uint32_t)buffer[1] << 8; }

static long affinity(uint32_t command, uint32_t vcpu, uint32_t flags, uint32_t bits, uint8_t hard, uint8_t soft) {
  clear(buffer, 64);
  buffer[0] = hard, buffer[1] = 0;
  buffer[32] = soft;
  return DOMCTL(command, op->u.vcpuaffinity.vcpu = vcpu; op->u.vcpuaffinity.flags = flags;
                op->u.vcpuaffinity.cpumap_hard.nr_bits = op->u.vcpuaffinity.cpumap_soft.nr_bits = bits;
                set_xen_guest_handle(op->u.vcpuaffinity.cpumap_hard.bitmap, buffer);
                set_xen_guest_handle(op->u.vcpuaffinity.cpumap_soft.bitmap, buffer + 32));
}

/* (Of pCPUs 0 and 1, which both machines have.) */
static void affinity_rows(void) {
  enum { kSet = XEN_DOMCTL_setvcpuaffinity, kGet = XEN_DOMCTL_getvcpuaffinity };
  enum { kHard = XEN_VCPUAFFINITY_HARD, kSoft = XEN_VCPUAFFINITY_SOFT };
  about("domctl/vcpuaffinity");
  row(affinity(kGet, 0, 0, 16, 0, 0), "get-nothing");
  row(affinity(kGet, 2, kHard, 16, 0, 0), "get-vcpu-2");
  long r = affinity(kGet, 0, kHard, 16, 0, 0xff);
  row_value(r, map_of(), "get-hard");
  r = affinity(kGet, 0, kHard | kSoft, 1, 0, 0);
  row_value(r, map_of(), "get-hard-1-bit");
  r = affinity(kGet, 0, kSoft, 16, 0, 0);
  row_value(r, buffer[32], "get-soft");
  row(DOMCTL(kGet, op->u.vcpuaffinity.flags = kHard), "get-null");
  row(DOMCTL(kGet, op->u.vcpuaffinity.flags = kHard; op->u.vcpuaffinity.cpumap_hard.nr_bits = 8;
             set_xen_guest_handle(op->u.vcpuaffinity.cpumap_hard.bitmap, (void*)UNMAPPED)),
      "get-unmapped");
  row(affinity(kSet, 0, kHard, 16, 0, 0), "set-hard-none");
  row(affinity(kSet, 0, kHard, 0, 3, 0), "set-hard-no-bits");
  row(affinity(kSet, 0, kHard, 16, 0xf0, 0), "set-hard-absent-pcpus");
  r = affinity(kSet, 0, kHard, 16, 1, 0);
  row_value(r, map_of(), "set-hard-0");
  r = affinity(kGet, 0, kHard, 16, 0, 0);
  row_value(r, map_of(), "get-hard-then");
  r = affinity(kSet, 0, kSoft, 16, 0, 3);
  row_value(r, buffer[32], "set-soft-both");
  r = affinity(kGet, 0, kSoft, 16, 0, 0);
  row_value(r, buffer[32], "get-soft-then");
  row(affinity(kSet, 0, kSoft, 16, 0, 0), "set-soft-none");
  row(affinity(kSet, 0, kHard | kSoft, 16, 2, 0), "set-both-soft-none");
  r = affinity(kGet, 0, kHard, 16, 0, 0);
  row_value(r, map_of(), "get-hard-after-that");
  r = affinity(kSet, 0, kHard | kSoft, 16, 3, 3);
  row_value(r, map_of() | (uint32_t)buffer[32] << 16, "set-back");
  about("domctl/nodeaffinity");
  clear(buffer, 64);
#define NODES(command)                                     \
  DOMCTL(command, op->u.nodeaffinity.nodemap.nr_bits = 64; \
         set_xen_guest_handle(op->u.nodeaffinity.nodemap.bitmap, buffer))
  row(NODES(XEN_DOMCTL_setnodeaffinity), "set-none");
  buffer[0] = 1;
  row(NODES(XEN_DOMCTL_setnodeaffinity), "set-0");
  r = NODES(XEN_DOMCTL_getnodeaffinity);
  row_value(r, map_of(), "get");
  for (unsigned i = 0; i < 8; ++i) buffer[i] = 0xff;
  row(NODES(XEN_DOMCTL_setnodeaffinity), "set-all");
  r = NODES(XEN_DOMCTL_getnodeaffinity);
  row_value(r, map_of(), "get-then");
}

static void vcpu_rows(void) {
  about("domctl/getvcpuinfo");
  static const char* const names[] = {"0", "1", "2"};
  for (unsigned i = 0; i < 3; ++i) {
    long r = DOMCTL(XEN_DOMCTL_getvcpuinfo, op->u.getvcpuinfo.vcpu = i);
    row_value(r, op->u.getvcpuinfo.online | (uint64_t)op->u.getvcpuinfo.running << 16, names[i]);
  }
  about("domctl/getvcpucontext");
  vcpu_guest_context_t* c = (vcpu_guest_context_t*)buffer;
  for (unsigned i = 0; i < 3; ++i) {
    long r = DOMCTL(XEN_DOMCTL_getvcpucontext, op->u.vcpucontext.vcpu = i;
                    set_xen_guest_handle(op->u.vcpucontext.ctxt, c));
    row_value(r, c->flags | (c->ctrlreg[0] & 1) << 8, names[i]);
  }
  row(DOMCTL(XEN_DOMCTL_getvcpucontext, op->u.vcpucontext.ctxt.p = (void*)UNMAPPED), "unmapped");
  about("domctl/setvcpucontext");
  row(DOMCTL(XEN_DOMCTL_setvcpucontext, op->u.vcpucontext.vcpu = 2), "2");
  row(OWN(XEN_DOMCTL_setvcpucontext, (void)0), "own");
  about("domctl/getvcpuextstate");
  row(DOMCTL(XEN_DOMCTL_getvcpuextstate, op->u.vcpuextstate.vcpu = 2), "2");
  long r = DOMCTL(XEN_DOMCTL_getvcpuextstate, (void)0);
  row_value(r, op->u.vcpuextstate.size, "size");
  row(DOMCTL(XEN_DOMCTL_getvcpuextstate, op->u.vcpuextstate.size = 8;
             set_xen_guest_handle(op->u.vcpuextstate.buffer, (void*)buffer)),
      "too-small");
  row(DOMCTL(XEN_DOMCTL_setvcpuextstate, op->u.vcpuextstate.size = 8), "set-too-small");
  about("domctl/ext_vcpucontext");
  row(DOMCTL(XEN_DOMCTL_get_ext_vcpucontext, op->u.ext_vcpucontext.vcpu = 2), "get-2");
  r = DOMCTL(XEN_DOMCTL_get_ext_vcpucontext, (void)0);
  row_value(r, op->u.ext_vcpucontext.size, "get-0");
  row(DOMCTL(XEN_DOMCTL_set_ext_vcpucontext, (void)0), "set-size-0");
  row(OWN(XEN_DOMCTL_set_ext_vcpucontext, (void)0), "set-own");
  about("domctl/vcpu_msrs");
  row(DOMCTL(XEN_DOMCTL_get_vcpu_msrs, op->u.vcpu_msrs.vcpu = 2), "get-2");
  row(DOMCTL(XEN_DOMCTL_get_vcpu_msrs, (void)0), "get-0");
  about("domctl/sendtrigger");
  row(DOMCTL(XEN_DOMCTL_sendtrigger, op->u.sendtrigger.vcpu = 2), "vcpu-2");
  row(DOMCTL(XEN_DOMCTL_sendtrigger, op->u.sendtrigger.trigger = 99), "trigger-99");
  row(DOMCTL(XEN_DOMCTL_sendtrigger, op->u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER), "power");
}

#define CONTEXT(bytes, at) op->u.hvmcontext.size = (bytes), op->u.hvmcontext.buffer.p = (void*)(at)

static void context_rows(void) {
  about("domctl/gethvmcontext");
  long r = DOMCTL(XEN_DOMCTL_gethvmcontext, (void)0);
  row(r, "how-much");
  uint32_t size = op->u.hvmcontext.size;
  row(size > 0 && size <= kBuffer, "how-much/told");
  row(DOMCTL(XEN_DOMCTL_gethvmcontext, CONTEXT(16, buffer)), "too-small");
  row(DOMCTL(XEN_DOMCTL_gethvmcontext, CONTEXT(kBuffer, UNMAPPED)), "unmapped");
  row(OWN(XEN_DOMCTL_gethvmcontext, CONTEXT(kBuffer, buffer)), "own");
  about("domctl/gethvmcontext_partial");
#define PARTIAL(record, vcpu, bytes, at)                                                       \
  DOMCTL(XEN_DOMCTL_gethvmcontext_partial, op->u.hvmcontext_partial.type = (record);           \
         op->u.hvmcontext_partial.instance = (vcpu); op->u.hvmcontext_partial.bufsz = (bytes); \
         op->u.hvmcontext_partial.buffer.p = (void*)(at))
  r = PARTIAL(HVM_SAVE_CODE(CPU), 0, 0, 0);
  row_value(r, op->u.hvmcontext_partial.bufsz, "cpu-0-size");
  r = PARTIAL(HVM_SAVE_CODE(CPU), 0, kBuffer, buffer);
  row_value(r, op->u.hvmcontext_partial.bufsz, "cpu-0");
  row(((struct hvm_hw_cpu*)buffer)->cr0 & 1, "cpu-0/cr0-pe");
  row(PARTIAL(HVM_SAVE_CODE(CPU), 0, 8, buffer), "cpu-0-too-small");
  row(PARTIAL(HVM_SAVE_CODE(CPU), 1, kBuffer, buffer), "cpu-1");
  row(PARTIAL(HVM_SAVE_CODE(CPU), 2, kBuffer, buffer), "cpu-2");
  r = PARTIAL(HVM_SAVE_CODE(LAPIC), 1, kBuffer, buffer);
  row_value(r, op->u.hvmcontext_partial.bufsz, "lapic-1");
  r = PARTIAL(HVM_SAVE_CODE(MTRR), 0, kBuffer, buffer);
  row_value(r, op->u.hvmcontext_partial.bufsz, "mtrr-0");
  row(PARTIAL(HVM_SAVE_CODE(HEADER), 0, kBuffer, buffer), "header");
  row(PARTIAL(0, 0, kBuffer, buffer), "type-0");
  row(PARTIAL(99, 0, kBuffer, buffer), "type-99");
  about("domctl/sethvmcontext");
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(0, buffer)), "nothing");
  row(OWN(XEN_DOMCTL_sethvmcontext, CONTEXT(0, buffer)), "own");
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(64, UNMAPPED)), "unmapped");
  r = DOMCTL(XEN_DOMCTL_gethvmcontext, CONTEXT(kBuffer, buffer));
  row(r, "what-it-has");
  size = op->u.hvmcontext.size;
  uint8_t magic = buffer[8];
  buffer[8] = (uint8_t)~magic;
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(size, buffer)), "another-magic");
  buffer[8] = magic;
  row(DOMCTL(XEN_DOMCTL_sethvmcontext, CONTEXT(size, buffer)), "the-same");
}

static long frame_type(uint64_t gfn, uint64_t count) {
  uint64_t* list = (uint64_t*)buffer;
  *list = gfn;
  long r = DOMCTL(XEN_DOMCTL_getpageframeinfo3, op->u.getpageframeinfo3.num = count;
                  op->u.getpageframeinfo3.array.p = (void*)list);
  return r ? r : (long)*list;
}

static void log_dirty_rows(void) {
  about("domctl/shadow_op");
#define SHADOW(what, flags, count, map)                                                     \
  DOMCTL(XEN_DOMCTL_shadow_op, op->u.shadow_op.op = (what); op->u.shadow_op.mode = (flags); \
         op->u.shadow_op.pages = (count); op->u.shadow_op.dirty_bitmap.p = (void*)(map))
  long r = SHADOW(XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, 0, 0, 0);
  row_value(r, op->u.shadow_op.mb, "get_allocation");
  row(SHADOW(99, 0, 0, 0), "99");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE, 0, 0, 0), "enable-nothing");
  row(OWN(XEN_DOMCTL_shadow_op, op->u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION), "own");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, 0), "off-when-off");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0, 0), "enable");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0, 0), "enable-again");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 0, 64, buffer), "peek");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 8, 64, buffer), "peek-mode-8");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 0x4000, buffer), "clean");
  r = SHADOW(XEN_DOMCTL_SHADOW_OP_CLEAN, 0, 0x4000, buffer);
  row_value(r, op->u.shadow_op.stats.dirty_count, "clean-a-paused-domain");
  r = SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 0, 0x4000, 0);
  row_value(r, op->u.shadow_op.stats.dirty_count, "peek-counts-alone");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_PEEK, 0, 64, UNMAPPED), "peek-unmapped");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, 0), "off");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_ENABLE, XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY, 0, 0), "enable-by-mode");
  row(SHADOW(XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, 0), "off-again");
}

static void memory_rows(void) {
  about("domctl/max_mem");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  uint64_t pages = op->u.getdomaininfo.max_pages;
  row(DOMCTL(XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = 4 * (pages + 10) + 3), "more");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row((long)(op->u.getdomaininfo.max_pages - pages), "more/told");
  row(DOMCTL(XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = ~0ul), "most");
  PLAIN(XEN_DOMCTL_getdomaininfo, target_domid);
  row((long)op->u.getdomaininfo.max_pages, "most/told");
  row(DOMCTL(XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = 4 * pages), "back");
  about("domctl/paging_mempool");
  long r = PLAIN(XEN_DOMCTL_get_paging_mempool_size, target_domid);
  uint64_t size = op->u.paging_mempool.size;
  row_value(r, size, "get");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = size + 1), "set-odd");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = 1ul << 50), "set-2-to-the-50");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = size + (4 << 20)), "set-more");
  r = PLAIN(XEN_DOMCTL_get_paging_mempool_size, target_domid);
  row_value(r, op->u.paging_mempool.size - size, "get-then");
  row(DOMCTL(XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = size), "set-back");
  about("domctl/getpageframeinfo3");
  row(frame_type(0, 0), "none");
  row(frame_type(0, 1025), "1025");
  row(frame_type(16, 1), "ram");
  row(frame_type(0x300000, 1) == (long)XEN_DOMCTL_PFINFO_XTAB, "hole-is-xtab");
  row(frame_type(~0ul, 1) == (long)XEN_DOMCTL_PFINFO_XTAB, "last-is-xtab");
  row(DOMCTL(XEN_DOMCTL_getpageframeinfo3, op->u.getpageframeinfo3.num = 1;
             op->u.getpageframeinfo3.array.p = (void*)UNMAPPED),
      "unmapped");
  about("domctl/hypercall_init");
  row(DOMCTL(XEN_DOMCTL_hypercall_init, op->u.hypercall_init.gmfn = 0x300000), "hole");
  row(DOMCTL(XEN_DOMCTL_hypercall_init, op->u.hypercall_init.gmfn = 0x3f00), "ram");
  about("domctl/mem_sharing_op");
  row(DOMCTL(XEN_DOMCTL_mem_sharing_op, (void)0), "control");
  about("domctl/set_access_required");
  row(OWN(XEN_DOMCTL_set_access_required, (void)0), "own");
  row(DOMCTL(XEN_DOMCTL_set_access_required, op->u.access_required.access_required = 1), "on");
  row(DOMCTL(XEN_DOMCTL_set_access_required, op->u.access_required.access_required = 0), "off");
  about("domctl/set_broken_page_p2m");
  row(DOMCTL(XEN_DOMCTL_set_broken_page_p2m, op->u.set_broken_page_p2m.pfn = 0x300000), "hole");
  about("domctl/setvnumainfo");
  row(DOMCTL(XEN_DOMCTL_setvnumainfo, op->u.vnuma.nr_vcpus = 5), "5-vcpus");
  log_dirty_rows();
}

static void policy_rows(void) {
  about("domctl/get_cpu_policy");
  long r = DOMCTL(XEN_DOMCTL_get_cpu_policy, (void)0);
  row_value(r, op->u.cpu_policy.nr_leaves, "leaves");
  row(op->u.cpu_policy.nr_msrs, "msrs");
#define POLICY(command, leaf_count, msr_count)                                                       \
  DOMCTL(command, op->u.cpu_policy.nr_leaves = (leaf_count); op->u.cpu_policy.nr_msrs = (msr_count); \
         op->u.cpu_policy.leaves.p = (void*)buffer; op->u.cpu_policy.msrs.p = (void*)(buffer + 32768))
  row(POLICY(XEN_DOMCTL_get_cpu_policy, 1, 8), "room-for-one-leaf");
  row(POLICY(XEN_DOMCTL_get_cpu_policy, 200, 1), "room-for-one-msr");
  r = POLICY(XEN_DOMCTL_get_cpu_policy, 200, 8);
  row_value(r, op->u.cpu_policy.nr_msrs, "all");
  row(((xen_cpuid_leaf_t*)buffer)->leaf, "all/first");
  row(DOMCTL(XEN_DOMCTL_get_cpu_policy, op->u.cpu_policy.nr_leaves = 8;
             op->u.cpu_policy.leaves.p = (void*)UNMAPPED),
      "unmapped");
  about("domctl/set_cpu_policy");
  row(POLICY(XEN_DOMCTL_set_cpu_policy, 1, 0), "of-a-domain-that-ran");
  row(OWN(XEN_DOMCTL_set_cpu_policy, (void)0), "own");
  about("domctl/tscinfo");
  r = PLAIN(XEN_DOMCTL_gettscinfo, target_domid);
  row_value(r, op->u.tsc_info.tsc_mode, "mode");
  row(op->u.tsc_info.incarnation, "incarnation");
  row(op->u.tsc_info.gtsc_khz != 0, "khz");
  row(PLAIN(XEN_DOMCTL_gettscinfo, own_domid), "own");
  row(DOMCTL(XEN_DOMCTL_settscinfo, op->u.tsc_info.tsc_mode = 9), "set-mode-9");
  row(DOMCTL(XEN_DOMCTL_settscinfo, op->u.tsc_info.tsc_mode = 2; op->u.tsc_info.incarnation = 6), "set-never");
  r = PLAIN(XEN_DOMCTL_gettscinfo, target_domid);
  row_value(r, op->u.tsc_info.gtsc_khz, "khz-then");
  row(op->u.tsc_info.incarnation, "incarnation-then");
  row(DOMCTL(XEN_DOMCTL_settscinfo, (void)0), "set-default");
  about("domctl/address_size");
  row(PLAIN(XEN_DOMCTL_get_address_size, target_domid), "get");
  row(DOMCTL(XEN_DOMCTL_set_address_size, op->u.address_size.size = 64), "set");
  about("domctl/settimeoffset");
  row(DOMCTL(XEN_DOMCTL_settimeoffset, op->u.settimeoffset.time_offset_seconds = 3600), "hour");
  row(DOMCTL(XEN_DOMCTL_settimeoffset, (void)0), "none");
}

static void role_rows(void) {
  about("domctl/set_target");
  row(DOMCTL(XEN_DOMCTL_set_target, op->u.set_target.target = target_domid), "itself");
  row(DOMCTL(XEN_DOMCTL_set_target, op->u.set_target.target = 0), "dom0");
  row(DOMCTL(XEN_DOMCTL_set_target, op->u.set_target.target = 0x1234), "unknown");
  about("domctl/subscribe");
  row(DOMCTL(XEN_DOMCTL_subscribe, (void)0), "port-0");
  about("domctl/set_virq_handler");
  row(DOMCTL(XEN_DOMCTL_set_virq_handler, op->u.set_virq_handler.virq = 99), "99");
  row(DOMCTL(XEN_DOMCTL_set_virq_handler, op->u.set_virq_handler.virq = VIRQ_TIMER), "not-global");
  about("domctl/vm_event_op");
#define VM_EVENT(what, ring) \
  DOMCTL(XEN_DOMCTL_vm_event_op, op->u.vm_event_op.op = (what); op->u.vm_event_op.mode = (ring))
  long r = VM_EVENT(XEN_VM_EVENT_GET_VERSION, 0);
  row_value(r, op->u.vm_event_op.u.version, "version");
  r = DOMCTL_OF(DOMID_INVALID, XEN_DOMCTL_vm_event_op, op->u.vm_event_op.op = XEN_VM_EVENT_GET_VERSION);
  row_value(r, op->u.vm_event_op.u.version, "version-of-nobody");
  row(VM_EVENT(XEN_VM_EVENT_ENABLE, 99), "mode-99");
  row(VM_EVENT(XEN_VM_EVENT_ENABLE, XEN_DOMCTL_VM_EVENT_OP_PAGING), "paging");
  row(VM_EVENT(XEN_VM_EVENT_ENABLE, XEN_DOMCTL_VM_EVENT_OP_SHARING), "sharing");
  row(VM_EVENT(XEN_VM_EVENT_DISABLE, XEN_DOMCTL_VM_EVENT_OP_MONITOR), "monitor-disable-what-is-off");
  row(VM_EVENT(XEN_VM_EVENT_RESUME, XEN_DOMCTL_VM_EVENT_OP_MONITOR), "monitor-resume-what-is-off");
  row(VM_EVENT(99, XEN_DOMCTL_VM_EVENT_OP_MONITOR), "monitor-99");
  row(OWN(XEN_DOMCTL_vm_event_op, op->u.vm_event_op.mode = XEN_DOMCTL_VM_EVENT_OP_MONITOR), "own");
  about("domctl/monitor_op");
  row(OWN(XEN_DOMCTL_monitor_op, (void)0), "own");
  row(DOMCTL(XEN_DOMCTL_monitor_op, op->u.monitor_op.event = 32), "event-32");
}

static void device_rows(void) {
  about("domctl/device");
  row(DOMCTL(XEN_DOMCTL_irq_permission, op->u.irq_permission.pirq = 100000), "irq_permission-far");
  row(DOMCTL(XEN_DOMCTL_iomem_permission, op->u.iomem_permission.first_mfn = ~0ul;
             op->u.iomem_permission.nr_mfns = 2),
      "iomem_permission-wraps");
  row(DOMCTL(XEN_DOMCTL_ioport_permission, op->u.ioport_permission.first_port = 0xffff;
             op->u.ioport_permission.nr_ports = 2),
      "ioport_permission-wraps");
  row(DOMCTL(XEN_DOMCTL_ioport_permission, (void)0), "ioport_permission-none");
  row(DOMCTL(XEN_DOMCTL_memory_mapping, op->u.memory_mapping.first_gfn = ~0ul; op->u.memory_mapping.nr_mfns = 2),
      "memory_mapping-wraps");
  row(DOMCTL(XEN_DOMCTL_memory_mapping, op->u.memory_mapping.first_mfn = 1ul << 40;
             op->u.memory_mapping.nr_mfns = 1),
      "memory_mapping-far");
  row(DOMCTL(XEN_DOMCTL_ioport_mapping, op->u.ioport_mapping.first_gport = 0xffff;
             op->u.ioport_mapping.nr_ports = 2),
      "ioport_mapping-wraps");
  row(DOMCTL(XEN_DOMCTL_bind_pt_irq, (void)0), "bind_pt_irq");
  row(DOMCTL(XEN_DOMCTL_unbind_pt_irq, (void)0), "unbind_pt_irq");
  row(DOMCTL(XEN_DOMCTL_assign_device, (void)0), "assign_device");
  row(DOMCTL_OF(DOMID_INVALID, XEN_DOMCTL_assign_device, (void)0), "assign_device-to-nobody");
  row(DOMCTL(XEN_DOMCTL_test_assign_device, (void)0), "test_assign_device");
  row(DOMCTL_OF(DOMID_INVALID, XEN_DOMCTL_test_assign_device, (void)0), "test_assign_device-nobody");
  row(DOMCTL(XEN_DOMCTL_get_device_group, (void)0), "get_device_group");
  row(DOMCTL(XEN_DOMCTL_psr_cmt_op, (void)0), "psr_cmt_op");
  row(DOMCTL(XEN_DOMCTL_psr_alloc, op->u.psr_alloc.cmd = XEN_DOMCTL_PSR_GET_L3_CBM), "psr_alloc");
  row(DOMCTL(XEN_DOMCTL_vmtrace_op, op->u.vmtrace_op.cmd = XEN_DOMCTL_vmtrace_enable), "vmtrace_op");
  row(DOMCTL(XEN_DOMCTL_debug_op, op->u.debug_op.op = 99), "debug_op-99");
  row(DOMCTL(XEN_DOMCTL_debug_op, op->u.debug_op.vcpu = 2), "debug_op-vcpu-2");
  row(DOMCTL(XEN_DOMCTL_audit_p2m, (void)0), "audit_p2m");
  row(DOMCTL(999, (void)0), "999");
  clear(op, sizeof *op);
  op->cmd = XEN_DOMCTL_pausedomain;
  op->interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
  op->domain = target_domid;
  row(control_call(__HYPERVISOR_domctl, (unsigned long)op, 0), "version");
  row(control_call(__HYPERVISOR_domctl, UNMAPPED, 0), "unmapped");
}

/* A domain that could be, with one thing changed. */
static const struct xen_domctl_createdomain kGood = {
    .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
    .max_vcpus = 2,
    .max_evtchn_port = 1023,
    .max_grant_frames = -1,
    .max_maptrack_frames = -1,
    .grant_opts = XEN_DOMCTL_GRANT_version(2),
    .arch = {.emulation_flags = XEN_X86_EMU_LAPIC},
};
#define CREATE(domid, ...) DOMCTL_OF(domid, XEN_DOMCTL_createdomain, op->u.createdomain = kGood; __VA_ARGS__)

static void refused_creation_rows(void) {
  about("domctl/createdomain");
#define C op->u.createdomain
  row(CREATE(0, C.flags |= 1u << 30), "unknown-flag");
  row(CREATE(0, C.grant_opts |= 1u << 8), "unknown-grant-option");
  row(CREATE(0, C.max_vcpus = 0), "no-vcpus");
  row(CREATE(0, C.max_vcpus = 129), "129-vcpus");
  row(CREATE(0, C.flags = XEN_DOMCTL_CDF_hap), "hap-without-hvm");
  row(CREATE(0, C.flags |= XEN_DOMCTL_CDF_iommu), "iommu");
  row(CREATE(0, C.iommu_opts = 1), "iommu-options-alone");
  row(CREATE(0, C.vmtrace_size = 4096), "vmtrace");
  row(CREATE(0, C.flags |= XEN_DOMCTL_CDF_vpmu), "vpmu");
  row(CREATE(0, C.flags |= XEN_DOMCTL_CDF_nested_virt; C.flags &= ~XEN_DOMCTL_CDF_hap), "nested-without-hap");
  row(CREATE(0, C.arch.misc_flags = 2), "unknown-misc-flag");
  row(CREATE(0, C.arch.emulation_flags = 0), "no-emulation");
  row(CREATE(0, C.arch.emulation_flags = XEN_X86_EMU_PIT), "pit-alone");
  row(CREATE(0, C.grant_opts = 0), "grant-version-0");
  row(CREATE(0, C.grant_opts = 3), "grant-version-3");
  row(CREATE(0, C.max_grant_frames = 0), "no-grant-frames");
  row(CREATE(0, C.max_grant_frames = 65), "65-grant-frames");
  row(CREATE(0, C.max_maptrack_frames = 1025), "1025-maptrack-frames");
  row(CREATE(0, C.cpupool_id = 7), "cpupool-7");
  row(CREATE(target_domid, (void)0), "number-in-use");
}

static long populate(domid_t domid, unsigned long count) {
  xen_pfn_t* frames = (xen_pfn_t*)buffer;
  struct xen_memory_reservation* r = (struct xen_memory_reservation*)(buffer + 4096);
  for (unsigned i = 0; i < count; ++i) frames[i] = i;
  *r = (struct xen_memory_reservation){.nr_extents = count, .domid = domid};
  set_xen_guest_handle(r->extent_start, frames);
  return control_call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, (unsigned long)r);
}

static long memory_call(unsigned command, const void* structure, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) buffer[i] = ((const uint8_t*)structure)[i];
  return control_call(__HYPERVISOR_memory_op, command, (unsigned long)buffer);
}

static long parameter(unsigned command, domid_t domid, uint32_t index, uint64_t* value) {
  struct xen_hvm_param* p = (struct xen_hvm_param*)buffer;
  *p = (struct xen_hvm_param){.domid = domid, .index = index, .value = *value};
  long r = control_call(__HYPERVISOR_hvm_op, command, (unsigned long)p);
  *value = p->value;
  return r;
}

/* What a toolstack does to a new domain by other hypercalls. */
static void other_hypercall_rows(domid_t made) {
  about("memory_op/of-another");
  struct xen_memory_domain d = {.domid = made};
  row(memory_call(XENMEM_current_reservation, &d, sizeof d), "current_reservation");
  row(memory_call(XENMEM_maximum_reservation, &d, sizeof d), "maximum_reservation");
  row(memory_call(XENMEM_maximum_gpfn, &d, sizeof d), "maximum_gpfn");
  struct xen_memory_reservation claim = {.nr_extents = 1, .domid = made};
  row(memory_call(XENMEM_claim_pages, &claim, sizeof claim), "claim-less-than-it-has");
  claim.nr_extents = 20;
  row(memory_call(XENMEM_claim_pages, &claim, sizeof claim), "claim-more-than-its-limit");
  claim.nr_extents = 0;
  row(memory_call(XENMEM_claim_pages, &claim, sizeof claim), "claim-nothing");
  struct xen_foreign_memory_map map = {.domid = made, .map = {.nr_entries = 1}};
  map.map.buffer.p = buffer + 4096;
  row(memory_call(XENMEM_set_memory_map, &map, sizeof map), "set_memory_map");
  map.map.nr_entries = 1000;
  row(memory_call(XENMEM_set_memory_map, &map, sizeof map), "set_memory_map-1000");
  xen_pod_target_t pod = {.domid = made};
  row(memory_call(XENMEM_get_pod_target, &pod, sizeof pod), "get_pod_target");
  pod.target_pages = 1000;
  row(memory_call(XENMEM_set_pod_target, &pod, sizeof pod), "set_pod_target-beyond-the-limit");
  struct xen_remove_from_physmap remove = {.domid = made, .gpfn = 3};
  row(memory_call(XENMEM_remove_from_physmap, &remove, sizeof remove), "remove_from_physmap");
  row(memory_call(XENMEM_remove_from_physmap, &remove, sizeof remove), "remove_from_physmap-again");
  about("hvm_op/of-another");
  static const struct {
    uint32_t index;
    const char* name;
  } parameters[] = {{HVM_PARAM_STORE_PFN, "store_pfn"},
                    {HVM_PARAM_STORE_EVTCHN, "store_evtchn"},
                    {HVM_PARAM_CONSOLE_PFN, "console_pfn"},
                    {HVM_PARAM_IOREQ_SERVER_PFN, "ioreq_server_pfn"},
                    {HVM_PARAM_TRIPLE_FAULT_REASON, "triple_fault_reason"},
                    {HVM_PARAM_TIMER_MODE, "timer_mode"},
                    {HVM_PARAM_VIRIDIAN, "viridian"},
                    {HVM_PARAM_DM_DOMAIN, "dm_domain"}};
  for (unsigned i = 0; i < sizeof parameters / sizeof *parameters; ++i) {
    uint64_t value = 1;
    row(parameter(HVMOP_set_param, made, parameters[i].index, &value), parameters[i].name);
    value = 77;
    long r = parameter(HVMOP_get_param, made, parameters[i].index, &value);
    row_value(r, value, "and-back");
  }
  about("event_channel_op/of-another");
  struct evtchn_alloc_unbound* a = (struct evtchn_alloc_unbound*)buffer;
  *a = (struct evtchn_alloc_unbound){.dom = made, .remote_dom = 0};
  long r = control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, (unsigned long)a);
  row_value(r, a->port, "alloc_unbound");
  struct evtchn_status* s = (struct evtchn_status*)buffer;
  *s = (struct evtchn_status){.dom = made, .port = 1};
  r = control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, (unsigned long)s);
  row_value(r, s->status, "status");
  struct evtchn_reset* reset = (struct evtchn_reset*)buffer;
  reset->dom = made;
  row(control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, (unsigned long)reset), "reset");
  *s = (struct evtchn_status){.dom = made, .port = 1};
  r = control_call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, (unsigned long)s);
  row_value(r, s->status, "status-after-that");
  about("sched_op/of-another");
  struct sched_remote_shutdown* shutdown = (struct sched_remote_shutdown*)buffer;
  *shutdown = (struct sched_remote_shutdown){.domain_id = made, .reason = SHUTDOWN_watchdog};
  row(control_call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, (unsigned long)shutdown), "remote_shutdown");
  PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row(op->u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, "reason");
  row(PLAIN(XEN_DOMCTL_soft_reset, made), "soft_reset");
  PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row((op->u.getdomaininfo.flags & XEN_DOMINF_shutdown) != 0, "shut-down-then");
  about("domctl/createdomain");
}

static void creation_rows(void) {
  row(CREATE(0, (void)0), "good");
  domid_t made = op->domain;
  long r = PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row_value(r, op->u.getdomaininfo.flags, "info");
  row_value(r, op->u.getdomaininfo.max_vcpu_id, "info/max_vcpu_id");
  row((long)op->u.getdomaininfo.max_pages, "info/max_pages");
  row(DOMCTL_OF(made, XEN_DOMCTL_getvcpuinfo, (void)0), "vcpu-before-there-is-one");
  row(DOMCTL_OF(made, XEN_DOMCTL_shadow_op, op->u.shadow_op.op = XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION),
      "shadow_op-before-there-is-a-vcpu");
  row(PLAIN(XEN_DOMCTL_get_paging_mempool_size, made), "paging_mempool");
  row(DOMCTL_OF(made, XEN_DOMCTL_max_vcpus, op->u.max_vcpus.max = 2), "max_vcpus");
  r = DOMCTL_OF(made, XEN_DOMCTL_getvcpuinfo, op->u.getvcpuinfo.vcpu = 1);
  row_value(r, op->u.getvcpuinfo.online, "vcpu-1");
  row(DOMCTL_OF(made, XEN_DOMCTL_set_paging_mempool_size, op->u.paging_mempool.size = 2 << 20),
      "set-paging_mempool");
  row(populate(made, 4), "populate-without-limit");
  row(DOMCTL_OF(made, XEN_DOMCTL_max_mem, op->u.max_mem.max_memkb = 64), "max_mem");
  row(populate(made, 32), "populate-32-of-16");
  PLAIN(XEN_DOMCTL_getdomaininfo, made);
  row((long)op->u.getdomaininfo.tot_pages, "info/tot_pages");
  r = DOMCTL_OF(made, XEN_DOMCTL_get_cpu_policy, op->u.cpu_policy.nr_leaves = 200; op->u.cpu_policy.nr_msrs = 8;
                op->u.cpu_policy.leaves.p = (void*)buffer; op->u.cpu_policy.msrs.p = (void*)(buffer + 32768));
  row(r, "get_cpu_policy");
  uint32_t leaves = op->u.cpu_policy.nr_leaves;
  xen_cpuid_leaf_t* leaf = (xen_cpuid_leaf_t*)buffer;
#define SET(count)                                                                 \
  DOMCTL_OF(made, XEN_DOMCTL_set_cpu_policy, op->u.cpu_policy.nr_leaves = (count); \
            op->u.cpu_policy.leaves.p = (void*)buffer)
  row(SET(leaves), "set_cpu_policy");
  row(SET(121), "set_cpu_policy-121-leaves");
  uint32_t most = leaf->a;
  leaf->a = 0xff;
  r = SET(1);
  row(r, "set_cpu_policy-more-leaves");
  row(op->u.cpu_policy.err_leaf, "set_cpu_policy-more-leaves/leaf");
  leaf->a = most;
  leaf->leaf = 0x1234;
  r = SET(1);
  row(r, "set_cpu_policy-leaf-1234");
  row(op->u.cpu_policy.err_leaf, "set_cpu_policy-leaf-1234/leaf");
  leaf->leaf = 0;
  /* Without SSE4.2, if it had it: a feature can be taken away. */
  for (uint32_t i = 0; i < leaves; ++i)
    if (leaf[i].leaf == 1) leaf[i].c &= ~(1u << 23);
  row(SET(leaves), "set_cpu_policy-without-popcnt");
  DOMCTL_OF(made, XEN_DOMCTL_get_cpu_policy, op->u.cpu_policy.nr_leaves = 200;
            op->u.cpu_policy.leaves.p = (void*)buffer);
  for (uint32_t i = 0; i < leaves; ++i)
    if (leaf[i].leaf == 1) row(leaf[i].c >> 23 & 1, "popcnt");
  other_hypercall_rows(made);
  row(PLAIN(XEN_DOMCTL_unpausedomain, made), "unpause");
  row(SET(1), "set_cpu_policy-afterwards");
  row(PLAIN(XEN_DOMCTL_destroydomain, made), "destroy");
  row(PLAIN(XEN_DOMCTL_pausedomain, made), "and-it-is-gone");
  row(CREATE(5000, (void)0), "by-number");
  row(op->domain, "by-number/domid");
  row(CREATE(5000, (void)0), "by-number-again");
  row(PLAIN(XEN_DOMCTL_destroydomain, 5000), "destroy-by-number");
}

void domctl_rows(void) {
  op = control_memory(sizeof *op);
  buffer = control_memory(kBuffer);
  life_rows(); /* leaves the domain paused once */
  debugger_rows();
  scheduler_rows();
  affinity_rows();
  vcpu_rows();
  memory_rows();
  policy_rows();
  role_rows();
  device_rows();
  refused_creation_rows();
  creation_rows();
  context_rows();
  about("domctl/unpausedomain");
  row(PLAIN(XEN_DOMCTL_unpausedomain, target_domid), "in-the-end");
}
