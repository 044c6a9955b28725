/* store: what xenstore does for a guest, and how long it takes.
 *   rounds=N (default 200): rounds of requests; each writes, reads, lists and removes nodes below data/store, and
 *     counts up data/store/count in a transaction
 *   shared=1: counts up /stress/count instead, which all guests may write, starts when there is /stress/go, and
 *     ends when there is /stress/stop; the transactions of several guests conflict, and are done again
 *   burst=N (default 8): requests under way at once, in the part that checks the order of replies
 *   hostile=1: at the end, a message that is longer than the longest; hostile=2: indexes that cannot be.
 *     xenstored says so in the ring and is deaf from then on
 * Every value that is read is compared with what it must be. Prints the time of a round trip, how many requests
 * it made, and how many transactions had to be done again. */
#include <stdbool.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/samples.h"
#include "lib/start.h"
#include "lib/string.h"
#include "lib/x86.h"
#include "lib/xenbus.h"

const char guest_name[] = "store";

static uint64_t requests, again, counted;

static void must(const char* what, const char* error) {
  ++requests;
  if (error) fail("%s: %s", what, error);
}

static void must_be(const char* what, const char* error, const char* expected) {
  ++requests;
  if (!error || !strings_equal(error, expected))
    fail("%s: %s instead of %s", what, error ? error : "no error", expected);
}

static void must_read(xenbus_transaction t, const char* path, const char* expected) {
  const char* value;
  must(path, xenbus_read(t, path, &value, NULL));
  if (!strings_equal(value, expected)) fail("%s is \"%s\" instead of \"%s\"", path, value, expected);
}

/* What xenstored answers to whom it does not concern, and to nonsense. */
static void errors(void) {
  const char* value;
  must_be("a node that is not there", xenbus_read(0, "data/store/none", &value, NULL), "ENOENT");
  must_be("somebody else's node", xenbus_read(0, "/local/domain/0/name", &value, NULL), "EACCES");
  must_be("somebody else's node", xenbus_write(0, "/local/domain/0/name", "mine"), "EACCES");
  must_be("a bad path", xenbus_write(0, "data//store", "x"), "EINVAL");
  must_be("a bad path", xenbus_mkdir(0, "data/store/"), "EINVAL");
  must_be("a parent that is not there", xenbus_rm(0, "data/store/none/x"), "ENOENT");
  must_be("no transaction", xenbus_read(77, "name", &value, NULL), "ENOENT");
  must_be("a watch that is not there", xenbus_unwatch("data", "none"), "ENOENT");
  must_be("bad permissions", xenbus_set_permissions(0, "data/store", "x0", 3), "EINVAL");
}

static void watches(void) {
  struct xenbus_event event;
  must("watch", xenbus_watch("data/store/watched", "token"));
  if (!xenbus_next_event(&event, 1000000000)) fail("a new watch did not fire");
  for (unsigned i = 0; i < 3; ++i) {
    const char* path = xenbus_path("data/store/watched", xenbus_number(i), NULL);
    must("write", xenbus_write(0, path, "1"));
    if (!xenbus_next_event(&event, 1000000000)) fail("no event for %s", path);
    if (!strings_equal(event.path, path) || !strings_equal(event.token, "token"))
      fail("event %s %s for %s", event.path, event.token, path);
  }
  must_be("the same watch again", xenbus_watch("data/store/watched", "token"), "EEXIST");
  must("unwatch", xenbus_unwatch("data/store/watched", "token"));
  must("rm", xenbus_rm(0, "data/store/watched"));
  if (xenbus_next_event(&event, 1000000)) fail("event for %s after the watch ended", event.path);
}

static void nodes(uint64_t round) {
  const char* names;
  size_t length;
  const char* value = xenbus_number(round);
  char kept[24];
  memcpy(kept, value, strlen(value) + 1);
  must("mkdir", xenbus_mkdir(0, "data/store/dir"));
  for (unsigned i = 0; i < 3; ++i)
    must("write", xenbus_write(0, xenbus_path("data/store/dir", xenbus_number(i), NULL), kept));
  must("directory", xenbus_directory(0, "data/store/dir", &names, &length));
  if (length != 6 || memcmp(names, "0\0001\0002", 6) != 0) fail("directory of %zu bytes", length);
  must_read(0, "data/store/dir/2", kept);
  must("rm", xenbus_rm(0, "data/store/dir"));
}

/* Requests that are sent one behind the other: replies come in the same order, each with its value. */
static void burst(unsigned size) {
  const char* payload;
  uint32_t first = 0;
  char request[64] = "data/store/burst";
  size_t path = strlen(request) + 1;
  for (unsigned i = 0; i < size; ++i) {
    const char* value = xenbus_number(i);
    memcpy(request + path, value, strlen(value));
    uint32_t number = xenbus_send(XS_WRITE, 0, request, path + strlen(value));
    if (i == 0) first = number;
    xenbus_send(XS_READ, 0, request, path);
    requests += 2;
  }
  for (unsigned i = 0; i < 2 * size; ++i) {
    struct xsd_sockmsg reply = xenbus_receive(&payload);
    if (reply.req_id != first + i) fail("reply %u in place of %u", reply.req_id, first + i);
    if (reply.type != (i % 2 ? XS_READ : XS_WRITE))
      fail("reply %u has type %u: %s", reply.req_id, reply.type, payload);
    if (i % 2 && !strings_equal(payload, xenbus_number(i / 2))) fail("read %s in place of %u", payload, i / 2);
  }
}

/* Adds one to the node, again and again until nobody else came in between. */
static void count_up(const char* path) {
  for (;;) {
    xenbus_transaction t;
    const char* value;
    must("transaction", xenbus_transaction_start(&t));
    must("read", xenbus_read(t, path, &value, NULL));
    uint64_t n = 0;
    for (; *value; ++value) n = n * 10 + (uint64_t)(*value - '0');
    must("write", xenbus_write(t, path, xenbus_number(n + 1)));
    const char* error = xenbus_transaction_end(t, true);
    ++requests;
    if (!error) break;
    if (!strings_equal(error, "EAGAIN")) fail("transaction: %s", error);
    ++again;
  }
  ++counted;
}

/* Until somebody has made the node, below /stress. */
static void wait_for(const char* path) {
  struct xenbus_event event;
  const char* value;
  must("watch", xenbus_watch("/stress", path));
  while (xenbus_read(0, path, &value, NULL))
    if (!xenbus_next_event(&event, 600000000000)) fail("nobody writes %s", path);
  must("unwatch", xenbus_unwatch("/stress", path));
  while (xenbus_next_event(&event, 0)) {
  }
}

/* What xenstored makes of a ring that is broken: it says why, and takes nothing any more. */
static void break_ring(bool indexes) {
  struct xenstore_domain_interface* ring = xenbus_ring();
  uint32_t expected = indexes ? XENSTORE_ERROR_RINGIDX : XENSTORE_ERROR_PROTO;
  struct xsd_sockmsg header = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};
  for (uint32_t i = 0; i < sizeof header; ++i)
    ring->req[MASK_XENSTORE_IDX(ring->req_prod + i)] = ((const char*)&header)[i];
  uint32_t produced = ring->req_prod + (indexes ? XENSTORE_RING_SIZE + 1 : (uint32_t)sizeof header);
  __atomic_store_n(&ring->req_prod, produced, __ATOMIC_RELEASE);
  xenbus_notify();
  uint64_t limit = system_time() + 10000000000ull;
  while (__atomic_load_n(&ring->error, __ATOMIC_ACQUIRE) != expected) {
    if (system_time() > limit) fail("the ring's error is %u", ring->error);
    pause();
  }
  uint32_t taken = ring->req_cons;
  xenbus_notify();
  for (limit = system_time() + 5000000; system_time() < limit;) pause();
  if (ring->req_cons != taken) fail("xenstored goes on");
  print("ring error %u\n", expected);
}

int main(void) {
  uint64_t rounds = option_number("rounds", 200), size = option_number("burst", 8);
  bool shared = option_is("shared", "1");
  uint64_t* round_trips = (uint64_t*)memory_take(rounds * 8, 4096);
  if (rounds == 0 || !round_trips) fail("rounds=%lu does not fit", rounds);
  xenbus_init();
  must("mkdir", xenbus_mkdir(0, "data/store"));
  errors();
  watches();
  const char* count = shared ? "/stress/count" : "data/store/count";
  if (shared)
    wait_for("/stress/go");
  else
    must("write", xenbus_write(0, count, "0"));
  for (uint64_t round = 0; round < rounds; ++round) {
    nodes(round);
    burst((unsigned)size);
    count_up(count);
    uint64_t begin = read_tsc_ordered();
    const char* value;
    must("read", xenbus_read(0, "name", &value, NULL));
    round_trips[round] = read_tsc_ordered() - begin;
  }
  if (shared) wait_for("/stress/stop");
  if (!shared && xenbus_read_number(count) != rounds) fail("the count is not %lu", rounds);
  if (shared) print("%lu counted in all\n", xenbus_read_number(count));
  must("rm", xenbus_rm(0, "data/store"));
  uint64_t hostile = option_number("hostile", 0);
  if (hostile) break_ring(hostile == 2);
  samples_print("READ of a node, there and back", "cycles", round_trips, rounds);
  print("%lu requests, %lu counted, %lu transactions again\n", requests, counted, again);
  return 0;
}
