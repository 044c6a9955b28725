// A small trace like a run's, for the tests of sinks and readers: one vCPU of domain 1 that exits, blocks and
// wakes on pCPU 0, one of domain 2 on pCPU 1.
#pragma once

#include "sim/trace/tracer.h"

namespace xensim::trace {

inline constexpr std::uint64_t kHz = 1'000'000'000;
inline constexpr VcpuId kD1{1, 0}, kD2{2, 0}, kIdle0{kIdleDomid, 0}, kIdle1{kIdleDomid, 1};
// How often the pattern below repeats, and its length in cycles.
inline constexpr Cycles kPeriod = 100'000;
// Of kD1 per period: running 30,000, blocked 60,000, runnable 10,000. Exits: one CPUID, one VMCALL, one HLT.
// Of kD2 per period: running 50,000 on pCPU 1, blocked 50,000. Both are blocked for 1,000 cycles before the first.

inline void run_period(Tracer& t, Cycles at) {
  using enum Runstate;
  // pCPU 0: kD1 wakes at 0, runs from 10,000 to 40,000.
  t.wake(0, at, kD1);
  t.runstate_change(0, at, kD1, kBlocked, kRunnable);
  t.switch_infprev(0, at + 10'000, kIdle0, 10'000);
  t.switch_infnext(0, at + 10'000, kD1, 10'000, 1'000'000);
  t.switch_to(0, at + 10'000, kIdle0, kD1);
  t.runstate_change(0, at + 10'000, kIdle0, kRunning, kRunnable);
  t.runstate_change(0, at + 10'000, kD1, kRunnable, kRunning);
  t.inj_virq(0, 0xf3, false);
  t.vmentry(0, at + 11'000);
  t.vmexit(0, at + 15'000, 10, 0x1000);
  t.cpuid(0, 0x40000000, 0, 1, 2, 3, 4);
  t.vmentry(0, at + 16'000);
  t.vmexit(0, at + 20'000, 18, 0xffffffff81000000);
  t.vmcall(0, 32);
  t.hypercall_enter(0, at + 20'100, kD1, 32, 4);
  t.evtchn_send(0, at + 20'200, kD1, 3, 2, 4);
  t.hypercall_return(0, at + 20'900, kD1, 32, 0);
  t.vmentry(0, at + 22'000);
  t.vmexit(0, at + 35'000, 12, 0x1002);
  t.hlt(0, false);
  t.block(0, at + 36'000, kD1);
  t.runstate_change(0, at + 40'000, kD1, kRunning, kBlocked);
  t.runstate_change(0, at + 40'000, kIdle0, kRunnable, kRunning);

  // pCPU 1: kD2 runs from 0 to 50,000.
  t.wake(1, at, kD2);
  t.runstate_change(1, at, kD2, kBlocked, kRunnable);
  t.runstate_change(1, at, kIdle1, kRunning, kRunnable);
  t.runstate_change(1, at, kD2, kRunnable, kRunning);
  t.vmentry(1, at + 1'000);
  t.vmexit(1, at + 45'000, 48, 0x2000);
  t.npf(1, 0xfee00000, 0, 0x181, 4);
  t.p2m_fault(1, at + 45'500, kD2, 0xfee00, 0x181, 0);
  t.runstate_change(1, at + 50'000, kD2, kRunning, kBlocked);
  t.runstate_change(1, at + 50'000, kIdle1, kRunnable, kRunning);
}

inline void run_synthetic(Tracer& t, unsigned periods) {
  t.name_domain(1, "one");
  t.name_domain(2, "two");
  unsigned queue = t.name_counter("run queue", "vCPUs");
  t.start(0, 0);
  t.start(1, 0);
  t.runstate_change(0, 0, kD1, Runstate::kOffline, Runstate::kBlocked);
  t.runstate_change(1, 0, kD2, Runstate::kOffline, Runstate::kBlocked);
  for (unsigned i = 0; i < periods; ++i) {
    run_period(t, 1'000 + i * kPeriod);
    t.counter(0, 1'000 + i * kPeriod + 60'000, queue, i);
  }
  t.close(1'000 + periods * kPeriod);
}

}  // namespace xensim::trace
