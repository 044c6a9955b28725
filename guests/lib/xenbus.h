/* A client of xenstore: messages (xen/io/xs_wire.h) over the ring that the toolstack left, one request at a time.
 * Waits by SCHEDOP_poll, so it needs no interrupts; of one vCPU. Watch events that come in between are kept.
 *
 * Functions return 0, or the name of the error that xenstored gave ("ENOENT"). */
#ifndef GUESTS_LIB_XENBUS_H
#define GUESTS_LIB_XENBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Expected by xs_wire.h, which makes a table of error names of them. */
#include <xen/io/xs_wire.h>

typedef uint32_t xenbus_transaction; /* 0: none */

/* Finds the ring by HVM parameters and drops watches of an earlier kernel; fails the guest if there is none. */
void xenbus_init(void);

/* The value, with a NUL after it, in a buffer that the next call overwrites; *length may be null. */
const char* xenbus_read(xenbus_transaction t, const char* path, const char** value, size_t* length);
const char* xenbus_write(xenbus_transaction t, const char* path, const char* value);
/* The names, each with a NUL, likewise; *length of all of them together. */
const char* xenbus_directory(xenbus_transaction t, const char* path, const char** names, size_t* length);
const char* xenbus_mkdir(xenbus_transaction t, const char* path);
const char* xenbus_rm(xenbus_transaction t, const char* path);
/* One permission or more: "n1", or two with a NUL between them ("n1\0r2"); size counts the last NUL. */
const char* xenbus_set_permissions(xenbus_transaction t, const char* path, const char* permissions, size_t size);
const char* xenbus_get_permissions(xenbus_transaction t, const char* path, const char** permissions,
                                   size_t* length);

/* Until xenstored knows that domain. Permissions that were given to a domain before it existed are void for good,
 * even when it comes. */
void xenbus_wait_for_domain(uint32_t domid);

const char* xenbus_transaction_start(xenbus_transaction* t);
/* "EAGAIN": somebody else changed what this transaction read. */
const char* xenbus_transaction_end(xenbus_transaction t, bool commit);

const char* xenbus_watch(const char* path, const char* token);
const char* xenbus_unwatch(const char* path, const char* token);
struct xenbus_event {
  char path[256];
  char token[64];
};
/* The next watch event; waits for it as long as that, in ns. false: none came. */
bool xenbus_next_event(struct xenbus_event* event, uint64_t wait_ns);

/* Numbers as values. A node that is missing or no number fails the guest. */
uint64_t xenbus_read_number(const char* path);
void xenbus_write_number(xenbus_transaction t, const char* path, uint64_t value);

/* --- Below the functions above. */

/* Sends a request and does not wait: its number, which its reply has. */
uint32_t xenbus_send(uint32_t type, xenbus_transaction t, const void* payload, size_t size);
/* The next reply, of whatever request. Its payload, with a NUL after it, until the next call. */
struct xsd_sockmsg xenbus_receive(const char** payload);
/* Watch events that came while a reply was waited for. */
unsigned xenbus_events_kept(void);
/* The ring itself, to break it. */
struct xenstore_domain_interface* xenbus_ring(void);
void xenbus_notify(void);
/* "a/b" from parts, up to a null pointer. Overwrites its buffer at the next call but three. */
const char* xenbus_path(const char* first, ...);
const char* xenbus_number(uint64_t value);

#endif
