#include "string.h"

void* memcpy(void* to, const void* from, size_t size) {
  void* cursor = to;
  asm volatile("rep movsb" : "+D"(cursor), "+S"(from), "+c"(size) : : "memory");
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  if (to <= from || (const char*)from + size <= (char*)to) return memcpy(to, from, size);
  char* t = to;
  const char* f = from;
  while (size-- > 0) {
    t[size] = f[size];
    asm volatile("" : : : "memory"); /* keep it a loop: the compiler would call memmove */
  }
  return to;
}

void* memset(void* to, int value, size_t size) {
  void* cursor = to;
  asm volatile("rep stosb" : "+D"(cursor), "+c"(size) : "a"(value) : "memory");
  return to;
}

int memcmp(const void* a, const void* b, size_t size) {
  const unsigned char *x = a, *y = b;
  for (size_t i = 0; i < size; ++i)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}

size_t strlen(const char* text) {
  size_t length = 0;
  while (text[length]) ++length;
  return length;
}

bool strings_equal(const char* a, const char* b) {
  for (; *a == *b; ++a, ++b)
    if (*a == 0) return true;
  return false;
}
