/* echo: reads its console. Echoes what comes, as a terminal does, and says of each line how long it is and what
 * its bytes add up to. Commands: "slow", from which on it takes a byte at a time and waits before each;
 * "scramble", which breaks the indices of the ring for a while, as a hostile guest may; "reboot"; "quit". */
#include <stdbool.h>
#include <stdint.h>

#include <xen/sched.h>

#include "lib/command_line.h"
#include "lib/console.h"
#include "lib/exit.h"
#include "lib/hypercall.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/string.h"

const char guest_name[] = "echo";

static void wait_ms(uint64_t ms) {
  uint64_t end = system_time() + ms * 1000000;
  while (system_time() < end) sched_op(SCHEDOP_yield, NULL);
}

/* While the indices promise more than the ring holds, the daemon must give nothing, and its own index must stay.
 */
static void scramble(void) {
  static const uint32_t distances[] = {1025, 0x80000000u, 0xffffffffu};
  for (unsigned i = 0; i < sizeof distances / sizeof *distances; ++i) {
    uint32_t taken = console_skew(distances[i]);
    console_notify();
    wait_ms(2);
    if (console_unskew(taken) != 0) fail("input came into a ring whose indices are nonsense");
  }
  print("indices are back\n");
}

int main(void) {
  char line[80];
  bool slow = false;
  print("echo: ready\n> ");
  console_notify();
  for (;;) {
    uint64_t length = 0, sum = 0;
    for (;;) {
      if (slow) wait_ms(option_number("pause_ms", 0));
      char c = console_get();
      if (c == '\n' || c == '\r') break;
      if (length < sizeof line - 1) line[length] = c;
      ++length;
      sum += (uint8_t)c;
      console_put(c);
    }
    line[length < sizeof line ? length : sizeof line - 1] = 0;
    print("\n");
    if (strings_equal(line, "quit")) return 0;
    if (strings_equal(line, "reboot")) shut_down(SHUTDOWN_reboot);
    if (strings_equal(line, "slow")) slow = true;
    if (strings_equal(line, "scramble")) scramble();
    print("%lu bytes, sum %lu\n> ", length, sum);
    console_notify();
  }
}
