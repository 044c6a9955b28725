#include "hypercall.h"

#include <xen/arch-x86/cpuid.h>

#include "x86.h"

uint8_t hypercall_use_vmmcall;

void hypercall_init(void) {
  struct cpuid vendor = cpuid(0, 0);
  /* "AuthenticAMD" and "HygonGenuine", by their first four letters */
  hypercall_use_vmmcall = vendor.ebx == 0x68747541 || vendor.ebx == 0x6f677948;
}

uint32_t xen_cpuid_base(void) {
  for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
    struct cpuid leaf = cpuid(base, 0);
    if (leaf.ebx == XEN_CPUID_SIGNATURE_EBX && leaf.ecx == XEN_CPUID_SIGNATURE_ECX &&
        leaf.edx == XEN_CPUID_SIGNATURE_EDX)
      return base;
  }
  return 0;
}
