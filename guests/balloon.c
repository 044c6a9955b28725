/* balloon: gives memory back to Xen and takes it again, to targets given in MiB, in 4 KiB and in 2 MiB extents,
 * while it checks that what it keeps stays as it was. Prints cycles per page.
 *
 *   targets=A,B,…   reservations to go to, one after the other (default: three quarters, half, and all of the
 * first) order=0|9       extents of 4 KiB or 2 MiB (default: each target with both, on the way there and back)
 *   thrash=N        after that, N times gives back and takes again a random part
 *   follow=N        instead: follows memory/target in xenstore, as `xl mem-set` sets it, to N targets, and checks
 *                   and rewrites its memory meanwhile
 *   over=write      instead: writes to all memory that the memory map promises, without giving back what it has
 * not got over=read       the same, only reading: pages that stay zero need no memory of their own for long
 *
 * A domain with memory < maxmem has more in its memory map than it has got. Like any balloon driver, this one
 * gives back the difference before it touches it. */
#include <stdbool.h>

#include "lib/balloon.h"
#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/print.h"
#include "lib/x86.h"
#include "lib/xenbus.h"

const char guest_name[] = "balloon";

#define MOST_TARGETS 16

static uint64_t* words_of(uint64_t page) { return (uint64_t*)((balloon_first() + page) << 12); }
static uint64_t pattern(uint64_t page) { return (balloon_first() + page) * 0x9e3779b97f4a7c15ull | 1; }

static void fill(uint64_t page) {
  uint64_t* words = words_of(page);
  words[0] = words[170] = words[511] = pattern(page);
}

static void check(uint64_t page) {
  const uint64_t* words = words_of(page);
  if (words[0] != pattern(page) || words[170] != pattern(page) || words[511] != pattern(page))
    fail("page %lx is %lx %lx %lx, expected %lx", balloon_first() + page, words[0], words[170], words[511],
         pattern(page));
}

static void check_all(void) {
  for (uint64_t page = 0; page < balloon_pages(); ++page)
    if (balloon_has(page)) check(page);
}

static uint64_t per_page(const struct balloon_cost* c) { return c->pages ? c->cycles / c->pages : 0; }

static void go_to(uint64_t target, unsigned order) {
  const uint64_t now = balloon_reservation();
  struct balloon_cost cost = {0, 0, 0};
  const bool in = target > now;
  const uint64_t wanted = in ? target - now : now - target;
  const uint64_t left = balloon_move(in, wanted, order, false, &cost);
  check_all();
  const uint64_t after = balloon_reservation();
  if (after != (in ? now + cost.pages : now - cost.pages))
    fail("reservation %lu, %s %lu: %lu", now, in ? "plus" : "minus", cost.pages, after);
  print("%s %lu MiB, order %u: %lu pages in %lu calls, %lu cycles per page", in ? "up to" : "down to", target >> 8,
        order, cost.pages, cost.calls, per_page(&cost));
  if (left >= 1ul << order) print(", %lu pages short", left);
  print("\n");
}

static uint64_t random_state = 88172645463325252ull;
static uint64_t random_number(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static void thrash(uint64_t rounds) {
  struct balloon_cost out = {0, 0, 0}, in = {0, 0, 0};
  for (uint64_t i = 0; i < rounds; ++i) {
    const unsigned order = random_number() & 1 ? 9 : 0;
    const uint64_t pages = 1 + random_number() % (balloon_in() ? balloon_in() : 1);
    const uint64_t before = balloon_reservation();
    balloon_move(false, pages, order, false, &out);
    const uint64_t taken = before - balloon_reservation();
    const uint64_t left = balloon_move(true, taken, random_number() & 1 ? 9 : 0, false, &in);
    if (left && balloon_move(true, left, 0, false, &in)) fail("%lu pages did not come back", left);
    check_all();
  }
  print("thrash: %lu rounds, %lu pages out at %lu cycles each, %lu pages in at %lu\n", rounds, out.pages,
        per_page(&out), in.pages, per_page(&in));
}

static void over(bool write) {
  uint64_t sum = 0;
  const uint64_t begin = read_tsc_ordered();
  for (uint64_t page = 0; page < balloon_pages(); ++page) {
    if (write) fill(page);
    sum |= words_of(page)[0];
    if (page % 4096 == 0) print("touched %lu MiB, reservation %lu\n", page >> 8, balloon_reservation());
  }
  print("touched all %lu pages, %lu cycles per page, reservation %lu, content %s\n", balloon_pages(),
        (read_tsc_ordered() - begin) / (balloon_pages()), balloon_reservation(), sum ? "written" : "zero");
}

static unsigned read_targets(uint64_t* targets) {
  const char key[] = "targets=";
  unsigned n = 0;
  for (const char* p = command_line(); *p; ++p) {
    unsigned i = 0;
    while (key[i] && p[i] == key[i]) ++i;
    if (key[i] || (p != command_line() && p[-1] != ' ')) continue;
    p += i;
    while (n < MOST_TARGETS && *p >= '0' && *p <= '9') {
      uint64_t value = 0;
      for (; *p >= '0' && *p <= '9'; ++p) value = value * 10 + (uint64_t)(*p - '0');
      targets[n++] = value << 8;
      if (*p == ',') ++p;
    }
    return n;
  }
  return 0;
}

/* What the toolstack wishes, as it wishes it. */
static void follow(uint64_t targets) {
  xenbus_init();
  balloon_follow();
  uint64_t wanted = balloon_reservation(), rounds = 0;
  print("follows memory/target from %lu pages\n", wanted);
  for (uint64_t done = 0; done < targets;) {
    check_all();
    ++rounds;
    for (uint64_t page = 0; page < balloon_pages(); page += 7)
      if (balloon_has(page)) fill(page);
    /* A new watch fires at once, for a target that is reached already. */
    if (!balloon_target(&wanted, 1000000) || wanted == balloon_reservation()) continue;
    struct balloon_cost cost = {0, 0, 0};
    const uint64_t before = balloon_reservation(), left = balloon_go_to(wanted, &cost);
    check_all();
    print("from %lu to %lu pages: %lu moved, %lu short, %lu cycles per page\n", before, balloon_reservation(),
          cost.pages, left, per_page(&cost));
    ++done;
  }
  print("memory checked %lu times\n", rounds);
}

int main(void) {
  const uint64_t ram = balloon_init(check, fill);
  uint64_t has = balloon_reservation();
  print("memory map %lu MiB, reservation %lu pages, at most %lu; pool %lx-%lx\n", ram >> 8, has, balloon_maximum(),
        balloon_first(), balloon_first() + balloon_pages() - 1);
  if (option_is("over", "write") || option_is("over", "read")) {
    over(option_is("over", "write"));
    return 0;
  }
  /* What the map promises beyond what the domain has got. The reservation includes pages outside RAM. */
  if (ram > has) {
    struct balloon_cost cost = {0, 0, 0};
    const uint64_t missing = (ram - has + BALLOON_BLOCK - 1) & -BALLOON_BLOCK;
    const uint64_t left = balloon_move(false, missing, 9, true, &cost);
    print("gave back %lu pages that it never had, %lu cycles per page, reservation %lu\n", cost.pages,
          per_page(&cost), balloon_reservation());
    if (left) fail("%lu pages could not be given back", left);
  }
  for (uint64_t page = 0; page < balloon_pages(); ++page)
    if (balloon_has(page)) fill(page);
  if (option_number("follow", 0)) {
    follow(option_number("follow", 0));
    return 0;
  }
  has = balloon_reservation();
  uint64_t targets[MOST_TARGETS];
  unsigned n = read_targets(targets);
  if (n == 0) {
    n = 3;
    targets[0] = has * 3 / 4;
    targets[1] = has / 2;
    targets[2] = has;
  }
  const uint64_t only = option_number("order", 99);
  for (unsigned order = 0; order <= 9; order += 9)
    for (unsigned i = 0; i < n; ++i)
      if (only == 99 || only == order) go_to(targets[i], order);
  thrash(option_number("thrash", 4));
  print("reservation %lu\n", balloon_reservation());
  return 0;
}
