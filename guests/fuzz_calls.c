/* How a random call is made up: a number, mostly of a hypercall that exists; a subcommand, mostly one that exists;
 * arguments and structures of values that mean something somewhere (numbers of domains, frames, ports, sizes), and
 * of noise. */
#include "fuzz.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/grant_table.h>

#include "lib/exit.h"
#include "lib/string.h"
#include "lib/x86.h"

static uint64_t state;
static evtchn_port_t spared_link;
static uint8_t* store_ring;

/* Structures in the first half of the scratch pages, lists that they point to in the second. */
#define STRUCTURES 4
#define STRUCTURE_SIZE 128
#define IMAGE_BEGIN 0x100 /* frames of the guest's image, which must not be given away */
#define IMAGE_END 0x400
#define LISTS_REACH 0x40000 /* how far before the image a list may begin and not reach it */
#define ELSEWHERE 0x40000000
#define FAR_FRAME 0x300000ul /* where there is no memory */

static uint64_t random_number(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t limit) { return (random_number() >> 11) % limit; }
static bool one_in(uint64_t n) { return below(n) == 0; }

domid_t domid_by_cpuid(void) {
  struct cpuid hvm = cpuid(xen_cpuid_base() + 4, 0);
  if (!(hvm.eax & XEN_HVM_CPUID_DOMID_PRESENT)) fail("CPUID has no domid");
  return (domid_t)hvm.ecx;
}

static uint64_t frame(void) {
  switch (below(8)) {
    case 0:
      return FAR_FRAME + below(64);
    case 1:
      return random_number() >> below(40) | 1ul << 23;
    default:
      return (arena >> 12) + below(ARENA_PAGES);
  }
}

static uint64_t domain(void) {
  static const domid_t reserved[] = {DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID, DOMID_IDLE};
  switch (below(8)) {
    case 0:
      return reserved[below(6)];
    case 1:
      return peer_domid;
    case 2:
      return 0;
    case 3:
      return random_number() & 0xffff;
    case 4:
      return own_domid;
    default:
      return DOMID_SELF;
  }
}

static uint64_t address(void) {
  switch (below(12)) {
    case 0:
      return 0x8040000000 + below(0x10000); /* not mapped */
    case 1:
      return 0x800000000000 + random_number() % 0x1000000;
    case 2:
      return (FAR_FRAME << 12) + below(0x10000);
    case 3:
      return arena + below(ARENA_PAGES * 4096);
    case 4:
      return scratch + (STRUCTURES + 1 + below(SCRATCH_PAGES - STRUCTURES - 1)) * 4096 -
             below(32); /* across a page's end */
    default:
      return scratch + STRUCTURES * 4096 + below((SCRATCH_PAGES - STRUCTURES) * 4096 - 512);
  }
}

/* A frame of the image must not come out of two halves either. */
static uint32_t half(void) {
  uint32_t value;
  switch (below(6)) {
    case 0:
      value = (uint32_t)domain();
      break;
    case 1:
      value = (uint32_t)below(64);
      break;
    case 2:
      value = (uint32_t)random_number();
      break;
    case 3:
      value = 1u << below(32);
      break;
    case 4:
      value = ~0u - (uint32_t)below(4);
      break;
    default:
      value = (uint32_t)frame();
  }
  if (value >= (IMAGE_BEGIN << 12) - LISTS_REACH && value < scratch)
    value += ELSEWHERE; /* nor an address there: Xen writes to areas */
  return value >= IMAGE_BEGIN && value < IMAGE_END ? value + IMAGE_END : value;
}

static uint64_t value(void) {
  switch (below(8)) {
    case 0:
    case 1:
      return address();
    case 2:
    case 3:
      return frame();
    case 4:
      return below(8);
    case 5:
      return random_number();
    default:
      return half() | (one_in(4) ? (uint64_t)half() << 32 : 0);
  }
}

static void fill_structure(uint8_t* at, unsigned size) {
  for (unsigned i = 0; i < size;) {
    uint64_t v;
    unsigned n;
    if (one_in(3)) {
      v = half();
      n = 4;
    } else if (one_in(6)) {
      v = domain();
      n = 2;
    } else {
      v = value();
      n = 8;
      i = (i + 7) & ~7u;
    }
    memcpy(at + i, &v, n);
    i += n;
  }
}

/* Pieces that lie beside each other make a frame or an address too. */
static void spare_image(uint8_t* at, unsigned size) {
  for (uint64_t* word = (uint64_t*)at; word != (uint64_t*)(at + size); ++word) {
    if (*word >= IMAGE_BEGIN && *word < scratch >> 12) *word += IMAGE_END;
    if (*word >= (IMAGE_BEGIN << 12) - LISTS_REACH && *word < scratch) *word += ELSEWHERE;
  }
}

/* Lists hold frames that may go, and errors' places. */
static void refresh_lists(void) {
  uint64_t* list = (uint64_t*)(scratch + STRUCTURES * 4096 + below((SCRATCH_PAGES - STRUCTURES) * 512 - 64) * 8);
  for (unsigned i = 0; i < 64; ++i) list[i] = one_in(4) ? value() | 1ul << 22 : frame();
}

static void scribble(void) {
  if (!store_ring) return;
  for (unsigned i = 0; i < 16; ++i) store_ring[below(2048 + 16)] = (uint8_t)random_number();
  struct evtchn_send send = {.port = 1};
  event_channel_op(EVTCHNOP_send, &send);
}

void fuzz_init(uint64_t seed, evtchn_port_t link, bool store) {
  state = seed * 0x9e3779b97f4a7c15 + 0x1234567;
  for (unsigned i = 0; i < 8; ++i) random_number();
  spared_link = link;
  uint64_t ring = 0;
  if (store && hvm_get_param(HVM_PARAM_STORE_PFN, &ring) == 0 && ring < 1 << 20)
    store_ring = (uint8_t*)(ring << 12);
  for (unsigned i = 0; i < 64; ++i) refresh_lists();
}

static const struct {
  unsigned number, commands, weight;
} calls[] = {
    {__HYPERVISOR_memory_op, 30, 24},
    {__HYPERVISOR_grant_table_op, 14, 24},
    {__HYPERVISOR_event_channel_op, 15, 20},
    {__HYPERVISOR_vcpu_op, 15, 8},
    {__HYPERVISOR_hvm_op, 26, 8},
    {__HYPERVISOR_sched_op, 9, 6},
    {__HYPERVISOR_xen_version, 12, 3},
    {__HYPERVISOR_set_timer_op, 1, 2},
    {__HYPERVISOR_vm_assist, 4, 2},
    {__HYPERVISOR_console_io, 3, 1},
    {__HYPERVISOR_domctl, 0, 3},
    {__HYPERVISOR_sysctl, 0, 2},
    {__HYPERVISOR_platform_op, 0, 1},
    {__HYPERVISOR_physdev_op, 32, 1},
    {__HYPERVISOR_mmuext_op, 0, 1},
    {__HYPERVISOR_dm_op, 0, 1},
    {__HYPERVISOR_hypfs_op, 6, 1},
    {__HYPERVISOR_xenpmu_op, 9, 1},
    {__HYPERVISOR_xsm_op, 0, 1},
};

/* Whether the call, as it would be made now, ends this domain, stops it for good, or takes away what it reports
 * by. */
static bool is_suicide(const struct call* call, const uint8_t* structure) {
  uint32_t first, second;
  memcpy(&first, structure, 4);
  memcpy(&second, structure + 4, 4);
  uint32_t command = (uint32_t)call->arguments[0];
  switch (call->number) {
    case __HYPERVISOR_sched_op:
      return command == SCHEDOP_block || command == SCHEDOP_shutdown || command == SCHEDOP_shutdown_code ||
             command == SCHEDOP_watchdog || command == SCHEDOP_poll;
    case __HYPERVISOR_vcpu_op:
      return command == VCPUOP_down || command == VCPUOP_send_nmi || command == VCPUOP_up ||
             command == VCPUOP_initialise;
    case __HYPERVISOR_event_channel_op:
      if (command == EVTCHNOP_reset || command == 14)
        return (domid_t)first == DOMID_SELF || (domid_t)first == own_domid;
      return command == EVTCHNOP_close && (first == 2 || first == spared_link);
    case __HYPERVISOR_hvm_op:
      /* Task-state segments and ports of which Xen would crash the domain. */
      return command == HVMOP_set_param && (second == HVM_PARAM_VM86_TSS || second == HVM_PARAM_VM86_TSS_SIZED);
    default:
      return false;
  }
}

/* Mostly as many entries as the structure holds. What replaces or writes frames does not go on into lists and the
 * arena, where anything may lie that Xen or a copy put there. */
static void entries_of_grants(struct call* call, const uint8_t* at) {
  unsigned command = (unsigned)call->arguments[0];
  if (command == GNTTABOP_copy || command == GNTTABOP_map_grant_ref || command == GNTTABOP_unmap_and_replace) {
    call->arguments[1] = (uint64_t)at;
    call->arguments[2] = one_in(8) ? 1u << 31 | half() : 1 + below(STRUCTURE_SIZE / sizeof(struct gnttab_copy));
  } else if (!one_in(4)) {
    call->arguments[2] = 1 + below(4);
  } else if (call->arguments[1] < scratch) {
    call->arguments[1] += ELSEWHERE; /* so many results would come to the image */
  }
}

static void one_call(struct call* call, unsigned structure) {
  uint8_t* at = (uint8_t*)(scratch + structure * 4096 + below(400) * 8);
  do {
    unsigned pick = (unsigned)below(110), i = 0;
    while (i < sizeof calls / sizeof *calls && pick >= calls[i].weight) pick -= calls[i++].weight;
    bool known = i < sizeof calls / sizeof *calls;
    call->number = known ? calls[i].number : random_number() >> below(64);
    /* This one is made elsewhere, with entries that were looked at. */
    if (call->number == __HYPERVISOR_multicall) call->number = 64;
    for (unsigned k = 0; k < 5; ++k) call->arguments[k] = value();
    fill_structure(at, STRUCTURE_SIZE);
    spare_image(at, STRUCTURE_SIZE);
    if (known && calls[i].commands) {
      call->arguments[0] = one_in(30) ? half() : below(calls[i].commands);
      /* Where ports are closed, the structure must be the one that is looked at below. */
      if (call->number == __HYPERVISOR_event_channel_op || !one_in(10))
        call->arguments[call->number == __HYPERVISOR_vcpu_op ? 2 : 1] = (uint64_t)at;
      if (call->number == __HYPERVISOR_vcpu_op && !one_in(4)) call->arguments[1] = 0;
      if (call->number == __HYPERVISOR_grant_table_op) entries_of_grants(call, at);
      if (call->number == __HYPERVISOR_memory_op && one_in(8)) call->arguments[0] |= below(8) << 6;
    } else if (known && !one_in(6)) {
      call->arguments[0] = (uint64_t)at;
      if (one_in(2)) {
        /* A version that passes. */
        uint32_t version = call->number == __HYPERVISOR_platform_op ? 0x03000001 : 0x15;
        memcpy(at + 4, &version, 4);
        *(uint32_t*)at = (uint32_t)below(100);
      }
    }
    /* Reservations: of one page or two MiB in the list's frames, and the list where lists are. */
    if (call->number == __HYPERVISOR_memory_op && (call->arguments[0] & 0x3f) < 12 && !one_in(6)) {
      struct xen_memory_reservation r = {
          .nr_extents = below(16), .extent_order = one_in(8) ? half() : 0, .domid = (domid_t)domain()};
      set_xen_guest_handle(r.extent_start, (void*)(scratch + STRUCTURES * 4096 + below(1024) * 8));
      memcpy(at, &r, sizeof r);
    }
  } while (is_suicide(call, at));
}

void next_call(struct call* call) {
  if (one_in(8)) refresh_lists();
  if (one_in(16)) scribble();
  if (!one_in(20)) {
    one_call(call, 0);
    return;
  }
  /* A multicall of a few; each has its own structure. */
  multicall_entry_t* entries = (multicall_entry_t*)(scratch + (STRUCTURES - 1) * 4096);
  unsigned count = 1 + (unsigned)below(STRUCTURES - 1);
  for (unsigned i = 0; i < count; ++i) {
    struct call inner;
    one_call(&inner, i);
    entries[i].op = one_in(20) ? (unsigned long)__HYPERVISOR_multicall : inner.number;
    entries[i].result = 0;
    for (unsigned k = 0; k < 5; ++k) entries[i].args[k] = inner.arguments[k];
  }
  *call = (struct call){.number = __HYPERVISOR_multicall, .arguments = {(uint64_t)entries, count}};
  if (one_in(20)) call->arguments[0] = address();
  if (one_in(20)) call->arguments[1] = one_in(2) ? 0 : count + 1;
}

long make_call(const struct call* call) {
  register long rax asm("rax") = (long)call->number;
  register long rdi asm("rdi") = (long)call->arguments[0];
  register long rsi asm("rsi") = (long)call->arguments[1];
  register long rdx asm("rdx") = (long)call->arguments[2];
  register long r10 asm("r10") = (long)call->arguments[3];
  register long r8 asm("r8") = (long)call->arguments[4];
  asm volatile("call hypercall_trap"
               : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8)
               :
               : "memory");
  return rax;
}
