/* pingpong: two domains meet through xenstore as a split driver's halves do, share a page, and send each other
 * events.
 *   peer=DOMID: the other one, whose peer= names this one. The lower domid is the back end.
 *   count=N (default 2000): round trips
 * The front end grants a page and allocates a port, writes both below data/pingpong, and says state 3
 * (Initialised). The back end, which watches that, maps the page, binds the port and says 4 (Connected). Each
 * round trip is a number in the page and an event, there and back. Then both say 5 and 6. States as in
 * xen/io/xenbus.h. */
#include <xen/io/xenbus.h>

#include "lib/apic.h"
#include "lib/command_line.h"
#include "lib/events.h"
#include "lib/exit.h"
#include "lib/grants.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/samples.h"
#include "lib/shared_info.h"
#include "lib/start.h"
#include "lib/string.h"
#include "lib/x86.h"
#include "lib/xenbus.h"

const char guest_name[] = "pingpong";

enum { kGrant = 8, kOwn = 16 };

struct shared {
  volatile uint64_t ping, pong;
};

static uint64_t count;
static char own[64], other[64]; /* paths of the two ends */

static void must(const char* what, const char* error) {
  if (error) fail("%s: %s", what, error);
}

static void set_state(enum xenbus_state state) {
  must("state", xenbus_write(0, xenbus_path(own, "state", NULL), xenbus_number(state)));
}

/* Waits until the peer has come to a state. */
static void wait_for_state(enum xenbus_state state) {
  struct xenbus_event event;
  const char* value;
  for (;;) {
    const char* error = xenbus_read(0, xenbus_path(other, "state", NULL), &value, NULL);
    if (!error && strings_equal(value, xenbus_number(state))) return;
    /* A peer that has closed may be gone already, and its nodes with it. */
    if (error && state == XenbusStateClosed) return;
    /* Until the peer is there, its node cannot be watched through its permissions: look again now and then. */
    xenbus_next_event(&event, 5000000);
  }
}

/* It is enough that the event ends the HLT: what it is about is in the page. */
static void on_event(evtchn_port_t port) { (void)port; }

static void front_end(domid_t peer) {
  struct shared* page = (struct shared*)memory_take(4096, 4096);
  uint64_t* round_trips = (uint64_t*)memory_take(count * 8, 4096);
  if (!page || !round_trips) fail("count=%lu does not fit", count);
  uint64_t begin = read_tsc_ordered();
  grant_table_map(1);
  grant_access(kGrant, peer, page, 0);
  evtchn_port_t port = event_alloc_unbound(peer);
  xenbus_write_number(0, xenbus_path(own, "ring-ref", NULL), kGrant);
  xenbus_write_number(0, xenbus_path(own, "event-channel", NULL), port);
  events_init();
  event_enable(port, on_event);
  set_state(XenbusStateInitialised);
  wait_for_state(XenbusStateConnected);
  print("connected after %lu cycles: grant %u, port %u\n", read_tsc_ordered() - begin, kGrant, port);
  disable_interrupts();
  for (uint64_t i = 1; i <= count; ++i) {
    begin = read_tsc_ordered();
    page->ping = i;
    event_send(port);
    while (page->pong != i) wait_for_interrupt();
    round_trips[i - 1] = read_tsc_ordered() - begin;
  }
  samples_print("round trip through a granted page", "cycles", round_trips, count);
  set_state(XenbusStateClosing);
  wait_for_state(XenbusStateClosed);
  if (grant_flags(kGrant) & (GTF_reading | GTF_writing)) fail("the peer has the page still");
}

static void back_end(domid_t peer) {
  wait_for_state(XenbusStateInitialised);
  uint64_t ref = xenbus_read_number(xenbus_path(other, "ring-ref", NULL));
  uint64_t remote = xenbus_read_number(xenbus_path(other, "event-channel", NULL));
  evtchn_port_t port;
  grant_handle_t handle;
  int status = grant_map(GRANT_WINDOW, GNTMAP_host_map, (grant_ref_t)ref, peer, &handle);
  if (status != GNTST_okay) fail("grant %lu of domain %u: %d", ref, peer, status);
  long result = event_bind_interdomain(peer, (evtchn_port_t)remote, &port);
  if (result != 0) fail("port %lu of domain %u: %ld", remote, peer, result);
  struct shared* page = (struct shared*)GRANT_WINDOW;
  event_clear(port);
  disable_interrupts();
  events_init();
  event_enable(port, on_event);
  set_state(XenbusStateConnected);
  for (uint64_t i = 1; i <= count; ++i) {
    while (page->ping != i) wait_for_interrupt();
    page->pong = i;
    event_send(port);
  }
  wait_for_state(XenbusStateClosing);
  event_close(port);
  status = grant_unmap(GRANT_WINDOW, handle);
  if (status != GNTST_okay) fail("unmap: %d", status);
  print("answered %lu events\n", count);
  set_state(XenbusStateClosed);
}

/* Its own end: a directory that the peer may read. */
static void make_own_end(domid_t domid, domid_t peer) {
  char permissions[kOwn];
  size_t length = 0;
  for (unsigned i = 0; i < 2; ++i) {
    const char* number = xenbus_number(i == 0 ? domid : peer);
    permissions[length++] = i == 0 ? 'n' : 'r';
    memcpy(permissions + length, number, strlen(number) + 1);
    length += strlen(number) + 1;
  }
  must("mkdir", xenbus_mkdir(0, own));
  must("permissions", xenbus_set_permissions(0, own, permissions, length));
}

int main(void) {
  count = option_number("count", 2000);
  domid_t peer = (domid_t)option_number("peer", DOMID_INVALID), domid = this_domid();
  if (peer == DOMID_INVALID || count == 0) fail("needs peer=DOMID");
  const char* path = xenbus_path("/local/domain", xenbus_number(domid), "data/pingpong", NULL);
  memcpy(own, path, strlen(path) + 1);
  path = xenbus_path("/local/domain", xenbus_number(peer), "data/pingpong", NULL);
  memcpy(other, path, strlen(path) + 1);
  apic_init();
  xenbus_init();
  xenbus_wait_for_domain(peer);
  make_own_end(domid, peer);
  must("watch", xenbus_watch(other, "peer"));
  if (domid < peer)
    back_end(peer);
  else
    front_end(peer);
  return 0;
}
