#include "command_line.h"

#include <stddef.h>

#include "exit.h"

static const char* line = "";

void command_line_init(const char* text) { line = text ? text : ""; }

const char* command_line(void) { return line; }

static const char* value_of(const char* key) {
  for (const char* word = line; *word;) {
    const char *k = key, *w = word;
    while (*k && *k == *w) ++k, ++w;
    if (*k == 0 && *w == '=') return w + 1;
    while (*word && *word != ' ') ++word;
    while (*word == ' ') ++word;
  }
  return NULL;
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

uint64_t option_number(const char* key, uint64_t fallback) {
  const char* text = value_of(key);
  if (!text) return fallback;
  int base = 10;
  if (text[0] == '0' && text[1] == 'x') {
    base = 16;
    text += 2;
  }
  uint64_t value = 0;
  const char* start = text;
  for (; digit_of(*text) < base; ++text) value = value * (uint64_t)base + (uint64_t)digit_of(*text);
  if (text == start || (*text && *text != ' ')) fail("command line: %s= wants a number", key);
  return value;
}

bool option_is(const char* key, const char* value) {
  const char* text = value_of(key);
  if (!text) return false;
  while (*value && *value == *text) ++value, ++text;
  return *value == 0 && (*text == 0 || *text == ' ');
}
