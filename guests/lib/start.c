/* The C half of the start-up: what every guest needs before its main(). */
#include "start.h"

#include <stddef.h>

#include "command_line.h"
#include "console.h"
#include "exit.h"
#include "hypercall.h"
#include "interrupts.h"
#include "shared_info.h"

const struct hvm_start_info* start_info;

void start_c(const struct hvm_start_info* info);
void start_c(const struct hvm_start_info* info) {
  start_info = info;
  interrupts_init(0);
  hypercall_init();
  shared_info_init();
  console_init();
  if (info->magic != XEN_HVM_START_MAGIC_VALUE)
    fail("start info at %p has magic %x", (const void*)info, info->magic);
  command_line_init((const char*)info->cmdline_paddr);
  int result = main();
  if (result != 0) fail("main returned %d", result);
  succeed();
}
