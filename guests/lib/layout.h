/* Numbers that the assembly and the C of a guest share: selectors, stack sizes, fixed places in memory. */
#ifndef GUESTS_LIB_LAYOUT_H
#define GUESTS_LIB_LAYOUT_H

#define MAX_VCPUS 32 /* vcpu_info slots in shared_info */

#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE32 0x18
#define SELECTOR_USER_DATA 0x23
#define SELECTOR_USER_CODE64 0x2b
#define SELECTOR_SPARE 0x30 /* two free slots for guests that load descriptors of their own */
#define SELECTOR_TSS 0x40   /* of vCPU 0; 16 bytes per vCPU */

#define STACK_SIZE 16384
#define FAULT_STACK_SIZE 4096

#define TRAMPOLINE_ADDRESS 0x8000 /* where secondary vCPUs wake in real mode: a page below 1 MiB */

#endif
