#include "suspend.h"

#include "console.h"
#include "events.h"
#include "exit.h"
#include "hypercall.h"
#include "pvclock.h"
#include "shared_info.h"
#include "string.h"
#include "x86.h"
#include "xenbus.h"

static const char control_node[] = "control/shutdown";
static bool watch_is_new;
static uint32_t parking, parked;

static void watch_control(void) {
  const char* error = xenbus_watch(control_node, "suspend");
  if (error) fail("watch of %s: %s", control_node, error);
  watch_is_new = true;
}

/* The toolstack takes a domain without HVM_PARAM_CALLBACK_IRQ for one that knows nothing of Xen, and would not
 * tell it that a suspend was cancelled. With vectors of the vCPUs' own, the value does not matter to Xen. */
static void show_that_it_takes_part(void) {
  uint64_t via;
  if (hvm_get_param(HVM_PARAM_CALLBACK_IRQ, &via) == 0 && via == 0) hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 1);
}

void suspend_init(void) {
  show_that_it_takes_part();
  watch_control();
  const char* error = xenbus_write(0, "control/feature-suspend", "1");
  if (error) fail("control/feature-suspend: %s", error);
}

enum request suspend_request(void) {
  struct xenbus_event event;
  if (!watch_is_new && !xenbus_next_event(&event, 0)) return REQUEST_NONE;
  watch_is_new = false;
  const char* value;
  if (xenbus_read(0, control_node, &value, NULL) != NULL) return REQUEST_NONE;
  enum request request = REQUEST_NONE;
  if (strings_equal(value, "suspend")) request = REQUEST_SUSPEND;
  if (strings_equal(value, "poweroff") || strings_equal(value, "halt")) request = REQUEST_POWEROFF;
  if (strings_equal(value, "reboot")) request = REQUEST_REBOOT;
  if (request != REQUEST_NONE) {
    const char* error = xenbus_write(0, control_node, "");
    if (error) fail("%s: %s", control_node, error);
  }
  return request;
}

bool suspend(void) {
  uint64_t flags = save_and_disable_interrupts();
  console_flush();
  struct sched_shutdown shutdown = {.reason = SHUTDOWN_suspend};
  bool elsewhere = sched_op(SCHEDOP_shutdown, &shutdown) == 0;
  if (elsewhere) {
    /* Until this is done there is nothing behind the page: no clock, no event bits. */
    shared_info_init();
    console_init();
    events_init();
    show_that_it_takes_part();
    xenbus_init();
    watch_control();
  }
  restore_interrupts(flags);
  return elsewhere;
}

void suspend_parking_begin(unsigned vcpus) {
  __atomic_store_n(&parking, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) != vcpus - 1) pause();
}

void suspend_parking_end(void) {
  __atomic_store_n(&parking, 0, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) != 0) pause();
}

bool suspend_parking(void) { return __atomic_load_n(&parking, __ATOMIC_SEQ_CST) != 0; }

void suspend_park(void) {
  uint64_t flags = save_and_disable_interrupts();
  __atomic_fetch_add(&parked, 1, __ATOMIC_SEQ_CST);
  while (suspend_parking()) pause();
  __atomic_fetch_sub(&parked, 1, __ATOMIC_SEQ_CST);
  restore_interrupts(flags);
}
