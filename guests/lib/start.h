/* What the start-up learned. */
#ifndef GUESTS_LIB_START_H
#define GUESTS_LIB_START_H

#include <stdint.h>

#include <xen/xen.h>

#include <xen/arch-x86/hvm/start_info.h>

extern const struct hvm_start_info* start_info;

/* Defined by each guest; returns 0 if all went well, else ends the guest as failed. */
int main(void);

#endif
