/* storeops: asks xenstored for everything that is odd, wrong or not allowed, and prints the answers and the watch
 * events, so that two xenstoreds can be compared line by line. A line is the request, its payload with | for each
 * NUL, and the answer. Watch events that came before the answer are counted in it; all are printed after it.
 * Does not print its own domid: it may be any.
 *   peer=DOMID: what two domains may do to each other's nodes, instead; the lower domid owns them. */
#include <stdbool.h>

#include "lib/command_line.h"
#include "lib/grants.h"
#include "lib/print.h"
#include "lib/string.h"
#include "storeops.h"

const char guest_name[] = "storeops";

static char own_domid[12];

/* Payloads are long and hold NULs. Runs of one letter are counted, the own domid is DOMID. */
void print_payload(const char* bytes, size_t size) {
  print("\"");
  for (size_t i = 0; i < size; ++i) {
    size_t run = 1, digits = strlen(own_domid);
    while (i + run < size && bytes[i + run] == bytes[i]) ++run;
    if (run > 8) {
      print("%c*%zu", bytes[i] ? bytes[i] : '|', run);
      i += run - 1;
    } else if (i > 13 && size - i >= digits && memcmp(bytes + i - 14, "/local/domain/", 14) == 0 &&
               memcmp(bytes + i, own_domid, digits) == 0) {
      print("DOMID");
      i += digits - 1;
    } else {
      print("%c", bytes[i] == 0 ? '|' : bytes[i] < ' ' || bytes[i] > '~' ? '?' : bytes[i]);
    }
  }
  print("\"");
}

static const char* name_of(uint32_t type) {
  static const char* const names[] = {
      [XS_CONTROL] = "CONTROL",
      [XS_DIRECTORY] = "DIRECTORY",
      [XS_READ] = "READ",
      [XS_GET_PERMS] = "GET_PERMS",
      [XS_WATCH] = "WATCH",
      [XS_UNWATCH] = "UNWATCH",
      [XS_TRANSACTION_START] = "TRANSACTION_START",
      [XS_TRANSACTION_END] = "TRANSACTION_END",
      [XS_INTRODUCE] = "INTRODUCE",
      [XS_RELEASE] = "RELEASE",
      [XS_GET_DOMAIN_PATH] = "GET_DOMAIN_PATH",
      [XS_WRITE] = "WRITE",
      [XS_MKDIR] = "MKDIR",
      [XS_RM] = "RM",
      [XS_SET_PERMS] = "SET_PERMS",
      [XS_WATCH_EVENT] = "WATCH_EVENT",
      [XS_ERROR] = "ERROR",
      [XS_IS_DOMAIN_INTRODUCED] = "IS_DOMAIN_INTRODUCED",
      [XS_RESUME] = "RESUME",
      [XS_SET_TARGET] = "SET_TARGET",
      [XS_RESET_WATCHES] = "RESET_WATCHES",
      [XS_DIRECTORY_PART] = "DIRECTORY_PART",
  };
  return type < sizeof names / sizeof *names && names[type] ? names[type] : "request";
}

const char* request(uint32_t type, xenbus_transaction t, const char* payload, size_t size, size_t* length,
                    bool* failed) {
  const char* answer;
  xenbus_send(type, t, payload, size);
  struct xsd_sockmsg reply = xenbus_receive(&answer);
  *length = reply.len;
  *failed = reply.type == XS_ERROR;
  return answer;
}

bool row(uint32_t type, xenbus_transaction t, const char* payload, size_t size) {
  size_t length;
  bool failed;
  print("%s%s ", t ? "in transaction: " : "", name_of(type));
  if (strings_equal(name_of(type), "request")) print("%u ", type);
  print_payload(payload, size);
  const char* answer = request(type, t, payload, size, &length, &failed);
  unsigned before = xenbus_events_kept();
  print(": %s", failed ? "error " : "");
  print_payload(answer, length);
  print(before ? " after %u events\n" : "\n", before);
  return !failed;
}

void events(void) {
  struct xenbus_event event;
  /* Longer than xenstored takes to send what it has. */
  while (xenbus_next_event(&event, 20000000)) {
    print("  event ");
    print_payload(event.path, strlen(event.path));
    print(" %s\n", event.token);
  }
}

/* --- Nodes and paths. */

static void paths(void) {
  print("# paths\n");
  static const char* const odd[] = {"",
                                    "/",
                                    "//",
                                    "name",
                                    "/name",
                                    "name/",
                                    "data//x",
                                    "/data",
                                    "data/.",
                                    "data/..",
                                    "da ta",
                                    "data/a:b",
                                    "data/a@b",
                                    "data/a-b_c",
                                    "@x",
                                    "data/\n",
                                    "data/%",
                                    "/local",
                                    "/local/domain/0",
                                    "/local/domain/0/name",
                                    "/vm",
                                    "/tool",
                                    "device"};
  static const uint32_t types[] = {XS_READ, XS_DIRECTORY, XS_GET_PERMS, XS_MKDIR, XS_RM};
  for (unsigned i = 0; i < sizeof odd / sizeof *odd; ++i)
    for (unsigned k = 0; k < sizeof types / sizeof *types; ++k) {
      /* What a domain has of its own differs from toolstack to toolstack. */
      if (types[k] == XS_DIRECTORY && odd[i][0] == 0) continue;
      if (types[k] == XS_RM && (odd[i][0] == 0 || strings_equal(odd[i], "name"))) continue;
      if (types[k] == XS_RM && strings_equal(odd[i], "device")) continue;
      row(types[k], 0, odd[i], strlen(odd[i]) + 1);
    }
  row(XS_READ, 0, "name", 4);
  row(XS_READ, 0, "name\0x", 7);
  row(XS_READ, 0, "", 0);
  row(XS_WRITE, 0, "data/x", 6);
  row(XS_WRITE, 0, "data/x", 7);
  row(XS_READ, 0, "data/x", 7);
  row(XS_WRITE, 0, "data/x\0a\0b", 10);
  row(XS_READ, 0, "data/x", 7);
  row(XS_WRITE, 0, "data/deep/er/node\0v", 19);
  row(XS_DIRECTORY, 0, "data/deep", 10);
  row(XS_READ, 0, "data/deep", 10);
  row(XS_GET_PERMS, 0, "data/deep/er/node", 18);
  row(XS_MKDIR, 0, "data/deep", 10);
  row(XS_RM, 0, "data/deep/er", 13);
  row(XS_RM, 0, "data/deep/er", 13);
  row(XS_RM, 0, "data/none/er", 13);
  row(XS_DIRECTORY, 0, "data/deep", 10);
  row(XS_RM, 0, "data/deep", 10);
  row(XS_WRITE, 0, "name\0other", 10);
  row(XS_MKDIR, 0, "fresh", 6);
  row(XS_WRITE, 0, "/local/domain/0/data\0x", 22);
  row(XS_RM, 0, "/local/domain/0/data", 21);
  row(XS_RM, 0, "/", 2);
  row(XS_RM, 0, "data/x", 7);
}

static char long_path[3200];

static const char* path_of(const char* begin, size_t length) {
  size_t n = strlen(begin);
  memcpy(long_path, begin, n);
  memset(long_path + n, 'p', length - n);
  long_path[length] = 0;
  return long_path;
}

static void long_ones(void) {
  print("# lengths\n");
  static const size_t lengths[] = {255, 256, 2047, 2048, 2049, 3071, 3072, 3073};
  for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; ++i) {
    row(XS_READ, 0, path_of("data/", lengths[i]), lengths[i] + 1);
    row(XS_READ, 0, path_of("/local/domain/0/", lengths[i]), lengths[i] + 1);
    row(XS_WATCH, 0, path_of("data/", lengths[i]), lengths[i] + 1);
  }
  /* The longest value that a node takes, with permissions and no child. */
  static char value[4000] = "data/long";
  memset(value + 10, 'v', sizeof value - 10);
  size_t low = 0, high = sizeof value - 10, length;
  while (low + 1 < high) {
    bool failed;
    size_t middle = (low + high) / 2;
    request(XS_WRITE, 0, value, 10 + middle, &length, &failed);
    *(failed ? &high : &low) = middle;
  }
  print("the longest value: %zu\n", low);
  row(XS_WRITE, 0, value, 10 + high);
  row(XS_RM, 0, "data/long", 10);
}

/* --- Permissions. */

static void permissions(void) {
  print("# permissions\n");
  row(XS_WRITE, 0, "data/p\0v", 8);
  static const char* const odd[] = {"n", "n-1", "nx",     "x1",     "n0",     "r0",          "N1", "n1 ",
                                    "1", "n0x", "n32752", "n32751", "n65536", "n4294967296", "b0", "w0"};
  for (unsigned i = 0; i < sizeof odd / sizeof *odd; ++i) {
    char payload[40] = "data/p";
    memcpy(payload + 7, odd[i], strlen(odd[i]) + 1);
    row(XS_SET_PERMS, 0, payload, 8 + strlen(odd[i]));
  }
  /* The owner is the domain itself; who else may read. */
  static const char* const others[] = {"r0", "w0", "b0", "n0", "r2", "b0"};
  char payload[160] = "data/p";
  size_t size = 7;
  payload[size++] = 'n';
  memcpy(payload + size, own_domid, strlen(own_domid) + 1);
  size += strlen(own_domid) + 1;
  size_t own = size;
  bool good;
  for (unsigned i = 0; i < 6; ++i) {
    memcpy(payload + size, others[i], 3);
    size += 3;
    size_t length;
    request(XS_SET_PERMS, 0, payload, size, &length, &good);
    print("permissions of %u: %s\n", i + 2, good ? "error" : "ok");
  }
  payload[own - 1] = 0;
  row(XS_SET_PERMS, 0, "data/p", 7);
  row(XS_SET_PERMS, 0, "data/none\0n0", 13);
  row(XS_SET_PERMS, 0, "/local/domain/0/name\0n0", 24);
  row(XS_SET_PERMS, 0, "@introduceDomain\0n0", 20);
  row(XS_SET_PERMS, 0, "@releaseDomain\0n0", 18);
  row(XS_SET_PERMS, 0, "@other\0n0", 10);
  row(XS_GET_PERMS, 0, "@introduceDomain", 17);
  row(XS_GET_PERMS, 0, "@releaseDomain", 15);
  row(XS_READ, 0, "@releaseDomain", 15);
  row(XS_RM, 0, "data/p", 7);
}

/* --- What only others may ask. */

static void others(void) {
  print("# privilege and odd requests\n");
  static const uint32_t types[] = {XS_INTRODUCE, XS_RELEASE, XS_RESUME, XS_SET_TARGET, XS_CONTROL};
  for (unsigned i = 0; i < sizeof types / sizeof *types; ++i) {
    row(types[i], 0, "", 0);
    row(types[i], 0, "0", 2);
    row(types[i], 0, "0\0001", 4);
    row(types[i], 0, "1\0001\0003", 6);
  }
  static const char* const domids[] = {"", "0", "999", "x", "-1", "32752", "65536", "1x"};
  for (unsigned i = 0; i < sizeof domids / sizeof *domids; ++i) {
    row(XS_IS_DOMAIN_INTRODUCED, 0, domids[i], strlen(domids[i]) + 1);
    row(XS_GET_DOMAIN_PATH, 0, domids[i], strlen(domids[i]) + 1);
  }
  row(XS_IS_DOMAIN_INTRODUCED, 0, "0", 1);
  row(XS_GET_DOMAIN_PATH, 0, "0\0001", 4);
  static const uint32_t odd[] = {XS_WATCH_EVENT, XS_ERROR, 20, 23, 24, 127, 65535, 0xffffffff};
  for (unsigned i = 0; i < sizeof odd / sizeof *odd; ++i) row(odd[i], 0, "x", 2);
  static const char* const parts[] = {"0", "1", "2", "3", "100", "x", "-1", ""};
  row(XS_WRITE, 0, "data/part/a\0001", 13);
  row(XS_WRITE, 0, "data/part/b\0001", 13);
  /* The generation count in front of the names differs from run to run: its length, and what follows. */
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; ++i) {
    char payload[32] = "data/part";
    size_t length, at = 0;
    bool failed;
    memcpy(payload + 10, parts[i], strlen(parts[i]) + 1);
    const char* answer = request(XS_DIRECTORY_PART, 0, payload, 11 + strlen(parts[i]), &length, &failed);
    if (!failed)
      while (at < length && answer[at]) ++at;
    print("DIRECTORY_PART from %s: %s", parts[i], failed ? "error " : "");
    print_payload(answer + (failed ? 0 : at + 1), failed ? length : length - at - 1);
    print("\n");
  }
  row(XS_DIRECTORY_PART, 0, "data/part", 10);
  row(XS_DIRECTORY_PART, 0, "data/none\0000", 12);
  row(XS_RM, 0, "data/part", 10);
}

int main(void) {
  const char* number = xenbus_number(this_domid());
  memcpy(own_domid, number, strlen(number) + 1);
  xenbus_init();
  domid_t peer = (domid_t)option_number("peer", DOMID_INVALID);
  if (peer != DOMID_INVALID) {
    with_peer(peer);
    return 0;
  }
  paths();
  long_ones();
  permissions();
  others();
  transactions();
  watches();
  quotas();
  return 0;
}
