// Suspending a domain with its own help, and letting it go on (libxl_dom_suspend.c, xg_resume.c of Xen 4.17).
//
// A PVH guest is asked by control/shutdown = "suspend". It acknowledges by writing something else, and calls
// SCHEDOP_shutdown with SHUTDOWN_suspend, upon which all its vCPUs stand still. libxl waits a minute for either.
// A request that was not acknowledged is taken back; a guest that acknowledged and did not suspend may still do so
// later, and then stays suspended.
#pragma once

#include <cstdint>

#include "models/dom0/toolstack.h"
#include "models/dom0/xl/output.h"

namespace xensim::dom0 {

class Suspension {
 public:
  Suspension(Toolstack& toolstack, domid_t domid, xl::Output& out)
      : toolstack_(toolstack), domid_(domid), out_(out) {}

  enum class State : std::uint8_t { kWaits, kSuspended, kFailed };
  // Until it is no longer kWaits; to be asked again when anything happens, and at deadline().
  State next(Cycles now);
  Cycles deadline() const { return deadline_; }
  // The guest has acknowledged the request.
  bool responded() const { return responded_; }

 private:
  enum class Step : std::uint8_t { kAsk, kAcknowledge, kStop, kOver };

  std::string node() const;
  void watch(const std::string& path);
  void unwatch();
  State fail(const char* place, const char* what);

  Toolstack& toolstack_;
  const domid_t domid_;
  xl::Output& out_;
  Step step_ = Step::kAsk;
  std::string watched_;
  Cycles deadline_ = kNever;
  bool responded_ = false;
};

// libxl_domain_resume() for a domain that suspended and stays here: its SCHEDOP_shutdown returns 1, if it takes
// part (HVM_PARAM_CALLBACK_IRQ), and the store watches it again. The domain must exist. false: it has not
// suspended; out says so.
bool resume_domain(Toolstack& toolstack, xen::Domain& d, xl::Output& out);

}  // namespace xensim::dom0
