// vcpu-list, vcpu-pin, vcpu-set.
#include <algorithm>
#include <limits>

#include "models/dom0/toolstack.h"
#include "models/dom0/xenstored/path.h"
#include "models/dom0/xl/command_line.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0::xl {

namespace {

using xen::control::Cpus;

// As xl prints sets of CPUs: "all", "none", "0-1,3".
std::string cpus_text(const Cpus& cpus, unsigned pcpus) {
  if (cpus.size() >= pcpus) return "all";
  std::string text;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(cpus[i]);
    if (last > i) text += "-" + std::to_string(cpus[last]);
    i = last + 1;
  }
  return text.empty() ? "none" : text;
}

unsigned host_cpus(const Context& c) { return static_cast<unsigned>(c.toolstack.hypervisor.pcpus.size()); }

void print_vcpus(Context& c, unsigned domid) {
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  ++c.hypercalls;
  const xen::Domain* d = domain_of(c, domid);
  if (!d) {
    c.out.complain(
        "libxl: error: libxl_domain.c:1667:libxl_list_vcpu: %sGetting infolist: No such file or directory\n",
        log_prefix(domid).c_str());
    return;
  }
  for (const auto& v : d->vcpus) {
    xen_domctl_getvcpuinfo i{};
    i.vcpu = v->id;
    if (xen::control::vcpu_info(hv, *d, i) != 0) continue;
    c.hypercalls += 2;
    c.out.print("%-32s %5u %5u", shown_name(c.toolstack, domid).c_str(), domid, v->id);
    if (i.online)
      c.out.print("%5u %3c%c- ", i.cpu, i.running ? 'r' : '-', i.blocked ? 'b' : '-');
    else
      c.out.print("%5c %3c%cp ", '-', '-', '-');
    c.out.print("%9.1f  %s / %s\n", static_cast<double>(static_cast<float>(i.cpu_time) / 1e9),
                cpus_text(v->hard_affinity, host_cpus(c)).c_str(),
                cpus_text(v->soft_affinity, host_cpus(c)).c_str());
  }
}

// xl's VCPU argument: -1 is "all", -2 is none at all.
long which_vcpu(const std::string& text) {
  std::string rest;
  const long n = parse_number(text, rest);
  if (rest != text && n >= 0) return n;
  return text == "all" ? -1 : -2;
}

}  // namespace

int vcpu_list(Context& c, const Invocation& i) {
  c.out.print("%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
              "Affinity (Hard / Soft)");
  if (i.arguments.empty())
    for (const auto& [domid, d] : c.toolstack.hypervisor.domains) print_vcpus(c, domid);
  for (const std::string& a : i.arguments) {
    const long domid = find_domain(c, a);
    if (domid < 0) return 1;
    print_vcpus(c, static_cast<unsigned>(domid));
  }
  return 0;
}

std::string check_vcpu_pin(const Invocation& i) {
  const long vcpu = which_vcpu(i.arguments[1]);
  if (vcpu == -2) return "Error: Invalid argument " + i.arguments[1] + " as VCPU.";
  if (vcpu == -1 && i.has('f')) return "Error: --force and 'all' as VCPU not allowed.";
  for (std::size_t k = 2; k < std::min<std::size_t>(i.arguments.size(), 4); ++k) {
    Cpus cpus;
    std::string complaint;
    if (i.arguments[k] != "-" && !parse_cpus(i.arguments[k], 1, cpus, complaint)) {
      while (complaint.ends_with('\n')) complaint.pop_back();
      return complaint;
    }
  }
  return "";
}

namespace {

// libxl_set_vcpuaffinity. force alone changes nothing but is no error.
bool pin(Context& c, unsigned domid, unsigned vcpu, const std::optional<Cpus>& hard,
         const std::optional<Cpus>& soft, bool force) {
  if (!hard && !soft && !force) return false;
  ++c.hypercalls;
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  xen::Domain* d = domain_of(c, domid);
  const long result = d ? xen::control::set_affinity(hv, *d, vcpu, hard, soft) : -xen::kEsrch;
  if (result == 0) return true;
  c.out.complain("libxl: error: libxl_sched.c:62:libxl__set_vcpuaffinity: %sSetting vcpu affinity: %s\n",
                 log_prefix(domid).c_str(), d ? "Invalid argument" : "No such process");
  return false;
}

}  // namespace

int vcpu_pin(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  const std::string& which = i.arguments[1];
  const long vcpu = which_vcpu(which);
  if (vcpu == -2) {
    c.out.complain("Error: Invalid argument %s as VCPU.\n", which.c_str());
    return 1;
  }
  if (vcpu == -1 && i.has('f')) {
    c.out.complain("Error: --force and 'all' as VCPU not allowed.\n");
    return 1;
  }
  std::optional<Cpus> hard, soft;
  for (std::size_t k = 2; k < std::min<std::size_t>(i.arguments.size(), 4); ++k) {
    if (i.arguments[k] == "-") continue;
    std::optional<Cpus>& to = k == 2 ? hard : soft;
    to.emplace();
    std::string complaint;
    if (!parse_cpus(i.arguments[k], host_cpus(c), *to, complaint)) {
      c.out.write(true, complaint);
      return 1;
    }
  }
  if (i.dry_run) {
    c.out.print("cpumap: %s", hard ? cpus_text(*hard, host_cpus(c)).c_str() : "-");
    if (soft) c.out.print(" %s", cpus_text(*soft, host_cpus(c)).c_str());
    c.out.print("\n");
    return 0;
  }
  xen::Domain* d = domain_of(c, domid);
  if (!i.has('i') && hard) {
    ++c.hypercalls;
    if (!d) {
      c.out.complain("Could not get domain info\n");
      return 1;
    }
    if (hard->empty()) {
      c.out.complain("vcpu hard affinity map is empty\n");
      return 1;
    }
  }
  if (vcpu >= 0) {
    if (pin(c, static_cast<unsigned>(domid), static_cast<unsigned>(vcpu), hard, soft, i.has('f'))) return 0;
    c.out.complain("Could not set affinity for vcpu `%ld'.\n", vcpu);
    return 1;
  }
  if (!d) {
    c.out.complain("libxl_list_vcpu failed.\n");
    return 1;
  }
  bool failed = false;
  for (unsigned k = 0; k < d->vcpus.size(); ++k) {
    if (pin(c, static_cast<unsigned>(domid), k, hard, soft, false)) continue;
    c.out.complain(
        "libxl: warning: libxl_sched.c:124:libxl_set_vcpuaffinity_all: %sFailed to set affinity for %u\n",
        log_prefix(domid).c_str(), k);
    failed = true;
  }
  if (failed) c.out.complain("Could not set affinity.\n");
  return 0;
}

namespace {
bool parse_vcpus(const std::string& text, unsigned long& n) {
  char* end = nullptr;
  n = std::strtoul(text.c_str(), &end, 10);
  return end != text.c_str() && n <= static_cast<unsigned long>(std::numeric_limits<int>::max());
}
}  // namespace

std::string check_vcpu_set(const Invocation& i) {
  unsigned long n = 0;
  return parse_vcpus(i.arguments[1], n) ? "" : "Error: Invalid argument.";
}

// Asks the guest: it is told by xenstore which of its vCPUs should be there.
int vcpu_set(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  unsigned long wanted = 0;
  if (!parse_vcpus(i.arguments[1], wanted)) {
    c.out.complain("Error: Invalid argument.\n");
    return 1;
  }
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  const xen::Domain* d = domain_of(c, domid);
  ++c.hypercalls;
  if (!i.has('i')) {
    if (!d) return 1;
    const unsigned online = xen::control::domain_info(hv, *d).nr_online_vcpus;
    if (wanted > online && wanted > host_cpus(c)) {
      c.out.complain(
          "You are overcommmitting! You have %u physical CPUs and want %lu vCPUs! Aborting, use "
          "--ignore-host to continue\n",
          host_cpus(c), wanted);
      return 1;
    }
  }
  if (!d) {
    c.out.complain("Domain %ld does not exist.\n", domid);
    return 1;
  }
  int rc = 0;
  if (wanted == 0) {
    c.out.complain(
        "libxl: error: libxl_domain.c:1863:libxl_set_vcpuonline: %sRequested 0 VCPUs!: Function not implemented\n",
        log_prefix(domid).c_str());
    rc = -3;
  } else if (wanted > d->vcpus.size()) {
    c.out.complain(
        "libxl: error: libxl_domain.c:1869:libxl_set_vcpuonline: %sRequested %lu VCPUs, however "
        "maxcpus is %zu!: Function not implemented\n",
        log_prefix(domid).c_str(), wanted, d->vcpus.size());
    rc = -3;
  }
  if (rc != 0) {
    c.out.complain("libxl_set_vcpuonline failed domid=%ld max_vcpus=%lu, rc: %d\n", domid, wanted, rc);
    return 1;
  }
  ManagedDomain& m = *c.toolstack.managed(static_cast<domid_t>(domid));
  for (std::size_t k = 0; k < m.vcpu_available.size(); ++k) {
    m.vcpu_available[k] = k < wanted;
    c.toolstack.xenstore.write(domain_path(m.domid) + "/cpu/" + std::to_string(k) + "/availability",
                               k < wanted ? "online" : "offline");
  }
  return 0;
}

}  // namespace xensim::dom0::xl
