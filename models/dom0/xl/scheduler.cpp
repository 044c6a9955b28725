// sched-credit2.
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/command_line.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0::xl {

namespace {

// What libxl calls the policies.
std::string sched_name(const xen::Hypervisor& hv) { return std::string(hv.policy->name()); }

int number(const Invocation& i, char letter) {
  std::string rest;
  return static_cast<int>(parse_number(*i.value(letter), rest));
}

bool known_pool(const std::string& pool) { return pool == "Pool-0" || pool == "0"; }

void print_head(Context& c) { c.out.print("%-33s %4s %6s %4s\n", "Name", "ID", "Weight", "Cap"); }

bool print_domain(Context& c, unsigned domid) {
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  c.hypercalls += 2;
  const xen::Domain* d = domain_of(c, domid);
  if (!d) {
    c.out.complain(
        "libxl: error: libxl_dom.c:76:libxl__domain_cpupool: getinfolist failed 0: No such file or directory\n");
    c.out.complain("libxl: error: libxl_sched.c:905:libxl_domain_sched_params_get: %sUnknown scheduler\n",
                   log_prefix(domid).c_str());
    c.out.complain("libxl_domain_sched_params_get failed.\n");
    return false;
  }
  if (hv.policy->name() != "credit2") {
    c.out.complain("libxl_domain_sched_params_get returned %s not credit2.\n", sched_name(hv).c_str());
    return false;
  }
  c.out.print("%-33s %4u %6u %4u\n", shown_name(c.toolstack, domid).c_str(), domid, d->scheduling.weight,
              d->scheduling.cap);
  return true;
}

bool print_pool(Context& c) {
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  ++c.hypercalls;
  if (hv.policy->name() != "credit2") {
    c.out.complain(
        "libxl: error: libxl_sched.c:362:libxl_sched_credit2_params_get: getting Credit2 scheduler parameters: "
        "Invalid argument\nlibxl_sched_credit2_params_get failed.\n");
    c.out.print("Cpupool Pool-0: [sched params unavailable]\n");
    return false;
  }
  c.out.print("Cpupool Pool-0: ratelimit=%uus\n", static_cast<unsigned>(hv.policy->ratelimit() / 1000));
  return true;
}

int set_ratelimit(Context& c, int us) {
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  if (us != 0 && (us < XEN_SYSCTL_SCHED_RATELIMIT_MIN || us > XEN_SYSCTL_SCHED_RATELIMIT_MAX)) {
    c.out.complain(
        "libxl: error: libxl_sched.c:270:sched_ratelimit_check: Ratelimit out of range, valid range is from %d "
        "to %d\nlibxl_sched_credit2_params_set failed.\n",
        XEN_SYSCTL_SCHED_RATELIMIT_MIN, XEN_SYSCTL_SCHED_RATELIMIT_MAX);
    return 1;
  }
  ++c.hypercalls;
  if (hv.policy->name() == "credit2") {
    xen::control::set_ratelimit(hv, static_cast<unsigned>(us));
    return 0;
  }
  c.out.complain(
      "libxl: error: libxl_sched.c:389:libxl_sched_credit2_params_set: Setting Credit2 scheduler parameters: "
      "Invalid "
      "argument\nlibxl_sched_credit2_params_set failed.\n");
  return 1;
}

int set_domain(Context& c, unsigned domid, const Invocation& i) {
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  c.hypercalls += 3;
  const auto failed = [&](const std::string& why) {
    if (!why.empty()) c.out.write(true, "libxl: error: " + why + "\n");
    c.out.complain("libxl_domain_sched_params_set failed.\n");
    return 1;
  };
  xen::Domain* d = domain_of(c, domid);
  if (!d) return failed("");
  const std::string who = log_prefix(domid);
  if (hv.policy->name() != "credit2")
    return failed("libxl_sched.c:439:sched_credit2_domain_set: " + who +
                  "Getting domain sched credit2: Invalid argument");
  unsigned weight = d->scheduling.weight, cap = d->scheduling.cap;
  if (i.has('w') && number(i, 'w') != -1) {
    const int w = number(i, 'w');
    if (w < 1 || w > 65535)
      return failed("libxl_sched.c:445:sched_credit2_domain_set: " + who +
                    "Cpu weight out of range, valid values are within range from 1 to 65535");
    weight = static_cast<unsigned>(w);
  }
  if (i.has('c') && number(i, 'c') != -1) {
    const int most = static_cast<int>(100 * d->vcpus.size()), n = number(i, 'c');
    if (n < 0 || n > most)
      return failed("libxl_sched.c:455:sched_credit2_domain_set: " + who +
                    "Cpu cap out of range, valid range is from 0 to " + std::to_string(most) +
                    " for specified number of vcpus");
    cap = static_cast<unsigned>(n);
  }
  xen::control::set_scheduling(hv, *d, weight, cap);
  return 0;
}

}  // namespace

std::string check_sched_credit2(const Invocation& i) {
  const bool sets = i.has('w') || i.has('c');
  if (i.has('p') && (i.has('d') || sets)) return "Specifying a cpupool is not allowed with other options.";
  if (!i.has('d') && sets) return "Must specify a domain.";
  if (i.has('p') && !known_pool(*i.value('p'))) return "unknown cpupool '" + *i.value('p') + "'";
  return "";
}

int sched_credit2(Context& c, const Invocation& i) {
  if (const std::string wrong = check_sched_credit2(i); !wrong.empty()) {
    c.out.complain("%s\n", wrong.c_str());
    return 1;
  }
  if (i.has('s')) {
    if (i.has('r')) return set_ratelimit(c, number(i, 'r'));
    print_pool(c);
    return 0;
  }
  if (const std::string* dom = i.value('d')) {
    const long domid = find_domain(c, *dom);
    if (domid < 0) return 1;
    if (i.has('w') || i.has('c')) return set_domain(c, static_cast<unsigned>(domid), i);
    print_head(c);
    return print_domain(c, static_cast<unsigned>(domid)) ? 0 : 1;
  }
  // xl shows only pools that the scheduler in question runs.
  if (c.toolstack.hypervisor.policy->name() != "credit2") return 0;
  print_pool(c);
  print_head(c);
  for (const auto& [domid, d] : c.toolstack.hypervisor.domains)
    if (!print_domain(c, domid)) return 1;
  return 0;
}

}  // namespace xensim::dom0::xl
