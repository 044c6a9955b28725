/* How a guest ends. */
#ifndef GUESTS_LIB_EXIT_H
#define GUESTS_LIB_EXIT_H

/* Defined by each guest. */
extern const char guest_name[];

/* Prints "NAME: ok" and powers the domain off. */
void succeed(void) __attribute__((noreturn));

/* Prints "NAME: FAILED reason" and crashes the domain. */
void fail(const char* reason, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Shuts the domain down (SHUTDOWN_* of xen/sched.h) once the console has taken all text. */
void shut_down(unsigned reason) __attribute__((noreturn));

#endif
