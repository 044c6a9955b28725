/* What the parts of `storeops` share. */
#ifndef GUESTS_STOREOPS_H
#define GUESTS_STOREOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include "lib/xenbus.h"

void print_payload(const char* bytes, size_t size);
/* A request and its answer, whose length is stored; failed: it is the name of an error. */
const char* request(uint32_t type, xenbus_transaction t, const char* payload, size_t size, size_t* length,
                    bool* failed);
/* The same as a line of the table; true: no error. */
bool row(uint32_t type, xenbus_transaction t, const char* payload, size_t size);
/* Of one string. */
#define ROW(type, t, text) row(type, t, text, sizeof(text))
/* Lines for the watch events that have come. */
void events(void);

void transactions(void);
void watches(void);
void quotas(void);
void with_peer(domid_t peer);

#endif
