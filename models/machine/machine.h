// The machine: one host. Builds every model from a configuration and binds them; the one place that knows every
// model. How it is simulated, alone or with other hosts, is in run.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "models/cpu/pcpu.h"
#include "models/dom0/console_daemon.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xenstore_daemon.h"
#include "models/machine/config.h"
#include "models/machine/link.h"
#include "models/machine/memory_module.h"
#include "models/machine/pcpu_module.h"
#include "models/machine/run.h"
#include "models/machine/xenstore_port.h"
#include "models/memory/cache_system.h"
#include "models/xen/census.h"
#include "models/xen/hypervisor.h"
#include "sim/stats/stats.h"
#include "sim/trace/tracer.h"

namespace xensim::machine {

class Machine final : public sc_core::sc_module {
 public:
  // tracer: made by the caller, on or off, with its sinks. Nothing is simulated yet.
  Machine(sc_core::sc_module_name name, const ScenarioConfig& scenario, std::vector<dom0::DomainSpec> domains,
          std::vector<CheckedVerb> timeline, std::unique_ptr<trace::Tracer> tracer, dom0::ConsoleSink console);
  ~Machine() override;

  // This host alone: simulate() in run.h.
  RunEnd run();

  // --- Steps of a run (run.cpp).
  // Power on: dom0 runs from time 0.
  void start(RunState& run);
  // Nobody of this host runs past `end` any more.
  void stop_at(Cycles end);
  // The run is over; every pCPU's time goes on to `end`.
  void finish(Cycles end);
  bool finished() const { return toolstack->finished(); }
  Cycles quantum() const { return scenario.machine.quantum; }
  Cycles until() const { return host_state_.until; }
  const Clock& clock() const { return clock_; }

  // Local time of the pCPU that is furthest: the end of the run.
  Cycles now() const;
  Nanoseconds now_ns() const { return hypervisor->ns(now()); }
  std::uint64_t instructions() const;
  // Who waits for what: a line per pCPU and per vCPU.
  std::string explain() const;
  // No guest will ever run again by itself: each one that is there waits for an event, without a timer, and dom0
  // has nothing to do for anybody but its own housekeeping.
  bool stuck() const;

  // dom0's network card interrupts at that time, which has not come yet.
  void network_interrupt(Cycles at);

  // Called after each activation of a pCPU, for a progress line; must not touch simulated state.
  std::function<void()> heartbeat;
  // Halts the run; see watch.h. To be set before run(). With it, a run does not end when every domain has ended.
  Watch* watch = nullptr;

  std::string host;  // its name in a run of several; "": it is alone
  const ScenarioConfig scenario;
  std::unique_ptr<trace::Tracer> tracer;
  memory::PhysicalMemory memory;
  memory::CacheSystem caches;
  std::vector<std::unique_ptr<cpu::Pcpu>> pcpus;
  std::unique_ptr<xen::Hypervisor> hypervisor;
  dom0::ConsoleDaemon* console = nullptr;  // owned by dom0's vCPU
  dom0::Toolstack* toolstack = nullptr;    // likewise
  dom0::XenstoreDaemon* xenstored = nullptr;
  // Programs of the host that speak to xenstored; to be set up before run().
  std::unique_ptr<XenstorePort> xenstore_port;
  std::unique_ptr<HostNetwork> network;
  stats::Group stats;

 private:
  xen::Census take_census() const;
  void after_activation();
  void give_memory(const xen::Domain& d, std::uint64_t bytes);
  xen::Domain& make_xenstore_home(xen::Domain& dom0);

  Clock clock_;
  HostState host_state_;
  xen::Census census_at_start_, census_at_end_;
  std::unique_ptr<MemoryModule> memory_module_;
  std::vector<std::unique_ptr<PcpuModule>> modules_;
};

}  // namespace xensim::machine
