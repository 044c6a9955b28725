/* The domain's PV console: a ring in a page shared with the console daemon (xen/io/console.h). */
#ifndef GUESTS_LIB_CONSOLE_H
#define GUESTS_LIB_CONSOLE_H

#include <stdint.h>

/* Finds ring and port by HVM parameters. Text written before, or in a domain without a console, is dropped. */
void console_init(void);

/* Puts one character into the ring, a carriage return before each line feed; yields the CPU while the ring is
 * full. */
void console_put(char c);

/* Tells the daemon that there is text. */
void console_notify(void);

/* Waits until the daemon has taken all text. */
void console_flush(void);

/* Takes one character; waits for it. */
char console_get(void);

/* Moves the guest's index of the input by so much, to where it has no business, and gives what it was; puts that
 * back and gives how far the daemon's index has moved meanwhile. Nothing may be read in between. */
uint32_t console_skew(uint32_t distance);
uint32_t console_unskew(uint32_t taken);

#endif
