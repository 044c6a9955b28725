/* errors: what every hypercall says to arguments good and bad. Prints a table, one row a case: name and result.
 * The same binary prints the same table on a real Xen 4.17 and under xensim; tests/system/reference/errors.txt is
 * what a real one printed.
 *
 * Wants two vCPUs, 64 MiB, and peer=DOMID: another unprivileged PVH domain that lives meanwhile (`errors` itself
 * with wait_ms=). only=NAME prints the rows of one part. */
#include "errors.h"

#include <stdarg.h>

#include <xen/arch-x86/cpuid.h>

#include "lib/command_line.h"
#include "lib/exit.h"
#include "lib/memory.h"
#include "lib/print.h"
#include "lib/pvclock.h"
#include "lib/start.h"
#include "lib/string.h"
#include "lib/x86.h"

const char guest_name[] = "errors";

uint64_t read_only_page, last_page;
domid_t own_domid, peer_domid;
struct number_of_domain domain_numbers[DOMAIN_NUMBERS];
static unsigned rows;

static const struct {
  int number;
  const char* name;
} error_names[] = {
    {1, "EPERM"},     {2, "ENOENT"},      {3, "ESRCH"},     {4, "EINTR"},         {5, "EIO"},
    {6, "ENXIO"},     {7, "E2BIG"},       {9, "EBADF"},     {11, "EAGAIN"},       {12, "ENOMEM"},
    {13, "EACCES"},   {14, "EFAULT"},     {16, "EBUSY"},    {17, "EEXIST"},       {18, "EXDEV"},
    {19, "ENODEV"},   {20, "ENOTDIR"},    {21, "EISDIR"},   {22, "EINVAL"},       {28, "ENOSPC"},
    {30, "EROFS"},    {33, "EDOM"},       {34, "ERANGE"},   {36, "ENAMETOOLONG"}, {38, "ENOSYS"},
    {61, "ENODATA"},  {62, "ETIME"},      {74, "EBADMSG"},  {75, "EOVERFLOW"},    {84, "EILSEQ"},
    {85, "ERESTART"}, {95, "EOPNOTSUPP"}, {105, "ENOBUFS"}, {107, "ENOTCONN"},
};

static char part[128];

static void put_number(long result) {
  if (result < 0)
    for (unsigned i = 0; i < sizeof error_names / sizeof *error_names; ++i)
      if (error_names[i].number == -result) {
        print(" -%s", error_names[i].name);
        return;
      }
  print(" %ld", result);
}

void about(const char* format, ...) {
  /* Names are made of %s and %u only. */
  va_list arguments;
  va_start(arguments, format);
  char* to = part;
  for (; *format; ++format) {
    char digits[12];
    const char* text = digits;
    if (*format != '%') {
      digits[0] = *format;
      digits[1] = 0;
    } else if (*++format == 's') {
      text = va_arg(arguments, const char*);
    } else {
      unsigned value = va_arg(arguments, unsigned), at = sizeof digits - 1;
      digits[at] = 0;
      do digits[--at] = (char)('0' + value % 10);
      while (value /= 10);
      text = digits + at;
    }
    while (*text && to < part + sizeof part - 1) *to++ = *text++;
  }
  *to = 0;
  va_end(arguments);
}

static void put_name(const char* format, va_list arguments) {
  print("%s", part);
  if (*format) print("/");
  print_arguments(format, arguments);
}

void row(long result, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  put_name(format, arguments);
  va_end(arguments);
  put_number(result);
  print("\n");
  ++rows;
}

void row_value(long result, uint64_t value, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  put_name(format, arguments);
  va_end(arguments);
  put_number(result);
  if (result == 0) print(" %lx", value);
  print("\n");
  ++rows;
}

uint64_t new_pages(unsigned count) {
  uint64_t pages = memory_take((uint64_t)count * 4096, 4096);
  if (!pages) fail("no memory");
  return pages;
}

void bad_pointers(long number, unsigned long command, unsigned argument) {
  const struct {
    const char* name;
    uint64_t address;
  } kinds[] = {{"unmapped", UNMAPPED}, {"noncanonical", NONCANONICAL}, {"hole", HOLE}, {"edge", EDGE}};
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
    long a[3] = {(long)command, 0, 0};
    a[argument - 1] = (long)kinds[i].address;
    row(hypercall5(number, a[0], a[1], a[2], 0, 0), "pointer-%s", kinds[i].name);
  }
}

static void find_domains(void) {
  struct cpuid hvm = cpuid(xen_cpuid_base() + 4, 0);
  if (!(hvm.eax & XEN_HVM_CPUID_DOMID_PRESENT)) fail("CPUID has no domid");
  own_domid = (domid_t)hvm.ecx;
  peer_domid = (domid_t)option_number("peer", 0);
  const struct number_of_domain numbers[DOMAIN_NUMBERS] = {
      {"self", DOMID_SELF},       {"own", own_domid},   {"dom0", 0},        {"peer", peer_domid},
      {"unknown", 0x1234},        {"io", DOMID_IO},     {"xen", DOMID_XEN}, {"cow", DOMID_COW},
      {"invalid", DOMID_INVALID}, {"idle", DOMID_IDLE}, {"0x8000", 0x8000}, {"0xffff", 0xffff}};
  memcpy(domain_numbers, numbers, sizeof numbers);
}

static void make_bad_pages(void) {
  uint64_t page = new_pages(2);
  read_only_page = WINDOW;
  memory_map(read_only_page, page, 4096, false, PAGE_PRESENT);
  last_page = WINDOW + 0x10000;
  memory_map(last_page, page + 4096, 4096, false, PAGE_PRESENT | PAGE_WRITABLE);
  memory_map(last_page + 4096, 0, 4096, false, 0);
}

static void wait(uint64_t ms) {
  uint64_t end = system_time() + ms * 1000000;
  while (system_time() < end) {
    struct sched_poll poll = {.timeout = end};
    sched_op(SCHEDOP_poll, &poll);
  }
}

int main(void) {
  if (option_number("wait_ms", 0)) {
    wait(option_number("wait_ms", 0));
    return 0;
  }
  find_domains();
  make_bad_pages();
  static const struct {
    const char* name;
    void (*print_rows)(void);
  } parts[] = {
      {"numbers", hypercall_numbers},
      {"version", version_rows},
      {"memory", memory_rows},
      {"physmap", physmap_rows},
      {"exchange", exchange_rows},
      {"event", event_rows},
      {"grant", grant_rows},
      {"grant-copy", grant_copy_rows},
      {"grant-v2", grant_v2_rows},
      {"sched", sched_rows},
      {"vcpu", vcpu_rows},
      {"hvm", hvm_rows},
      {"parameter", hvm_parameter_rows},
      {"domctl", domctl_rows},
      {"sysctl", sysctl_rows},
      {"platform", platform_rows},
      {"console", console_rows},
      {"device", device_rows},
      {"multicall", multicall_rows},
      {"compat", compat_rows},
      {"fifo", fifo_rows},
  };
  bool all = true;
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; ++i) all = all && !option_is("only", parts[i].name);
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; ++i)
    if (all || option_is("only", parts[i].name)) parts[i].print_rows();
  print("%u rows\n", rows);
  return 0;
}
