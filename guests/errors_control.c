/* errors: domctl, sysctl and platform_op, which are for control domains: what an unprivileged domain is told, and
 * in which order versions, domains, privileges and commands are checked. */
#include "errors.h"

#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#include "lib/string.h"

/* Of a hypercall, before what it wrote is looked at. */
static long result;

static long domctl(struct xen_domctl* op) { return hypercall5(__HYPERVISOR_domctl, (long)op, 0, 0, 0, 0); }
static long sysctl(struct xen_sysctl* op) { return hypercall5(__HYPERVISOR_sysctl, (long)op, 0, 0, 0, 0); }
static long platform_op(struct xen_platform_op* op) {
  return hypercall5(__HYPERVISOR_platform_op, (long)op, 0, 0, 0, 0);
}

static struct xen_domctl domctl_of(uint32_t command, domid_t domid) {
  struct xen_domctl op;
  memset(&op, 0, sizeof op);
  op.cmd = command;
  op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
  op.domain = domid;
  return op;
}

void domctl_rows(void) {
  about("domctl");
  bad_pointers(__HYPERVISOR_domctl, UNMAPPED, 1);
  static const uint32_t versions[] = {0, 1, 0x14, 0x16, 0xffffffff};
  for (unsigned i = 0; i < sizeof versions / sizeof *versions; ++i) {
    struct xen_domctl op = domctl_of(XEN_DOMCTL_pausedomain, 0x1234);
    op.interface_version = versions[i];
    row(domctl(&op), "version-%x", versions[i]);
  }
  for (uint32_t command = 0; command < 92; ++command) {
    struct xen_domctl op = domctl_of(command, own_domid);
    row(domctl(&op), "%u/own", command);
    op = domctl_of(command, 0);
    row(domctl(&op), "%u/dom0", command);
  }
  /* The order of checks: the domain before the privilege, for every command. */
  for (uint32_t command = 0; command < 92; ++command) {
    struct xen_domctl op = domctl_of(command, peer_domid);
    row(domctl(&op), "%u/peer", command);
    op = domctl_of(command, 0x1234);
    row(domctl(&op), "%u/unknown", command);
    op = domctl_of(command, DOMID_INVALID);
    row(domctl(&op), "%u/invalid", command);
  }
  for
    EACH_DOMAIN(n) {
      struct xen_domctl op = domctl_of(XEN_DOMCTL_pausedomain, n->domid);
      row(domctl(&op), "pausedomain/domid-%s", n->name);
      op = domctl_of(XEN_DOMCTL_getdomaininfo, n->domid);
      row(domctl(&op), "getdomaininfo/domid-%s", n->name);
      op = domctl_of(XEN_DOMCTL_createdomain, n->domid);
      row(domctl(&op), "createdomain/domid-%s", n->name);
      op = domctl_of(XEN_DOMCTL_set_target, own_domid);
      op.u.set_target.target = n->domid;
      row(domctl(&op), "set_target/target-%s", n->name);
      op = domctl_of(XEN_DOMCTL_vm_event_op, n->domid);
      row(domctl(&op), "vm_event_op/domid-%s", n->name);
      op = domctl_of(XEN_DOMCTL_test_assign_device, n->domid);
      row(domctl(&op), "test_assign_device/domid-%s", n->name);
      op = domctl_of(XEN_DOMCTL_assign_device, n->domid);
      row(domctl(&op), "assign_device/domid-%s", n->name);
      op = domctl_of(999, n->domid);
      row(domctl(&op), "999/domid-%s", n->name);
    }
  about("domctl/arguments");
  struct xen_domctl op = domctl_of(XEN_DOMCTL_iomem_permission, own_domid);
  op.u.iomem_permission.first_mfn = ~0ul;
  op.u.iomem_permission.nr_mfns = 2;
  row(domctl(&op), "iomem_permission-wraps");
  op = domctl_of(XEN_DOMCTL_iomem_permission, own_domid);
  op.u.iomem_permission.nr_mfns = 1;
  row(domctl(&op), "iomem_permission");
  op = domctl_of(XEN_DOMCTL_memory_mapping, own_domid);
  op.u.memory_mapping.nr_mfns = 1;
  row(domctl(&op), "memory_mapping");
  op.u.memory_mapping.first_gfn = ~0ul;
  op.u.memory_mapping.nr_mfns = 2;
  row(domctl(&op), "memory_mapping-wraps");
  op = domctl_of(XEN_DOMCTL_ioport_permission, own_domid);
  op.u.ioport_permission.first_port = 0xffff;
  op.u.ioport_permission.nr_ports = 2;
  row(domctl(&op), "ioport_permission-wraps");
  op.u.ioport_permission.nr_ports = 1;
  row(domctl(&op), "ioport_permission");
  op = domctl_of(XEN_DOMCTL_irq_permission, own_domid);
  op.u.irq_permission.pirq = 255;
  row(domctl(&op), "irq_permission-ff");
  op = domctl_of(XEN_DOMCTL_vm_event_op, own_domid);
  op.u.vm_event_op.op = XEN_VM_EVENT_GET_VERSION;
  result = domctl(&op);
  row_value(result, op.u.vm_event_op.u.version, "vm_event-version");
  op = domctl_of(XEN_DOMCTL_pausedomain, own_domid);
  row(domctl((struct xen_domctl*)read_only_page), "read-only");
  /* What a device model may do for its target, asked for a domain that is none. */
  op = domctl_of(XEN_DOMCTL_memory_mapping, peer_domid);
  op.u.memory_mapping.nr_mfns = 1;
  row(domctl(&op), "memory_mapping-peer");
  op = domctl_of(XEN_DOMCTL_ioport_mapping, peer_domid);
  op.u.ioport_mapping.nr_ports = 1;
  row(domctl(&op), "ioport_mapping-peer");
  op = domctl_of(XEN_DOMCTL_bind_pt_irq, peer_domid);
  row(domctl(&op), "bind_pt_irq-peer");
  op = domctl_of(XEN_DOMCTL_getpageframeinfo3, peer_domid);
  op.u.getpageframeinfo3.num = 2000;
  row(domctl(&op), "getpageframeinfo3-2000-of-peer");
  op = domctl_of(XEN_DOMCTL_gethvmcontext, peer_domid);
  row(domctl(&op), "gethvmcontext-peer");
  row(domctl(&op), "own-pause");
}

void sysctl_rows(void) {
  about("sysctl");
  bad_pointers(__HYPERVISOR_sysctl, UNMAPPED, 1);
  struct xen_sysctl op;
  static const uint32_t versions[] = {0, 1, 0x14, 0x16, 0xffffffff};
  for (unsigned i = 0; i < sizeof versions / sizeof *versions; ++i) {
    memset(&op, 0, sizeof op);
    op.cmd = XEN_SYSCTL_physinfo;
    op.interface_version = versions[i];
    row(sysctl(&op), "version-%x", versions[i]);
  }
  for (uint32_t command = 0; command < 34; ++command) {
    memset(&op, 0, sizeof op);
    op.cmd = command;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    row(sysctl(&op), "%u", command);
  }
  op.cmd = 999;
  row(sysctl(&op), "999");
  memset(&op, 0xff, sizeof op);
  op.cmd = XEN_SYSCTL_getdomaininfolist;
  op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
  row(sysctl(&op), "getdomaininfolist-all-ones");
  op.cmd = XEN_SYSCTL_readconsole;
  row(sysctl(&op), "readconsole-all-ones");
  row(sysctl((struct xen_sysctl*)read_only_page), "read-only");
}

void platform_rows(void) {
  about("platform_op");
  bad_pointers(__HYPERVISOR_platform_op, UNMAPPED, 1);
  struct xen_platform_op op;
  static const uint32_t versions[] = {0, 1, 0x02000000, 0x03000000, 0x03000002, 0xffffffff};
  for (unsigned i = 0; i < sizeof versions / sizeof *versions; ++i) {
    memset(&op, 0, sizeof op);
    op.cmd = XENPF_settime64;
    op.interface_version = versions[i];
    row(platform_op(&op), "version-%x", versions[i]);
  }
  for (uint32_t command = 0; command < 68; ++command) {
    memset(&op, 0, sizeof op);
    op.cmd = command;
    op.interface_version = XENPF_INTERFACE_VERSION;
    row(platform_op(&op), "%u", command);
  }
  op.cmd = 999;
  row(platform_op(&op), "999");
  memset(&op, 0xff, sizeof op);
  op.cmd = XENPF_settime64;
  op.interface_version = XENPF_INTERFACE_VERSION;
  row(platform_op(&op), "settime64-all-ones");
  op.cmd = XENPF_resource_op;
  row(platform_op(&op), "resource_op-all-ones");
  row(platform_op((struct xen_platform_op*)read_only_page), "read-only");
}
