#include "models/machine/config.h"

#include <algorithm>
#include <set>

#include "models/dom0/xl/command_line.h"
#include "sim/base/error.h"
#include "sim/base/file.h"

namespace xensim::machine {

void describe(NodeConfig& c, config::Visitor& v) {
  v(c.size, {"size", "bytes", "RAM of the node", "design", config::multiple_of(4096, 1 << 20, 1ull << 42)});
  v(c.cpus, {"cpus", "count", "pCPUs of the node", "design", config::between(0, memory::CacheSystem::kMostCpus)});
}

void describe(MemoryConfig& c, config::Visitor& v) {
  v(c.size, {"size", "bytes", "RAM of the machine", "design", config::multiple_of(4096, 64 << 20, 1ull << 42)});
  v(c.nodes,
    {"nodes", "",
     "NUMA nodes, in ascending order of addresses and pCPUs: their sizes and pCPUs add up to the machine's; "
     "none: one node",
     "design"});
  describe(c.caches, v);
}

void describe(CpuConfig::Leaf& c, config::Visitor& v) {
  v(c.eax, {"eax", "", "register EAX", "design"});
  v(c.ebx, {"ebx", "", "register EBX", "design"});
  v(c.ecx, {"ecx", "", "register ECX", "design"});
  v(c.edx, {"edx", "", "register EDX", "design"});
}

void describe(CpuConfig& c, config::Visitor& v) {
  v(c.count, {"count", "count", "physical CPUs", "design", config::between(1, memory::CacheSystem::kMostCpus)});
  v(c.frequency, {"frequency", "Hz", "core and TSC clock", "design", config::between(1'000'000, 10'000'000'000)});
  v(c.physical_bits, {"physical_bits", "count", "MAXPHYADDR", "design", config::between(46, 52)});
  v(c.pml, {"pml", "", "page-modification logging (VMX)", "Intel SDM 3, 28.3.6; Broadwell and later"});
  v(c.tlb, {"tlb", "", "modelled TLBs", ""});
  v(c.timing, {"timing", "", "in-order timing model", ""});
  v(c.cpuid,
    {"cpuid", "", "CPUID leaves that replace the default policy's, by \"leaf\" or \"leaf.subleaf\"", "design"});
}

void describe(Dom0Config& c, config::Visitor& v) {
  v(c.vcpus, {"vcpus", "count", "vCPUs of dom0 (dom0_max_vcpus=)", "design", config::between(1, 64)});
  v(c.toolstack, {"toolstack", "", "xl", ""});
  v(c.console, {"console", "", "xenconsoled", ""});
  v(c.xenstored, {"xenstored", "", "xenstored", ""});
  v(c.housekeeping, {"housekeeping", "", "dom0's kernel and daemons when idle", ""});
}

void describe(MachineConfig& c, config::Visitor& v) {
  v(c.seed, {"seed", "", "of every random stream", "design"});
  v(c.quantum,
    {"quantum", "cycles", "how far a pCPU may run ahead of the others", "design", config::between(1, 10'000'000)});
  v(c.cpu, {"cpu", "", "processors", ""});
  v(c.memory, {"memory", "", "RAM and caches", ""});
  v(c.xen, {"xen", "", "the modelled Xen", ""});
  v(c.dom0, {"dom0", "", "the modelled dom0", ""});
}

std::span<const std::string_view> names_of(Timing) {
  static constexpr std::array<std::string_view, 2> kNames{"functional", "inorder"};
  return kNames;
}

void describe(DomainFile& c, config::Visitor& v) {
  v(c.file, {"file", "", "path of a domain file in xl.cfg syntax", "design"});
  v(c.text, {"text", "", "its content, if not to be read from the path", "design"});
}

void describe(TimelineEntry& c, config::Visitor& v) {
  v(c.at, {"at", "ns", "simulated time", "design"});
  v(c.xl, {"xl", "", "command line of xl, without \"xl\"", "design"});
  v(c.file,
    {"file", "", "what its `create` reads, if not to be read from the path", "design", config::between(0, 1)});
}

void describe(ScenarioConfig& c, config::Visitor& v) {
  v(c.description, {"description", "", "what the scenario shows", ""});
  v(c.machine, {"machine", "file", "the machine, or the path of its file", ""});
  v(c.domains, {"domains", "", "domain files, created in this order", ""});
  v(c.timeline, {"timeline", "", "runs of xl, in order of time", "design"});
  v(c.timing, {"timing", "", "timing model: functional or inorder", "design"});
  v(c.until, {"until", "ns", "simulated time at which the run ends; 0: when every domain has ended", "design"});
  v(c.instructions,
    {"instructions", "instructions", "instructions after which the run ends; 0: no limit", "design"});
  v(c.trace, {"trace", "", "trace files: xentrace, perfetto, text", "design"});
}

namespace {

std::set<std::string> keys_of(const config::Json& schema) {
  std::set<std::string> keys;
  for (const auto& [key, value] : schema.at("properties").items()) keys.insert(key);
  return keys;
}

void check_nodes(const MachineConfig& m, const config::Document& d) {
  if (m.memory.nodes.empty()) return;
  std::uint64_t size = 0, cpus = 0;
  for (const NodeConfig& n : m.memory.nodes) {
    size += n.size;
    cpus += n.cpus;
  }
  const std::string place = d.place("/machine/memory/nodes");
  if (m.memory.nodes.size() > xen::Heap::kMaxNodes)
    throw UserError(place, std::to_string(m.memory.nodes.size()) + " nodes are too many", "give at most 64");
  if (size != m.memory.size)
    throw UserError(place,
                    "the nodes have " + std::to_string(size >> 20) + " MiB and the machine " +
                        std::to_string(m.memory.size >> 20) + " MiB",
                    "make them equal");
  if (cpus != m.cpu.count)
    throw UserError(
        place, "the nodes have " + std::to_string(cpus) + " pCPUs and the machine " + std::to_string(m.cpu.count),
        "make them equal");
}

std::string first_token(const std::string& assignment) {
  if (assignment.empty() || assignment[0] != '/') return "";
  return assignment.substr(1, assignment.find_first_of("/=", 1) - 1);
}

}  // namespace

ScenarioConfig load_scenario(const std::string& path, const std::vector<std::string>& overrides,
                             const std::vector<std::string>& more_domains) {
  config::Document d = config::Document::from_file(path);
  const std::set<std::string> scenario_keys = keys_of(config::schema_of<ScenarioConfig>("scenario"));
  const std::set<std::string> machine_keys = keys_of(config::schema_of<MachineConfig>("machine"));
  // A machine file alone is a scenario without domains.
  if (d.json.is_object() && !d.json.contains("machine") &&
      std::any_of(machine_keys.begin(), machine_keys.end(),
                  [&](const std::string& k) { return d.json.contains(k); })) {
    config::Json scenario = config::Json::object();
    for (const auto& [key, value] : d.json.items())
      if (scenario_keys.contains(key)) scenario[key] = value;
    for (const auto& [key, value] : scenario.items()) d.json.erase(key);
    scenario["machine"] = d.json;
    d.json = scenario;
  }
  d.include("machine");
  for (const std::string& o : overrides) {
    const std::string token = first_token(o);
    d.set(machine_keys.contains(token) && !scenario_keys.contains(token) ? "/machine" + o : o);
  }
  // A domain may be given as its path; relative to the scenario's folder.
  if (d.json.contains("domains") && d.json["domains"].is_array())
    for (config::Json& entry : d.json["domains"])
      if (entry.is_string()) {
        config::Json object = config::Json::object();
        object["file"] = join_path(folder_of(path), entry.get<std::string>());
        entry = object;
      }
  ScenarioConfig c;
  config::load(c, d);
  for (const std::string& file : more_domains) c.domains.push_back({file, ""});
  for (DomainFile& f : c.domains)
    if (f.text.empty()) f.text = read_file(f.file, 1 << 20);
  check_nodes(c.machine, d);
  for (std::size_t i = 0; i < c.timeline.size(); ++i) {
    TimelineEntry& e = c.timeline[i];
    if (!e.file.empty()) continue;
    try {
      if (auto f = file_of_create(dom0::xl::parse(e.xl), folder_of(path))) e.file.push_back(std::move(*f));
    } catch (const UserError& error) {
      throw UserError(d.place("/timeline/" + std::to_string(i) + "/xl"), error.what());
    }
  }
  for (const std::string& t : c.trace)
    if (t != "xentrace" && t != "perfetto" && t != "text" && t != "none")
      throw UserError(d.place("/trace"), "\"" + t + "\" is no kind of trace",
                      "valid: xentrace, perfetto, text, none");
  return c;
}

namespace {

xen::Bytes load_image(const std::string& path) {
  const std::string text = read_file(path);
  return std::make_shared<const std::vector<std::uint8_t>>(text.begin(), text.end());
}

// What the host allows is what a domain has that asks for nothing; more than that, Xen refuses.
xen::grant::Limits grant_limits(const config::DomainConfig& d, const xen::grant::Config& host) {
  const auto limit = [&](const char* key, const char* host_key, std::optional<unsigned> asked, unsigned most) {
    if (asked && *asked > most)
      throw UserError(d.file,
                      std::string(key) + " = " + std::to_string(*asked) + " is more than the host's limit of " +
                          std::to_string(most),
                      "lower it, or raise /machine/xen/" + std::string(host_key));
    return asked.value_or(most);
  };
  return {
      limit("max_grant_frames", "gnttab_max_frames", d.max_grant_frames, host.max_frames),
      limit("max_maptrack_frames", "gnttab_max_maptrack_frames", d.max_maptrack_frames, host.max_maptrack_frames),
      limit("max_grant_version", "gnttab_max_ver", d.max_grant_version, host.max_version)};
}

}  // namespace

dom0::DomainSpec check_domain(const ScenarioConfig& scenario, const DomainFile& f) {
  const MachineConfig& m = scenario.machine;
  dom0::DomainSpec spec;
  spec.config = config::read_domain_config(config::parse_xl_cfg(f.text, f.file));
  const config::DomainConfig& d = spec.config;
  if (d.type != config::DomainType::kPvh)
    throw UserError(f.file, "type = \"" + std::string(config::name_of(d.type)) + "\" is not supported yet",
                    "use type = \"pvh\"");
  if (d.name.empty() || d.name.find('/') != std::string::npos)
    throw UserError(f.file, "name = \"" + d.name + "\" cannot name a domain",
                    "use letters, digits, \"-\", \"_\" and \".\"");
  if (d.memory_mib < 1) throw UserError(f.file, "memory is missing or 0", "give memory in MiB");
  xen::BuildRequest request;
  request.place = f.file;
  request.kernel_name = d.kernel;
  request.kernel = load_image(d.kernel);
  if (!d.ramdisk.empty()) request.ramdisk = load_image(d.ramdisk);
  request.command_line = d.cmdline;
  request.memory_mib = d.memory_mib;
  request.max_memory_mib = d.maxmem_mib;
  spec.plan = xen::plan_pvh(request);
  spec.name = d.name;
  spec.parameters.name = d.name;
  spec.parameters.vcpus = d.vcpus;
  spec.parameters.max_vcpus = d.maxvcpus;
  if (d.maxvcpus > 128)
    throw UserError(f.file, "maxvcpus = " + std::to_string(d.maxvcpus) + " is above 128", "lower it");
  spec.parameters.scheduling = {d.cpu_weight, d.cap};
  spec.parameters.max_pages = spec.plan.max_pages;
  spec.parameters.ram_pages = spec.plan.pages;
  spec.parameters.max_evtchn_port = d.max_event_channels;
  spec.parameters.grants = grant_limits(d, m.xen.grants);
  for (unsigned i = 0; i < d.maxvcpus; ++i) {
    if (!d.cpus.empty())
      spec.parameters.hard_affinity.push_back(
          config::expand_cpus(d.cpus[std::min<std::size_t>(i, d.cpus.size() - 1)], m.cpu.count, f.file));
    if (!d.cpus_soft.empty())
      spec.parameters.soft_affinity.push_back(
          config::expand_cpus(d.cpus_soft[std::min<std::size_t>(i, d.cpus_soft.size() - 1)], m.cpu.count, f.file));
  }
  return spec;
}

std::vector<dom0::DomainSpec> check_domains(const ScenarioConfig& scenario) {
  std::vector<dom0::DomainSpec> out;
  const MachineConfig& m = scenario.machine;
  std::uint64_t available = (m.memory.size - m.xen.xen_memory - m.xen.dom0_memory) >> 20;
  for (const DomainFile& f : scenario.domains) {
    dom0::DomainSpec spec = check_domain(scenario, f);
    const config::DomainConfig& d = spec.config;
    for (const dom0::DomainSpec& other : out)
      if (other.name == d.name)
        throw UserError(f.file, "a domain named \"" + d.name + "\" exists already (" + other.config.file + ")",
                        "give it another name");
    // Xen's own pages for a domain: the paging pool, and VMCSs, shared info and the like.
    const std::uint64_t overhead =
        (xen::paging_pages(d.maxvcpus, std::max(d.memory_mib, d.maxmem_mib) << 8) >> 8) + 2;
    if (d.memory_mib + overhead > available)
      throw UserError(f.file,
                      "memory = " + std::to_string(d.memory_mib) + " MiB is more than is free: the machine has " +
                          std::to_string(m.memory.size >> 20) + " MiB, of which " + std::to_string(available) +
                          " MiB are left for this domain",
                      "lower memory, or raise /machine/memory/size");
    available -= d.memory_mib + overhead;
    out.push_back(std::move(spec));
  }
  return out;
}

}  // namespace xensim::machine
