// `xl console` at the prompt: the terminal is a domain's console, both ways and byte for byte, until Ctrl-] or
// until the domain is gone. Keys enter the simulation when they are pressed, so that such a run is not repeatable.
#pragma once

#include <termios.h>

#include <chrono>
#include <optional>
#include <string>

#include "models/machine/machine.h"
#include "tools/xensim/host_output.h"

namespace xensim::tool {

class AttachedConsole {
 public:
  ~AttachedConsole() { end(); }
  // Both outlive it. The domain is there.
  void begin(machine::Machine& machine, HostOutput& output, domid_t domid);
  void end();
  bool on() const { return machine_ != nullptr; }

  // After an activation of a pCPU: hands on what was pressed. If simulated time has gone further than the host's
  // since begin(), waits that long for a key: who types finds a machine that is no faster than the clock on the
  // wall. The result is why the console has been left, and nullopt while it has not.
  std::optional<std::string> serve(const machine::Machine& machine);

 private:
  // What has been pressed since the last call; nullopt: Ctrl-], or the terminal is gone.
  std::optional<std::string> pressed() const;

  machine::Machine* machine_ = nullptr;
  HostOutput* output_ = nullptr;
  domid_t domid_ = 0;
  std::optional<termios> before_;
  Nanoseconds simulated_ = 0;  // at begin()
  std::chrono::steady_clock::time_point host_;
};

}  // namespace xensim::tool
