// A pCPU on SystemC's time line: one SC_METHOD with temporal decoupling. Each activation lets the pCPU's software
// run ahead by at most a quantum, and arms itself for where it got to; an idle pCPU is armed for its next
// deadline, or not at all until a message wakes it. Nothing is kept on a stack between activations.
//
// Reading the time (RDTSC) is in order, whatever the quantum: who is ahead of others waits until they have come as
// far. So no software finds that another processor's clock is behind its own, which real ones never show. A
// processor alone waits for nobody.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm>

#include <exception>
#include <functional>
#include <optional>
#include <systemc>
#include <vector>

#include "models/cpu/pcpu.h"
#include "models/machine/watch.h"

namespace xensim::machine {

// Cycles of the core clock ↔ SystemC time (its resolution is 1 fs here). Integers only.
class Clock {
 public:
  explicit Clock(std::uint64_t hz) : hz_(hz) {}
  sc_core::sc_time time(Cycles c) const {
    const unsigned __int128 fs = (static_cast<unsigned __int128>(c) * 1'000'000'000'000'000u) / hz_;
    return sc_core::sc_time::from_value(static_cast<sc_core::sc_time::value_type>(fs));
  }
  // The first cycle that is not before t.
  Cycles cycles(sc_core::sc_time t) const {
    constexpr unsigned __int128 kSecond = 1'000'000'000'000'000u;
    return static_cast<Cycles>((static_cast<unsigned __int128>(t.value()) * hz_ + kSecond - 1) / kSecond);
  }

 private:
  std::uint64_t hz_;
};

// What all pCPUs of a run share, whatever host they are of.
struct RunState {
  std::uint64_t instruction_limit = ~std::uint64_t{0};
  std::uint64_t instructions = 0;
  std::exception_ptr error;
  std::function<bool()> finished;  // asked after each activation; true: the run stops there
};

class PcpuModule;

// What those of one host share.
struct HostState {
  RunState* run = nullptr;
  Cycles until = kNever;  // no pCPU runs past this
  std::uint64_t instructions = 0;
  std::function<void()> heartbeat;                 // called after each activation
  Watch* watch = nullptr;                          // null: nobody looks
  std::function<void(const cpu::Pcpu&)> stand_at;  // called before a halt: who looks, looks from there
  std::vector<const PcpuModule*> pcpus;
  Cycles time_read = 0;  // the latest that any instruction has read
};

class PcpuModule final : public sc_core::sc_module, public cpu::PcpuWaker {
 public:
  tlm_utils::simple_initiator_socket<PcpuModule> bus;

  SC_HAS_PROCESS(PcpuModule);
  PcpuModule(sc_core::sc_module_name name, cpu::Pcpu& pcpu, const Clock& clock, Cycles quantum, HostState& host);

  void wake(unsigned pcpu, Cycles at) override;
  std::optional<Cycles> read_time(Cycles now) override;
  // Brings an idle pCPU's local time up to `at` (the end of the run).
  void catch_up(Cycles at);
  // The host's `until` has come nearer: no activation beyond it.
  void observe_limit();

 private:
  void activate();
  void arm(Cycles at);
  void end_of_elaboration() override;

  cpu::Pcpu& pcpu_;
  const Clock& clock_;
  Cycles quantum_;
  HostState& host_;
  sc_core::sc_event event_;
  Cycles armed_ = kNever;
  bool running_ = false;
  // Of the activation in progress: its begin, and what the core had retired then.
  Cycles began_ = 0;
  std::uint64_t retired_ = 0;
  Cycles waited_ = kNever;  // the last time at which an instruction wanted to read the time and had to wait
};

}  // namespace xensim::machine
