/* compute: runs the mix and prints its checksum.
 *   iterations=N   how many (default 28000, about 50 million instructions)
 *   run_ms=T       instead, run for T ms of system time and say how many iterations that was
 * compute-native is the same as a program for the host: its argument is the number of iterations. */
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/start.h"
#include "mix.h"

const char guest_name[] = "compute";

int main(void) {
  uint64_t run_ms = option_number("run_ms", 0);
  if (run_ms == 0) {
    uint64_t iterations = option_number("iterations", 28000);
    print("iterations %lu checksum %016lx\n", iterations, mix_run(iterations));
    return 0;
  }
  uint64_t begin = system_time(), end = begin + run_ms * 1000000, now, iterations = 0, checksum;
  do {
    checksum = mix_run(16);
    iterations += 16;
    now = system_time();
  } while (now < end);
  print("ran %lu us\n", (now - begin) / 1000);
  print("iterations %lu checksum %016lx\n", iterations, checksum);
  return 0;
}
