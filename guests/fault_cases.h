/* What fault.c and fault_cases.S agree on. */
#ifndef GUESTS_FAULT_CASES_H
#define GUESTS_FAULT_CASES_H

/* Vectors of our own: the one that a case ends with when nothing happened; one whose stack lies beyond a short
 * TSS; one that level 3 may not call. */
#define NOTHING_HAPPENED 0x70
#define DISTANT_STACK 0x71
#define PRIVILEGED 0x72

/* Pages of the window. */
#define ABSENT_PAGE 0x8000000000
#define READ_ONLY_PAGE 0x8000001000
#define NO_EXECUTE_PAGE 0x8000002000
#define RESERVED_BIT_PAGE 0x8000003000
#define USER_DATA_PAGE 0x8000004000
#define SUPERVISOR_PAGE 0x8000005000
#define USER_CODE_PAGE 0x8000006000

#define ANY_ADDRESS -1

/* What a case needs. */
#define NEEDS_USER 1 /* runs at level 3 */
#define NEEDS_SMEP 2
#define NEEDS_SMAP 4

#endif
