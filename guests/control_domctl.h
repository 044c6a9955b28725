/* What the rows of domctl share: the structure that is handed to Xen, and calls with it. */
#ifndef GUESTS_CONTROL_DOMCTL_H
#define GUESTS_CONTROL_DOMCTL_H

#include "control.h"

extern struct xen_domctl* op;
extern uint8_t* buffer; /* 64 KiB */
enum { kBuffer = 65536 };

void clear(void* at, unsigned bytes);
/* With the structure as it is. */
long domctl(uint32_t command, domid_t domid);

/* Sets fields of an all-zero structure and calls. */
#define DOMCTL_OF(domid, command, ...) \
  ({                                   \
    clear(op, sizeof *op);             \
    __VA_ARGS__;                       \
    domctl(command, domid);            \
  })
#define DOMCTL(command, ...) DOMCTL_OF(target_domid, command, __VA_ARGS__)
#define OWN(command, ...) DOMCTL_OF(own_domid, command, __VA_ARGS__)
#define PLAIN(command, domid) DOMCTL_OF(domid, command, (void)0)

/* Of vCPUs' registers, memory, policies, roles and devices: control_domctl_state.c. */
void context_rows(void);
void memory_rows(void);
void policy_rows(void);
void role_rows(void);
void device_rows(void);
/* Of making a domain: control_domctl_creation.c. */
void refused_creation_rows(void);
void creation_rows(void);

#endif
