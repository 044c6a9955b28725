/* More vCPUs than the first. */
#ifndef GUESTS_LIB_SMP_H
#define GUESTS_LIB_SMP_H

/* How many vCPUs the domain has, by asking Xen for each. */
unsigned vcpu_count(void);

/* Starts a vCPU, which sets up tables and APIC of its own and calls entry(vcpu); waits until it is about to. A
 * vCPU whose entry returns halts with interrupts off. By INIT and SIPI, or with "start=hypercall" by
 * VCPUOP_initialise and VCPUOP_up. */
void smp_start(unsigned vcpu, void (*entry)(unsigned vcpu));

#endif
