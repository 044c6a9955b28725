/* storeops: two domains. The lower domid owns nodes with permissions of every kind for the other, which tries what
 * it may, and watches what it may not see. They take turns by a number in a node of each. */
#include "lib/exit.h"
#include "lib/grants.h"
#include "lib/hypercall.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/string.h"
#include "storeops.h"

/* Permissions of the owner and, after the letter, of the other. */
static const struct {
  const char* name;
  char own, other;
} kNodes[] = {{"closed", 'n', 'n'}, {"read", 'n', 'r'}, {"write", 'n', 'w'}, {"both", 'n', 'b'},
              {"open-r", 'r', 0},   {"open-w", 'w', 0}, {"open", 'b', 0},    {"open-but", 'b', 'n'},
              {"mine", 'n', 'b'},   {"alone", 'n', 0}};
enum { kCount = sizeof kNodes / sizeof *kNodes };

static char home[2][40]; /* data/peer of the owner and of the other */
static unsigned me;
static domid_t domids[2];

static const char* path_of(unsigned whose, const char* name) { return xenbus_path(home[whose], name, NULL); }

static void must(const char* what, const char* error) {
  if (error) fail("%s: %s", what, error);
}

/* Sets "n1", or "n1" and "r2". */
static void permit(const char* path, char own, char other) {
  char text[32];
  size_t size = 0;
  for (unsigned i = 0; i < (other ? 2u : 1u); ++i) {
    const char* number = xenbus_number(domids[i == 0 ? me : 1 - me]);
    text[size++] = i == 0 ? own : other;
    memcpy(text + size, number, strlen(number) + 1);
    size += strlen(number) + 1;
  }
  must("permissions", xenbus_set_permissions(0, path, text, size));
}

static void my_turn_is(uint64_t n) { xenbus_write_number(0, path_of(me, "turn"), n); }

/* Watch events are kept for later. At the last turn the peer may be gone already, and its nodes with it. */
static void wait_for_turn(uint64_t n) {
  uint64_t limit = system_time() + 300000000000ull;
  for (;;) {
    const char* value;
    const char* error = xenbus_read(0, path_of(1 - me, "turn"), &value, NULL);
    if (error ? n == 2 : strings_equal(value, xenbus_number(n))) return;
    if (system_time() > limit) fail("the peer does not come to %lu", n);
    for (uint64_t next = system_time() + 2000000; system_time() < next;) sched_op(SCHEDOP_yield, NULL);
  }
}

static void meet(void) {
  xenbus_wait_for_domain(domids[1 - me]);
  must("mkdir", xenbus_mkdir(0, home[me]));
  permit(home[me], 'n', 'r');
  my_turn_is(0);
  permit(path_of(me, "turn"), 'n', 'r');
}

static void owner(void) {
  for (unsigned i = 0; i < kCount; ++i) {
    const char* path = path_of(0, kNodes[i].name);
    must("write", xenbus_write(0, path, "v"));
    permit(path, kNodes[i].own, kNodes[i].other);
  }
  my_turn_is(1);
  wait_for_turn(1);
  /* What is left after the other's attempts, and who owns what it made. */
  for (unsigned i = 0; i < kCount; ++i) {
    const char* path = path_of(0, kNodes[i].name);
    row(XS_READ, 0, path, strlen(path) + 1);
    row(XS_DIRECTORY, 0, path, strlen(path) + 1);
    row(XS_GET_PERMS, 0, path, strlen(path) + 1);
    path = xenbus_path(path, "child", NULL);
    row(XS_GET_PERMS, 0, path, strlen(path) + 1);
  }
  /* The other watches all of them now: what does it hear? */
  for (unsigned i = 0; i < kCount; ++i) {
    must("write", xenbus_write(0, path_of(0, kNodes[i].name), "w"));
    permit(path_of(0, kNodes[i].name), 'n', i % 2 ? 'r' : 'n');
  }
  must("rm", xenbus_rm(0, path_of(0, "closed")));
  must("rm", xenbus_rm(0, path_of(0, "both")));
  my_turn_is(2);
  wait_for_turn(2);
}

/* A request with a second string behind the path. */
static void row_two(uint32_t type, const char* path, const char* second, size_t size) {
  char payload[128];
  size_t begin = strlen(path) + 1;
  memcpy(payload, path, begin);
  memcpy(payload + begin, second, size);
  row(type, 0, payload, begin + size);
}

static void other(void) {
  wait_for_turn(1);
  for (unsigned i = 0; i < kCount; ++i) {
    char path[64];
    const char* name = path_of(0, kNodes[i].name);
    memcpy(path, name, strlen(name) + 1);
    row(XS_READ, 0, path, strlen(path) + 1);
    row(XS_DIRECTORY, 0, path, strlen(path) + 1);
    row(XS_GET_PERMS, 0, path, strlen(path) + 1);
    row_two(XS_WRITE, path, "mine", 4);
    row_two(XS_SET_PERMS, path, "b0", 3);
    name = xenbus_path(path, "child", NULL);
    row(XS_MKDIR, 0, name, strlen(name) + 1);
    row(XS_RM, 0, name, strlen(name) + 1);
    row(XS_MKDIR, 0, name, strlen(name) + 1);
    if (strings_equal(kNodes[i].name, "mine")) row(XS_RM, 0, path, strlen(path) + 1);
    row_two(XS_WATCH, path, kNodes[i].name, strlen(kNodes[i].name) + 1);
  }
  events();
  my_turn_is(1);
  wait_for_turn(2);
  print("# heard\n");
  events();
  my_turn_is(2);
}

void with_peer(domid_t peer) {
  domid_t self = this_domid();
  domids[0] = self < peer ? self : peer;
  domids[1] = self < peer ? peer : self;
  me = self == domids[1];
  for (unsigned i = 0; i < 2; ++i) {
    const char* path = xenbus_path("/local/domain", xenbus_number(domids[i]), "data/peer", NULL);
    memcpy(home[i], path, strlen(path) + 1);
  }
  meet();
  if (me == 0)
    owner();
  else
    other();
}
