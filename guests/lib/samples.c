#include "samples.h"

#include "print.h"

static void sift_down(uint64_t* heap, size_t root, size_t count) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && heap[child] < heap[child + 1]) ++child;
    if (heap[root] >= heap[child]) return;
    uint64_t value = heap[root];
    heap[root] = heap[child];
    heap[child] = value;
  }
}

void samples_sort(uint64_t* samples, size_t count) {
  for (size_t root = count / 2; root-- > 0;) sift_down(samples, root, count);
  for (size_t end = count; end-- > 1;) {
    uint64_t largest = samples[0];
    samples[0] = samples[end];
    samples[end] = largest;
    sift_down(samples, 0, end);
  }
}

uint64_t samples_quantile(const uint64_t* samples, size_t count, unsigned permille) {
  if (count == 0) return 0;
  size_t rank = (count * permille + 999) / 1000;
  return samples[rank == 0 ? 0 : rank - 1];
}

uint64_t samples_mean(const uint64_t* samples, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += samples[i];
  return count ? sum / count : 0;
}

void samples_print(const char* what, const char* unit, uint64_t* samples, size_t count) {
  samples_sort(samples, count);
  print("%s: n %lu min %lu mean %lu p50 %lu p90 %lu p99 %lu max %lu %s\n", what, count,
        samples_quantile(samples, count, 0), samples_mean(samples, count), samples_quantile(samples, count, 500),
        samples_quantile(samples, count, 900), samples_quantile(samples, count, 990),
        samples_quantile(samples, count, 1000), unit);
}
