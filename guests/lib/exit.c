#include "exit.h"

#include <stdarg.h>

#include "console.h"
#include "hypercall.h"
#include "print.h"

void shut_down(unsigned reason) {
  console_flush();
  struct sched_shutdown shutdown = {.reason = reason};
  for (;;) sched_op(SCHEDOP_shutdown, &shutdown);
}

void succeed(void) {
  print("%s: ok\n", guest_name);
  shut_down(SHUTDOWN_poweroff);
}

void fail(const char* reason, ...) {
  va_list arguments;
  va_start(arguments, reason);
  print("%s: FAILED ", guest_name);
  print_arguments(reason, arguments);
  print("\n");
  va_end(arguments);
  shut_down(SHUTDOWN_crash);
}
