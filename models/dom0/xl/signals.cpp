// trigger and sysrq.
#include <strings.h>

#include <array>

#include "models/dom0/toolstack.h"
#include "models/dom0/xenstored/path.h"
#include "models/dom0/xl/command_line.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0::xl {

namespace {

struct Trigger {
  const char* name;
  int number;  // XEN_DOMCTL_SENDTRIGGER_*; -1: none, it is HVM's
};
constexpr std::array<Trigger, 6> kTriggers{{{"power", XEN_DOMCTL_SENDTRIGGER_POWER},
                                            {"sleep", XEN_DOMCTL_SENDTRIGGER_SLEEP},
                                            {"nmi", XEN_DOMCTL_SENDTRIGGER_NMI},
                                            {"init", XEN_DOMCTL_SENDTRIGGER_INIT},
                                            {"reset", XEN_DOMCTL_SENDTRIGGER_RESET},
                                            {"s3resume", -1}}};

const Trigger* find_trigger(const std::string& name) {
  for (const Trigger& t : kTriggers)
    if (strcasecmp(name.c_str(), t.name) == 0) return &t;
  return nullptr;
}

}  // namespace

std::string check_trigger(const Invocation& i) {
  return find_trigger(i.arguments[1]) ? "" : "Invalid trigger \"" + i.arguments[1] + "\"";
}

int trigger(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  const Trigger* t = find_trigger(i.arguments[1]);
  if (!t) {
    c.out.complain("Invalid trigger \"%s\"\n", i.arguments[1].c_str());
    return 1;
  }
  long vcpu = 0;
  if (i.arguments.size() > 2) {
    std::string rest;
    vcpu = parse_number(i.arguments[2], rest);
    if (vcpu == 0 && rest == i.arguments[2]) c.out.complain("Invalid vcpuid, using default vcpuid=0.\n\n");
  }
  xen::Hypervisor& hv = c.toolstack.hypervisor;
  xen::Domain* d = domain_of(c, domid);
  ++c.hypercalls;
  if (t->number < 0) {
    c.out.complain(
        "libxl: error: libxl_domain.c:2162:domain_s3_resume_done: Domain %ld:Send trigger 's3resume' failed, "
        "rc=-6\n",
        domid);
    return 0;
  }
  const long result = d ? xen::control::send_trigger(hv, *d, static_cast<std::uint32_t>(t->number),
                                                     static_cast<std::uint32_t>(vcpu))
                        : -xen::kEsrch;
  // xl's exit status does not tell.
  if (result != 0)
    c.out.complain(
        "libxl: error: libxl_domain.c:2207:libxl_send_trigger: Domain %ld:Send trigger '%s' failed: %s\n", domid,
        t->name,
        result == -xen::kEsrch    ? "No such process"
        : result == -xen::kEnosys ? "Function not implemented"
                                  : "Invalid argument");
  return 0;
}

// Of nothing at all xl reads the byte behind, which is not 0.
std::string check_sysrq(const Invocation& i) { return i.arguments[1].size() != 1 ? "Invalid sysrq." : ""; }

int sysrq(Context& c, const Invocation& i) {
  const long domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return 1;
  if (i.arguments[1].size() != 1) {
    c.out.complain("Invalid sysrq.\n\n");
    c.out.write(false, help(*i.verb));
    return 1;
  }
  c.toolstack.xenstore.write(domain_path(static_cast<unsigned>(domid)) + "/control/sysrq", i.arguments[1]);
  return 0;
}

}  // namespace xensim::dom0::xl
