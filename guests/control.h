/* What the parts of the guest `control` share. The rows are made by control_domctl.c and control_sysctl.c, which
 * know nothing of where they run: control.c is a PVH domain that is a control domain (xensim makes one; Xen has
 * none but dom0), control_native.c a program for dom0 of a real Xen. Both print the same table. */
#ifndef GUESTS_CONTROL_H
#define GUESTS_CONTROL_H

#undef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00041100
#define __XEN_TOOLS__ 1

#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

/* --- Where it runs. */

/* A hypercall with up to two arguments. */
long control_call(unsigned number, unsigned long a1, unsigned long a2);
/* Zeroed memory, page-aligned, that hypercalls may point to. */
void* control_memory(unsigned bytes);
void control_print(const char* format, ...) __attribute__((format(printf, 1, 2)));
/* The domain that is asked about, another PVH domain; and the one that this runs in. */
extern domid_t target_domid, own_domid;

/* --- Rows, as in errors.h. */
void about(const char* name);
void row(long result, const char* name);
/* After a result of 0 what the hypercall wrote. */
void row_value(long result, uint64_t value, const char* name);

#define UNMAPPED 0x8040000000ul

void domctl_rows(void);
void sysctl_rows(void);
void platform_rows(void);

#endif
