// The toolstack as a model program: what `xl create` does for each domain file, in order, and what xl's background
// process does when a domain ends (on_poweroff, on_reboot, on_crash, on_watchdog, on_soft_reset). It works on
// dom0's vCPU time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/dom0/console_daemon.h"
#include "models/xen/domain/builder.h"
#include "models/xen/domain/model_program.h"
#include "models/xen/hypervisor.h"

namespace xensim::dom0 {

struct ToolstackConfig {
  // Time of dom0's own code; what its hypercalls cost is Xen's.
  std::uint64_t create_cycles = 2'000'000;
  std::uint64_t destroy_cycles = 500'000;
  std::uint32_t copy_bytes_per_cycle = 4;
  std::uint32_t extents_per_call = 64;
};
void describe(ToolstackConfig& c, config::Visitor& v);

enum class AfterShutdown : std::uint8_t { kDestroy, kRestart, kRenameRestart, kPreserve };

// A domain to create, checked already.
struct DomainSpec {
  std::string name;
  xen::BuildPlan plan;
  xen::DomainParametersForCreate parameters;
  AfterShutdown on_poweroff = AfterShutdown::kDestroy, on_reboot = AfterShutdown::kRestart,
                on_crash = AfterShutdown::kDestroy, on_watchdog = AfterShutdown::kDestroy,
                on_soft_reset = AfterShutdown::kDestroy;
};

// What became of a spec.
struct DomainOutcome {
  enum class State : std::uint8_t { kWaiting, kBuilding, kRunning, kEnded } state = State::kWaiting;
  domid_t domid = 0;       // of the last instance
  unsigned instances = 0;  // how often it was created
  bool crashed = false;    // some instance crashed, triple-faulted, or was ended by its watchdog
  std::string why;         // of the last end: "poweroff", "crash: …"
};

class Toolstack final : public xen::ModelProgram {
 public:
  Toolstack(xen::Hypervisor& hypervisor, const ToolstackConfig& config, ConsoleDaemon& console,
            std::vector<DomainSpec> specs, std::uint32_t dom_exc_port);

  std::string_view name() const override { return "xl"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

  const std::vector<DomainSpec>& specs() const { return specs_; }
  const std::vector<DomainOutcome>& outcomes() const { return outcomes_; }
  bool all_ended() const;
  // Called when a domain appears (domid, name) and when one has ended.
  std::function<void(domid_t, const std::string&)> on_create;
  std::function<void(domid_t, const DomainOutcome&)> on_end;

 private:
  enum class Step : std::uint8_t { kIdle, kPopulate, kFill, kStart, kQuiesce };

  xen::ModelAction create(std::size_t spec);
  xen::ModelAction populate();
  xen::ModelAction fill();
  xen::ModelAction start(xen::Vcpu& vcpu);
  xen::ModelAction finish_end();
  bool find_ended();
  xen::Domain& domain();

  xen::Hypervisor& hypervisor_;
  ToolstackConfig config_;
  ConsoleDaemon& console_;
  std::vector<DomainSpec> specs_;
  std::vector<DomainOutcome> outcomes_;
  std::uint32_t dom_exc_port_;
  Step step_ = Step::kIdle;
  std::size_t current_ = 0;  // the spec that is being created or ended
  std::vector<xen::Extent> extents_;
  std::size_t next_extent_ = 0;
  domid_t next_domid_ = 1;
};

}  // namespace xensim::dom0
