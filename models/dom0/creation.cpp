#include "models/dom0/creation.h"

#include <algorithm>
#include <new>

#include "models/dom0/device_spec.h"
#include "models/xen/control/domain_control.h"
#include "models/xen/hypercall/control.h"
#include "sim/base/expects.h"

namespace xensim::dom0 {

using xen::ModelAction;
using State = DomainOutcome::State;

xen::Domain& Creation::domain() {
  xen::Domain* d = toolstack_.hypervisor.find_domain(domid_);
  expects(d != nullptr);
  return *d;
}

ModelAction Creation::next(xen::Vcpu&, Cycles) {
  // Somebody may have destroyed it meanwhile.
  if (step_ != Step::kMake && step_ != Step::kDone && !toolstack_.hypervisor.find_domain(domid_)) return fail();
  switch (step_) {
    case Step::kMake:
      return make();
    case Step::kPopulate:
      return populate();
    case Step::kFill:
      return fill();
    case Step::kStart:
      return start();
    case Step::kDone:
      break;
  }
  return ModelAction::exit();
}

namespace {

// libxl__resolve_domid: `backend` is a name or a number.
bool find_backends(const Toolstack& toolstack, ManagedDomain& m, xl::Output& out) {
  const config::DomainConfig& c = toolstack.spec(m.spec).config;
  const auto find = [&](const std::string& backend, std::vector<domid_t>& to) {
    const auto domid = backend.empty() ? std::optional<unsigned>(0) : toolstack.domid_of(backend);
    if (domid) to.push_back(static_cast<domid_t>(*domid));
    return domid.has_value();
  };
  for (std::size_t i = 0; i < c.disk.size(); ++i)
    if (!find(read_disk(c.disk[i]).backend, m.disk_backends)) {
      out.complain(
          "libxl: error: libxl_create.c:1318:initiate_domain_create: Domain %u:Unable to set disk defaults for "
          "disk "
          "%zu\n",
          m.domid, i);
      return false;
    }
  for (std::size_t i = 0; i < c.vif.size(); ++i)
    if (!find(read_vif(c.vif[i]).backend, m.vif_backends)) {
      out.complain(
          "libxl: error: libxl_nic.c:520:libxl__device_nic_set_devids: Domain %u:Unable to set nic defaults for "
          "nic "
          "%zu\n",
          m.domid, i);
      return false;
    }
  return true;
}

// What libxl__arch_domain_create tells Xen of an HVM guest.
void set_hvm_features(const config::DomainConfig& c, xen::Domain& d) {
  constexpr std::pair<std::string_view, std::uint64_t> kViridian[] = {
      {"base", HVMPV_base_freq},
      {"time_ref_count", HVMPV_time_ref_count},
      {"reference_tsc", HVMPV_reference_tsc},
      {"hcall_remote_tlb_flush", HVMPV_hcall_remote_tlb_flush},
      {"apic_assist", HVMPV_apic_assist},
      {"crash_ctl", HVMPV_crash_ctl},
      {"synic", HVMPV_synic},
      {"stimer", HVMPV_time_ref_count | HVMPV_synic | HVMPV_stimer},
      {"hcall_ipi", HVMPV_hcall_ipi},
      {"ex_processor_masks", HVMPV_ex_processor_masks},
      {"no_vp_limit", HVMPV_no_vp_limit},
      {"cpu_hotplug", HVMPV_cpu_hotplug}};
  d.hvm_params[HVM_PARAM_HPET_ENABLED] = c.hpet;
  std::uint64_t viridian = 0;
  for (const auto& [name, bits] : kViridian)
    if (std::find(c.viridian.begin(), c.viridian.end(), name) != c.viridian.end()) viridian |= bits;
  const bool frequencies = std::find(c.viridian.begin(), c.viridian.end(), "freq") != c.viridian.end();
  if (viridian != 0 && !frequencies) viridian |= HVMPV_no_freq;
  d.hvm_params[HVM_PARAM_VIRIDIAN] = viridian;
}

// xc_domain_set_target, for a domain that a scenario makes another's device model.
bool take_role(Toolstack& toolstack, const DomainSpec& spec, xen::Domain& d, xl::Output& out) {
  if (spec.device_model_of.empty()) return true;
  const auto target = toolstack.domid_of_name(spec.device_model_of);
  const long r = target ? xen::set_target(toolstack.hypervisor, toolstack.dom0(), d, static_cast<domid_t>(*target))
                        : -xen::kEsrch;
  if (r == 0) return true;
  out.complain("xensim: error: Domain %u:cannot be the device model of \"%s\": %s\n", d.domid,
               spec.device_model_of.c_str(), target ? "it is no guest" : "there is no such domain");
  return false;
}

}  // namespace

Made make_domain(Toolstack& toolstack, std::size_t spec, xl::Output& out, domid_t& domid,
                 std::optional<domid_t> wanted) {
  xen::Hypervisor& hv = toolstack.hypervisor;
  const DomainSpec& s = toolstack.spec(spec);
  domid = wanted ? *wanted : toolstack.allocate_domid();
  if (hv.domains.contains(domid)) return Made::kDomidTaken;
  if (toolstack.domid_of_name(s.name)) return Made::kNameTaken;
  DomainOutcome& o = toolstack.outcome(spec);
  o.domid = domid;
  o.state = State::kBuilding;
  ++o.instances;
  try {
    hv.create_domain(domid, xen::DomainKind::kGuest, s.parameters);
  } catch (const std::bad_alloc&) {
    hv.destroy_domain(domid);  // what there is of it
    return Made::kNoMemory;
  }
  ManagedDomain& m = toolstack.domains()[domid];
  m = {};
  m.domid = domid;
  m.spec = spec;
  m.name = s.name;
  m.uuid = s.config.uuid.empty() ? toolstack.make_uuid() : to_uuid(s.config.uuid);
  m.started = hv.ns(hv.now());
  m.target_kib = s.config.memory_mib << 10;
  m.static_max_kib = s.config.maxmem_mib << 10;
  for (unsigned i = 0; i < s.config.maxvcpus; ++i) m.vcpu_available.push_back(i < s.config.vcpus);
  xen::Domain& d = *hv.find_domain(domid);
  d.uuid = m.uuid;
  d.role.control = s.control;
  if (s.config.type == config::DomainType::kHvm) set_hvm_features(s.config, d);
  if (toolstack.on_create) toolstack.on_create(domid, m.name);
  if (!find_backends(toolstack, m, out) || !take_role(toolstack, s, d, out)) return Made::kRefused;
  toolstack.xenstore.make(toolstack.store_facts(m));
  return Made::kYes;
}

ModelAction Creation::make() {
  switch (make_domain(toolstack_, spec_, out_, domid_)) {
    case Made::kNameTaken:
      complain_of_name(out_, domid_, spec().name);
      return fail();
    case Made::kNoMemory:
      return out_of_memory();
    case Made::kRefused:
      return fail();
    case Made::kDomidTaken:  // it has asked for none
    case Made::kYes:
      break;
  }
  const xen::HypervisorConfig& c = toolstack_.hypervisor.config;
  extents_ = xen::extents_of(spec().plan, c.ept_1gb, c.ept_2mb);
  next_extent_ = 0;
  step_ = Step::kPopulate;
  return ModelAction::spend(toolstack_.config.create_cycles + toolstack_.xenstore_time());
}

// libxl__spawn_stub_dm: NAME-dm has a vCPU, the memory that the file says, and its guest as its target. No device
// model runs in it: a PVH guest has no use for one.
bool Creation::make_stub_domain() {
  constexpr std::uint64_t kDefaultMib = 28;  // libxl's for a MiniOS stub domain
  xen::Hypervisor& hv = toolstack_.hypervisor;
  const std::uint64_t given = spec().config.stubdomain_memory_mib;
  const std::uint64_t pages = (given ? given : kDefaultMib) << 8;
  xen::CreateParameters p;
  p.name = spec().name + "-dm";
  p.max_pages = pages;
  p.grants = spec().parameters.grants;
  const domid_t domid = toolstack_.allocate_domid();
  if (hv.heap.free_pages() < pages + hv.frames.claimed()) return false;
  xen::Domain& d = hv.create_domain(domid, xen::DomainKind::kModel, p);
  for (std::uint64_t left = pages; left > 0;) {
    unsigned order = xen::Heap::kMaxOrder;
    while (std::uint64_t{1} << order > left) --order;
    while (!hv.frames.allocate(domid, order)) {
      if (order-- == 0) {
        hv.destroy_domain(domid);
        return false;
      }
    }
    left -= std::uint64_t{1} << order;
  }
  expects(xen::set_target(hv, toolstack_.dom0(), d, domid_) == 0);
  ManagedDomain& m = toolstack_.domains()[domid];
  m = {};
  m.domid = domid;
  m.spec = spec_;
  m.name = p.name;
  m.uuid = d.uuid = toolstack_.make_uuid();
  m.started = hv.ns(hv.now());
  m.target_kib = m.static_max_kib = pages << 2;
  m.vcpu_available = {true};
  m.built = true;
  m.stub_of = domid_;
  toolstack_.xenstore.make_stub_domain(toolstack_.store_facts(m), domid_);
  if (toolstack_.on_create) toolstack_.on_create(domid, m.name);
  xen::control::unpause(hv, d);
  return true;
}

// One populate_physmap hypercall of a batch of extents. An extent that finds no contiguous memory is tried as
// smaller ones, as libxenguest does.
ModelAction Creation::populate() {
  xen::Hypervisor& hv = toolstack_.hypervisor;
  if (next_extent_ == 0) {
    const long r = xen::reserve_memory(hv, domain(), spec().plan);
    if (r == -xen::kErestart) return ModelAction::hypercall();
    if (r != 0) return out_of_memory();
  }
  hv.cost.charge(*hv.here().pcpu, xen::Path::kMemoryOp);
  std::uint64_t done = 0;
  while (next_extent_ < extents_.size() && done < toolstack_.config.extents_per_call) {
    if (done > 0 && hv.hypercall_preempted()) break;
    const xen::Extent e = extents_[next_extent_];
    if (xen::place_extent(hv, domain(), e)) {
      ++next_extent_;
      ++done;
      continue;
    }
    if (e.order == 0) return out_of_memory();
    std::vector<xen::Extent> smaller;
    const unsigned order = e.order - 9;
    for (std::uint64_t k = 0; k < 512; ++k) smaller.push_back({e.gfn + (k << order), order, e.on_demand});
    extents_.erase(extents_.begin() + static_cast<std::ptrdiff_t>(next_extent_));
    extents_.insert(extents_.begin() + static_cast<std::ptrdiff_t>(next_extent_), smaller.begin(), smaller.end());
  }
  if (next_extent_ == extents_.size()) step_ = Step::kFill;
  return ModelAction::hypercall();
}

ModelAction Creation::fill() {
  const xen::BuildPlan& plan = spec().plan;
  xen::fill_memory(toolstack_.hypervisor, domain(), plan);
  std::uint64_t bytes = 0;
  for (const xen::LoadedRange& r : plan.ranges) bytes += r.memory_size;
  step_ = Step::kStart;
  return ModelAction::spend(bytes / toolstack_.config.copy_bytes_per_cycle);
}

void connect_domain(Toolstack& toolstack, xen::Domain& d) {
  xen::Hypervisor& hv = toolstack.hypervisor;
  std::uint32_t store = 0, console = 0, local = 0;
  expects(hv.evtchn_alloc_unbound(d, toolstack.xenstored.home(), store) == 0);
  expects(hv.evtchn_alloc_unbound(d, 0, console) == 0);
  d.hvm_params[HVM_PARAM_STORE_EVTCHN] = store;
  d.hvm_params[HVM_PARAM_CONSOLE_EVTCHN] = console;
  expects(hv.evtchn_bind_interdomain(toolstack.dom0(), d.domid, console, local) == 0);
  // The daemons of console and xenstore use their rings by these grants.
  expects(xen::grant::seed(hv, d, GNTTAB_RESERVED_CONSOLE, 0, d.hvm_params[HVM_PARAM_CONSOLE_PFN]));
  expects(xen::grant::seed(hv, d, GNTTAB_RESERVED_XENSTORE, toolstack.xenstored.home(),
                           d.hvm_params[HVM_PARAM_STORE_PFN]));
  toolstack.console.introduce(d.domid, local);
  toolstack.xenstore.build(toolstack.store_facts(*toolstack.managed(d.domid)));
}

void complete_domain(Toolstack& toolstack, domid_t domid, bool paused, bool monitored) {
  ManagedDomain& m = *toolstack.managed(domid);
  toolstack.outcome(m.spec).state = State::kRunning;
  m.built = true;
  m.monitored = monitored;
  toolstack.connect_script(domid);
  if (!paused) xen::control::unpause(toolstack.hypervisor, *toolstack.hypervisor.find_domain(domid));
  toolstack.hypervisor.cost.charge(*toolstack.hypervisor.here().pcpu, xen::Path::kModelHypercall);
}

ModelAction Creation::start() {
  xen::Domain& d = domain();
  connect_domain(toolstack_, d);
  if (d.role.target != DOMID_INVALID) toolstack_.xenstore.set_target(domid_, d.role.target);
  if (spec().config.device_model_stubdomain && !make_stub_domain()) return out_of_memory();
  complete_domain(toolstack_, domid_, paused_, true);
  step_ = Step::kDone;
  return ModelAction::spend(toolstack_.xenstore_time());
}

void complain_of_absence(xl::Output& out, unsigned domid) {
  out.complain("libxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain %u:Non-existant domain\n", domid);
  out.complain("libxl: error: libxl_domain.c:1137:domain_destroy_callback: Domain %u:Unable to destroy guest\n",
               domid);
  out.complain("libxl: error: libxl_domain.c:1064:domain_destroy_cb: Domain %u:Destruction of domain failed\n",
               domid);
}

// xl has the domain made before it looks whether the name is free; the number is used up.
void complain_of_name(xl::Output& out, domid_t domid, const std::string& name) {
  const std::string who = "Domain " + std::to_string(domid) + ":";
  out.complain("libxl: error: libxl_domain.c:81:libxl__domain_rename: %sDomain with name \"%s\" already exists.\n",
               who.c_str(), name.c_str());
  out.complain("libxl: error: libxl_create.c:1296:initiate_domain_create: %scannot make domain: -6\n",
               who.c_str());
  out.complain(
      "libxl: error: libxl_xshelp.c:206:libxl__xs_read_mandatory: xenstore read failed: `/libxl/%u/type': No "
      "such file or directory\n",
      domid);
  out.complain(
      "libxl: warning: libxl_dom.c:49:libxl__domain_type: unable to get domain type for domid=%u, assuming HVM\n",
      domid);
}

ModelAction Creation::out_of_memory() {
  out_.complain(
      "xc: error: panic: xg_dom_boot.c:119: xc_dom_boot_mem_init: can't allocate low memory for domain: Out of "
      "memory\n");
  out_.complain(
      "libxl: error: libxl_dom.c:586:libxl__build_dom: xc_dom_boot_mem_init failed: Cannot allocate memory\n");
  out_.complain(
      "libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain %u:cannot (re-)build domain: -3\n",
      domid_);
  return fail();
}

Cycles drop_domain(Toolstack& toolstack, std::size_t spec, domid_t domid, xl::Output& out) {
  complain_of_absence(out, domid);
  DomainOutcome& o = toolstack.outcome(spec);
  o.state = State::kEnded;
  o.why = "could not be created";
  const xen::Domain* d = toolstack.hypervisor.find_domain(domid);
  const ManagedDomain* m = toolstack.managed(domid);
  if (d && m && m->spec == spec) {
    toolstack.xenstore.destroy(domid);
    toolstack.hypervisor.destroy_domain(domid);
    toolstack.domains().erase(domid);
    if (toolstack.on_end) toolstack.on_end(domid, o);
  }
  return toolstack.config.destroy_cycles + toolstack.xenstore_time();
}

ModelAction Creation::fail() {
  step_ = Step::kDone;
  out_.status = 3;
  return ModelAction::spend(drop_domain(toolstack_, spec_, domid_, out_));
}

}  // namespace xensim::dom0
