#include "print.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console.h"
#include "lock.h"
#include "string.h"

static struct ticket_lock print_lock;
static bool print_lock_broken;

struct field {
  unsigned width;
  bool zero_padded, left;
};

static void put_padding(char c, size_t count) {
  while (count-- > 0) console_put(c);
}

static void put_text(struct field field, const char* text, size_t length) {
  size_t padding = field.width > length ? field.width - length : 0;
  if (!field.left) put_padding(' ', padding);
  for (size_t i = 0; i < length; ++i) console_put(text[i]);
  if (field.left) put_padding(' ', padding);
}

static void put_number(struct field field, uint64_t value, unsigned base, bool negative) {
  char digits[24];
  size_t length = 0;
  do {
    digits[length++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  if (field.zero_padded && !field.left)
    while (length + negative < field.width && length < sizeof digits - 1) digits[length++] = '0';
  if (negative) digits[length++] = '-';
  char text[24];
  for (size_t i = 0; i < length; ++i) text[i] = digits[length - 1 - i];
  put_text(field, text, length);
}

static void print_unlocked(const char* format, va_list arguments) {
  for (; *format; ++format) {
    if (*format != '%') {
      console_put(*format);
      continue;
    }
    struct field field = {0};
    for (++format; *format == '0' || *format == '-'; ++format)
      *(*format == '0' ? &field.zero_padded : &field.left) = true;
    for (; *format >= '0' && *format <= '9'; ++format) field.width = field.width * 10 + (unsigned)(*format - '0');
    bool wide = false;
    for (; *format == 'l' || *format == 'z'; ++format) wide = true;
    switch (*format) {
      case 'd': {
        int64_t value = wide ? va_arg(arguments, long) : va_arg(arguments, int);
        put_number(field, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0);
        break;
      }
      case 'u':
      case 'x': {
        uint64_t value = wide ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned);
        put_number(field, value, *format == 'x' ? 16 : 10, false);
        break;
      }
      case 'p':
        put_number((struct field){.width = 16, .zero_padded = true}, (uint64_t)va_arg(arguments, void*), 16,
                   false);
        break;
      case 'c':
        console_put((char)va_arg(arguments, int));
        break;
      case 's': {
        const char* text = va_arg(arguments, const char*);
        put_text(field, text, strlen(text));
        break;
      }
      case 0:
        return;
      default:
        console_put(*format);
    }
  }
}

void print_lock_break(void) { print_lock_broken = true; }

void print_arguments(const char* format, va_list arguments) {
  uint64_t flags = save_and_disable_interrupts();
  bool locking = !print_lock_broken;
  if (locking) lock(&print_lock);
  print_unlocked(format, arguments);
  console_notify();
  if (locking) unlock(&print_lock);
  restore_interrupts(flags);
}

void print(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_arguments(format, arguments);
  va_end(arguments);
}
