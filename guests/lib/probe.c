#include "probe.h"

#include "exit.h"
#include "layout.h"
#include "print.h"
#include "x86.h"

extern const char probe_resume[];
void probe_enter(uint64_t code, bool user, uint64_t user_stack, uint64_t flags);

struct probe_end probe_end;
uint64_t probe_stack;

static bool running;

void probe_stop(struct frame* frame) {
  if (!running) {
    print_lock_break();
    report_exception(frame);
    fail("unexpected vector %lu", frame->vector);
  }
  running = false;
  probe_end = (struct probe_end){frame->vector, frame->error_code, frame->rip, frame->cs, read_cr2()};
  frame->rip = (uint64_t)probe_resume;
  frame->cs = SELECTOR_CODE64;
  frame->rflags = 2;
  frame->rsp = probe_stack;
  frame->ss = SELECTOR_DATA;
}

bool probe_running(void) { return running; }

void probe_catch(unsigned vector) { set_interrupt_handler(vector, probe_stop); }

void probe_run(uint64_t code, bool user, uint64_t user_stack, uint64_t flags) {
  running = true;
  probe_enter(code, user, user_stack, flags);
}
