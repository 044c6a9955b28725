// How domains go: what xl's background process of a domain does when it has shut down (on_poweroff, on_reboot,
// on_crash, on_watchdog, on_soft_reset), and destroying.
#pragma once

#include <memory>

#include "models/dom0/job.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/output.h"

namespace xensim::dom0 {

// libxl_domain_destroy: pauses the domain, waits until no vCPU is on a pCPU, and kills it.
class Destruction final : public Job {
 public:
  // why: for the domain's outcome.
  Destruction(Toolstack& toolstack, domid_t domid, std::string why)
      : toolstack_(toolstack), domid_(domid), why_(std::move(why)) {}
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  enum class Step : std::uint8_t { kBegin, kQuiesce, kDone };

  Toolstack& toolstack_;
  domid_t domid_;
  std::string why_;
  Step step_ = Step::kBegin;
};

// Why and how a domain that has shut down ended.
void record_end(DomainOutcome& outcome, const xen::Domain& d);

// The background process, from the moment at which it sees that its domain has shut down.
class Ending final : public Job {
 public:
  Ending(Toolstack& toolstack, domid_t domid) : toolstack_(toolstack), domid_(domid) {}
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

 private:
  enum class Step : std::uint8_t { kBegin, kQuiesce, kPause, kCreate, kDone };

  xen::ModelAction act(Cycles now);
  Cycles dump_core(xen::Domain& d);
  void preserve_under_new_name(ManagedDomain& m, Cycles now);

  Toolstack& toolstack_;
  domid_t domid_;
  Step step_ = Step::kBegin;
  std::size_t spec_ = 0;
  Cycles until_ = 0;
  std::unique_ptr<Job> creation_;
  xl::Output log_;  // the process's log file
};

}  // namespace xensim::dom0
