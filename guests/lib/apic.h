/* The local APIC: by MSRs (x2APIC) where the processor offers them, else by its page of registers (SDM volume 3,
 * chapter 11). */
#ifndef GUESTS_LIB_APIC_H
#define GUESTS_LIB_APIC_H

#include <stdbool.h>
#include <stdint.h>

#define APIC_SPURIOUS_VECTOR 0xff

/* Enables the APIC of the vCPU that runs this. "apic=x" on the command line keeps to the page of registers. */
void apic_init(void);
bool apic_is_x2apic(void);
uint32_t apic_id(void);
void apic_end_of_interrupt(void);

/* Xen gives vCPU n the APIC ID 2n. */
static inline uint32_t apic_id_of_vcpu(unsigned vcpu) { return 2 * vcpu; }

/* Writes the interrupt command register: low is its low half (vector, delivery mode, shorthand). */
void apic_send(uint32_t destination, uint32_t low);

#define APIC_FIXED 0x4000u /* or in a vector */
#define APIC_NMI 0x4400u
#define APIC_INIT 0x4500u
#define APIC_STARTUP 0x4600u /* or in a page number */

#endif
