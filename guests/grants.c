/* grants: every grant table operation and every way in which it can fail, in both versions of the ABI. Alone, a
 * domain grants to itself; with peer=DOMID, the domain with the lower number grants and does what the other says,
 * and the other maps and copies. Rows of "what: result" are the same on every Xen; lines that begin with "measure"
 * are times. */
#include "grants.h"

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/string.h"

const char guest_name[] = "grants";

void row(const char* what, long result) { print("v%u %-58s %ld\n", grant_version(), what, result); }
void row_hex(const char* what, unsigned long value) { print("v%u %-58s %lx\n", grant_version(), what, value); }

uint8_t* fresh_page(uint8_t pattern) {
  uint8_t* page = (uint8_t*)memory_take(4096, 4096);
  if (!page) fail("no memory left");
  memset(page, pattern, 4096);
  return page;
}

uint64_t fresh_hole(void) {
  static uint64_t next = GRANT_WINDOW;
  uint64_t hole = next;
  next += 4096;
  return hole;
}

void row_bytes(const char* what, const volatile uint8_t* page, uint8_t pattern) {
  unsigned others = 0;
  for (unsigned i = 0; i < 4096; ++i) others += page[i] != pattern;
  row(what, others);
}

int grant_copy(struct side from, struct side to, uint16_t length, unsigned flags) {
  struct gnttab_copy copy = {.len = length, .flags = (uint16_t)flags};
  copy.source.domid = from.domid;
  copy.source.offset = from.offset;
  copy.dest.domid = to.domid;
  copy.dest.offset = to.offset;
  copy.source.u.gmfn = from.at;
  copy.dest.u.gmfn = to.at;
  long result = grant_table_op(GNTTABOP_copy, &copy, 1);
  if (result != 0) fail("GNTTABOP_copy: %ld", result);
  return copy.status;
}

static void alone(void) {
  table_cases();
  for (unsigned version = 1; version <= 2; ++version) {
    row("set_version for the cases that follow", grant_set_version(version));
    entry_cases();
    copy_cases();
  }
  row("set_version back to 1", grant_set_version(1));
  limit_cases();
}

int main(void) {
  uint64_t peer = option_number("peer", DOMID_INVALID);
  if (peer == DOMID_INVALID)
    alone();
  else if (this_domid() < peer)
    peer_serve((domid_t)peer);
  else
    peer_cases((domid_t)peer);
  return 0;
}
