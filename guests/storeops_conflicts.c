/* storeops: transactions, watches, quotas. */
#include "lib/print.h"
#include "lib/string.h"
#include "storeops.h"

/* A request whose answer is of no interest. */
static void quietly(uint32_t type, xenbus_transaction t, const char* payload, size_t size) {
  size_t length;
  bool failed;
  request(type, t, payload, size, &length, &failed);
}
#define QUIETLY(type, t, text) quietly(type, t, text, sizeof(text))

static xenbus_transaction start(void) {
  xenbus_transaction t = 0;
  const char* error = xenbus_transaction_start(&t);
  if (error) print("no transaction: %s\n", error);
  return t;
}

/* What is done in a transaction and what outside of it, in between; and how the transaction ends. */
struct conflict {
  const char* what;
  uint32_t inside;
  const char* inside_payload;
  size_t inside_size;
  uint32_t outside;
  const char* outside_payload;
  size_t outside_size;
};
#define TEXT(text) text, sizeof(text)
#define VALUE(text) text, sizeof(text) - 1

static const struct conflict kConflicts[] = {
    {"read, written", XS_READ, TEXT("data/t/a"), XS_WRITE, VALUE("data/t/a\0002")},
    {"read, written alike", XS_READ, TEXT("data/t/a"), XS_WRITE, VALUE("data/t/a\0001")},
    {"read, other written", XS_READ, TEXT("data/t/a"), XS_WRITE, VALUE("data/t/b\0002")},
    {"read, read", XS_READ, TEXT("data/t/a"), XS_READ, TEXT("data/t/a")},
    {"read, removed", XS_READ, TEXT("data/t/a"), XS_RM, TEXT("data/t/a")},
    {"read, parent removed", XS_READ, TEXT("data/t/a"), XS_RM, TEXT("data/t")},
    {"read, permissions set", XS_READ, TEXT("data/t/a"), XS_SET_PERMS, TEXT("data/t/a\0n0")},
    {"none, made", XS_READ, TEXT("data/t/none"), XS_MKDIR, TEXT("data/t/none")},
    {"none, sibling made", XS_READ, TEXT("data/t/none"), XS_MKDIR, TEXT("data/t/other")},
    {"listed, child made", XS_DIRECTORY, TEXT("data/t"), XS_MKDIR, TEXT("data/t/other")},
    {"listed, child written", XS_DIRECTORY, TEXT("data/t"), XS_WRITE, VALUE("data/t/a\0002")},
    {"listed, child removed", XS_DIRECTORY, TEXT("data/t"), XS_RM, TEXT("data/t/a")},
    {"written, written", XS_WRITE, VALUE("data/t/a\0003"), XS_WRITE, VALUE("data/t/a\0002")},
    {"written, read", XS_WRITE, VALUE("data/t/a\0003"), XS_READ, TEXT("data/t/a")},
    {"written, removed", XS_WRITE, VALUE("data/t/a\0003"), XS_RM, TEXT("data/t/a")},
    {"written, sibling written", XS_WRITE, VALUE("data/t/a\0003"), XS_WRITE, VALUE("data/t/b\0002")},
    {"made, sibling made", XS_MKDIR, TEXT("data/t/new"), XS_MKDIR, TEXT("data/t/other")},
    {"made, same made", XS_MKDIR, TEXT("data/t/new"), XS_MKDIR, TEXT("data/t/new")},
    {"removed, written", XS_RM, TEXT("data/t/a"), XS_WRITE, VALUE("data/t/a\0002")},
    {"removed, sibling written", XS_RM, TEXT("data/t/a"), XS_WRITE, VALUE("data/t/b\0002")},
    {"removed, removed", XS_RM, TEXT("data/t/a"), XS_RM, TEXT("data/t/a")},
    {"permissions read, set", XS_GET_PERMS, TEXT("data/t/a"), XS_SET_PERMS, TEXT("data/t/a\0n0")},
    {"permissions read, written", XS_GET_PERMS, TEXT("data/t/a"), XS_WRITE, VALUE("data/t/a\0002")},
};

static void conflicts(void) {
  for (unsigned i = 0; i < sizeof kConflicts / sizeof *kConflicts; ++i) {
    const struct conflict* c = &kConflicts[i];
    QUIETLY(XS_RM, 0, "data/t");
    quietly(XS_WRITE, 0, VALUE("data/t/a\0001"));
    quietly(XS_WRITE, 0, VALUE("data/t/b\0001"));
    xenbus_transaction t = start();
    quietly(c->inside, t, c->inside_payload, c->inside_size);
    quietly(c->outside, 0, c->outside_payload, c->outside_size);
    const char* error = xenbus_transaction_end(t, true);
    print("conflict: %s: %s\n", c->what, error ? error : "ok");
    ROW(XS_DIRECTORY, 0, "data/t");
    ROW(XS_READ, 0, "data/t/a");
  }
  QUIETLY(XS_RM, 0, "data/t");
}

void transactions(void) {
  print("# transactions\n");
  conflicts();
  ROW(XS_TRANSACTION_END, 0, "T");
  ROW(XS_TRANSACTION_END, 77, "T");
  ROW(XS_READ, 77, "name");
  ROW(XS_WATCH, 77, "data\0t");
  xenbus_transaction t = start();
  ROW(XS_TRANSACTION_START, t, "");
  ROW(XS_TRANSACTION_END, t, "X");
  ROW(XS_TRANSACTION_END, t, "TT");
  row(XS_TRANSACTION_END, t, "T", 1);
  ROW(XS_TRANSACTION_END, t, "F");
  ROW(XS_TRANSACTION_END, t, "F");
  /* The number that these get is that of all domains. */
  size_t length;
  bool failed;
  request(XS_TRANSACTION_START, 0, "", 0, &length, &failed);
  print("a transaction without a NUL: %s\n", failed ? "error" : "ok");
  request(XS_TRANSACTION_START, 0, "x", 2, &length, &failed);
  print("a transaction of a name: %s\n", failed ? "error" : "ok");
  QUIETLY(XS_RESET_WATCHES, 0, "");
  t = start();
  row(XS_WRITE, t, VALUE("data/in\0v"));
  ROW(XS_READ, t, "data/in");
  ROW(XS_READ, 0, "data/in");
  ROW(XS_RM, t, "data/in");
  ROW(XS_READ, t, "data/in");
  row(XS_WRITE, t, VALUE("data/in/side\0v"));
  ROW(XS_DIRECTORY, t, "data/in");
  ROW(XS_GET_DOMAIN_PATH, t, "0");
  ROW(XS_TRANSACTION_END, t, "F");
  ROW(XS_READ, 0, "data/in");
  /* As many as it may have. */
  unsigned open = 0;
  xenbus_transaction all[64];
  const char* error = NULL;
  while (open < 64 && !(error = xenbus_transaction_start(&all[open]))) ++open;
  print("transactions at once: %u, then %s\n", open, error ? error : "more");
  for (unsigned i = 0; i < open; ++i) xenbus_transaction_end(all[i], false);
}

static void watch_changes(void) {
  QUIETLY(XS_RM, 0, "data/w");
  ROW(XS_WATCH, 0, "data/w\0one");
  events();
  row(XS_WRITE, 0, VALUE("data/w/a/b\0v"));
  events();
  ROW(XS_WATCH, 0, "data/w/a\0two");
  ROW(XS_WATCH, 0, "data\0three");
  events();
  row(XS_WRITE, 0, VALUE("data/w/a/b\0v"));
  events();
  ROW(XS_MKDIR, 0, "data/w/a/c");
  events();
  ROW(XS_MKDIR, 0, "data/w/a/c");
  events();
  ROW(XS_GET_PERMS, 0, "data/w");
  ROW(XS_RM, 0, "data/w");
  events();
  ROW(XS_RM, 0, "data/w");
  events();
  QUIETLY(XS_MKDIR, 0, "data/w/a/b/c");
  while (xenbus_events_kept()) events();
  events();
  ROW(XS_RM, 0, "data/w/a");
  events();
  xenbus_transaction t = start();
  row(XS_WRITE, t, VALUE("data/w/z\0v"));
  row(XS_WRITE, t, VALUE("data/w/a/b\0v"));
  row(XS_WRITE, t, VALUE("data/w/z\0w"));
  ROW(XS_RM, t, "data/w/a");
  events();
  ROW(XS_TRANSACTION_END, t, "T");
  events();
  t = start();
  row(XS_WRITE, t, VALUE("data/w/y\0v"));
  ROW(XS_TRANSACTION_END, t, "F");
  events();
}

void watches(void) {
  print("# watches\n");
  watch_changes();
  ROW(XS_WATCH, 0, "data/w\0one");
  ROW(XS_UNWATCH, 0, "data/w\0none");
  ROW(XS_UNWATCH, 0, "data/none\0one");
  ROW(XS_UNWATCH, 0, "data/w\0one");
  ROW(XS_UNWATCH, 0, "data/w\0one");
  ROW(XS_WATCH, 0, "data/w");
  ROW(XS_WATCH, 0, "data/w\0one\0002");
  ROW(XS_WATCH, 0, "data//w\0one");
  ROW(XS_WATCH, 0, "data/w\0");
  ROW(XS_WATCH, 0, "@introduceDomain\0special");
  ROW(XS_WATCH, 0, "@releaseDomain\0special");
  ROW(XS_WATCH, 0, "@other\0special");
  ROW(XS_WATCH, 0, "/local/domain/0/name\0other");
  ROW(XS_WATCH, 0, "/\0root");
  events();
  row(XS_WRITE, 0, VALUE("data/w/x\0v"));
  events();
  QUIETLY(XS_RM, 0, "data/w");
  ROW(XS_RESET_WATCHES, 0, "");
  row(XS_RESET_WATCHES, 0, "", 0);
  events();
  QUIETLY(XS_MKDIR, 0, "data/w");
  events();
  char payload[24] = "data/w";
  unsigned n = 0;
  bool failed = false;
  size_t length = 0;
  const char* answer = "";
  for (; n < 400 && !failed; ++n) {
    const char* token = xenbus_number(n);
    struct xenbus_event event;
    memcpy(payload + 7, token, strlen(token) + 1);
    answer = request(XS_WATCH, 0, payload, 8 + strlen(token), &length, &failed);
    while (!failed && !xenbus_next_event(&event, 1000000000)) print("no event of watch %u\n", n);
  }
  print("watches at once: %u, then %s\n", n - 1, failed ? answer : "more");
  QUIETLY(XS_RESET_WATCHES, 0, "");
  QUIETLY(XS_RM, 0, "data/w");
}

/* Nodes below data/q, `each` in a directory, until one is refused. */
static void fill(unsigned each) {
  unsigned n = 0;
  bool failed = false;
  size_t length = 0;
  const char* answer = "";
  for (; n < 3000 && !failed; ++n) {
    const char* path = xenbus_path("data/q", xenbus_number(n / each), NULL);
    path = xenbus_path(path, xenbus_number(n % each), NULL);
    answer = request(XS_MKDIR, 0, path, strlen(path) + 1, &length, &failed);
  }
  print("nodes, %u in a directory: %u, then %s\n", each, n - 1, failed ? answer : "more");
}

void quotas(void) {
  print("# quotas\n");
  fill(1000000);
  QUIETLY(XS_RM, 0, "data/q");
  fill(100);
  row(XS_WRITE, 0, VALUE("data/q/0/0\0v"));
  row(XS_WRITE, 0, VALUE("data/other\0v"));
  xenbus_transaction t = start();
  row(XS_WRITE, t, VALUE("data/other\0v"));
  ROW(XS_TRANSACTION_END, t, "T");
  t = start();
  ROW(XS_RM, t, "data/q/0/0");
  row(XS_WRITE, t, VALUE("data/other\0v"));
  row(XS_WRITE, t, VALUE("data/another\0v"));
  ROW(XS_TRANSACTION_END, t, "T");
  ROW(XS_READ, 0, "data/other");
  ROW(XS_READ, 0, "data/another");
  ROW(XS_RM, 0, "data/q");
  ROW(XS_RM, 0, "data/other");
  ROW(XS_MKDIR, 0, "data/another");
  ROW(XS_RM, 0, "data/another");
}
