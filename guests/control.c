/* control: a control domain. Asks every domctl, sysctl and platform_op that there is, with good and bad arguments,
 * about another domain, and prints a row for each: name and result. tests/system/reference/control.txt is what the
 * same rows said in dom0 of a real Xen 4.17. Then, as a toolstack would, it makes a domain, gives it memory and a
 * program, lets it run, watches it end and destroys it.
 *
 * Wants the role `control`, and peer=DOMID: a PVH domain with two vCPUs, of which one is up (`errors` with
 * wait_ms=). destroy=1: destroys that domain in the end. */
#include "control.h"

#include <stdarg.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/save.h>
#include <xen/sched.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/start.h"
#include "lib/string.h"
#include "lib/x86.h"

const char guest_name[] = "control";

domid_t target_domid, own_domid;

long control_call(unsigned number, unsigned long a1, unsigned long a2) {
  return hypercall4(number, (long)a1, (long)a2, 0, 0);
}

void* control_memory(unsigned bytes) {
  uint64_t at = memory_take((bytes + 4095ul) & ~4095ul, 4096);
  if (!at) fail("no memory");
  return (void*)at;
}

void control_print(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_arguments(format, arguments);
  va_end(arguments);
}

static struct xen_domctl* op;

static long domctl(uint32_t command, domid_t domid) {
  op->cmd = command;
  op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op->domain = domid;
  return control_call(__HYPERVISOR_domctl, (unsigned long)op, 0);
}

static void expect(const char* what, long got, long wanted) {
  print("%s: %ld\n", what, got);
  if (got != wanted) fail("%s: %ld instead of %ld", what, got, wanted);
}

/* A control domain that is not the hardware domain cannot map another's pages. Its program is a page that Xen
 * fills: hypercall stubs, of 32 bytes each, "mov $number, %eax; vmcall; ret". The domain starts in that of
 * sched_op; the reason that it shuts down with is the number in stub 1. */
enum { kStubs = 1 /* frame */, kReason = SHUTDOWN_reboot };

/* Protected mode without paging, flat segments. */
static unsigned make_context(uint8_t* to) {
  struct {
    struct hvm_save_descriptor header_descriptor;
    struct hvm_save_header header;
    struct hvm_save_descriptor cpu_descriptor;
    struct hvm_hw_cpu cpu;
    struct hvm_save_descriptor end;
  } __attribute__((packed)) c;
  memset(&c, 0, sizeof c);
  c.header_descriptor = (struct hvm_save_descriptor){HVM_SAVE_CODE(HEADER), 0, sizeof c.header};
  c.header.magic = HVM_FILE_MAGIC;
  c.header.version = HVM_FILE_VERSION;
  c.cpu_descriptor = (struct hvm_save_descriptor){HVM_SAVE_CODE(CPU), 0, sizeof c.cpu};
  c.cpu.rip = kStubs * 4096 + 32 * __HYPERVISOR_sched_op;
  c.cpu.rbx = SCHEDOP_shutdown;
  c.cpu.rcx = kStubs * 4096 + 32 * kReason + 1;
  c.cpu.rflags = 2;
  c.cpu.cr0 = 0x11;
  c.cpu.cs_limit = c.cpu.ds_limit = c.cpu.es_limit = c.cpu.fs_limit = c.cpu.gs_limit = c.cpu.ss_limit = 0xffffffff;
  c.cpu.cs_arbytes = 0xc9b;
  c.cpu.ds_arbytes = c.cpu.es_arbytes = c.cpu.fs_arbytes = c.cpu.gs_arbytes = c.cpu.ss_arbytes = 0xc93;
  c.cpu.tr_limit = 0x67;
  c.cpu.tr_arbytes = 0x8b;
  c.cpu.dr6 = 0xffff0ff0;
  c.cpu.dr7 = 0x400;
  c.cpu.fpu_regs[0] = 0x7f, c.cpu.fpu_regs[1] = 3;
  c.cpu.fpu_regs[24] = 0x80, c.cpu.fpu_regs[25] = 0x1f;
  c.cpu.flags = XEN_X86_FPU_INITIALISED;
  c.cpu.msr_efer = 0;
  memcpy(to, &c, sizeof c);
  return sizeof c;
}

static void wait(uint64_t us) {
  uint64_t end = system_time() + us * 1000;
  while (system_time() < end) {
    struct sched_poll poll = {.timeout = end};
    sched_op(SCHEDOP_poll, &poll);
  }
}

static void build_domain(void) {
  memset(op, 0, sizeof *op);
  op->u.createdomain = (struct xen_domctl_createdomain){
      .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
      .max_vcpus = 1,
      .max_evtchn_port = 1023,
      .max_grant_frames = -1,
      .max_maptrack_frames = -1,
      .grant_opts = XEN_DOMCTL_GRANT_version(2),
      .arch = {.emulation_flags = XEN_X86_EMU_LAPIC},
  };
  expect("create a domain", domctl(XEN_DOMCTL_createdomain, 0), 0);
  domid_t made = op->domain;
  op->u.max_vcpus.max = 1;
  expect("its vCPU", domctl(XEN_DOMCTL_max_vcpus, made), 0);
  op->u.max_mem.max_memkb = 1024;
  expect("its limit", domctl(XEN_DOMCTL_max_mem, made), 0);
  static xen_pfn_t frames[4] = {0, 1, 2, 3};
  struct xen_memory_reservation r = {.nr_extents = 4, .domid = made};
  set_xen_guest_handle(r.extent_start, frames);
  expect("its memory", memory_op(XENMEM_populate_physmap, &r), 4);
  memset(op, 0, sizeof *op);
  op->u.hypercall_init.gmfn = kStubs;
  expect("its program", domctl(XEN_DOMCTL_hypercall_init, made), 0);
  uint8_t* context = control_memory(4096);
  memset(op, 0, sizeof *op);
  op->u.hvmcontext.size = make_context(context);
  set_xen_guest_handle(op->u.hvmcontext.buffer, context);
  expect("its registers", domctl(XEN_DOMCTL_sethvmcontext, made), 0);
  expect("unpause it", domctl(XEN_DOMCTL_unpausedomain, made), 0);
  unsigned tries = 0;
  do {
    wait(100);
    if (domctl(XEN_DOMCTL_getdomaininfo, made) != 0 || op->domain != made) fail("the domain is gone");
  } while (!(op->u.getdomaininfo.flags & XEN_DOMINF_shutdown) && ++tries < 1000);
  uint32_t flags = op->u.getdomaininfo.flags;
  expect("it has shut down", (flags & XEN_DOMINF_shutdown) != 0, 1);
  expect("with the reason", (flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask, kReason);
  expect("its pages", (long)op->u.getdomaininfo.tot_pages, 4);
  expect("destroy it", domctl(XEN_DOMCTL_destroydomain, made), 0);
  long gone = domctl(XEN_DOMCTL_getdomaininfo, made);
  expect("it is gone", gone != 0 || op->domain != made, 1);
}

int main(void) {
  struct cpuid hvm = cpuid(xen_cpuid_base() + 4, 0);
  if (!(hvm.eax & XEN_HVM_CPUID_DOMID_PRESENT)) fail("CPUID has no domid");
  own_domid = (domid_t)hvm.ecx;
  target_domid = (domid_t)option_number("peer", 0);
  op = control_memory(sizeof *op);
  wait(option_number("delay_us", 2000)); /* the other domain is up by then */
  domctl_rows();
  sysctl_rows();
  platform_rows();
  build_domain();
  if (option_number("destroy", 0))
    expect("destroy the other domain", domctl(XEN_DOMCTL_destroydomain, target_domid), 0);
  return 0;
}
