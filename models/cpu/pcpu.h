// A physical CPU: one core, its local APIC, and the messages on their way to it. Knows no SystemC: the module that
// puts it on the simulation kernel's time line is models/machine/pcpu_module.h.
//
// Order rules: interprocessor interrupts carry a time stamp. A pCPU takes a message when its own time has reached
// the stamp, looking before each stretch of execution, so an IPI is seen no later than the end of the receiver's
// quantum.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "models/cpu/apic/local_apic.h"
#include "models/cpu/core.h"

namespace xensim::cpu {

class Pcpu;

// The software that runs in VMX root operation, as a native model.
class RootSoftware {
 public:
  virtual ~RootSoftware() = default;
  // Runs the pCPU's software from its local time on. Returns when local time has reached `until`, or earlier when
  // the pCPU has nothing to do; the result is the local time at which it wants to run again (kNever: only when a
  // message arrives).
  virtual Cycles run(Pcpu& pcpu, Cycles until) = 0;
  // Accesses of the running guest that end outside RAM (a page the hypervisor exposes to emulate it).
  virtual std::uint64_t mmio_read(Pcpu& pcpu, PhysAddr a, unsigned size) = 0;
  virtual void mmio_write(Pcpu& pcpu, PhysAddr a, unsigned size, std::uint64_t value) = 0;
  // Port I/O of the running guest that does not exit.
  virtual std::uint32_t io_read(Pcpu& pcpu, std::uint16_t port, unsigned size) = 0;
  virtual void io_write(Pcpu& pcpu, std::uint16_t port, unsigned size, std::uint32_t value) = 0;
};

// Who wakes a pCPU that sleeps: the simulation kernel.
class PcpuWaker {
 public:
  virtual ~PcpuWaker() = default;
  // The pCPU must run when simulated time is `at` (or now, if that has passed).
  virtual void wake(unsigned pcpu, Cycles at) = 0;
  // CoreEnvironment::read_time() of the pCPU that runs.
  virtual std::optional<Cycles> read_time(Cycles now) = 0;
};

class Pcpu final : public CoreEnvironment, public ApicBus {
 public:
  Pcpu(unsigned index, const CoreConfig& config, memory::PhysicalMemory& memory, memory::Hierarchy& caches,
       const CpuidPolicy& cpuid, std::vector<std::unique_ptr<Pcpu>>& all, Cycles ipi_latency);

  const unsigned index;
  LocalApic apic;
  Core core;
  RootSoftware* software = nullptr;
  PcpuWaker* waker = nullptr;

  // --- Messages.
  // An interrupt for this pCPU, effective at `at`.
  void post(Cycles at, const IpiMessage& message);
  // Takes the messages and timer expiries that are due at core.now into the local APIC.
  void take_due();
  // The earliest future cause of an interrupt: a message on its way or the APIC timer. kNever if none.
  Cycles next_deadline() const;
  // IPIs received since reset.
  std::uint64_t ipis_received = 0;

  // --- CoreEnvironment.
  std::uint32_t io_read(std::uint16_t port, unsigned size) override;
  void io_write(std::uint16_t port, unsigned size, std::uint32_t value) override;
  std::uint64_t mmio_read(PhysAddr a, unsigned size) override;
  void mmio_write(PhysAddr a, unsigned size, std::uint64_t value) override;
  bool apic_msr_read(std::uint32_t msr, std::uint64_t& out) override;
  bool apic_msr_write(std::uint32_t msr, std::uint64_t value) override;
  std::uint64_t cr8_read() override { return apic.cr8(); }
  void cr8_write(std::uint64_t value) override { apic.set_cr8(static_cast<std::uint8_t>(value & 15)); }
  bool interrupt_pending() override { return apic.deliverable() >= 0; }
  std::uint8_t interrupt_acknowledge() override { return apic.acknowledge(); }
  std::optional<Cycles> read_time(Cycles now) override { return waker ? waker->read_time(now) : now; }

  // --- ApicBus.
  void send_ipi(std::uint32_t from_apic_id, const IpiMessage& message) override;
  void eoi_broadcast(std::uint8_t) override {}

 private:
  std::vector<std::unique_ptr<Pcpu>>& all_;
  Cycles ipi_latency_;
  // By (time stamp, arrival number), so that simultaneous messages keep their order.
  std::map<std::pair<Cycles, std::uint64_t>, IpiMessage> inbox_;
  std::uint64_t posted_ = 0;
};

}  // namespace xensim::cpu
