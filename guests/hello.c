/* hello: says where it is. The smallest guest, and the first one to run on anything new. */
#include <xen/arch-x86/cpuid.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/start.h"
#include "lib/x86.h"

const char guest_name[] = "hello";

static void print_version(uint32_t base) {
  uint32_t by_cpuid = cpuid(base + 1, 0).eax;
  long by_hypercall = xen_version(XENVER_version, NULL);
  xen_extraversion_t extra = "";
  xen_version(XENVER_extraversion, extra);
  print("Xen %u.%u by CPUID, %ld.%ld%s by hypercall\n", by_cpuid >> 16, by_cpuid & 0xffff, by_hypercall >> 16,
        by_hypercall & 0xffff, extra);
  if (by_hypercall != (long)by_cpuid) fail("CPUID and hypercall disagree about the version");
}

static void print_processor(void) {
  struct cpuid vendor = cpuid(0, 0), signature = cpuid(1, 0);
  char name[13] = "";
  __builtin_memcpy(name, &vendor.ebx, 4);
  __builtin_memcpy(name + 4, &vendor.edx, 4);
  __builtin_memcpy(name + 8, &vendor.ecx, 4);
  print("processor %s, signature %x, TSC %lu kHz\n", name, signature.eax, tsc_khz());
}

static void print_memory_map(void) {
  static const char* const types[] = {"?", "RAM", "reserved", "ACPI", "NVS", "unusable"};
  const struct hvm_memmap_table_entry* entries = (const void*)start_info->memmap_paddr;
  for (uint32_t i = 0; i < start_info->memmap_entries; ++i)
    print("memory %016lx-%016lx %s\n", entries[i].addr, entries[i].addr + entries[i].size - 1,
          types[entries[i].type <= 5 ? entries[i].type : 0]);
}

int main(void) {
  print("hello from a PVH guest\n");
  uint32_t base = xen_cpuid_base();
  if (!base) fail("no Xen leaves in CPUID");
  print_version(base);
  struct cpuid hvm = cpuid(base + 4, 0);
  if (hvm.eax & XEN_HVM_CPUID_DOMID_PRESENT) print("domid %u\n", hvm.ecx);
  print_processor();
  print("start info version %u, %u modules\n", start_info->version, start_info->nr_modules);
  print_memory_map();
  print("command line: %s\n", command_line());
  return 0;
}
