/* What the parts of the guest `errors` share: how a row of the table is printed, hypercalls with every argument,
 * bad pointers, and numbers of domains. */
#ifndef GUESTS_ERRORS_H
#define GUESTS_ERRORS_H

/* The control domain's interfaces too, and thereby the newest names. */
#undef __XEN_INTERFACE_VERSION__
#define __XEN_TOOLS__ 1

#include <stddef.h>
#include <stdint.h>

#include "lib/hypercall.h"

/* Rows that follow are about this; names of rows start with it. */
void about(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a row: name and result, a negative one by the error's name. */
void row(long result, const char* format, ...) __attribute__((format(printf, 2, 3)));

/* As row(), and after a result of 0 what the hypercall wrote. */
void row_value(long result, uint64_t value, const char* format, ...) __attribute__((format(printf, 3, 4)));

static inline long hypercall5(long number, long a1, long a2, long a3, long a4, long a5) {
  register long rax asm("rax") = number;
  register long rdi asm("rdi") = a1;
  register long rsi asm("rsi") = a2;
  register long rdx asm("rdx") = a3;
  register long r10 asm("r10") = a4;
  register long r8 asm("r8") = a5;
  asm volatile("call hypercall_trap"
               : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8)
               :
               : "memory");
  return rax;
}

/* The hypercall as a 32-bit caller makes it: EBX, ECX, EDX, ESI, EDI (errors_compat.S). */
long hypercall_32bit(uint32_t number, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t a4, uint32_t a5);

/* Addresses that a hypercall must not believe. */
#define UNMAPPED 0x8040000000ul /* no page table covers it */
#define NONCANONICAL 0x800000000000ul
#define HOLE 0x20000000ul           /* mapped to guest-physical memory that is not there */
extern uint64_t read_only_page;     /* may be read, holds zeros */
extern uint64_t last_page;          /* what comes after it is not mapped */
#define EDGE (last_page + 4096 - 2) /* a structure here ends where nothing is mapped */

/* Zeroed pages of RAM for structures and as victims of operations. */
uint64_t new_pages(unsigned count);

/* Every kind of number that a domain can be asked by. */
struct number_of_domain {
  const char* name;
  domid_t domid;
};
#define DOMAIN_NUMBERS 12
extern struct number_of_domain domain_numbers[DOMAIN_NUMBERS];
#define EACH_DOMAIN(n) \
  (const struct number_of_domain* n = domain_numbers; n != domain_numbers + DOMAIN_NUMBERS; ++n)
extern domid_t own_domid, peer_domid;

/* For a hypercall whose argument number `argument` (1 to 3) points to a structure of `size` bytes: one row for
 * each kind of bad address. */
void bad_pointers(long number, unsigned long command, unsigned argument);

void hypercall_numbers(void);
void version_rows(void);
void memory_rows(void);
void physmap_rows(void);
void exchange_rows(void);
void event_rows(void);
void fifo_rows(void);
void grant_rows(void);
void grant_copy_rows(void);
void grant_v2_rows(void);
void sched_rows(void);
void vcpu_rows(void);
void hvm_rows(void);
void hvm_parameter_rows(void);
void domctl_rows(void);
void sysctl_rows(void);
void platform_rows(void);
void console_rows(void);
void device_rows(void);
void multicall_rows(void);
void compat_rows(void);

#endif
