// The toolstack as a model program: the runs of xl that a scenario asks for, on dom0's vCPU time. First `xl
// create` for each of the scenario's domains, one after another; then the verbs of the time line, each at its
// time, side by side if need be; and what xl's background process of a domain does when the domain ends
// (on_poweroff, on_reboot, …).
//
// Each of these is a Job. The toolstack gives its turns to them round and round; what a job is and costs is in
// creation, ending, and xl/. A job that waits is asked again whenever anything happens in dom0.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/dom0/console_daemon.h"
#include "models/dom0/core_dump.h"
#include "models/dom0/domain_spec.h"
#include "models/dom0/job.h"
#include "models/dom0/migration/migration_report.h"
#include "models/dom0/migration/precopy.h"
#include "models/dom0/network.h"
#include "models/dom0/xenstore_entries.h"
#include "models/dom0/xl/verb.h"
#include "models/xen/domain/model_program.h"
#include "models/xen/hypervisor.h"
#include "sim/base/rng.h"

namespace xensim::dom0 {

struct ToolstackConfig {
  // Time of dom0's own code; what its hypercalls cost is Xen's.
  std::uint64_t create_cycles = 2'000'000;
  std::uint64_t destroy_cycles = 500'000;
  std::uint64_t verb_cycles = 1'500'000;
  std::uint32_t copy_bytes_per_cycle = 4;
  std::uint32_t extents_per_call = 64;
  std::uint64_t restart_delay = 2'000'000'000;  // ns
  std::uint32_t xenstore_cycles = 12'000;
  std::uint64_t control_timeout = 60'000'000'000;
  std::uint64_t storage_bandwidth = 4'000'000'000;
  std::uint64_t storage_space = 0;  // bytes; 0: no limit
  MigrationConfig migration;
};
void describe(ToolstackConfig& c, config::Visitor& v);

// What libxl keeps of a domain that is there: in its xenstore entries and its own files.
struct ManagedDomain {
  domid_t domid = 0;
  std::size_t spec = 0;
  std::string name;
  std::array<std::uint8_t, 16> uuid{};
  Nanoseconds started = 0;  // /vm/UUID/start_time
  std::uint64_t target_kib = 0, static_max_kib = 0;
  std::vector<bool> vcpu_available;
  std::vector<domid_t> disk_backends, vif_backends;
  std::optional<domid_t> stub_of;     // it is the stub domain with the device model of that domain
  std::string control;                // control/shutdown
  bool built = false;                 // its creation is complete
  bool monitored = false;             // xl's background process waits for its end
  bool ending = false;                // that process, or xl destroy, is at it
  bool suspending = false;            // xl save or migrate is at it
  std::uint32_t tsc_incarnation = 1;  // how often it was created and restored
};

// A run of xl; `ended` is 0 until it is over.
struct VerbRecord {
  std::string command;
  bool asked = false;  // by the time line or at a prompt; else it is one of the scenario's domains
  Nanoseconds began = 0, ended = 0;
  xl::Output output;
};

class Toolstack final : public xen::ModelProgram {
 public:
  Toolstack(xen::Hypervisor& hypervisor, const ToolstackConfig& config, ConsoleDaemon& console,
            XenstoreDaemon& xenstored, std::uint64_t seed);

  // --- Before the run: what there is to do.
  // Created when the run starts, in this order.
  void add_domain(DomainSpec spec);
  // In order of time. file: what `create` reads, checked already.
  void add_verb(Nanoseconds at, xl::Invocation verb, std::optional<DomainSpec> file);

  // --- During the run.
  // A run of xl starts now. Returns its number; on_verb tells when it is over.
  // over: called then, too.
  std::uint64_t start_verb(xl::Invocation verb, std::optional<DomainSpec> file,
                           std::function<void(const VerbRecord&)> over = {});
  std::string_view name() const override { return "xl"; }
  xen::ModelAction next(xen::Vcpu& vcpu, Cycles now) override;

  const std::vector<DomainSpec>& specs() const { return specs_; }
  const std::vector<DomainOutcome>& outcomes() const { return outcomes_; }
  // The time line is over, and no run of xl is under way.
  bool settled() const { return verbs_over_ == verbs_ && running_.empty() && starting_.empty(); }
  // Nothing is left to do: it is settled, and every domain has ended.
  bool finished() const;
  // Runs of xl that are not over (`ended` is 0), and the scenario's domains that were not created, in order.
  std::vector<const VerbRecord*> under_way() const;
  const std::vector<VerbRecord>& not_created() const { return not_created_; }
  bool idle() const { return specs_.empty() && timeline_.empty(); }
  // Checks the text of a domain file. Throws UserError. place: for messages.
  std::function<DomainSpec(const std::string& place, const std::string& text)> check_spec;
  // Where files are that xl names by a relative path: saved domains, and domain files.
  std::string saved_folder, file_folder;
  // Called when dom0's own entries are in the store, before anything is created.
  std::function<void()> on_ready;
  // Called when a domain appears (domid, name), when one has ended, and when a run of xl is over.
  std::function<void(domid_t, const std::string&)> on_create;
  std::function<void(domid_t, const DomainOutcome&)> on_end;
  std::function<void(std::uint64_t number, const VerbRecord&)> on_verb;

  // A terminal to draw tables on (`xl top` without --batch); false: enough. Null: there is none.
  std::function<bool(std::string_view table)> draw;

  // Where the core file of the domain of that name goes; null: nowhere.
  std::function<CoreSink(const std::string& name)> open_core;

  // Something has come from outside the host: the toolstack looks.
  void wake() { hypervisor.event_set_pending(dom0(), event_port_); }
  // Who sits at consoles, by name of domain; the same for all hosts. Set once.
  std::shared_ptr<ConsoleScripts> scripts = std::make_shared<ConsoleScripts>();
  // The domain is about to run: whoever waits at the console of that name has it.
  void connect_script(domid_t domid);
  // Connections to other hosts, this host's own name, and where migrations are counted; set once.
  Network* network = nullptr;
  std::string host_name;
  stats::Group* migration_stats = nullptr;
  // Of this host's domains to others, in order.
  std::vector<std::shared_ptr<MigrationReport>> migrations;

  // --- For jobs.
  xen::Hypervisor& hypervisor;
  const ToolstackConfig config;
  ConsoleDaemon& console;
  XenstoreDaemon& xenstored;
  XenstoreEntries xenstore;
  // What the requests to xenstored since the last call cost the toolstack itself.
  Cycles xenstore_time() { return xenstore.take_requests() * config.xenstore_cycles; }
  // What the store's entries of a managed domain are made from.
  XenstoreDomain store_facts(const ManagedDomain& m);
  xen::Domain& dom0();
  std::map<domid_t, ManagedDomain>& domains() { return domains_; }
  ManagedDomain* managed(domid_t domid);
  DomainOutcome& outcome(std::size_t spec) { return outcomes_[spec]; }
  // A domain that xl restores: its number among the specs.
  std::size_t add_spec(DomainSpec spec) { return *enter(std::move(spec)); }
  const DomainSpec& spec(std::size_t i) const { return specs_[i]; }
  // "web", "3": as libxl_domain_qualifier_to_domid. A number is taken as it is.
  std::optional<unsigned> domid_of(const std::string& qualifier) const;
  // nullopt: no domain of that number has a name.
  std::optional<std::string> name_of(unsigned domid) const;
  std::optional<unsigned> domid_of_name(const std::string& name) const;
  // As Xen does: the next number that is free.
  domid_t allocate_domid();
  std::array<std::uint8_t, 16> make_uuid();
  // Of a process of dom0's, for messages.
  unsigned make_pid() { return ++last_pid_; }
  // A managed domain has another name; whether that is free is the caller's affair.
  void rename_domain(domid_t domid, const std::string& name);
  // A domain that is restarted has this name.
  void rename_spec(std::size_t spec, const std::string& name);
  std::shared_ptr<MigrationReport> begin_migration(const std::string& domain, const std::string& to);
  void start(std::unique_ptr<Job> job);
  // Seconds since 1970 in dom0.
  std::uint64_t wallclock(Nanoseconds ns) const {
    return hypervisor.config.wallclock_seconds + ns / 1'000'000'000;
  }

 private:
  struct Entry {
    Nanoseconds at = 0;
    xl::Invocation verb;
    std::optional<std::size_t> spec;
    std::uint64_t number = 0;
    bool asked = false;
    std::shared_ptr<Incoming> incoming = {};
    std::function<void(const VerbRecord&)> over = {};
  };
  class Run;  // one run of xl

  std::optional<std::size_t> enter(std::optional<DomainSpec> spec);
  void find_ended();
  void note_unwatched_end(const ManagedDomain& m, const xen::Domain* d);
  void begin(Entry entry, Cycles now);
  void accept_incoming(Cycles now);

  std::vector<DomainSpec> specs_;
  std::vector<DomainOutcome> outcomes_;
  std::vector<Entry> to_create_;  // the scenario's domains, the next one first
  std::map<domid_t, ManagedDomain> domains_;
  std::vector<Entry> timeline_;
  std::size_t next_entry_ = 0;
  std::vector<Entry> asked_;  // to start now
  std::vector<std::unique_ptr<Job>> running_;
  std::vector<std::unique_ptr<Job>> starting_;  // started by a job
  std::size_t turn_ = 0;
  const Job* creating_ = nullptr;  // the one of the scenario's domains that is under way
  std::uint32_t event_port_ = 0;   // watches of the toolstack's fire
  unsigned last_pid_ = 999;
  std::uint64_t verbs_ = 0, verbs_over_ = 0;
  std::vector<VerbRecord> not_created_;
  Rng uuids_;
};

// "7a1c…-…", as LIBXL_UUID_FMT, and back; zeros if it is none.
std::string to_string(const std::array<std::uint8_t, 16>& uuid);
std::array<std::uint8_t, 16> to_uuid(const std::string& text);

}  // namespace xensim::dom0
