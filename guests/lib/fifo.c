#include "fifo.h"

#include "layout.h"
#include "memory.h"

enum { kWordsPerPage = 4096 / 4, kPages = EVTCHN_FIFO_NR_CHANNELS / kWordsPerPage };

struct queues {
  volatile struct evtchn_fifo_control_block* control;
  uint32_t head[EVTCHN_FIFO_MAX_QUEUES]; /* what comes next; 0: Xen's head */
};

static struct queues queues[MAX_VCPUS];
static volatile uint32_t* pages[kPages];
static unsigned page_count;

long fifo_init_control(unsigned vcpu) {
  uint64_t page = memory_take(4096, 4096);
  struct evtchn_init_control init = {.control_gfn = page >> 12, .offset = 0, .vcpu = vcpu};
  long result = event_channel_op(EVTCHNOP_init_control, &init);
  if (result == 0) queues[vcpu] = (struct queues){.control = (volatile struct evtchn_fifo_control_block*)page};
  return result;
}

long fifo_expand(void) {
  uint32_t* page = (uint32_t*)memory_take(4096, 4096);
  for (unsigned i = 0; i < kWordsPerPage; ++i) page[i] = FIFO_MASKED;
  if (page_count < kPages) pages[page_count] = page;
  struct evtchn_expand_array expand = {.array_gfn = (uint64_t)page >> 12};
  long result = event_channel_op(EVTCHNOP_expand_array, &expand);
  if (result == 0) ++page_count;
  return result;
}

volatile uint32_t* fifo_word(evtchn_port_t port) {
  return port / kWordsPerPage < page_count ? &pages[port / kWordsPerPage][port % kWordsPerPage] : 0;
}

bool fifo_unmask(evtchn_port_t port) {
  volatile uint32_t* word = fifo_word(port);
  uint32_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE) & ~FIFO_BUSY;
  while (!(old & FIFO_PENDING)) {
    if (__atomic_compare_exchange_n(word, &old, old & ~FIFO_MASKED, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      return false;
    old &= ~FIFO_BUSY; /* Xen is at the word: try until it is done */
  }
  struct evtchn_unmask unmask = {.port = port};
  event_channel_op(EVTCHNOP_unmask, &unmask);
  return true;
}

/* Takes the first port of the queue off it. */
static evtchn_port_t take_one(struct queues* own, unsigned queue) {
  uint32_t port = own->head[queue];
  if (port == 0) port = __atomic_load_n(&own->control->head[queue], __ATOMIC_ACQUIRE);
  volatile uint32_t* word = fifo_word(port);
  if (!word) return 0;
  uint32_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
  while (!__atomic_compare_exchange_n(word, &old, old & ~(FIFO_LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    continue;
  own->head[queue] = old & EVTCHN_FIFO_LINK_MASK;
  return port;
}

unsigned fifo_take_all(unsigned vcpu, void (*handle)(evtchn_port_t port, unsigned queue)) {
  struct queues* own = &queues[vcpu];
  unsigned taken = 0;
  uint32_t ready = __atomic_exchange_n(&own->control->ready, 0, __ATOMIC_SEQ_CST);
  while (ready) {
    unsigned queue = (unsigned)__builtin_ctz(ready);
    evtchn_port_t port = take_one(own, queue);
    if (port) {
      ++taken;
      if (fifo_has(port, FIFO_PENDING) && !fifo_has(port, FIFO_MASKED)) {
        __atomic_fetch_and(fifo_word(port), ~FIFO_PENDING, __ATOMIC_SEQ_CST);
        handle(port, queue);
      }
    }
    if (own->head[queue] == 0) ready &= ~(1u << queue);
    ready |= __atomic_exchange_n(&own->control->ready, 0, __ATOMIC_SEQ_CST);
  }
  return taken;
}

void fifo_forget(void) {
  page_count = 0;
  for (unsigned i = 0; i < MAX_VCPUS; ++i) queues[i] = (struct queues){0};
}
