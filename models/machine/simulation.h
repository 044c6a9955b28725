// A checked scenario built: its hosts, and what connects them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/machine/config.h"
#include "models/machine/machine.h"
#include "models/machine/run.h"

namespace xensim::machine {

class Simulation {
 public:
  // What a host is given by its surroundings.
  struct Surroundings {
    std::unique_ptr<trace::Tracer> tracer;
    dom0::ConsoleSink console;
  };
  // surroundings: asked once per host, in order.
  Simulation(CheckedScenario scenario, const std::function<Surroundings(const CheckedHost&)>& surroundings);

  RunEnd run() { return simulate(hosts()); }
  // In order of names.
  std::span<Machine* const> hosts() const { return hosts_; }
  // nullptr: there is none of that name.
  Machine* find(const std::string& name) const;
  bool over() const { return all_over(hosts()); }

  std::vector<std::unique_ptr<Link>> links;
  // Who sits at consoles, by name of domain.
  const std::shared_ptr<dom0::ConsoleScripts> scripts = std::make_shared<dom0::ConsoleScripts>();

 private:
  void connect(const CheckedLink& link);

  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<Machine*> hosts_;
};

}  // namespace xensim::machine
