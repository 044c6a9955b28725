/* The domain's command line: words, some of them key=value. */
#ifndef GUESTS_LIB_COMMAND_LINE_H
#define GUESTS_LIB_COMMAND_LINE_H

#include <stdbool.h>
#include <stdint.h>

void command_line_init(const char* text);
const char* command_line(void);

/* The number (decimal, or hexadecimal after 0x) of "key=number"; fallback if the key is absent. Fails the guest if
 * what follows the key is not a number. */
uint64_t option_number(const char* key, uint64_t fallback);

/* Whether the line has the word "key=value". */
bool option_is(const char* key, const char* value);

#endif
