#include "models/dom0/toolstack.h"

#include <algorithm>
#include <cstdio>

#include "models/dom0/ending.h"
#include "models/dom0/xl/command_line.h"
#include "sim/base/expects.h"

namespace xensim::dom0 {

using xen::ModelAction;
using State = DomainOutcome::State;

void describe(ToolstackConfig& c, config::Visitor& v) {
  v(c.create_cycles, {"create_cycles", "cycles", "xl's own time to create a domain", "uncalibrated",
                      config::between(0, 1'000'000'000'000)});
  v(c.destroy_cycles, {"destroy_cycles", "cycles", "xl's own time to destroy a domain", "uncalibrated",
                       config::between(0, 1'000'000'000'000)});
  v(c.verb_cycles, {"verb_cycles", "cycles", "xl's own time for any other verb, from its start", "uncalibrated",
                    config::between(0, 1'000'000'000'000)});
  v(c.copy_bytes_per_cycle,
    {"copy_bytes_per_cycle", "bytes", "speed of copying images", "uncalibrated", config::between(1, 1024)});
  v(c.extents_per_call, {"extents_per_call", "count", "extents in one populate_physmap hypercall", "uncalibrated",
                         config::between(1, 65536)});
  v(c.restart_delay, {"restart_delay", "ns", "from the end of a domain to its restart", "xl 4.17: sleep(2)",
                      config::between(0, 3'600'000'000'000)});
  v(c.xenstore_cycles,
    {"xenstore_cycles", "cycles",
     "what one request to xenstored costs the toolstack: system calls, the switch to xenstored and back",
     "uncalibrated", config::between(0, 10'000'000)});
  v(c.control_timeout,
    {"control_timeout", "ns",
     "how long shutdown, reboot and save wait for the guest's acknowledgement, and save for its suspension",
     "libxl 4.17: 60 s", config::between(0, 3'600'000'000'000)});
  v(c.storage_bandwidth, {"storage_bandwidth", "bit/s", "how fast saved domains are written and read",
                          "uncalibrated", config::between(10'000, 10'000'000'000'000)});
  v(c.storage_space, {"storage_space", "bytes", "room for one saved domain; 0: no limit", "design"});
  v(c.migration, {"migration", "", "live migration", ""});
}

std::string to_string(const std::array<std::uint8_t, 16>& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", uuid[i]);
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits;
  }
  return text;
}

std::array<std::uint8_t, 16> to_uuid(const std::string& text) {
  std::array<std::uint8_t, 16> uuid{};
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const bool letter = c >= 'a' && c <= 'f';
    if (digits == 32 || !(letter || (c >= '0' && c <= '9'))) return {};
    const int value = letter ? c - 'a' + 10 : c - '0';
    uuid[digits / 2] = static_cast<std::uint8_t>(uuid[digits / 2] << 4 | value);
    ++digits;
  }
  return digits == 32 ? uuid : std::array<std::uint8_t, 16>{};
}

// One run of xl: its process starts, does what its verb does, and ends.
class Toolstack::Run final : public Job {
 public:
  Run(Toolstack& toolstack, Entry entry, Cycles now)
      : toolstack_(toolstack),
        number_(entry.number),
        verb_(std::move(entry.verb)),
        over_(std::move(entry.over)),
        context_{toolstack, record_.output, entry.spec, 0, std::move(entry.incoming)} {
    record_.command = verb_.command;
    record_.asked = entry.asked;
    record_.began = toolstack.hypervisor.ns(now);
  }

  ModelAction next(xen::Vcpu& vcpu, Cycles now) override {
    for (;;) switch (step_) {
        case Step::kStart:
          step_ = Step::kAct;
          if (!verb_.verb || verb_.verb->act) return ModelAction::spend(toolstack_.config.verb_cycles);
          break;
        case Step::kAct:
          step_ = Step::kEnd;
          if (!verb_.verb) {
            record_.output = verb_.answer;
          } else if (verb_.verb->act) {
            record_.output.status = verb_.verb->act(context_, verb_);
            charge();
          } else {
            job_ = verb_.verb->start(context_, verb_);
            if (job_) step_ = Step::kJob;
          }
          break;
        case Step::kJob: {
          ModelAction action = job_->next(vcpu, now);
          if (action.kind != ModelAction::Kind::kExit) return action;
          step_ = Step::kEnd;
          break;
        }
        case Step::kEnd:
          record_.ended = toolstack_.hypervisor.ns(toolstack_.hypervisor.now());
          ++toolstack_.verbs_over_;
          if (!record_.asked && record_.output.status != 0) toolstack_.not_created_.push_back(record_);
          if (toolstack_.on_verb) toolstack_.on_verb(number_, record_);
          if (over_) over_(record_);
          return ModelAction::exit();
      }
  }

  const VerbRecord& record() const { return record_; }

 private:
  enum class Step : std::uint8_t { kStart, kAct, kJob, kEnd };

  void charge() {
    cpu::Pcpu& p = *toolstack_.hypervisor.here().pcpu;
    toolstack_.hypervisor.cost.charge_many(p, xen::Path::kModelHypercall, context_.hypercalls);
    toolstack_.hypervisor.cost.charge_many(p, xen::Path::kControlOp, context_.hypercalls);
    p.core.advance(toolstack_.xenstore_time(), cpu::CpiCategory::kModel);
  }

  Toolstack& toolstack_;
  std::uint64_t number_;
  xl::Invocation verb_;
  std::function<void(const VerbRecord&)> over_;
  VerbRecord record_;
  xl::Context context_;
  std::unique_ptr<Job> job_;
  Step step_ = Step::kStart;
};

Toolstack::Toolstack(xen::Hypervisor& hv, const ToolstackConfig& c, ConsoleDaemon& daemon, XenstoreDaemon& store,
                     std::uint64_t seed)
    : hypervisor(hv), config(c), console(daemon), xenstored(store), xenstore(store), uuids_(seed, "dom0.xl.uuid") {
  // The socket to xenstored, as far as it wakes the toolstack: a port of dom0's that is bound to itself.
  std::uint32_t other = 0;
  expects(hv.evtchn_alloc_unbound(dom0(), 0, event_port_) == 0);
  expects(hv.evtchn_bind_interdomain(dom0(), 0, event_port_, other) == 0);
  xenstore.on_event = [this](const std::string&, const std::string&) {
    hypervisor.event_set_pending(dom0(), event_port_);
  };
  console.run_xl = [this](const std::string& command, ConsoleScript& script, std::size_t step) {
    start_verb(xl::parse(command), std::nullopt, [this, &script, step](const VerbRecord& r) {
      script.command_over(step, r.output.status, r.ended);
      wake();
    });
  };
}

XenstoreDomain Toolstack::store_facts(const ManagedDomain& m) {
  XenstoreDomain d;
  d.domid = m.domid;
  d.name = m.name;
  d.uuid = to_string(m.uuid);
  d.vcpus = m.vcpu_available;
  d.static_max_kib = m.static_max_kib;
  d.target_kib = m.target_kib;
  d.wallclock_ns = hypervisor.config.wallclock_seconds * std::uint64_t{1'000'000'000} + m.started;
  const xen::Domain& domain = *hypervisor.find_domain(m.domid);
  d.store_port = static_cast<std::uint32_t>(domain.hvm_params[HVM_PARAM_STORE_EVTCHN]);
  d.console_port = static_cast<std::uint32_t>(domain.hvm_params[HVM_PARAM_CONSOLE_EVTCHN]);
  d.store_gfn = domain.hvm_params[HVM_PARAM_STORE_PFN];
  d.console_gfn = domain.hvm_params[HVM_PARAM_CONSOLE_PFN];
  if (m.stub_of) return d;
  d.disks = specs_[m.spec].config.disk;
  d.vifs = specs_[m.spec].config.vif;
  d.disk_backends = m.disk_backends;
  d.vif_backends = m.vif_backends;
  d.driver_domain = specs_[m.spec].config.driver_domain;
  d.hvm = specs_[m.spec].config.type == config::DomainType::kHvm;
  d.video_kib = specs_[m.spec].config.video_memory_mib << 10;
  d.target_kib -= std::min(d.target_kib, d.video_kib);
  return d;
}

void Toolstack::add_domain(DomainSpec spec) {
  Entry e;
  e.verb = xl::parse("create '" + spec.config.file + "'");
  e.number = ++verbs_;
  e.spec = enter(std::move(spec));
  to_create_.push_back(std::move(e));
}

void Toolstack::add_verb(Nanoseconds at, xl::Invocation verb, std::optional<DomainSpec> file) {
  timeline_.push_back({at, std::move(verb), enter(std::move(file)), ++verbs_, true});
}

std::uint64_t Toolstack::start_verb(xl::Invocation verb, std::optional<DomainSpec> file,
                                    std::function<void(const VerbRecord&)> over) {
  asked_.push_back({0, std::move(verb), enter(std::move(file)), ++verbs_, true, {}, std::move(over)});
  hypervisor.event_set_pending(dom0(), event_port_);  // dom0 wakes, as for a key that was pressed
  return verbs_;
}

bool Toolstack::finished() const {
  return settled() && std::all_of(outcomes_.begin(), outcomes_.end(),
                                  [](const DomainOutcome& o) { return o.state == State::kEnded; });
}

std::vector<const VerbRecord*> Toolstack::under_way() const {
  std::vector<const VerbRecord*> out;
  for (const auto* jobs : {&running_, &starting_})
    for (const auto& job : *jobs)
      if (const auto* run = dynamic_cast<const Run*>(job.get())) out.push_back(&run->record());
  return out;
}

xen::Domain& Toolstack::dom0() {
  xen::Domain* d = hypervisor.find_domain(0);
  expects(d != nullptr);
  return *d;
}

ManagedDomain* Toolstack::managed(domid_t domid) {
  const auto it = domains_.find(domid);
  return it == domains_.end() ? nullptr : &it->second;
}

std::optional<std::size_t> Toolstack::enter(std::optional<DomainSpec> spec) {
  if (!spec) return std::nullopt;
  specs_.push_back(std::move(*spec));
  outcomes_.emplace_back();
  return specs_.size() - 1;
}

std::optional<unsigned> Toolstack::domid_of(const std::string& qualifier) const {
  unsigned domid = 0;
  if (xl::is_domid(qualifier, domid)) return domid;
  return domid_of_name(qualifier);
}

std::optional<unsigned> Toolstack::domid_of_name(const std::string& name) const {
  for (const auto& [domid, d] : hypervisor.domains)
    if (name_of(domid) == name) return domid;
  return std::nullopt;
}

std::optional<std::string> Toolstack::name_of(unsigned domid) const {
  const auto it = domains_.find(static_cast<domid_t>(domid));
  if (domid <= 0xffff && it != domains_.end()) return it->second.name;
  return std::nullopt;
}

domid_t Toolstack::allocate_domid() { return hypervisor.free_domid(); }

std::array<std::uint8_t, 16> Toolstack::make_uuid() {
  std::array<std::uint8_t, 16> uuid{};
  for (unsigned half = 0; half < 2; ++half) {
    const std::uint64_t r = uuids_.next();
    for (unsigned i = 0; i < 8; ++i) uuid[8 * half + i] = static_cast<std::uint8_t>(r >> (8 * i));
  }
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40);  // random, RFC 4122
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

void Toolstack::rename_domain(domid_t domid, const std::string& name) {
  ManagedDomain& m = *managed(domid);
  m.name = name;
  xenstore.rename(domid, name);
  hypervisor.find_domain(domid)->name = name;
}

void Toolstack::rename_spec(std::size_t spec, const std::string& name) {
  specs_[spec].name = specs_[spec].parameters.name = name;
}

std::shared_ptr<MigrationReport> Toolstack::begin_migration(const std::string& domain, const std::string& to) {
  auto report = std::make_shared<MigrationReport>();
  report->domain = domain;
  report->from = host_name;
  report->to = to;
  report->began = hypervisor.ns(hypervisor.now());
  migrations.push_back(report);
  if (migration_stats) {
    stats::Group& all = migration_stats->group("migration", "of domains to other hosts");
    report->stats = &all.group(std::to_string(migrations.size()));
    add_stats(*report, *report->stats);
  }
  return report;
}

void Toolstack::connect_script(domid_t domid) {
  const auto script = scripts->find(managed(domid)->name);
  if (script != scripts->end()) console.connect(domid, script->second);
}

void Toolstack::start(std::unique_ptr<Job> job) { starting_.push_back(std::move(job)); }

void Toolstack::begin(Entry entry, Cycles now) { start(std::make_unique<Run>(*this, std::move(entry), now)); }

// What programs at other hosts have started here.
void Toolstack::accept_incoming(Cycles now) {
  while (network) {
    auto incoming = network->accept(now);
    if (!incoming) return;
    Entry e;
    e.verb = xl::parse(incoming->command);
    e.number = ++verbs_;
    e.asked = true;
    e.incoming = std::make_shared<Incoming>(std::move(*incoming));
    begin(std::move(e), now);
  }
}

// The background process of each domain that has ended wakes up.
void Toolstack::find_ended() {
  for (auto& [domid, m] : domains_) {
    if (!m.built || m.ending) continue;
    const xen::Domain* d = hypervisor.find_domain(domid);
    if (d && !d->shutdown) continue;
    if (d && m.suspending && *d->shutdown == xen::ShutdownReason::kSuspend) {
      m.monitored = false;  // "Domain has suspended.": the process is done, whatever becomes of the domain
    } else if (m.monitored) {
      m.ending = true;
      start(std::make_unique<Ending>(*this, domid));
    } else {
      note_unwatched_end(m, d);
    }
  }
}

// Nobody acts upon it, and the domain stays as it is.
void Toolstack::note_unwatched_end(const ManagedDomain& m, const xen::Domain* d) {
  if (m.domid == 0 || m.spec >= outcomes_.size()) return;
  DomainOutcome& o = outcome(m.spec);
  if (o.domid != m.domid || o.state != State::kRunning) return;
  if (d)
    record_end(o, *d);
  else
    o.why = "destroyed";
  o.state = State::kEnded;
  console.release(m.domid);
  if (on_end) on_end(m.domid, o);
}

ModelAction Toolstack::next(xen::Vcpu& vcpu, Cycles now) {
  if (domains_.empty()) {  // dom0's own entry, which xen-init-dom0 wrote
    ManagedDomain& m = domains_[0];
    m.name = "Domain-0";
    m.built = true;
    m.target_kib = hypervisor.frames.totals(0).pages << 2;
    m.static_max_kib = ~std::uint64_t{0};
    xenstore.initialise("Pool-0", m.target_kib, hypervisor.memory.size() >> 10);
    if (const domid_t home = xenstored.home(); home != 0) {
      ManagedDomain& stub = domains_[home];
      stub.domid = home;
      stub.name = "Xenstore";
      stub.built = true;
      stub.target_kib = stub.static_max_kib = xenstored.config().stub_memory >> 10;
      stub.vcpu_available = {true};
      xenstore.initialise_stub_domain(home, stub.target_kib);
    }
    xenstore.watch_path("@releaseDomain", "xl");
    if (on_ready) on_ready();
    return ModelAction::spend(xenstore_time());
  }
  hypervisor.model_take_event(vcpu.domain, event_port_);
  for (;;) {
    find_ended();
    accept_incoming(now);
    while (next_entry_ < timeline_.size() && timeline_[next_entry_].at <= hypervisor.ns(now))
      begin(std::move(timeline_[next_entry_++]), now);
    for (Entry& e : std::exchange(asked_, {})) begin(std::move(e), now);
    if (!creating_ && !to_create_.empty()) {
      begin(std::move(to_create_.front()), now);
      to_create_.erase(to_create_.begin());
      creating_ = starting_.back().get();
    }
    for (auto& job : std::exchange(starting_, {})) running_.push_back(std::move(job));

    bool over = false;
    Cycles deadline = kNever;
    for (std::size_t i = 0; i < running_.size() && !over; ++i) {
      const std::size_t k = (turn_ + 1 + i) % running_.size();
      ModelAction action = running_[k]->next(vcpu, now);
      if (action.kind == ModelAction::Kind::kExit) {
        if (running_[k].get() == creating_) creating_ = nullptr;
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(k));
        over = true;
      } else if (action.kind == ModelAction::Kind::kBlock) {
        deadline = std::min(deadline, action.deadline);
      } else {
        turn_ = k;
        return action;
      }
    }
    if (over || !starting_.empty()) continue;
    if (next_entry_ < timeline_.size())
      deadline = std::min(deadline, hypervisor.cycles(timeline_[next_entry_].at));
    return ModelAction::block(deadline);
  }
}

}  // namespace xensim::dom0
