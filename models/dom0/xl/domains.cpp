// Verbs that look at domains, and the small ones that act on one at once.
#include <algorithm>
#include <cinttypes>

#include "models/dom0/toolstack.h"
#include "models/dom0/xl/command_line.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0::xl {

namespace {

constexpr int kErrorInval = -6;

std::vector<unsigned> all_domains(Context& c) {
  std::vector<unsigned> all;
  for (const auto& [domid, d] : c.toolstack.hypervisor.domains) all.push_back(domid);
  c.hypercalls += 1 + static_cast<unsigned>(all.size());
  return all;
}

std::uint64_t mib(std::uint64_t pages) { return pages >> 8; }

struct Columns {
  bool verbose = false, context = false, claim = false, cpupool = false, numa = false;
};

void print_domains(Context& c, const std::vector<unsigned>& domids, Columns columns) {
  const xen::Hypervisor& hv = c.toolstack.hypervisor;
  std::string head = "Name                                        ID   Mem VCPUs\tState\tTime(s)";
  if (columns.verbose) head += "   UUID                            Reason-Code\tSecurity Label";
  if (columns.context && !columns.verbose) head += "   Security Label";
  if (columns.claim) head += "  Claimed";
  if (columns.cpupool) head += "         Cpupool";
  if (columns.numa) head += " NODE Affinity";
  c.out.print("%s\n", head.c_str());
  for (const unsigned domid : domids) {
    const xen::Domain& d = *hv.domains.at(static_cast<domid_t>(domid));
    const xen_domctl_getdomaininfo i = xen::control::domain_info(hv, d);
    const auto flag = [&](std::uint32_t bit, char letter) { return i.flags & bit ? letter : '-'; };
    const bool over = (i.flags & XEN_DOMINF_shutdown) != 0;
    const std::uint32_t reason = over ? i.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask : 0;
    c.out.print("%-40s %5u %5" PRIu64 " %5u     %c%c%c%c%c%c  %8.1f", shown_name(c.toolstack, domid).c_str(),
                domid, mib(i.tot_pages + i.outstanding_pages), i.nr_online_vcpus, flag(XEN_DOMINF_running, 'r'),
                flag(XEN_DOMINF_blocked, 'b'), flag(XEN_DOMINF_paused, 'p'), flag(XEN_DOMINF_shutdown, 's'),
                reason < 6 ? "-rscwS"[reason] : '?', flag(XEN_DOMINF_dying, 'd'),
                static_cast<double>(static_cast<float>(i.cpu_time) / 1e9));
    if (columns.verbose) {
      c.out.print(" %s", to_string(d.uuid).c_str());
      if (over)
        c.out.print(" %8x", reason);
      else
        c.out.print(" %8s", "-");
    }
    if (columns.claim) c.out.print(" %5" PRIu64, mib(i.outstanding_pages));
    if (columns.verbose || columns.context) c.out.print(" %16s", "-");
    if (columns.cpupool) c.out.print("%16s", "Pool-0");
    if (columns.numa) c.out.print(" all");
    c.out.print("\n");
  }
}

// The one domain that is asked for, or all; false: it is not there.
bool chosen(Context& c, const Invocation& i, std::vector<unsigned>& domids, int& status) {
  status = 1;
  if (i.arguments.empty()) {
    domids = all_domains(c);
    return true;
  }
  if (i.arguments.size() > 1) {
    c.out.write(false, help(*i.verb));
    return false;
  }
  const long found = find_domain(c, i.arguments[0]);
  if (found < 0) return false;
  ++c.hypercalls;
  if (found > 0xffff || !c.toolstack.hypervisor.find_domain(static_cast<domid_t>(found))) {
    c.out.complain("Error: Domain '%s' does not exist.\n", i.arguments[0].c_str());
    return false;
  }
  domids = {static_cast<unsigned>(found)};
  return true;
}

std::string uptime_text(std::uint64_t seconds, bool brief) {
  const unsigned day = static_cast<unsigned>(seconds / 86400), hour = static_cast<unsigned>(seconds / 3600 % 24),
                 minute = static_cast<unsigned>(seconds / 60 % 60), second = static_cast<unsigned>(seconds % 60);
  Output o;
  if (day > 1) o.print("%u days, ", day);
  if (day == 1) o.print("1 day, ");
  o.print("%2u:%02u", hour, minute);
  if (!brief) o.print(":%02u", second);
  return o.text();
}

void print_uptime(Context& c, unsigned domid, bool brief) {
  const Nanoseconds now = c.toolstack.hypervisor.ns(c.toolstack.hypervisor.now());
  const ManagedDomain* m = managed_domain_of(c, domid);
  if (!m) return;
  // start_time is kept in whole seconds of the wall clock.
  const std::uint64_t up = c.toolstack.wallclock(now) - c.toolstack.wallclock(m->started);
  const std::string text = uptime_text(up, brief);
  if (brief) {
    const std::uint64_t day = c.toolstack.wallclock(now) % 86400;
    c.out.print(" %02u:%02u:%02u up %s, %s (%u)\n", static_cast<unsigned>(day / 3600),
                static_cast<unsigned>(day / 60 % 60), static_cast<unsigned>(day % 60), text.c_str(),
                m->name.c_str(), domid);
  } else {
    c.out.print("%-33s %4u %s\n", m->name.c_str(), domid, text.c_str());
  }
}

// pause and unpause: xl does not look at what libxl says, and ends well.
const char* error_text(long result) { return result == -xen::kEsrch ? "No such process" : "Invalid argument"; }

}  // namespace

long find_domain(Context& c, const std::string& qualifier) {
  const auto found = c.toolstack.domid_of(qualifier);
  if (found) return static_cast<long>(*found);
  c.out.complain("%s is an invalid domain identifier (rc=%d)\n", qualifier.c_str(), kErrorInval);
  return -1;
}

xen::Domain* domain_of(const Context& c, long domid) {
  return domid <= 0xffff ? c.toolstack.hypervisor.find_domain(static_cast<domid_t>(domid)) : nullptr;
}

ManagedDomain* managed_domain_of(const Context& c, long domid) {
  return domid <= 0xffff ? c.toolstack.managed(static_cast<domid_t>(domid)) : nullptr;
}

std::string log_prefix(long domid) { return domid == 0 ? "" : "Domain " + std::to_string(domid) + ":"; }

std::string shown_name(const Toolstack& toolstack, unsigned domid) {
  return toolstack.name_of(domid).value_or("(null)");
}

std::string check_one_domain(const Invocation& i) {
  return i.arguments.size() > 1 ? "it takes one domain at most" : "";
}

int list(Context& c, const Invocation& i) {
  std::vector<unsigned> domids;
  int status = 0;
  if (!chosen(c, i, domids, status)) return status;
  if (i.has('l')) {
    c.out.write(false, configurations(c.toolstack, domids));
    return 0;
  }
  print_domains(c, domids, {i.has('v'), i.has('Z'), false, i.has('c'), i.has('n')});
  return 0;
}

int claims(Context& c, const Invocation&) {
  print_domains(c, all_domains(c), {.claim = true});
  return 0;
}

int sharing(Context& c, const Invocation& i) {
  std::vector<unsigned> domids;
  int status = 0;
  if (!chosen(c, i, domids, status)) return status;
  c.out.print("Name                                        ID   Mem Shared\n");
  for (const unsigned domid : domids) {
    const auto info = xen::control::domain_info(c.toolstack.hypervisor,
                                                *c.toolstack.hypervisor.domains.at(static_cast<domid_t>(domid)));
    c.out.print("%-40s %5u %5" PRIu64 "  %5" PRIu64 "\n", shown_name(c.toolstack, domid).c_str(), domid,
                mib(info.tot_pages + info.outstanding_pages), mib(info.shr_pages));
  }
  return 0;
}

int pause(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  ++c.hypercalls;
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  xen::Domain* d = domain_of(c, domid);
  const long result = d ? xen::control::pause(hv, c.toolstack.dom0(), *d) : -xen::kEsrch;
  if (result != 0)
    c.out.complain("libxl: error: libxl_domain.c:587:libxl_domain_pause: %sPausing domain: %s\n",
                   log_prefix(domid).c_str(), error_text(result));
  return 0;
}

int unpause(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  ++c.hypercalls;
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  xen::Domain* d = domain_of(c, domid);
  const long result = d ? xen::control::unpause(hv, *d) : -xen::kEsrch;
  if (result != 0)
    c.out.complain("libxl: error: libxl_domain.c:688:domain_unpause_done: %sUnpausing domain: %s\n",
                   log_prefix(domid).c_str(), error_text(result));
  return 0;
}

int rename(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  const std::string& to = i.arguments[1];
  ManagedDomain* m = managed_domain_of(c, domid);
  const auto other = to.empty() ? std::nullopt : c.toolstack.domid_of_name(to);
  if (other && *other != static_cast<unsigned>(domid)) {
    c.out.complain(
        "libxl: error: libxl_domain.c:81:libxl__domain_rename: %sDomain with name \"%s\" already exists.\n",
        log_prefix(domid).c_str(), to.c_str());
  } else if (m) {
    c.toolstack.rename_domain(m->domid, to);
    return 0;
  }
  c.out.complain("Can't rename domain '%s'.\n", i.arguments[0].c_str());
  return 1;
}

int domid(Context& c, const Invocation& i) {
  const auto found = c.toolstack.domid_of_name(i.arguments[0]);
  if (!found) {
    c.out.complain("Can't get domid of domain name '%s', maybe this domain does not exist.\n",
                   i.arguments[0].c_str());
    return 1;
  }
  c.out.print("%u\n", *found);
  return 0;
}

std::string check_domname(const Invocation& i) {
  std::string rest;
  return parse_number(i.arguments[0], rest) == 0 && rest == i.arguments[0] ? "Invalid domain id." : "";
}

int domname(Context& c, const Invocation& i) {
  std::string rest;
  const auto domid = static_cast<unsigned>(parse_number(i.arguments[0], rest));
  if (domid == 0 && rest == i.arguments[0]) {
    c.out.complain("Invalid domain id.\n\n");
    return 1;
  }
  const auto name = c.toolstack.name_of(domid);
  if (!name) {
    c.out.complain("Can't get domain name of domain id '%u', maybe this domain does not exist.\n", domid);
    return 1;
  }
  c.out.print("%s\n", name->c_str());
  return 0;
}

int uptime(Context& c, const Invocation& i) {
  std::vector<unsigned> domids;
  for (const std::string& a : i.arguments) {
    const long domid = find_domain(c, a);
    if (domid < 0) return 1;
    domids.push_back(static_cast<unsigned>(domid));
  }
  const bool brief = i.has('s');
  if (!brief) c.out.print("%-33s %4s %s\n", "Name", "ID", "Uptime");
  if (i.arguments.empty()) domids = all_domains(c);
  for (const unsigned domid : domids) print_uptime(c, domid, brief);
  return 0;
}

}  // namespace xensim::dom0::xl
