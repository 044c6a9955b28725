// What the toolstack may have done to a domain, and Xen's errors for what it may not.
#include "models/xen/control/domain_control.h"

#include <catch2/catch.hpp>

#include "tests/models/xen/fixture.h"

using namespace xensim;
using namespace xensim::xen;

namespace {
struct Control : Bench {
  Domain& dom0 = *hv->find_domain(0);
  Domain& d = guest(1, 2);
};
}  // namespace

TEST_CASE("a domain is created with one pause of the toolstack's, and a second unpause is refused") {
  Control c;
  CHECK(c.d.controller_pause_count == 1);
  CHECK(control::unpause(*c.hv, c.d) == 0);
  CHECK(control::unpause(*c.hv, c.d) == -kEinval);
  CHECK((c.d.vcpus[0]->pause_flags & kPausePaused) == 0);
}

TEST_CASE("the toolstack's pauses nest, and stop at 255") {
  Control c;
  CHECK(control::pause(*c.hv, c.dom0, c.d) == 0);
  CHECK(control::unpause(*c.hv, c.d) == 0);
  CHECK((c.d.vcpus[0]->pause_flags & kPausePaused) != 0);
  CHECK(control::unpause(*c.hv, c.d) == 0);
  CHECK((c.d.vcpus[0]->pause_flags & kPausePaused) == 0);
  for (int i = 0; i < 255; ++i) REQUIRE(control::pause(*c.hv, c.dom0, c.d) == 0);
  CHECK(control::pause(*c.hv, c.dom0, c.d) == -75);  // -EOVERFLOW
  for (int i = 0; i < 254; ++i) REQUIRE(control::unpause(*c.hv, c.d) == 0);
  CHECK((c.d.vcpus[0]->pause_flags & kPausePaused) != 0);
  CHECK(control::unpause(*c.hv, c.d) == 0);
  CHECK((c.d.vcpus[0]->pause_flags & kPausePaused) == 0);
}

TEST_CASE("a domain cannot pause itself") {
  Control c;
  CHECK(control::pause(*c.hv, c.dom0, c.dom0) == -kEinval);
}

TEST_CASE("a limit of memory below what a domain has is accepted, and only new pages are refused") {
  Control c;
  REQUIRE(c.hv->populate(c.d, Gfn(0), 0));
  REQUIRE(c.hv->populate(c.d, Gfn(1), 0));
  CHECK(control::max_mem(c.d, 4) == 0);
  CHECK(c.d.max_pages == 1);
  CHECK(c.hv->frames.totals(1).pages == 2);
  CHECK_FALSE(c.hv->populate(c.d, Gfn(2), 0));
}

TEST_CASE("affinity is limited to pCPUs that are there, and must leave one") {
  Control c;
  CHECK(control::set_affinity(*c.hv, c.d, 0, control::Cpus{1, 7}, std::nullopt) == 0);
  CHECK(c.d.vcpus[0]->hard_affinity == control::Cpus{1});
  CHECK(c.d.vcpus[0]->soft_affinity == control::Cpus{0, 1});
  CHECK(control::set_affinity(*c.hv, c.d, 0, control::Cpus{7}, std::nullopt) == -kEinval);
  CHECK(control::set_affinity(*c.hv, c.d, 0, std::nullopt, control::Cpus{0}) == 0);
  CHECK(c.d.vcpus[0]->hard_affinity == control::Cpus{1});
  CHECK(c.d.vcpus[0]->soft_affinity == control::Cpus{0});
  CHECK(control::set_affinity(*c.hv, c.d, 2, control::Cpus{0}, std::nullopt) == -kEinval);
}

TEST_CASE("no pCPU need be preferred") {
  Control c;
  CHECK(control::set_affinity(*c.hv, c.d, 0, std::nullopt, control::Cpus{7}) == 0);
  CHECK(c.d.vcpus[0]->soft_affinity.empty());
}

TEST_CASE("a domain that is created without a number gets the next free one, and numbers come round late") {
  Control c;
  const domid_t first = c.hv->free_domid();
  CHECK(c.hv->free_domid() == first + 1);
  c.guest(static_cast<domid_t>(first + 2), 1);
  CHECK(c.hv->free_domid() == first + 3);
}

TEST_CASE("a trigger wants a vCPU that exists, and knows only what Xen knows on x86") {
  Control c;
  CHECK(control::send_trigger(*c.hv, c.d, XEN_DOMCTL_SENDTRIGGER_NMI, 2) == -kEsrch);
  CHECK(control::send_trigger(*c.hv, c.d, XEN_DOMCTL_SENDTRIGGER_RESET, 0) == -kEnosys);
  CHECK(control::send_trigger(*c.hv, c.d, XEN_DOMCTL_SENDTRIGGER_INIT, 0) == -kEnosys);
  CHECK(control::send_trigger(*c.hv, c.d, XEN_DOMCTL_SENDTRIGGER_POWER, 0) == 0);
  CHECK_FALSE(c.d.vcpus[1]->nmi_pending);
  CHECK(control::send_trigger(*c.hv, c.d, XEN_DOMCTL_SENDTRIGGER_NMI, 1) == 0);
  CHECK(c.d.vcpus[1]->nmi_pending);
}

TEST_CASE("a soft reset wants a domain that has stopped, then it forgets its ports and goes on") {
  Control c;
  control::unpause(*c.hv, c.d);
  CHECK(control::soft_reset(*c.hv, c.d) == -kEinval);
  std::uint32_t port = 0;
  REQUIRE(c.hv->evtchn_alloc_unbound(c.d, 0, port) == 0);
  c.hv->shutdown_domain(c.d, ShutdownReason::kSoftReset);
  CHECK((c.d.vcpus[0]->pause_flags & kPauseShutdown) != 0);
  CHECK(control::soft_reset(*c.hv, c.d) == 0);
  CHECK_FALSE(c.d.shutdown.has_value());
  CHECK((c.d.vcpus[0]->pause_flags & kPauseShutdown) == 0);
  CHECK(c.hv->evtchn_close(c.d, port) == -kEinval);
}

TEST_CASE("domain information has Xen's flags") {
  Control c;
  auto info = control::domain_info(*c.hv, c.d);
  CHECK(info.nr_online_vcpus == 0);
  CHECK(info.max_vcpu_id == 1);
  CHECK((info.flags & XEN_DOMINF_paused) != 0);
  CHECK((info.flags & XEN_DOMINF_hvm_guest) != 0);
  CHECK((info.flags & XEN_DOMINF_shutdown) == 0);
  c.hv->vcpu_up(*c.d.vcpus[0]);
  control::unpause(*c.hv, c.d);
  info = control::domain_info(*c.hv, c.d);
  CHECK(info.nr_online_vcpus == 1);
  CHECK((info.flags & (XEN_DOMINF_paused | XEN_DOMINF_blocked)) == 0);
  c.hv->shutdown_domain(c.d, ShutdownReason::kCrash);
  info = control::domain_info(*c.hv, c.d);
  CHECK((info.flags & XEN_DOMINF_shutdown) != 0);
  CHECK((info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask) == SHUTDOWN_crash);
  xen_domctl_getvcpuinfo v{};
  v.vcpu = 1;
  CHECK(control::vcpu_info(*c.hv, c.d, v) == 0);
  CHECK(v.online == 0);
  v.vcpu = 2;
  CHECK(control::vcpu_info(*c.hv, c.d, v) == -kEinval);
}
