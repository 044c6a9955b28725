/* control: how a row of its table is printed. */
#include "control.h"

static const char* part = "";

static const struct {
  int number;
  const char* name;
} error_names[] = {
    {1, "EPERM"},      {2, "ENOENT"},    {3, "ESRCH"},       {6, "ENXIO"},     {7, "E2BIG"},   {11, "EAGAIN"},
    {12, "ENOMEM"},    {13, "EACCES"},   {14, "EFAULT"},     {16, "EBUSY"},    {17, "EEXIST"}, {18, "EXDEV"},
    {19, "ENODEV"},    {22, "EINVAL"},   {28, "ENOSPC"},     {34, "ERANGE"},   {38, "ENOSYS"}, {61, "ENODATA"},
    {75, "EOVERFLOW"}, {85, "ERESTART"}, {95, "EOPNOTSUPP"}, {105, "ENOBUFS"},
};

void about(const char* name) { part = name; }

static void put(long result, const char* name) {
  control_print("%s/%s", part, name);
  for (unsigned i = 0; result < 0 && i < sizeof error_names / sizeof *error_names; ++i)
    if (error_names[i].number == -result) {
      control_print(" -%s", error_names[i].name);
      return;
    }
  control_print(" %ld", result);
}

void row(long result, const char* name) {
  put(result, name);
  control_print("\n");
}

void row_value(long result, uint64_t value, const char* name) {
  put(result, name);
  if (result == 0) control_print(" %lx", (unsigned long)value);
  control_print("\n");
}
