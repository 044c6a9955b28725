/* Formatted output to the domain's console. */
#ifndef GUESTS_LIB_PRINT_H
#define GUESTS_LIB_PRINT_H

#include <stdarg.h>

/* Understands %d %u %x %c %s %p %%, the lengths l, ll and z, a width, and the flags 0 and -. Whole calls from
 * several vCPUs do not mix. */
void print(const char* format, ...) __attribute__((format(printf, 1, 2)));
void print_arguments(const char* format, va_list arguments);

/* Lets a vCPU print even though another one (or itself, interrupted) is printing: for last words. */
void print_lock_break(void);

#endif
