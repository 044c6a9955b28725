// Xen's timers: per pCPU a queue ordered by (deadline, number); the pCPU's APIC timer is programmed for the head.
// A timer is an action code and two words of data, not a closure, so that a checkpoint can carry it.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "sim/base/types.h"

namespace xensim::xen {

enum class TimerAction : std::uint8_t {
  kSchedule,    // end of a time slice (s_timer)
  kSingleshot,  // VCPUOP_set_singleshot_timer; data: vCPU
  kPeriodic,    // VCPUOP_set_periodic_timer; data: vCPU
  kPoll,        // SCHEDOP_poll's timeout; data: vCPU
  kVlapic,      // a vLAPIC's timer; data: vCPU
  kPolicy,      // Tickler::set_timer; data: token
  kModel,       // a model program's deadline; data: vCPU
  kWatchdog,    // SCHEDOP_watchdog; data: domid << 8 | index
  kPlatform,    // a device that Xen emulates; data: domid << 8 | its timer
  kViridian,    // a synthetic timer; data: domid << 16 | vCPU << 8 | its number
};

// Names a pending timer: where it is queued. number 0: none.
struct TimerId {
  unsigned pcpu = 0;
  Cycles deadline = 0;
  std::uint64_t number = 0;
  bool pending() const { return number != 0; }
};

struct TimerEntry {
  TimerAction action;
  std::uint64_t data;
};

class TimerQueue {
 public:
  using Key = std::pair<Cycles, std::uint64_t>;

  TimerId add(unsigned pcpu, Cycles deadline, TimerEntry entry) {
    const std::uint64_t n = ++numbers_;
    queue_.emplace(Key{deadline, n}, entry);
    return {pcpu, deadline, n};
  }
  void remove(const TimerId& id) { queue_.erase(Key{id.deadline, id.number}); }
  bool due(Cycles now) const { return !queue_.empty() && queue_.begin()->first.first <= now; }
  Cycles next() const { return queue_.empty() ? kNever : queue_.begin()->first.first; }
  TimerEntry pop() {
    const TimerEntry e = queue_.begin()->second;
    queue_.erase(queue_.begin());
    return e;
  }

 private:
  std::map<Key, TimerEntry> queue_;
  std::uint64_t numbers_ = 0;
};

}  // namespace xensim::xen
