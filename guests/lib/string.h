/* The memory functions that the compiler calls, and a few for strings. */
#ifndef GUESTS_LIB_STRING_H
#define GUESTS_LIB_STRING_H

#include <stdbool.h>
#include <stddef.h>

void* memcpy(void* to, const void* from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int value, size_t size);
int memcmp(const void* a, const void* b, size_t size);
size_t strlen(const char* text);
bool strings_equal(const char* a, const char* b);

#endif
