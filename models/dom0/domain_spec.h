// A domain to create, checked already, and what became of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/dom0/console_script.h"
#include "models/xen/domain/builder.h"
#include "models/xen/hypervisor.h"
#include "sim/config/domain_config.h"

namespace xensim::dom0 {

struct DomainSpec {
  std::string name;
  config::DomainConfig config;
  xen::BuildPlan plan;
  xen::CreateParameters parameters;
  // What xl has no key for: the domain is a control domain; it is the device model of the domain of that name.
  bool control = false;
  std::string device_model_of;
  // Who sits at its console, and where the scenario says so.
  std::vector<ConsoleStep> console = {};
  std::string console_place = {};
};

// What became of a spec.
struct DomainOutcome {
  enum class State : std::uint8_t { kWaiting, kBuilding, kRunning, kEnded } state = State::kWaiting;
  domid_t domid = 0;       // of the last instance
  unsigned instances = 0;  // how often it was created
  bool crashed = false;    // some instance crashed, triple-faulted, or was ended by its watchdog
  std::string why;         // of the last end: "poweroff", "crash: …"
};

}  // namespace xensim::dom0
