#include "xenbus.h"

#include <stdarg.h>

#include "exit.h"
#include "hypercall.h"
#include "pvclock.h"
#include "shared_info.h"
#include "string.h"

static struct xenstore_domain_interface* ring;
static evtchn_port_t port;
static uint32_t last_request;
static char payload_buffer[XENSTORE_PAYLOAD_MAX + 1];

enum { kEvents = 64 };
static struct xenbus_event events[kEvents];
static unsigned events_begin, events_end;

void xenbus_notify(void) {
  struct evtchn_send send = {.port = port};
  event_channel_op(EVTCHNOP_send, &send);
}

struct xenstore_domain_interface* xenbus_ring(void) {
  return ring;
}

/* Until xenstored has moved one of its indexes, or has been said to have. */
static void wait_for_store(uint64_t ns) {
  struct sched_poll poll = {.nr_ports = 1, .timeout = system_time() + ns};
  set_xen_guest_handle(poll.ports, &port);
  if (sched_op(SCHEDOP_poll, &poll) != 0) sched_op(SCHEDOP_yield, NULL);
}

void xenbus_init(void) {
  uint64_t frame, channel;
  if (hvm_get_param(HVM_PARAM_STORE_PFN, &frame) != 0 || hvm_get_param(HVM_PARAM_STORE_EVTCHN, &channel) != 0 ||
      frame == 0 || frame >= 1 << 20)
    fail("no xenstore ring");
  port = (evtchn_port_t)channel;
  ring = (struct xenstore_domain_interface*)(frame << 12);
  xenbus_send(XS_RESET_WATCHES, 0, "", 1);
  const char* answer;
  xenbus_receive(&answer);
}

static void put(const void* from, size_t size) {
  const char* bytes = from;
  while (size > 0) {
    uint32_t produced = ring->req_prod;
    uint32_t room = XENSTORE_RING_SIZE - (produced - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE));
    if (room == 0) {
      event_clear(port);
      if (XENSTORE_RING_SIZE == produced - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE)) {
        xenbus_notify();
        wait_for_store(100000000);
      }
      continue;
    }
    uint32_t at = MASK_XENSTORE_IDX(produced);
    if (room > XENSTORE_RING_SIZE - at) room = XENSTORE_RING_SIZE - at;
    if (room > size) room = (uint32_t)size;
    memcpy(ring->req + at, bytes, room);
    __atomic_store_n(&ring->req_prod, produced + room, __ATOMIC_RELEASE);
    bytes += room;
    size -= room;
  }
}

/* false: nothing came in that time. */
static bool wait_for_bytes(uint64_t ns) {
  uint64_t limit = system_time() + ns;
  while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == ring->rsp_cons) {
    uint64_t now = system_time();
    if (now >= limit) return false;
    event_clear(port);
    if (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != ring->rsp_cons) return true;
    uint64_t left = limit - now;
    wait_for_store(left < 100000000 ? left : 100000000);
  }
  return true;
}

static void take(void* to, size_t size) {
  char* bytes = to;
  while (size > 0) {
    while (!wait_for_bytes(1000000000)) {
    }
    uint32_t consumed = ring->rsp_cons, at = MASK_XENSTORE_IDX(consumed);
    uint32_t there = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) - consumed;
    if (there > XENSTORE_RING_SIZE) fail("xenstore ring: %u bytes", there);
    bool was_full = there == XENSTORE_RING_SIZE;
    if (there > XENSTORE_RING_SIZE - at) there = XENSTORE_RING_SIZE - at;
    if (there > size) there = (uint32_t)size;
    memcpy(bytes, ring->rsp + at, there);
    __atomic_store_n(&ring->rsp_cons, consumed + there, __ATOMIC_RELEASE);
    if (was_full) xenbus_notify(); /* it may wait for room */
    bytes += there;
    size -= there;
  }
}

uint32_t xenbus_send(uint32_t type, xenbus_transaction t, const void* payload, size_t size) {
  struct xsd_sockmsg header = {.type = type, .req_id = ++last_request, .tx_id = t, .len = (uint32_t)size};
  put(&header, sizeof header);
  put(payload, size);
  xenbus_notify();
  return last_request;
}

static void keep_event(const char* payload, size_t size) {
  if (events_end - events_begin == kEvents) fail("more than %u watch events wait", kEvents);
  struct xenbus_event* e = &events[events_end++ % kEvents];
  size_t path = strlen(payload), token = strlen(payload + path + 1);
  if (path >= sizeof e->path || token >= sizeof e->token || path + token + 2 != size) fail("odd watch event");
  memcpy(e->path, payload, path + 1);
  memcpy(e->token, payload + path + 1, token + 1);
}

static struct xsd_sockmsg take_message(void) {
  struct xsd_sockmsg header;
  take(&header, sizeof header);
  if (header.len > XENSTORE_PAYLOAD_MAX) fail("xenstored sent %u bytes", header.len);
  take(payload_buffer, header.len);
  payload_buffer[header.len] = 0;
  return header;
}

struct xsd_sockmsg xenbus_receive(const char** payload) {
  for (;;) {
    struct xsd_sockmsg header = take_message();
    if (header.type == XS_WATCH_EVENT) {
      keep_event(payload_buffer, header.len);
      continue;
    }
    *payload = payload_buffer;
    return header;
  }
}

bool xenbus_next_event(struct xenbus_event* event, uint64_t wait_ns) {
  while (events_begin == events_end) {
    if (!wait_for_bytes(wait_ns)) return false;
    struct xsd_sockmsg header = take_message();
    if (header.type != XS_WATCH_EVENT) fail("a reply of type %u that nobody asked for", header.type);
    keep_event(payload_buffer, header.len);
  }
  *event = events[events_begin++ % kEvents];
  return true;
}

unsigned xenbus_events_kept(void) { return events_end - events_begin; }

/* A request and its reply. */
static const char* ask(uint32_t type, xenbus_transaction t, const void* payload, size_t size, const char** answer,
                       size_t* length) {
  const char* unused;
  uint32_t number = xenbus_send(type, t, payload, size);
  struct xsd_sockmsg header = xenbus_receive(answer ? answer : &unused);
  if (header.req_id != number) fail("reply %u to request %u", header.req_id, number);
  if (header.type == XS_ERROR) return payload_buffer;
  if (header.type != type) fail("reply of type %u to a request of type %u", header.type, type);
  if (length) *length = header.len;
  return NULL;
}

/* Two strings, the second without its NUL unless it is to be sent. */
static const char* ask_two(uint32_t type, xenbus_transaction t, const char* first, const char* second, size_t size,
                           const char** answer, size_t* length) {
  static char request[XENSTORE_PAYLOAD_MAX];
  size_t begin = strlen(first) + 1;
  if (begin + size > sizeof request) fail("a request of %zu bytes", begin + size);
  memcpy(request, first, begin);
  memcpy(request + begin, second, size);
  return ask(type, t, request, begin + size, answer, length);
}

const char* xenbus_read(xenbus_transaction t, const char* path, const char** value, size_t* length) {
  return ask(XS_READ, t, path, strlen(path) + 1, value, length);
}

const char* xenbus_write(xenbus_transaction t, const char* path, const char* value) {
  return ask_two(XS_WRITE, t, path, value, strlen(value), NULL, NULL);
}

const char* xenbus_directory(xenbus_transaction t, const char* path, const char** names, size_t* length) {
  return ask(XS_DIRECTORY, t, path, strlen(path) + 1, names, length);
}

const char* xenbus_mkdir(xenbus_transaction t, const char* path) {
  return ask(XS_MKDIR, t, path, strlen(path) + 1, NULL, NULL);
}

const char* xenbus_rm(xenbus_transaction t, const char* path) {
  return ask(XS_RM, t, path, strlen(path) + 1, NULL, NULL);
}

const char* xenbus_set_permissions(xenbus_transaction t, const char* path, const char* permissions, size_t size) {
  return ask_two(XS_SET_PERMS, t, path, permissions, size, NULL, NULL);
}

const char* xenbus_get_permissions(xenbus_transaction t, const char* path, const char** permissions,
                                   size_t* length) {
  return ask(XS_GET_PERMS, t, path, strlen(path) + 1, permissions, length);
}

/* Nobody can be given an own node; but who does not exist is another error (ENOENT) than who does (EPERM). */
void xenbus_wait_for_domain(uint32_t domid) {
  char owner[16] = "n";
  const char* number = xenbus_number(domid);
  memcpy(owner + 1, number, strlen(number) + 1);
  const char* error;
  while ((error = xenbus_set_permissions(0, "data", owner, strlen(owner) + 1)) && strings_equal(error, "ENOENT"))
    for (uint64_t next = system_time() + 2000000; system_time() < next;) sched_op(SCHEDOP_yield, NULL);
  if (!error || !strings_equal(error, "EPERM")) fail("domain %u: %s", domid, error ? error : "took data over");
}

const char* xenbus_watch(const char* path, const char* token) {
  return ask_two(XS_WATCH, 0, path, token, strlen(token) + 1, NULL, NULL);
}

const char* xenbus_unwatch(const char* path, const char* token) {
  return ask_two(XS_UNWATCH, 0, path, token, strlen(token) + 1, NULL, NULL);
}

static bool number_of(const char* text, uint64_t* value) {
  *value = 0;
  if (!*text) return false;
  for (; *text; ++text) {
    if (*text < '0' || *text > '9') return false;
    *value = *value * 10 + (uint64_t)(*text - '0');
  }
  return true;
}

const char* xenbus_transaction_start(xenbus_transaction* t) {
  const char* id;
  const char* error = ask(XS_TRANSACTION_START, 0, "", 1, &id, NULL);
  uint64_t number;
  if (error) return error;
  if (!number_of(id, &number)) fail("transaction \"%s\"", id);
  *t = (uint32_t)number;
  return NULL;
}

const char* xenbus_transaction_end(xenbus_transaction t, bool commit) {
  return ask(XS_TRANSACTION_END, t, commit ? "T" : "F", 2, NULL, NULL);
}

const char* xenbus_number(uint64_t value) {
  static char text[24];
  char* at = text + sizeof text - 1;
  *at = 0;
  do *--at = (char)('0' + value % 10);
  while (value /= 10);
  return at;
}

const char* xenbus_path(const char* first, ...) {
  static char paths[4][256];
  static unsigned next;
  char* path = paths[next++ % 4];
  size_t length = 0;
  va_list parts;
  va_start(parts, first);
  for (const char* part = first; part; part = va_arg(parts, const char*)) {
    size_t size = strlen(part);
    if (length + size + 2 > sizeof paths[0]) fail("a long path: %s", part);
    if (length > 0) path[length++] = '/';
    memcpy(path + length, part, size);
    length += size;
  }
  va_end(parts);
  path[length] = 0;
  return path;
}

uint64_t xenbus_read_number(const char* path) {
  const char* value;
  const char* error = xenbus_read(0, path, &value, NULL);
  uint64_t number;
  if (error) fail("%s: %s", path, error);
  if (!number_of(value, &number)) fail("%s is \"%s\"", path, value);
  return number;
}

void xenbus_write_number(xenbus_transaction t, const char* path, uint64_t value) {
  const char* error = xenbus_write(t, path, xenbus_number(value));
  if (error) fail("%s: %s", path, error);
}
