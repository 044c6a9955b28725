// What a migration was like: the simulator's own account, which no program in the simulation reads. Both ends fill
// it in. Times are simulated, since power-on, which is the same moment on all hosts.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "models/xen/hypervisor.h"
#include "sim/stats/stats.h"

namespace xensim::dom0 {

struct MigrationReport {
  enum class Outcome : std::uint8_t {
    kUnderWay,
    kMoved,
    kStayed,     // the source goes on
    kUndefined,  // failed in the final handshake: the source stays suspended, as xl leaves it
  };
  std::string domain, from, to;  // the domain's name, and the hosts'
  domid_t source_domid = 0, target_domid = 0;
  Outcome outcome = Outcome::kUnderWay;
  struct Round {
    std::uint64_t pages = 0;  // with content
    std::uint64_t bytes = 0;  // of the stream
    Nanoseconds began = 0, ended = 0;
  };
  std::deque<Round> rounds;  // the last one: with the domain suspended
  std::uint64_t bytes = 0;   // of the whole stream
  Nanoseconds began = 0, ended = 0;
  // The domain stands still at the source, and runs at the target or, if it came back, at the source; 0: it did
  // not.
  Nanoseconds suspended = 0, resumed = 0;
  Nanoseconds downtime() const { return resumed > suspended && suspended != 0 ? resumed - suspended : 0; }

  // Digests of the pages' contents at the source when the domain stood still, by frame number, without the rings
  // of console and store, which are made anew; and how many are equal at the target before it runs.
  std::map<std::uint64_t, std::uint64_t> contents;
  stats::Group* stats = nullptr;  // where the source counts it; may be null
  std::uint64_t equal = 0, different = 0;
};

std::string_view name_of(MigrationReport::Outcome outcome);

// The domain's pages as the report wants them.
std::map<std::uint64_t, std::uint64_t> contents_of(const xen::Hypervisor& hypervisor, const xen::Domain& d);
// Fills in equal and different, and forgets the contents.
void compare_contents(MigrationReport& report, const xen::Hypervisor& hypervisor, const xen::Domain& d);

// A group of statistics, and one in it for each round that has begun since. The report must outlive it.
void add_stats(const MigrationReport& report, stats::Group& group);
void add_round_stats(const MigrationReport& report, stats::Group& group);

}  // namespace xensim::dom0
