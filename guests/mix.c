/* The mix: integer arithmetic, division, shifts, branches that depend on data, table look-ups, copies, string
 * instructions, recursion, and double arithmetic. Each part takes from and adds to one running state, so that none
 * can be dropped and a wrong result anywhere shows in the checksum. */
#include "mix.h"

enum { kTable = 512 };

static uint64_t state = 0x9e3779b97f4a7c15, table[kTable];
static unsigned char text[2][256];
static double series = 1.0;

static uint64_t rotate(uint64_t value, unsigned count) { return value << (count & 63) | value >> (-count & 63); }

static uint64_t arithmetic(uint64_t x) {
  for (unsigned i = 0; i < 16; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    x = rotate(x + i, (unsigned)(x >> 58)) * 0xd6e8feb86659fd93;
  }
  return x;
}

static uint64_t divisions(uint64_t x) {
  uint64_t sum = 0;
  for (unsigned i = 1; i <= 4; ++i) {
    uint64_t divisor = (x >> i * 8 & 0xffff) | 1;
    sum += x / divisor + x % divisor;
    int32_t small = (int32_t)(uint32_t)(x >> i), small_divisor = (int32_t)(divisor | 2);
    sum += (uint64_t)(int64_t)(small / small_divisor);
    sum += (uint64_t)((unsigned __int128)x * divisor >> 64);
  }
  return sum;
}

static uint64_t branches(uint64_t x) {
  uint64_t count = 0;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if (x >> bit & 1)
      count = count * 3 + bit;
    else if (count & 4)
      count ^= x >> (bit / 2);
    else
      count -= bit;
    asm volatile("" : "+r"(count)); /* branches, not conditional moves */
  }
  return count;
}

static uint64_t look_ups(uint64_t x) {
  for (unsigned i = 0; i < 32; ++i) {
    uint64_t* slot = &table[x % kTable];
    x = rotate(x, 9) + *slot;
    *slot = x ^ i;
  }
  return x;
}

static uint64_t copies(uint64_t x) {
  unsigned from = (unsigned)(x & 1), at = (unsigned)(x >> 1 & 127);
  unsigned char *source = text[from] + at, *target = text[!from] + (at ^ 64);
  __builtin_memcpy(source, &x, 8);
  for (unsigned i = 0; i < 64; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, source + i, 8);
    __builtin_memcpy(target + i, &word, 8);
  }
  const void* s = source;
  void* t = target + 64;
  uint64_t count = 64;
  asm volatile("rep movsb" : "+S"(s), "+D"(t), "+c"(count) : : "memory");
  t = text[from];
  count = 8;
  asm volatile("rep stosq" : "+D"(t), "+c"(count) : "a"(x) : "memory");
  const void* scan = text[!from];
  count = 128;
  asm volatile("repne scasb" : "+D"(scan), "+c"(count) : "a"(x >> 3) : "memory", "cc");
  return x + count;
}

static uint64_t __attribute__((noinline)) recursion(uint64_t n, uint64_t x) {
  if (n < 2) return x ^ n;
  return recursion(n - 1, x + n) + rotate(recursion(n - 2, x), (unsigned)n);
}

static uint64_t doubles(uint64_t x) {
  double value = (double)(int64_t)(x >> 40) + 1.5, sum = 0;
  for (int i = 1; i <= 8; ++i) {
    value = value * 0.75 + series / i;
    sum += value > 100 ? value / 3.0 : value * value;
  }
  series = sum - (double)(int64_t)sum + 0.5;
  uint64_t bits;
  __builtin_memcpy(&bits, &sum, 8);
  return bits;
}

uint64_t mix_run(uint64_t iterations) {
  uint64_t x = state;
  while (iterations-- > 0) {
    x = arithmetic(x);
    x += divisions(x);
    x ^= branches(x);
    x = look_ups(x);
    x = copies(x);
    x += recursion(5, x);
    x = rotate(x, 31) ^ doubles(x);
  }
  state = x;
  return x;
}
