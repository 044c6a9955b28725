#include "models/machine/machine.h"

#include <algorithm>
#include <limits>

#include "models/xen/control/domain_control.h"
#include "sim/base/error.h"
#include "sim/base/expects.h"
#include "sim/base/units.h"

namespace xensim::machine {

namespace {

cpu::CoreConfig core_config(const MachineConfig& m) {
  cpu::CoreConfig c;
  c.tsc_hz = m.cpu.frequency;
  c.physical_bits = m.cpu.physical_bits;
  c.pml = m.cpu.pml;
  c.tlb = m.cpu.tlb;
  c.inorder = m.cpu.timing;
  return c;
}

cpu::CpuidPolicy cpuid_policy(const MachineConfig& m) {
  auto policy = cpu::CpuidPolicy::default_policy(m.cpu.frequency, m.cpu.physical_bits);
  using enum cpu::CpuidCache::Type;
  const memory::CacheSystemConfig& caches = m.memory.caches;
  const cpu::CpuidCache cpuid_caches[] = {
      {kData, 1, caches.l1d.size, caches.l1d.ways},
      {kInstruction, 1, caches.l1i.size, caches.l1i.ways},
      {kUnified, 2, caches.l2.size, caches.l2.ways, 1, true},
      {kUnified, 3, caches.l3.size, caches.l3.ways, memory::CacheSystem::kMostCpus, true},
  };
  policy.set_caches(cpuid_caches);
  for (const auto& [name, leaf] : m.cpu.cpuid) {
    const std::string place = "/cpu/cpuid/" + name;
    const auto dot = name.find('.');
    const auto number = [&](const std::string& text) {
      const std::uint64_t n = parse_unsigned(text, place);
      if (n >> 32) throw UserError(place, "no 32-bit number", "write \"0x7\" or \"0x7.0\"");
      return static_cast<std::uint32_t>(n);
    };
    policy.set(number(name.substr(0, dot)), dot == std::string::npos ? 0 : number(name.substr(dot + 1)),
               {leaf.eax, leaf.ebx, leaf.ecx, leaf.edx});
  }
  return policy;
}

}  // namespace

Machine::Machine(sc_core::sc_module_name name, const ScenarioConfig& s, std::vector<dom0::DomainSpec> domains,
                 std::vector<CheckedVerb> timeline, std::unique_ptr<trace::Tracer> t, dom0::ConsoleSink sink)
    : sc_module(name),
      scenario(s),
      tracer(std::move(t)),
      memory(s.machine.memory.size),
      caches(s.machine.memory.caches, s.machine.cpu.count, s.machine.cpu.frequency, s.machine.seed),
      clock_(s.machine.cpu.frequency) {
  const MachineConfig& m = scenario.machine;
  const cpu::CpuidPolicy cpuid = cpuid_policy(m);
  for (unsigned i = 0; i < m.cpu.count; ++i) {
    pcpus.push_back(std::make_unique<cpu::Pcpu>(i, core_config(m), memory, caches, cpuid, pcpus,
                                                m.xen.path_cost.ipi_latency_cycles));
    cpu::Core& core = pcpus.back()->core;
    core.random = Rng(m.seed, "cpu." + std::to_string(i) + ".rdrand");
    core.set_timing(scenario.timing == Timing::kInorder ? cpu::TimingKind::kInorder
                                                        : cpu::TimingKind::kFunctional);
  }
  xen::HypervisorConfig xen_config = m.xen;
  for (const NodeConfig& n : m.memory.nodes) xen_config.nodes.push_back({n.size, n.cpus});
  hypervisor = std::make_unique<xen::Hypervisor>(xen_config, memory, pcpus, *tracer, m.seed);
  hypervisor->on_guest_console_io = [sink](xen::Domain& d, std::string_view text) { sink(d.domid, text); };

  memory_module_ = std::make_unique<MemoryModule>("memory", memory, clock_.time(1));
  for (unsigned i = 0; i < m.cpu.count; ++i) {
    modules_.push_back(std::make_unique<PcpuModule>(("pcpu" + std::to_string(i)).c_str(), *pcpus[i], clock_,
                                                    m.quantum, host_state_));
    modules_.back()->bus.bind(memory_module_->bus);
  }

  // dom0 exists from the start, as Xen builds it; its programs are the toolstack and the console daemon.
  xen::CreateParameters p;
  p.name = "Domain-0";
  p.vcpus = p.max_vcpus = m.dom0.vcpus;
  p.max_pages = 0xffffffff;  // no limit, as Xen has it
  p.max_evtchn_port = std::numeric_limits<std::int32_t>::max();
  p.grants = {m.xen.grants.max_frames, m.xen.grants.max_maptrack_frames, m.xen.grants.max_version};
  xen::Domain& dom0 = hypervisor->create_domain(0, xen::DomainKind::kModel, p);
  give_memory(dom0, m.xen.dom0_memory);
  xen::Domain& xenstore_home = make_xenstore_home(dom0);
  auto store = std::make_unique<dom0::XenstoreDaemon>(*hypervisor, m.dom0.xenstored, xenstore_home);
  xenstored = store.get();
  xenstore_port = std::make_unique<XenstorePort>(*xenstored);
  network = std::make_unique<HostNetwork>(*this);
  auto daemon = std::make_unique<dom0::ConsoleDaemon>(*hypervisor, m.dom0.console, std::move(sink));
  console = daemon.get();
  auto xl = std::make_unique<dom0::Toolstack>(*hypervisor, m.dom0.toolstack, *console, *xenstored, m.seed);
  toolstack = xl.get();
  toolstack->network = network.get();
  toolstack->migration_stats = &stats;
  hypervisor->on_network_interrupt = [this] { toolstack->wake(); };
  toolstack->check_spec = [this](const std::string& place, const std::string& text) {
    return check_domain(scenario, {place, text});
  };
  for (dom0::DomainSpec& d : domains) toolstack->add_domain(std::move(d));
  for (CheckedVerb& v : timeline) toolstack->add_verb(v.at, std::move(v.verb), std::move(v.file));
  hypervisor->add_program(*dom0.vcpus[0], std::move(xl));
  hypervisor->add_program(*dom0.vcpus[0], std::move(daemon));
  hypervisor->add_program(*xenstore_home.vcpus[0], std::move(store));
  hypervisor->add_program(*dom0.vcpus[0],
                          std::make_unique<dom0::Housekeeping>(m.dom0.housekeeping, m.cpu.frequency, m.seed));
  if (m.dom0.memshare.period != 0)
    hypervisor->add_program(*dom0.vcpus[0],
                            std::make_unique<dom0::MemoryShareDaemon>(*hypervisor, m.dom0.memshare));

  stats.add("time_ns", "ns", "simulated time", [this] { return now_ns(); });
  stats.add("time_cycles", "cycles", "simulated time in cycles of the core clock", [this] { return now(); });
  stats.add("instructions", "instructions", "guest instructions retired", [this] { return instructions(); });
  hypervisor->add_stats(stats);
  stats::Group& census = stats.group("census", "what is in use, counted over everybody");
  // The page of handles that the first mapping of a grant adds to a daemon's domain is there for good, as in Xen:
  // it counts from the start.
  for (xen::Domain* d : {&dom0, &xenstore_home}) {
    const auto handle = d->grants->maptrack.take(0, static_cast<unsigned>(d->vcpus.size()));
    expects(handle.has_value());
    d->grants->maptrack.put(*handle);
  }
  census_at_start_ = take_census();
  toolstack->on_ready = [this] { census_at_start_ = take_census(); };
  xen::add_stats(census_at_start_, census.group("start", "before the first domain is created"));
  xen::add_stats(census_at_end_, census.group("end", "at the end of the run"));
  caches.register_stats(stats.group("memory"));
  xenstored->add_stats(stats.group("xenstored"));
}

// Its programs go with the hypervisor, in any order: the one that another refers to lets go first.
Machine::~Machine() { xenstored->store().remove(toolstack->xenstore); }

// Xen's own way to say how much RAM a domain of model programs has: frames that nobody looks into.
void Machine::give_memory(const xen::Domain& d, std::uint64_t bytes) {
  for (std::uint64_t left = bytes >> kPageShift; left > 0;) {
    unsigned order = xen::Heap::kMaxOrder;
    while (std::uint64_t{1} << order > left) --order;
    while (!hypervisor->frames.allocate(d.domid, order)) expects(order-- > 0);
    left -= std::uint64_t{1} << order;
  }
}

// Where xenstored runs: dom0, or a domain that init-xenstore-domain makes before there is any other.
xen::Domain& Machine::make_xenstore_home(xen::Domain& dom0) {
  const dom0::XenstoredConfig& c = scenario.machine.dom0.xenstored;
  if (!c.stub_domain) return dom0;
  xen::CreateParameters p;
  p.name = "Xenstore";
  p.max_pages = c.stub_memory >> kPageShift;
  xen::Domain& d = hypervisor->create_domain(1, xen::DomainKind::kModel, p);
  d.role.xenstore = true;
  give_memory(d, c.stub_memory);
  return d;
}

Cycles Machine::now() const {
  Cycles t = 0;
  for (const auto& p : pcpus) t = std::max(t, p->core.now);
  return t;
}

std::uint64_t Machine::instructions() const {
  std::uint64_t n = 0;
  for (const auto& p : pcpus) n += p->core.instructions;
  return n;
}

void Machine::after_activation() {
  // The pCPU that has just run takes what came in, and has armed itself before it did.
  if (xenstore_port->in_use() && xenstore_port->exchange()) {
    const cpu::Pcpu& p = *hypervisor->here().pcpu;
    modules_[p.index]->wake(p.index, p.core.now);
  }
  if (heartbeat) heartbeat();
}

void Machine::start(RunState& run) {
  host_state_.run = &run;
  if (scenario.until != 0) host_state_.until = hypervisor->cycles(scenario.until);
  host_state_.heartbeat = [this] { after_activation(); };
  if (watch) {
    host_state_.watch = watch;
    host_state_.stand_at = [this](const cpu::Pcpu& p) { hypervisor->stand_at(p); };
    hypervisor->on_happening = [this](xen::Hypervisor::Happening what, const xen::Vcpu& v) {
      watch->happened(what, v);
    };
  }
  xen::control::unpause(*hypervisor, *hypervisor->find_domain(0));
  if (xenstored->home() != 0) xen::control::unpause(*hypervisor, *hypervisor->find_domain(xenstored->home()));
  for (auto& m : modules_) m->wake(0, 0);
}

void Machine::network_interrupt(Cycles at) {
  // The card's interrupt goes to the first pCPU.
  pcpus.front()->post(at, {.vector = xen::kNetworkVector});
}

void Machine::stop_at(Cycles end) {
  host_state_.until = std::min(host_state_.until, end);
  for (auto& m : modules_) m->observe_limit();
}

void Machine::finish(Cycles end) {
  for (auto& m : modules_) m->catch_up(end);
  hypervisor->finish(end);
  census_at_end_ = take_census();
}

xen::Census Machine::take_census() const {
  xen::Census c = xen::take_census(*hypervisor);
  dom0::Store& store = xenstored->store();
  c.store_nodes = store.deep_nodes();
  c.store_transactions = store.open_transactions();
  for (const auto& [domid, d] : store.domains()) c.store_watches += d.watches;
  return c;
}

RunEnd Machine::run() {
  Machine* const self = this;
  return simulate({&self, 1});
}

namespace {

// It will go on by itself at a time that it has set.
bool has_timer(const xen::Vcpu& v) {
  return v.singleshot.pending() || v.periodic.pending() || v.apic_timer.pending() || v.poll.pending();
}

}  // namespace

bool Machine::stuck() const {
  if (!toolstack->settled() || xenstore_port->in_use()) return false;
  bool any = false;
  for (const auto& [domid, d] : hypervisor->domains) {
    if (d->kind == xen::DomainKind::kModel || d->shutdown) continue;
    any = true;
    if (d->platform) return false;  // its own timers
    if (d->watchdogs[0].pending() || d->watchdogs[1].pending()) return false;
    for (const auto& v : d->vcpus) {
      if (v->pause_flags & (xen::kPauseDown | xen::kPausePaused)) continue;
      if (v->runstate != trace::Runstate::kBlocked || has_timer(*v)) return false;
    }
  }
  return any;
}

std::string Machine::explain() const {
  std::string out;
  const auto state = [](trace::Runstate r) {
    static constexpr const char* kNames[] = {"running", "runnable", "blocked", "offline"};
    return kNames[static_cast<unsigned>(r)];
  };
  for (const xen::PcpuState& c : hypervisor->pcpus) {
    out += "pCPU " + std::to_string(c.pcpu->index) + ": time " + std::to_string(c.pcpu->core.now) + ", ";
    out += c.current ? "runs d" + std::to_string(c.current->domain.domid) + "v" + std::to_string(c.current->id)
                     : std::string("idle");
    const Cycles next = c.pcpu->next_deadline();
    out += next == kNever ? ", no timer or message pending\n" : ", next deadline " + std::to_string(next) + "\n";
  }
  for (const auto& [domid, d] : hypervisor->domains)
    for (const auto& v : d->vcpus) {
      if (v->pause_flags & xen::kPauseDown) continue;
      out +=
          "d" + std::to_string(domid) + "v" + std::to_string(v->id) + " (" + d->name + "): " + state(v->runstate);
      if (v->pause_flags & xen::kPauseBlockedInPoll)
        out += ", waits in SCHEDOP_poll";
      else if (v->pause_flags & xen::kPauseBlocked)
        out += ", waits for an event";
      if (v->pause_flags & xen::kPausePaused) out += ", paused";
      if (v->pause_flags & xen::kPauseShutdown) out += ", shut down";
      if (!has_timer(*v) && !v->model) out += ", no timer set";
      out += "\n";
    }
  return out;
}

}  // namespace xensim::machine
