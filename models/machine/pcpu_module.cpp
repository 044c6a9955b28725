#include "models/machine/pcpu_module.h"

#include <algorithm>

#include "sim/base/expects.h"

namespace xensim::machine {

PcpuModule::PcpuModule(sc_core::sc_module_name name, cpu::Pcpu& pcpu, const Clock& clock, Cycles quantum,
                       HostState& host)
    : sc_module(name), bus("bus"), pcpu_(pcpu), clock_(clock), quantum_(quantum), host_(host) {
  pcpu.waker = this;
  host.pcpus.push_back(this);
  SC_METHOD(activate);
  sensitive << event_;
  dont_initialize();
}

// The core's fast path stands on direct memory access: the RAM that the bus grants must be the one the core was
// built on.
void PcpuModule::end_of_elaboration() {
  tlm::tlm_generic_payload request;
  tlm::tlm_dmi dmi;
  request.set_address(0);
  expects(bus->get_direct_mem_ptr(request, dmi));
  expects(dmi.get_dmi_ptr() == pcpu_.core.memory.host(PhysAddr(0)));
}

void PcpuModule::arm(Cycles at) {
  armed_ = at;
  event_.cancel();
  if (at == kNever) return;
  const sc_core::sc_time t = clock_.time(at), now = sc_core::sc_time_stamp();
  event_.notify(t > now ? t - now : sc_core::SC_ZERO_TIME);
}

void PcpuModule::wake(unsigned, Cycles at) {
  // While it runs it looks at its own inbox; after the run it arms for what it found there.
  if (!running_ && at < armed_) arm(std::max(at, pcpu_.core.now));
}

// At the second attempt everybody has come as far, but for the time that fetching the instruction takes: to be in
// order there, too, nobody reads less than was read.
std::optional<Cycles> PcpuModule::read_time(Cycles now) {
  const bool waited = began_ == waited_ && pcpu_.core.instructions == retired_;
  const auto behind = [&](const PcpuModule* m) { return m != this && m->armed_ < now; };
  if (!waited && std::any_of(host_.pcpus.begin(), host_.pcpus.end(), behind)) {
    waited_ = now;
    return std::nullopt;
  }
  host_.time_read = std::max(host_.time_read, now);
  return host_.time_read;
}

void PcpuModule::catch_up(Cycles at) {
  if (pcpu_.core.now < at) pcpu_.core.advance(at - pcpu_.core.now, cpu::CpiCategory::kIdle);
}

void PcpuModule::observe_limit() {
  if (!running_ && armed_ >= host_.until) arm(kNever);
}

void PcpuModule::activate() {
  if (armed_ == kNever) return;
  running_ = true;
  RunState& run = *host_.run;
  Watch* watch = host_.watch;
  try {
    cpu::Core& core = pcpu_.core;
    catch_up(armed_);
    began_ = core.now;
    retired_ = core.instructions;
    if (watch && (!watch->now.empty() || core.now >= watch->time)) {
      host_.stand_at(pcpu_);
      watch->halt(watch->now.empty() ? "time" : std::string(watch->now), nullptr);
    }
    const Cycles until = std::min(core.now + quantum_, host_.until);
    Cycles next = kNever;
    for (bool again = core.now < host_.until; again;) {
      const std::uint64_t before = core.instructions;
      std::uint64_t limit = run.instruction_limit - run.instructions;
      if (watch) limit = std::min(limit, watch->instructions - host_.instructions);
      core.instruction_limit = before + limit;
      if (core.instruction_limit < before) core.instruction_limit = ~std::uint64_t{0};
      next = pcpu_.software->run(pcpu_, until);
      run.instructions += core.instructions - before;
      host_.instructions += core.instructions - before;
      again = watch && host_.instructions >= watch->instructions;
      if (again) watch->halt("step", nullptr);
    }
    if (next >= host_.until) next = kNever;
    running_ = false;
    arm(next);
    if (host_.heartbeat) host_.heartbeat();
    if (run.instructions >= run.instruction_limit || run.finished()) sc_core::sc_stop();
  } catch (...) {
    running_ = false;
    run.error = std::current_exception();
    sc_core::sc_stop();
  }
}

}  // namespace xensim::machine
