#include "timers.h"

#include <stddef.h>

#include "interrupts.h"

void timer_init(event_handler* handler) {
  timer_stop_periodic();
  event_enable(event_bind_virq(VIRQ_TIMER, current_vcpu()), handler);
}

long timer_set_periodic(uint64_t period_ns) {
  struct vcpu_set_periodic_timer timer = {.period_ns = period_ns};
  return vcpu_op(VCPUOP_set_periodic_timer, current_vcpu(), &timer);
}

long timer_stop_periodic(void) { return vcpu_op(VCPUOP_stop_periodic_timer, current_vcpu(), NULL); }

long timer_set_singleshot(uint64_t deadline_ns) {
  struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = deadline_ns};
  return vcpu_op(VCPUOP_set_singleshot_timer, current_vcpu(), &timer);
}
