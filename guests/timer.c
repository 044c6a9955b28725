/* timer: how well ticks keep time.
 *   period_us=N (default 1000)   count=N ticks of each kind (default 200)
 * Two kinds: Xen's periodic timer, and a single-shot timer that each tick arms for the next. Times each tick by
 * TSC and by system time. A tick is missed if there were fewer than the elapsed time holds. */
#include "lib/apic.h"
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/samples.h"
#include "lib/start.h"
#include "lib/timers.h"
#include "lib/x86.h"

const char guest_name[] = "timer";

static uint64_t *tick_tsc, *tick_time, *work;
static uint64_t period_ns, count, next_deadline;
static volatile uint64_t ticks;
static bool singleshot;

static void on_tick(evtchn_port_t port) {
  (void)port;
  if (ticks > count) return;
  tick_tsc[ticks] = read_tsc();
  tick_time[ticks] = system_time();
  ticks = ticks + 1;
  if (ticks > count) {
    timer_stop_periodic(); /* here, lest ticks that take longer than their period keep the rest from running */
  } else if (singleshot) {
    next_deadline += period_ns;
    timer_set_singleshot(next_deadline);
  }
}

/* Xen stops a vCPU's periodic timer while the vCPU is not running, so a halt would wait for ever. */
static void wait_for_tick(void) {
  if (singleshot) {
    wait_for_interrupt();
    return;
  }
  enable_interrupts();
  pause();
  disable_interrupts();
}

static void measure(const char* kind, long (*start)(void)) {
  ticks = 0;
  long result = start();
  if (result != 0) fail("%s: Xen says %ld", kind, result);
  while (ticks <= count) wait_for_tick();
  timer_stop_periodic();
  char label[32];
  const char* const suffixes[] = {" period", " jitter", " TSC"};
  for (unsigned row = 0; row < 3; ++row) {
    char* out = label;
    for (const char* c = kind; *c; ++c) *out++ = *c;
    for (const char* c = suffixes[row]; *c; ++c) *out++ = *c;
    *out = 0;
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t period = tick_time[i + 1] - tick_time[i];
      uint64_t jitter = period > period_ns ? period - period_ns : period_ns - period;
      work[i] = row == 0 ? period : row == 1 ? jitter : tick_tsc[i + 1] - tick_tsc[i];
    }
    samples_print(label, row == 2 ? "cycles" : "ns", work, count);
  }
  uint64_t elapsed = tick_time[count] - tick_time[0];
  uint64_t expected = (elapsed + period_ns / 2) / period_ns;
  print("%s: %lu ticks in %lu us, missed %lu\n", kind, count, elapsed / 1000,
        expected > count ? expected - count : 0);
  if (elapsed + period_ns < count * period_ns) fail("%s: ticks came too fast", kind);
}

static long start_periodic(void) {
  singleshot = false;
  return timer_set_periodic(period_ns);
}

static long start_singleshot(void) {
  singleshot = true;
  next_deadline = system_time() + period_ns;
  return timer_set_singleshot(next_deadline);
}

int main(void) {
  period_ns = option_number("period_us", 1000) * 1000;
  count = option_number("count", 200);
  tick_tsc = (uint64_t*)memory_take((count + 1) * 8, 4096);
  tick_time = (uint64_t*)memory_take((count + 1) * 8, 4096);
  work = (uint64_t*)memory_take((count + 1) * 8, 4096);
  if (!tick_tsc || !tick_time || !work) fail("no memory for %lu ticks", count);
  apic_init();
  events_init();
  timer_init(on_tick);
  print("period %lu us, TSC %lu kHz\n", period_ns / 1000, tsc_khz());
  measure("periodic", start_periodic);
  measure("singleshot", start_singleshot);
  return 0;
}
