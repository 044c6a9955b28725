// A machine file and a scenario file as structs: what configs/schema/*.json describe and `xensim params` lists.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/cpu/core.h"
#include "models/dom0/domain_spec.h"
#include "models/dom0/housekeeping.h"
#include "models/dom0/memory_share.h"
#include "models/dom0/network.h"
#include "models/dom0/toolstack.h"
#include "models/dom0/xenstore_daemon.h"
#include "models/machine/link_config.h"
#include "models/memory/cache_system.h"
#include "models/xen/hypervisor.h"
#include "sim/config/domain_config.h"
#include "sim/config/load.h"
#include "sim/config/param.h"

namespace xensim::machine {

struct NodeConfig {
  std::uint64_t size = 1ull << 30;
  std::uint32_t cpus = 1;
};
void describe(NodeConfig& c, config::Visitor& v);

struct MemoryConfig {
  std::uint64_t size = 2ull << 30;
  std::vector<NodeConfig> nodes;
  memory::CacheSystemConfig caches;
};
void describe(MemoryConfig& c, config::Visitor& v);

struct CpuConfig {
  std::uint32_t count = 2;
  std::uint64_t frequency = 2'400'000'000;
  std::uint32_t physical_bits = 46;
  bool pml = true;
  cpu::TlbConfig tlb;
  cpu::InorderConfig timing;
  // CPUID leaves that replace the default policy's: "0x7" or "0x7.0" → eax, ebx, ecx, edx.
  struct Leaf {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  };
  std::map<std::string, Leaf> cpuid;
};
void describe(CpuConfig::Leaf& c, config::Visitor& v);
void describe(CpuConfig& c, config::Visitor& v);

struct Dom0Config {
  std::uint32_t vcpus = 1;
  dom0::ToolstackConfig toolstack;
  dom0::ConsoleDaemonConfig console;
  dom0::XenstoredConfig xenstored;
  dom0::HousekeepingConfig housekeeping;
  dom0::MemoryShareConfig memshare;
  dom0::NetworkConfig network;
};
void describe(Dom0Config& c, config::Visitor& v);

struct MachineConfig {
  std::uint64_t seed = 1;
  std::uint64_t quantum = 2000;
  CpuConfig cpu;
  MemoryConfig memory;
  xen::HypervisorConfig xen;
  Dom0Config dom0;
};
void describe(MachineConfig& c, config::Visitor& v);

enum class Timing : std::uint8_t { kFunctional, kInorder };
std::span<const std::string_view> names_of(Timing);

// What a domain may do beside what its file says (docs/privilege.md).
enum class DomainRole : std::uint8_t { kGuest, kControl };
std::span<const std::string_view> names_of(DomainRole);

// A domain file: where it is, and its text once it is read.
struct DomainFile {
  std::string file;
  std::string text;
  DomainRole role = DomainRole::kGuest;
  std::string device_model_of = {};
  std::vector<dom0::ConsoleStep> console = {};
  std::string console_place = {};  // of its steps, for messages: what a step's number is added to
  std::string settings = {};       // what the command line of a `create` adds to the text
};
void describe(DomainFile& c, config::Visitor& v);

// A run of xl at a time, or a change of a link.
struct TimelineEntry {
  std::uint64_t at = 0;             // ns
  std::optional<std::string> host;  // whose dom0 runs xl; none: the first host
  std::string xl;                   // what follows "xl" on the command line
  std::optional<std::string> link;
  std::optional<LinkState> state;
  // What `create` reads; filled in when the scenario is loaded.
  std::vector<DomainFile> file;
};
void describe(TimelineEntry& c, config::Visitor& v);

// One of several hosts of a run.
struct HostConfig {
  MachineConfig machine;
  std::vector<DomainFile> domains;
};
void describe(HostConfig& c, config::Visitor& v);

struct ScenarioConfig {
  std::string description;
  MachineConfig machine;
  std::vector<DomainFile> domains;
  // Instead of these two: hosts by name. The first in ascending order of names is the default for whatever could
  // be meant for any.
  std::map<std::string, HostConfig> hosts;
  std::map<std::string, LinkConfig> links;
  std::vector<TimelineEntry> timeline;
  Timing timing = Timing::kInorder;
  std::uint64_t until = 0;         // ns; 0: until every domain has ended
  std::uint64_t instructions = 0;  // 0: no limit
  std::vector<std::string> trace;
  config::Document source;  // without its JSON: where values came from, for messages
};
void describe(ScenarioConfig& c, config::Visitor& v);

// Reads a scenario, or a machine file alone, with the overrides of --set (pointers into the scenario; a pointer
// that starts with a key of the machine means the machine's, or every host's). Domain files' texts are read;
// more_domains are the first host's. Throws UserError.
ScenarioConfig load_scenario(const std::string& path, const std::vector<std::string>& overrides,
                             const std::vector<std::string>& more_domains);
// As load_scenario() reads it from a file in this folder, which must be there: to it the paths of domain files are
// relative.
config::Json save_scenario(const ScenarioConfig& scenario, const std::string& folder);

// What one host sees of a scenario: one without hosts, which a scenario without hosts is itself. Its quantum is at
// most the latency of the host's links.
struct HostScenario {
  std::string name;     // "": the scenario has no hosts
  std::string pointer;  // of the host in the scenario, for messages: "/hosts/NAME"
  ScenarioConfig scenario;
};
std::vector<HostScenario> hosts_of(const ScenarioConfig& scenario);

// A domain file and its images, read and checked against the machine: what the toolstack needs. pointer: of the
// host. Throws UserError.
dom0::DomainSpec check_domain(const ScenarioConfig& scenario, const DomainFile& file,
                              const std::string& pointer = "");
// All of the scenario's, which must fit in memory together.
std::vector<dom0::DomainSpec> check_domains(const ScenarioConfig& scenario, const std::string& pointer = "");

// "did you mean …?" or the list of names, for a message about a name that is none of them.
std::string mend_of_name(const std::string& name, const std::vector<std::string>& names);

// A verb of the time line, parsed, and what it creates.
struct CheckedVerb {
  Nanoseconds at = 0;
  dom0::xl::Invocation verb;
  std::optional<dom0::DomainSpec> file;
};

struct CheckedHost : HostScenario {
  std::vector<dom0::DomainSpec> domains;
  std::vector<CheckedVerb> timeline;
};

struct CheckedLink {
  std::string name;
  LinkConfig config;
  std::vector<LinkChange> changes;  // in order of time
};

struct CheckedScenario {
  std::vector<CheckedHost> hosts;  // at least one; in order of names
  std::vector<CheckedLink> links;
};
// All that can be known before the run. place: of the scenario, for messages. Throws UserError.
CheckedScenario check_scenario(const ScenarioConfig& scenario, const std::string& place);
// A command line of xl that cannot be run. Throws UserError.
void refuse_bad_syntax(const dom0::xl::Invocation& verb, const std::string& place);
// Its time line: an unknown verb, bad syntax, a time before the one in front of it, a domain, host or link that
// cannot exist.
void check_timeline(const ScenarioConfig& scenario, const std::string& place, CheckedScenario& to);
// The domain file that a `create` names, with the settings given beside it; nullopt: the verb is no create.
std::optional<DomainFile> file_of_create(const dom0::xl::Invocation& verb, const std::string& folder);

}  // namespace xensim::machine
