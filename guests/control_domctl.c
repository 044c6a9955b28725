/* control: domctl: who runs, when and where. */
#include "control_domctl.h"

struct xen_domctl* op;
uint8_t* buffer;

void clear(void* at, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) ((volatile uint8_t*)at)[i] = 0;
}

long domctl(uint32_t command, domid_t domid) {
  op->cmd = command;
  op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op->domain = domid;
  return control_call(__HYPERVISOR_domctl, (unsigned long)op, 0);
}

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
