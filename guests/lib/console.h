/* The domain's PV console: a ring in a page shared with the console daemon (xen/io/console.h). */
#ifndef GUESTS_LIB_CONSOLE_H
#define GUESTS_LIB_CONSOLE_H

/* Finds ring and port by HVM parameters. Text written before, or in a domain without a console, is dropped. */
void console_init(void);

/* Puts one character into the ring, a carriage return before each line feed; yields the CPU while the ring is
 * full. */
void console_put(char c);

/* Tells the daemon that there is text. */
void console_notify(void);

/* Waits until the daemon has taken all text. */
void console_flush(void);

#endif
