/* control-native: the rows of the guest `control` from dom0 of a real Xen, by /dev/xen/privcmd.
 *   control-native DOMID      DOMID: a PVH domain with two vCPUs, of which one is up
 *   control-native DOMID cost counts how long a domctl takes beside xen_version, in TSC ticks
 *   control-native DOMID of TARGET: makes DOMID the device model of TARGET */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xen/version.h>

struct privcmd_hypercall {
  uint64_t op, arg[5];
};
#define IOCTL_PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

domid_t target_domid, own_domid;
static int privcmd;

long control_call(unsigned number, unsigned long a1, unsigned long a2) {
  struct privcmd_hypercall call = {.op = number, .arg = {a1, a2}};
  long result = ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);
  return result < 0 && result == -1 ? -errno : result;
}

void* control_memory(unsigned bytes) {
  static int buffers = -1;
  if (buffers < 0) buffers = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);
  unsigned long size = (bytes + 4095ul) & ~4095ul;
  void* p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buffers, 0);
  if (p == MAP_FAILED) {
    perror("/dev/xen/hypercall");
    exit(1);
  }
  memset(p, 0, size);
  return p;
}

void control_print(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
}

static uint64_t ticks(void) {
  uint32_t low, high;
  asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
  return low | (uint64_t)high << 32;
}

static uint64_t least(unsigned number, unsigned long a1, unsigned long a2) {
  uint64_t best = ~0ul;
  for (unsigned i = 0; i < 3000; ++i) {
    uint64_t begin = ticks();
    control_call(number, a1, a2);
    uint64_t took = ticks() - begin;
    if (took < best) best = took;
  }
  return best;
}

static void costs(void) {
  uint64_t begin = ticks();
  for (unsigned long i = 1000000; i; --i) asm volatile("" : "+r"(i));
  printf("a loop of 2000000 instructions: %lu ticks\n", (unsigned long)(ticks() - begin));
  struct xen_domctl* d = control_memory(sizeof *d);
  struct xen_sysctl* s = control_memory(sizeof *s);
  struct xen_platform_op* p = control_memory(sizeof *p);
  *d = (struct xen_domctl){
      .cmd = XEN_DOMCTL_getvcpuinfo, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = target_domid};
  *s = (struct xen_sysctl){.cmd = XEN_SYSCTL_sched_id, .interface_version = XEN_SYSCTL_INTERFACE_VERSION};
  *p = (struct xen_platform_op){.cmd = XENPF_get_cpuinfo, .interface_version = XENPF_INTERFACE_VERSION};
  printf("xen_version: %lu ticks\n", (unsigned long)least(__HYPERVISOR_xen_version, XENVER_version, 0));
  printf("domctl getvcpuinfo: %lu ticks\n", (unsigned long)least(__HYPERVISOR_domctl, (unsigned long)d, 0));
  d->cmd = XEN_DOMCTL_getdomaininfo;
  printf("domctl getdomaininfo: %lu ticks\n", (unsigned long)least(__HYPERVISOR_domctl, (unsigned long)d, 0));
  d->cmd = XEN_DOMCTL_max_vcpus;
  d->u.max_vcpus.max = 77;
  printf("domctl max_vcpus, refused: %lu ticks\n", (unsigned long)least(__HYPERVISOR_domctl, (unsigned long)d, 0));
  printf("sysctl sched_id: %lu ticks\n", (unsigned long)least(__HYPERVISOR_sysctl, (unsigned long)s, 0));
  printf("platform_op get_cpuinfo: %lu ticks\n",
         (unsigned long)least(__HYPERVISOR_platform_op, (unsigned long)p, 0));
}

static int make_device_model(domid_t target) {
  struct xen_domctl* d = control_memory(sizeof *d);
  *d = (struct xen_domctl){
      .cmd = XEN_DOMCTL_set_target, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = target_domid};
  d->u.set_target.target = target;
  long result = control_call(__HYPERVISOR_domctl, (unsigned long)d, 0);
  printf("set_target: %ld\n", result);
  return result != 0;
}

int main(int argc, char** argv) {
  privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
  if (privcmd < 0 || argc < 2) {
    fprintf(stderr, "control-native DOMID [cost], in dom0: %s\n", strerror(errno));
    return 1;
  }
  target_domid = (domid_t)atoi(argv[1]);
  if (argc > 3 && strcmp(argv[2], "of") == 0) return make_device_model((domid_t)atoi(argv[3]));
  if (argc > 2) {
    costs();
    return 0;
  }
  domctl_rows();
  sysctl_rows();
  platform_rows();
  return 0;
}
