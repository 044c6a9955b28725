/* Exceptions and interrupts: descriptor tables, and a handler per vector. */
#ifndef GUESTS_LIB_INTERRUPTS_H
#define GUESTS_LIB_INTERRUPTS_H

#include <stdint.h>

/* What an interrupt entry leaves on the stack; a handler may change it, and the vCPU resumes with the change. */
struct frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
  uint64_t vector, error_code;
  uint64_t rip, cs, rflags, rsp, ss;
};

typedef void interrupt_handler(struct frame* frame);

/* Without a handler, an exception is reported and ends the guest as failed; so does any other vector. */
void set_interrupt_handler(unsigned vector, interrupt_handler* handler);

interrupt_handler* interrupt_handler_of(unsigned vector);

/* Makes a vector use a stack of the interrupt stack table (1 = the fault stack; 0 = the current one). */
void set_interrupt_stack(unsigned vector, unsigned index);

/* Lets code at privilege level 3 use INT with this vector. */
void set_interrupt_user_callable(unsigned vector);

/* Loads GDT, IDT, a task-state segment with stacks of its own, for the vCPU that runs this. */
void interrupts_init(unsigned vcpu);

/* Loads the tables of vCPU 0 again, after somebody loaded others. */
void interrupts_reload(void);

/* The number of the vCPU that runs this, by its task register. */
unsigned current_vcpu(void);

/* Prints vector, error code, RIP, CR2 and general registers. */
void report_exception(const struct frame* frame);

#endif
