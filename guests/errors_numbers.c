/* errors: which hypercall numbers there are, version, console, the devices' and other small hypercalls, multicall.
 */
#include "errors.h"

#include <xen/physdev.h>

#include "lib/string.h"

#define UNKNOWN_COMMAND 0x7777

void hypercall_numbers(void) {
  about("number");
  for (unsigned long n = 0; n < 64; ++n)
    row(hypercall5((long)n, UNMAPPED | UNKNOWN_COMMAND, UNMAPPED, UNMAPPED, UNMAPPED, UNMAPPED), "%lu", n);
  static const unsigned long far[] = {64,         100,        127,        128,        1000,      0x40000000,
                                      0x7fffffff, 0x80000000, 0x80000011, 0xffffffff, 1ul << 32, (1ul << 32) + 17,
                                      1ul << 63,  ~0ul};
  for (unsigned i = 0; i < sizeof far / sizeof *far; ++i)
    row(hypercall5((long)far[i], UNMAPPED | UNKNOWN_COMMAND, UNMAPPED, UNMAPPED, UNMAPPED, UNMAPPED), "%lx",
        far[i]);
}

void version_rows(void) {
  about("xen_version");
  for (unsigned command = 0; command < 14; ++command)
    row(hypercall5(__HYPERVISOR_xen_version, command, UNMAPPED, 0, 0, 0), "%u/pointer-unmapped", command);
  row(hypercall5(__HYPERVISOR_xen_version, ~0u, 0, 0, 0, 0), "ffffffff");
  row(hypercall5(__HYPERVISOR_xen_version, 1l << 32, 0, 0, 0, 0), "high-bits-of-command");
  about("xen_version/get_features");
  bad_pointers(__HYPERVISOR_xen_version, XENVER_get_features, 2);
  for (unsigned i = 0; i < 4; ++i) {
    struct xen_feature_info features = {.submap_idx = i, .submap = 0x12345678};
    long r = xen_version(XENVER_get_features, &features);
    row_value(r, features.submap, "%u", i);
  }
  row(hypercall5(__HYPERVISOR_xen_version, XENVER_get_features, (long)read_only_page, 0, 0, 0), "read-only");
  about("xen_version/edge");
  for (unsigned command = 1; command < 11; ++command)
    row(hypercall5(__HYPERVISOR_xen_version, command, (long)EDGE, 0, 0, 0), "%u", command);
  about("xen_version/pagesize");
  row(xen_version(XENVER_pagesize, NULL), "null");
  row(hypercall5(__HYPERVISOR_xen_version, XENVER_pagesize, 4096, 0, 0, 0), "not-null");
  about("xen_version/commandline");
  char* text = (char*)new_pages(1);
  long r = xen_version(XENVER_commandline, text);
  row_value(r, strings_equal(text, "<denied>"), "denied");
  about("xen_version/capabilities");
  r = xen_version(XENVER_capabilities, text);
  row_value(r, text[0] != 0 && text[1023] == 0, "text");
  r = xen_version(XENVER_changeset, text);
  row_value(r, text[63], "changeset-ends-in-0");
  about("xen_version/platform_parameters");
  uint64_t start = 0;
  r = xen_version(XENVER_platform_parameters, &start);
  row_value(r, start, "virt_start");
  about("xen_version/build_id");
  memset(text, 0, 64);
  row(xen_version(XENVER_build_id, NULL), "null");
  row(xen_version(XENVER_build_id, text), "length-0");
  *(uint32_t*)text = 64;
  row(xen_version(XENVER_build_id, text), "length-64");
}

void console_rows(void) {
  about("console_io");
  char text[] = "text";
  for (int command = -1; command < 4; ++command) {
    row(hypercall5(__HYPERVISOR_console_io, command, 4, (long)text, 0, 0), "%d", command);
    row(hypercall5(__HYPERVISOR_console_io, command, 4, UNMAPPED, 0, 0), "%d/pointer-unmapped", command);
    row(hypercall5(__HYPERVISOR_console_io, command, 0, (long)text, 0, 0), "%d/count-0", command);
    row(hypercall5(__HYPERVISOR_console_io, command, ~0u, (long)text, 0, 0), "%d/count-ffffffff", command);
  }
}

static void assist_rows(void) {
  about("vm_assist");
  for (unsigned command = 0; command < 4; ++command)
    for (unsigned type = 0; type < 8; ++type)
      row(hypercall5(__HYPERVISOR_vm_assist, command, type, 0, 0, 0), "%u/%u", command, type);
  static const unsigned types[] = {31, 32, 33, 63, 64, 0xffffffff};
  for (unsigned i = 0; i < sizeof types / sizeof *types; ++i) {
    row(hypercall5(__HYPERVISOR_vm_assist, VMASST_CMD_enable, types[i], 0, 0, 0), "enable/%x", types[i]);
    row(hypercall5(__HYPERVISOR_vm_assist, VMASST_CMD_disable, types[i], 0, 0, 0), "disable/%x", types[i]);
  }
  row(hypercall5(__HYPERVISOR_vm_assist, 1l << 32, 5, 0, 0, 0), "high-bits-of-command");
}

static void timer_rows(void) {
  about("set_timer_op");
  row(hypercall5(__HYPERVISOR_set_timer_op, 0, 0, 0, 0, 0), "stop");
  row(hypercall5(__HYPERVISOR_set_timer_op, 1, 0, 0, 0, 0), "past");
  row(hypercall5(__HYPERVISOR_set_timer_op, 0x7fffffffffffffff, 0, 0, 0, 0), "largest");
  row(hypercall5(__HYPERVISOR_set_timer_op, -1, 0, 0, 0, 0), "negative");
  row(hypercall5(__HYPERVISOR_set_timer_op, 0, 0, 0, 0, 0), "stop-again");
}

static void physdev_rows(void) {
  about("physdev_op");
  for (int command = -1; command < 34; ++command)
    row(hypercall5(__HYPERVISOR_physdev_op, command, UNMAPPED, 0, 0, 0), "%d/pointer-unmapped", command);
  uint8_t zeros[256] = {0};
  static const int commands[] = {PHYSDEVOP_eoi,
                                 PHYSDEVOP_irq_status_query,
                                 PHYSDEVOP_set_iopl,
                                 PHYSDEVOP_apic_read,
                                 PHYSDEVOP_map_pirq,
                                 PHYSDEVOP_unmap_pirq,
                                 PHYSDEVOP_get_free_pirq,
                                 PHYSDEVOP_setup_gsi,
                                 PHYSDEVOP_pci_device_add,
                                 PHYSDEVOP_pci_device_remove,
                                 PHYSDEVOP_pci_mmcfg_reserved,
                                 PHYSDEVOP_dbgp_op,
                                 PHYSDEVOP_prepare_msix};
  for (unsigned i = 0; i < sizeof commands / sizeof *commands; ++i)
    row(hypercall5(__HYPERVISOR_physdev_op, commands[i], (long)zeros, 0, 0, 0), "%d/zeros", commands[i]);
  uint8_t ones[256];
  memset(ones, 0xff, sizeof ones);
  for (unsigned i = 0; i < sizeof commands / sizeof *commands; ++i)
    row(hypercall5(__HYPERVISOR_physdev_op, commands[i], (long)ones, 0, 0, 0), "%d/ones", commands[i]);
  row(hypercall5(__HYPERVISOR_physdev_op, 1l << 32 | PHYSDEVOP_eoi, (long)zeros, 0, 0, 0), "command-high-bits");
}

/* Flask, profiling, filesystem, inter-domain messages: what a build of Xen without them says. */
static void optional_rows(void) {
  uint8_t zeros[256] = {0};
  about("xsm_op");
  row(hypercall5(__HYPERVISOR_xsm_op, UNMAPPED, 0, 0, 0, 0), "pointer-unmapped");
  row(hypercall5(__HYPERVISOR_xsm_op, (long)zeros, 0, 0, 0, 0), "zeros");
  about("argo_op");
  for (int command = 0; command < 8; ++command)
    row(hypercall5(__HYPERVISOR_argo_op, command, (long)zeros, (long)zeros, 0, 0), "%d", command);
  about("xenpmu_op");
  for (int command = -1; command < 10; ++command)
    row(hypercall5(__HYPERVISOR_xenpmu_op, command, (long)zeros, 0, 0, 0), "%d", command);
  row(hypercall5(__HYPERVISOR_xenpmu_op, 0, UNMAPPED, 0, 0, 0), "0/pointer-unmapped");
  about("hypfs_op");
  for (int command = -1; command < 6; ++command)
    row(hypercall5(__HYPERVISOR_hypfs_op, command, (long)"/", 2, (long)zeros, 64), "%d", command);
  row(hypercall5(__HYPERVISOR_hypfs_op, 1, UNMAPPED, 2, (long)zeros, 64), "1/pointer-unmapped");
  row(hypercall5(__HYPERVISOR_hypfs_op, 0, 1, 0, 0, 0), "0/path");
  row(hypercall5(__HYPERVISOR_hypfs_op, 0, 0, 0, 0, 0), "0/no-arguments");
  about("kexec_op");
  for (int command = 0; command < 6; ++command)
    row(hypercall5(__HYPERVISOR_kexec_op, command, (long)zeros, 0, 0, 0), "%d", command);
  about("xenoprof_op");
  for (int command = 0; command < 4; ++command)
    row(hypercall5(__HYPERVISOR_xenoprof_op, command, (long)zeros, 0, 0, 0), "%d", command);
  about("nmi_op");
  for (int command = 0; command < 3; ++command)
    row(hypercall5(__HYPERVISOR_nmi_op, command, (long)zeros, 0, 0, 0), "%d", command);
  about("mca");
  row(hypercall5(__HYPERVISOR_arch_0, (long)zeros, 0, 0, 0, 0), "zeros");
  about("paging_domctl_cont");
  row(hypercall5(49, (long)zeros, 0, 0, 0, 0), "zeros");
  row(hypercall5(49, UNMAPPED, 0, 0, 0, 0), "pointer-unmapped");
  about("mmuext_op");
  row(hypercall5(__HYPERVISOR_mmuext_op, (long)zeros, 1, 0, DOMID_SELF, 0), "zeros");
  row(hypercall5(__HYPERVISOR_mmuext_op, UNMAPPED, 1, 0, DOMID_SELF, 0), "pointer-unmapped");
  row(hypercall5(__HYPERVISOR_mmuext_op, (long)zeros, 0, 0, DOMID_SELF, 0), "count-0");
  for
    EACH_DOMAIN(n)
  row(hypercall5(__HYPERVISOR_mmuext_op, (long)zeros, 1, 0, n->domid, 0), "domid-%s", n->name);
}

static void dm_rows(void) {
  about("dm_op");
  struct {
    uint64_t handle, size;
  } buffer = {0};
  uint8_t op[64] = {0};
  buffer.handle = (uint64_t)op;
  buffer.size = sizeof op;
  for
    EACH_DOMAIN(n)
  row(hypercall5(__HYPERVISOR_dm_op, n->domid, 1, (long)&buffer, 0, 0), "domid-%s", n->name);
  row(hypercall5(__HYPERVISOR_dm_op, DOMID_SELF, 0, (long)&buffer, 0, 0), "no-buffers");
  row(hypercall5(__HYPERVISOR_dm_op, DOMID_SELF, 100, (long)&buffer, 0, 0), "100-buffers");
  row(hypercall5(__HYPERVISOR_dm_op, DOMID_SELF, 1, UNMAPPED, 0, 0), "pointer-unmapped");
  row(hypercall5(__HYPERVISOR_dm_op, own_domid, 1, UNMAPPED, 0, 0), "own/pointer-unmapped");
  row(hypercall5(__HYPERVISOR_dm_op, peer_domid, 1, UNMAPPED, 0, 0), "peer/pointer-unmapped");
  buffer.size = 2;
  row(hypercall5(__HYPERVISOR_dm_op, peer_domid, 1, (long)&buffer, 0, 0), "peer/small-buffer");
}

void device_rows(void) {
  assist_rows();
  timer_rows();
  physdev_rows();
  optional_rows();
  dm_rows();
}

void multicall_rows(void) {
  about("multicall");
  multicall_entry_t* calls = (multicall_entry_t*)new_pages(1);
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 0, 0, 0, 0), "none");
  row(hypercall5(__HYPERVISOR_multicall, UNMAPPED, 0, 0, 0, 0), "none/pointer-unmapped");
  row(hypercall5(__HYPERVISOR_multicall, UNMAPPED, 1, 0, 0, 0), "pointer-unmapped");
  row(hypercall5(__HYPERVISOR_multicall, NONCANONICAL, 1, 0, 0, 0), "pointer-noncanonical");
  row(hypercall5(__HYPERVISOR_multicall, HOLE, 1, 0, 0, 0), "pointer-hole");
  row(hypercall5(__HYPERVISOR_multicall, (long)EDGE, 1, 0, 0, 0), "pointer-edge");
  row(hypercall5(__HYPERVISOR_multicall, (long)read_only_page, 1, 0, 0, 0), "read-only");

  calls[0] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .result = 5, .args = {XENVER_version}};
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 1, 0, 0, 0), "version");
  row(calls[0].result, "version/result");
  calls[0] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {0x7777}};
  calls[1] = (multicall_entry_t){.op = 200};
  calls[2] = (multicall_entry_t){.op = __HYPERVISOR_sched_op, .args = {SCHEDOP_yield}};
  calls[3] = (multicall_entry_t){.op = 0};
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 4, 0, 0, 0), "four");
  for (unsigned i = 0; i < 4; ++i) row(calls[i].result, "four/result-%u", i);
  /* Within a multicall there is no other. */
  calls[0] = (multicall_entry_t){.op = __HYPERVISOR_multicall, .args = {(unsigned long)&calls[1], 1}};
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 1, 0, 0, 0), "nested");
  row(calls[0].result, "nested/result");
  /* The second entry is not there: what came before it is done. */
  multicall_entry_t* last = (multicall_entry_t*)(last_page + 4096) - 1;
  *last = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {XENVER_version}};
  row(hypercall5(__HYPERVISOR_multicall, (long)last, 2, 0, 0, 0), "second-unmapped");
  row(last->result, "second-unmapped/result");
  for (unsigned i = 0; i < 60; ++i)
    calls[i] = (multicall_entry_t){.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}};
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 60, 0, 0, 0), "sixty");
  row(calls[59].result, "sixty/result");
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 1l << 32, 0, 0, 0), "count-high-bits");
  calls[0] = (multicall_entry_t){.op = 1ul << 32 | __HYPERVISOR_xen_version, .args = {XENVER_version}};
  row(hypercall5(__HYPERVISOR_multicall, (long)calls, 1, 0, 0, 0), "number-high-bits");
  row(calls[0].result, "number-high-bits/result");
}
