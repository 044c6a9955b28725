#include "models/dom0/migration/suspension.h"

#include <cerrno>

#include "models/dom0/migration/stream_reader.h"
#include "models/dom0/xenstored/path.h"
#include "models/xen/control/domain_control.h"

namespace xensim::dom0 {

namespace {
constexpr const char* kToken = "xl-suspend";
constexpr const char* kRequest = "suspend";
constexpr const char* kReleased = "@releaseDomain";
}  // namespace

std::string Suspension::node() const { return domain_path(domid_) + "/control/shutdown"; }

void Suspension::watch(const std::string& path) {
  unwatch();
  watched_ = path;
  toolstack_.xenstore.watch_path(path, kToken);
}

void Suspension::unwatch() {
  if (!watched_.empty()) toolstack_.xenstore.unwatch_path(watched_, kToken);
  watched_.clear();
}

Suspension::State Suspension::fail(const char* place, const char* what) {
  unwatch();
  step_ = Step::kOver;
  out_.complain("libxl: error: libxl_dom_suspend.c:%s: Domain %u:%s\n", place, domid_, what);
  return State::kFailed;
}

Suspension::State Suspension::next(Cycles now) {
  xen::Hypervisor& hv = toolstack_.hypervisor;
  const auto wait = [&] { deadline_ = hv.from_now(hv.cycles(toolstack_.config.control_timeout)); };
  for (;;) switch (step_) {
      case Step::kAsk:
        toolstack_.xenstore.write(node(), kRequest);
        watch(node());
        wait();
        step_ = Step::kAcknowledge;
        break;
      case Step::kAcknowledge:
        if (toolstack_.xenstore.read(node()).value_or("") == kRequest) {
          if (now < deadline_) return State::kWaits;
          toolstack_.xenstore.write(node(), "");
          return fail("269:domain_suspend_common_pvcontrol_suspending",
                      "guest didn't acknowledge suspend, cancelling request");
        }
        responded_ = true;
        watch(kReleased);
        wait();
        step_ = Step::kStop;
        break;
      case Step::kStop: {
        const xen::Domain* d = hv.find_domain(domid_);
        if (!d) return fail("342:suspend_common_wait_guest_check", "guest we were suspending has been destroyed");
        if (!d->shutdown) {
          if (now < deadline_) return State::kWaits;
          return fail("372:suspend_common_wait_guest_timeout", "guest did not suspend, timed out");
        }
        unwatch();
        step_ = Step::kOver;
        return *d->shutdown == xen::ShutdownReason::kSuspend ? State::kSuspended : State::kFailed;
      }
      case Step::kOver:
        return State::kFailed;
    }
}

bool resume_domain(Toolstack& toolstack, xen::Domain& d, xl::Output& out) {
  xen::Hypervisor& hv = toolstack.hypervisor;
  cpu::Pcpu& p = *hv.here().pcpu;
  hv.cost.charge_many(p, xen::Path::kModelHypercall, 4);
  hv.cost.charge_many(p, xen::Path::kControlOp, 4);
  if (!d.shutdown || *d.shutdown != xen::ShutdownReason::kSuspend) {
    const unsigned reason = d.shutdown ? static_cast<unsigned>(*d.shutdown) : d.shutdown_code & 0xff;
    out.write(true, xc_error("Dom " + std::to_string(d.domid) + " not suspended: (shutdown " +
                             (d.shutdown ? "1" : "0") + ", reason " + std::to_string(reason) + ")"));
    out.complain(
        "libxl: error: libxl_dom_suspend.c:666:domain_resume_done: Domain %u:xc_domain_resume failed: %s\n",
        d.domid, "Invalid argument");
    return false;
  }
  if (d.hvm_params[HVM_PARAM_CALLBACK_IRQ] != 0) {
    xen::Vcpu& v = *d.vcpus[0];
    hv.vcpu_state(v);  // its registers are in `context` then
    v.context.st.gpr[cpu::kRax] = 1;
  }
  xen::control::resume(hv, d);
  toolstack.xenstore.resume(d.domid);
  return true;
}

}  // namespace xensim::dom0
