// mem-set and mem-max. The guest is told its target by xenstore and balloons by itself; Xen enforces the limit.
#include <cinttypes>

#include "models/dom0/toolstack.h"
#include "models/dom0/xenstored/path.h"
#include "models/dom0/xl/command_line.h"
#include "models/dom0/xl/handlers.h"
#include "models/xen/control/domain_control.h"
#include "models/xen/mm/pod.h"

namespace xensim::dom0::xl {

namespace {

// LIBXL_MAXMEM_CONSTANT: what libxl grants every domain beyond its memory.
constexpr std::uint64_t kExtraKib = 1024;
constexpr std::uint64_t kLeastDom0Kib = 128 * 1024;

// The domain, and the size that is asked for; nullptr: xl has complained.
ManagedDomain* subject(Context& c, const Invocation& i, const char* what, long& domid, std::int64_t& kib) {
  domid = find_domain(c, i.arguments[0]);
  if (domid < 0) return nullptr;
  kib = parse_size_kib(i.arguments[1]);
  if (kib == -1) {
    c.out.complain("invalid memory size: %s\n", i.arguments[1].c_str());
    return nullptr;
  }
  ManagedDomain* m = managed_domain_of(c, domid);
  if (!m) {
    c.out.complain(
        "libxl: error: libxl_dom.c:1216:libxl__userdata_path: unable to find domain info for domain %ld: "
        "Success\n",
        domid);
    c.out.complain("cannot set domid %ld %s max memory to : %s\n", domid, what, i.arguments[1].c_str());
  }
  return m;
}

}  // namespace

std::string check_size(const Invocation& i) {
  return parse_size_kib(i.arguments[1]) == -1 ? "invalid memory size: " + i.arguments[1] : "";
}

int mem_set(Context& c, const Invocation& i) {
  long domid = 0;
  std::int64_t kib = 0;
  ManagedDomain* m = subject(c, i, "dynamic", domid, kib);
  if (!m) return 1;
  const auto target = static_cast<std::uint64_t>(kib);
  const auto failed = [&] {
    c.out.complain("cannot set domid %ld dynamic max memory to : %s\n", domid, i.arguments[1].c_str());
    return 1;
  };
  if (target > m->static_max_kib) {
    c.out.complain(
        "libxl: error: libxl_mem.c:278:libxl_set_memory_target: %smemory_dynamic_max must be less than or "
        "equal to memory_static_max\n\n",
        log_prefix(domid).c_str());
    return failed();
  }
  if (domid == 0 && target < kLeastDom0Kib) {
    c.out.complain("libxl: error: libxl_mem.c:287:libxl_set_memory_target: New target %" PRIu64
                   " for dom0 is below the minimum threshold\n",
                   target);
    return failed();
  }
  c.hypercalls += 3;
  xen::Domain& d = *c.toolstack.hypervisor.find_domain(m->domid);
  xen::control::max_mem(d, target + kExtraKib);
  if (d.kind == xen::DomainKind::kGuest) {
    long r = -xen::kErestart;
    while (r == -xen::kErestart) r = xen::pod::set_target(c.toolstack.hypervisor, d, (target + kExtraKib) >> 2);
    if (r != 0) {
      c.out.complain(
          "libxl: error: libxl_mem.c:322:libxl_set_memory_target: %sxc_domain_set_pod_target memkb=%" PRIu64
          " failed rc=-1\n: Cannot allocate memory\n",
          log_prefix(domid).c_str(), (target + kExtraKib) >> 2);
      return failed();
    }
  }
  m->target_kib = target;
  c.toolstack.xenstore.write(domain_path(m->domid) + "/memory/target", std::to_string(target));
  return 0;
}

int mem_max(Context& c, const Invocation& i) {
  long domid = 0;
  std::int64_t kib = 0;
  ManagedDomain* m = subject(c, i, "static", domid, kib);
  if (!m) return 1;
  const auto limit = static_cast<std::uint64_t>(kib);
  if (limit < m->target_kib) {
    c.out.complain(
        "libxl: error: libxl_mem.c:59:libxl_domain_setmaxmem: %smemory_static_max must be greater than or "
        "or equal to memory_dynamic_max: Success\n",
        log_prefix(domid).c_str());
    c.out.complain("cannot set domid %ld static max memory to : %s\n", domid, i.arguments[1].c_str());
    return 1;
  }
  c.hypercalls += 1;
  xen::control::max_mem(*c.toolstack.hypervisor.find_domain(m->domid), limit + kExtraKib);
  m->static_max_kib = limit;
  c.toolstack.xenstore.write(domain_path(m->domid) + "/memory/static-max", std::to_string(limit));
  return 0;
}

}  // namespace xensim::dom0::xl
