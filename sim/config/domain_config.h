// What a domain file (xl.cfg(5)) says, typed. Keys that xl knows and xensim does not act on are accepted with a
// warning; other keys are refused with the nearest valid name.
//
// Kernel and ramdisk: a relative path is looked up from the current directory, as xl does, and if there is no such
// file, from the folder of the domain file (so that a domain file and its kernel can be moved together).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/config/xl_cfg.h"

namespace xensim::config {

enum class DomainType : std::uint8_t { kPvh, kHvm, kPv };
enum class OnShutdown : std::uint8_t {
  kDestroy,
  kRestart,
  kRenameRestart,
  kPreserve,
  kCoredumpDestroy,
  kCoredumpRestart,
  kSoftReset,
};
std::string_view name_of(DomainType t);  // "pvh"
std::string_view name_of(OnShutdown a);  // "rename-restart"

struct DomainConfig {
  std::string file;  // the domain file
  std::string name;
  DomainType type = DomainType::kPv;  // xl's default when neither type nor builder is given
  std::string uuid;                   // lower case with dashes; empty: the toolstack makes one

  std::string kernel;   // path that exists when it was given; empty: none given
  std::string ramdisk;  // likewise
  std::string cmdline;  // cmdline, or "root=" root and extra, as xl puts them together

  std::uint64_t memory_mib = 0;  // memory; must be given
  std::uint64_t maxmem_mib = 0;  // not below memory; its default is memory
  unsigned vcpus = 1;
  unsigned maxvcpus = 1;  // not below vcpus; its default is vcpus
  // Hard and soft affinity: allowed pCPUs, ascending, for all vCPUs (one element) or per vCPU; empty: all. Whether
  // the machine has these pCPUs is for the toolstack to check. "^" alone, "all" and "nodes:" need the machine's
  // size: the texts are kept and expanded by expand_cpus().
  std::vector<std::string> cpus;
  std::vector<std::string> cpus_soft;
  std::string cpus_place, cpus_soft_place;  // for messages
  unsigned cpu_weight = 256;                // 1 … 65535
  unsigned cap = 0;                         // percent of one pCPU; 0: none
  std::string pool;
  unsigned max_event_channels = 1023;  // the highest port
  // Of the grant table; without: the host's limits.
  std::optional<unsigned> max_grant_frames, max_maptrack_frames, max_grant_version;

  std::vector<std::string> disk;
  std::vector<std::string> vif;

  OnShutdown on_poweroff = OnShutdown::kDestroy;
  OnShutdown on_reboot = OnShutdown::kRestart;
  OnShutdown on_watchdog = OnShutdown::kDestroy;
  OnShutdown on_crash = OnShutdown::kDestroy;
  OnShutdown on_soft_reset = OnShutdown::kSoftReset;

  bool driver_domain = false;  // runs back ends of others: its part of the store says so
  // A device model in a domain of its own, NAME-dm.
  bool device_model_stubdomain = false;
  std::uint64_t stubdomain_memory_mib = 0;  // 0: xl's default for the stub domain

  // HVM guests.
  std::string firmware_override;       // path that exists when it was given
  std::uint64_t video_memory_mib = 0;  // of memory
  bool apic = true, hpet = true;
  std::vector<std::string> viridian;  // groups of enlightenments, as xl names them, in its order

  bool nomigrate = false;
  bool nested_hvm = false;
  bool hap = true;
  std::string tsc_mode = "default";
  std::string timer_mode = "no_missed_ticks_pending";
  std::vector<std::string> cpuid;  // "host,…" policies, as written

  std::vector<std::string> warnings;  // "file:line: …"
};

// Throws UserError, with a line per problem. A missing kernel is an error (HVM: if there is no firmware either).
DomainConfig read_domain_config(const XlFile& file);
DomainConfig load_domain_config(const std::string& path);

}  // namespace xensim::config
