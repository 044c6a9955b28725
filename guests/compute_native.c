/* compute-native: the mix on the host, to compare the guest's checksum with. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "mix.h"

int main(int argc, char** argv) {
  uint64_t iterations = argc > 1 ? strtoull(argv[1], NULL, 10) : 28000;
  printf("iterations %" PRIu64 " checksum %016" PRIx64 "\n", iterations, mix_run(iterations));
  return 0;
}
