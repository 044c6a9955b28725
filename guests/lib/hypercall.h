/* Hypercalls, made with the instruction itself: VMCALL, or VMMCALL on processors of AMD's kind.
 * Number in RAX, arguments in RDI, RSI, RDX, R10, R8; result in RAX (xen/arch-x86/xen-x86_64.h). */
#ifndef GUESTS_LIB_HYPERCALL_H
#define GUESTS_LIB_HYPERCALL_H

#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

static inline long hypercall4(long number, long a1, long a2, long a3, long a4) {
  register long rax asm("rax") = number;
  register long rdi asm("rdi") = a1;
  register long rsi asm("rsi") = a2;
  register long rdx asm("rdx") = a3;
  register long r10 asm("r10") = a4;
  asm volatile("call hypercall_trap" : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10) : : "memory");
  return rax;
}

static inline long xen_version(unsigned command, void* argument) {
  return hypercall4(__HYPERVISOR_xen_version, command, (long)argument, 0, 0);
}

static inline long memory_op(unsigned command, void* argument) {
  return hypercall4(__HYPERVISOR_memory_op, command, (long)argument, 0, 0);
}

static inline long sched_op(unsigned command, void* argument) {
  return hypercall4(__HYPERVISOR_sched_op, command, (long)argument, 0, 0);
}

static inline long vcpu_op(unsigned command, unsigned vcpu, void* argument) {
  return hypercall4(__HYPERVISOR_vcpu_op, command, vcpu, (long)argument, 0);
}

static inline long event_channel_op(unsigned command, void* argument) {
  return hypercall4(__HYPERVISOR_event_channel_op, command, (long)argument, 0, 0);
}

static inline long hvm_op(unsigned command, void* argument) {
  return hypercall4(__HYPERVISOR_hvm_op, command, (long)argument, 0, 0);
}

/* 0, or a negative error code; *value is written on success only. */
static inline long hvm_get_param(unsigned index, uint64_t* value) {
  struct xen_hvm_param param = {.domid = DOMID_SELF, .index = index};
  long result = hvm_op(HVMOP_get_param, &param);
  if (result == 0) *value = param.value;
  return result;
}

static inline long hvm_set_param(unsigned index, uint64_t value) {
  struct xen_hvm_param param = {.domid = DOMID_SELF, .index = index, .value = value};
  return hvm_op(HVMOP_set_param, &param);
}

/* Finds out which instruction this processor wants. Before the first hypercall. */
void hypercall_init(void);

/* The first of Xen's CPUID leaves, or 0 where Xen is not. */
uint32_t xen_cpuid_base(void);

#endif
