#include "models/machine/config.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "models/dom0/device_spec.h"
#include "models/dom0/xl/command_line.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/base/units.h"
#include "sim/config/cpu_list.h"

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
  v(c.memshare, {"memshare", "", "a daemon that shares equal pages of domains", ""});
  v(c.network, {"network", "", "connections to other hosts", ""});
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

std::span<const std::string_view> names_of(DomainRole) {
  static constexpr std::array<std::string_view, 2> kNames{"guest", "control"};
  return kNames;
}

void describe(DomainFile& c, config::Visitor& v) {
  v(c.file, {"file", "", "path of a domain file in xl.cfg syntax", "design"});
  v(c.text, {"text", "", "its content, if not to be read from the path", "design"});
  v(c.settings, {"settings", "", "what is set beside the file, in its syntax", "design"});
  v(c.role,
    {"role", "", "guest, or control: a second control domain, which may make domctls on all others", "design"});
  v(c.device_model_of,
    {"device_model_of", "", "name of the domain whose device model it is; created before it", "design"});
  v(c.console,
    {"console", "file", "who sits at its console: steps, or the path of a JSON file that has them", "design"});
}

void describe(TimelineEntry& c, config::Visitor& v) {
  v(c.at, {"at", "ns", "simulated time", "design"});
  v(c.host, {"host", "", "whose dom0 runs xl; default: the first host", "design"});
  v(c.xl, {"xl", "", "command line of xl, without \"xl\"", "design"});
  v(c.link, {"link", "", "instead of xl: the link that changes", "design"});
  v(c.state, {"state", "", "its state from then on", "design"});
  v(c.file,
    {"file", "", "what its `create` reads, if not to be read from the path", "design", config::between(0, 1)});
}

void describe(HostConfig& c, config::Visitor& v) {
  v(c.machine, {"machine", "file", "the host's machine, or the path of its file", ""});
  v(c.domains, {"domains", "", "its domain files, created in this order", ""});
}

void describe(ScenarioConfig& c, config::Visitor& v) {
  v(c.description, {"description", "", "what the scenario shows", ""});
  v(c.machine, {"machine", "file", "the machine, or the path of its file", ""});
  v(c.domains, {"domains", "", "domain files, created in this order", ""});
  v(c.hosts, {"hosts", "", "instead of machine and domains: several hosts, by name", "design"});
  v(c.links, {"links", "", "between hosts, by name", "design"});
  v(c.timeline, {"timeline", "", "runs of xl and changes of links, in order of time", "design"});
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

void check_nodes(const MachineConfig& m, const std::string& place) {
  if (m.memory.nodes.empty()) return;
  std::uint64_t size = 0, cpus = 0;
  for (const NodeConfig& n : m.memory.nodes) {
    size += n.size;
    cpus += n.cpus;
  }
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

void check_memshare(const MachineConfig& m, const std::string& place) {
  if (m.dom0.memshare.period != 0 && !m.xen.mem_sharing)
    throw UserError(place, "this Xen shares no memory", "set /xen/mem_sharing to true");
}

// The n-th part of the pointer of "/a/b/c=value"; "" if there is none.
std::string token_of(const std::string& assignment, unsigned n) {
  const std::string pointer = assignment.substr(0, assignment.find('='));
  std::size_t at = 0;
  for (unsigned i = 0; at < pointer.size() && pointer[at] == '/'; ++i) {
    const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    if (i == n) return pointer.substr(at + 1, end - at - 1);
    at = end;
  }
  return "";
}

std::string near_one_of(const std::string& name, const config::Json& objects) {
  std::vector<std::string> names;
  for (const auto& [key, value] : objects.items()) names.push_back(key);
  return mend_of_name(name, names);
}

std::string mend_of_key(const std::string& key, const std::vector<std::string_view>& keys) {
  if (const std::string near(nearest(key, keys)); !near.empty()) return "did you mean \"" + near + "\"?";
  std::string list;
  for (const std::string_view k : keys) list += (list.empty() ? "" : ", ") + std::string(k);
  return "valid: " + list;
}

// Overrides, the machine's and the scenario's. One with a key of the machine alone is for every machine that there
// is; a host or link that is not there is none to set.
void set_overrides(config::Document& d, const std::vector<std::string>& overrides,
                   const std::set<std::string>& scenario_keys, const std::set<std::string>& machine_keys) {
  std::vector<std::string_view> keys(scenario_keys.begin(), scenario_keys.end());
  keys.insert(keys.end(), machine_keys.begin(), machine_keys.end());
  const bool hosts = d.json.is_object() && d.json.contains("hosts") && d.json["hosts"].is_object();
  for (const std::string& o : overrides) {
    const std::string token = token_of(o, 0), name = token_of(o, 1);
    if (!token.empty() && std::find(keys.begin(), keys.end(), token) == keys.end())
      throw UserError("--set " + o, "unknown key \"" + token + "\"", mend_of_key(token, keys));
    if (machine_keys.contains(token) && !scenario_keys.contains(token)) {
      if (!hosts) d.set("/machine" + o, o);
      if (hosts)
        for (const auto& [host, value] : d.json["hosts"].items())
          d.set("/hosts/" + config::pointer_token(host) + "/machine" + o, o);
      continue;
    }
    for (const char* group : {"hosts", "links"})
      if (token == group && !name.empty()) {
        const config::Json none = config::Json::object();
        const config::Json& there =
            d.json.is_object() && d.json.contains(group) && d.json[group].is_object() ? d.json[group] : none;
        if (!there.contains(name))
          throw UserError("--set " + o, "the scenario has no " + token.substr(0, 4) + " \"" + name + "\"",
                          near_one_of(name, there));
      }
    d.set(o);
  }
}

// A domain may be given as its path, its console's script likewise; relative to the scenario's folder. pointer: of
// what has the domains.
void resolve_domains(config::Document& d, const std::string& pointer, const std::string& folder) {
  config::Json& holder = d.json.at(config::Json::json_pointer(pointer));
  if (!holder.is_object() || !holder.contains("domains") || !holder["domains"].is_array()) return;
  for (std::size_t i = 0; i < holder["domains"].size(); ++i) {
    config::Json& entry = holder["domains"][i];
    if (entry.is_string()) {
      config::Json object = config::Json::object();
      object["file"] = entry;
      entry = object;
    }
    if (entry.is_object() && entry.contains("file") && entry["file"].is_string())
      entry["file"] = join_path(folder, entry["file"].get<std::string>());
    if (entry.is_object()) d.include_at(pointer + "/domains/" + std::to_string(i) + "/console");
  }
}

void refuse_what_stands_beside_hosts(const config::Document& d) {
  if (!d.json.is_object() || !d.json.contains("hosts")) return;
  for (const char* other : {"machine", "domains"})
    if (d.json.contains(other))
      throw UserError(d.place("/" + std::string(other)), "stands beside \"hosts\"",
                      "move it into one of the hosts: /hosts/NAME/" + std::string(other));
}

// Includes the hosts' machine files; before --set, which may reach into them.
void include_hosts(config::Document& d, const std::string& folder) {
  if (!d.json.is_object() || !d.json.contains("hosts")) return;
  if (!d.json["hosts"].is_object()) return;  // load() says so
  for (auto& [name, host] : d.json["hosts"].items()) {
    const std::string pointer = "/hosts/" + config::pointer_token(name);
    d.include_at(pointer + "/machine");
    resolve_domains(d, pointer, folder);
  }
}

// Names become folders and parts of messages.
bool good_name(const std::string& name) {
  static constexpr std::string_view kGood = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  return !name.empty() && name.size() <= 63 && name[0] != '.' && name[0] != '-' &&
         name.find_first_not_of(kGood) == std::string::npos;
}

// Scripts of consoles. pointer: of the domains.
void check_consoles(std::vector<DomainFile>& files, const config::Document& d, const std::string& pointer) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string script = pointer + "/" + std::to_string(i) + "/console";
    files[i].console_place = d.place(script + "/0");
    files[i].console_place.pop_back();
    for (std::size_t k = 0; k < files[i].console.size(); ++k) {
      const dom0::ConsoleStep& step = files[i].console[k];
      const std::string place = d.place(script + "/" + std::to_string(k));
      if (const std::string wrong = dom0::wrong_with(step); !wrong.empty())
        throw UserError(place, wrong,
                        "a step has one of \"expect\", \"expect_line\", \"send\", \"wait\" and \"xl\"");
      if (!step.xl) continue;
      const dom0::xl::Invocation verb = dom0::xl::parse(*step.xl);
      refuse_bad_syntax(verb, place + "/xl");
      if (verb.verb && verb.verb->name == "create")
        throw UserError(place + "/xl", "\"create\" reads a file, which a console's script cannot",
                        "put it into the time line");
    }
  }
}

void check_hosts(const ScenarioConfig& c, const config::Document& d) {
  std::vector<std::string> names;
  for (const auto& [name, host] : c.hosts) {
    const std::string pointer = "/hosts/" + config::pointer_token(name);
    if (!good_name(name))
      throw UserError(d.place(pointer), "\"" + name + "\" cannot name a host",
                      "use letters, digits, \"-\", \"_\" and \".\"");
    check_nodes(host.machine, d.place(pointer + "/machine/memory/nodes"));
    check_memshare(host.machine, d.place(pointer + "/machine/dom0/memshare/period"));
    names.push_back(name);
  }
  if (d.json.is_object() && d.json.contains("hosts") && c.hosts.empty())
    throw UserError(d.place("/hosts"), "there is no host", "name one, or leave \"hosts\" out");
  std::set<std::set<std::string>> pairs;
  for (const auto& [name, link] : c.links) {
    const std::string pointer = "/links/" + config::pointer_token(name);
    if (!good_name(name))
      throw UserError(d.place(pointer), "\"" + name + "\" cannot name a link",
                      "use letters, digits, \"-\", \"_\" and \".\"");
    if (link.between.size() != 2 || link.between[0] == link.between[1])
      throw UserError(d.place(pointer + "/between"), "a link is between two hosts",
                      "write \"between\": [\"HOST\", \"HOST\"]");
    for (unsigned i = 0; i < 2; ++i)
      if (!c.hosts.contains(link.between[i]))
        throw UserError(d.place(pointer + "/between/" + std::to_string(i)),
                        "there is no host \"" + link.between[i] + "\"", mend_of_name(link.between[i], names));
    if (!pairs.insert({link.between[0], link.between[1]}).second)
      throw UserError(d.place(pointer + "/between"), "another link is between these two", "remove one");
    for (const std::string& end : link.between)
      if (ns_to_cycles(link.latency + 1, c.hosts.at(end).machine.cpu.frequency) < 2)
        throw UserError(d.place(pointer + "/latency"),
                        format_duration(link.latency) + " is less than a cycle of host \"" + end + "\"",
                        "raise it");
    if (link.header >= link.mtu)
      throw UserError(d.place(pointer + "/header"), "leaves nothing of a packet", "lower it, or raise mtu");
  }
}

}  // namespace

std::string mend_of_name(const std::string& name, const std::vector<std::string>& names) {
  if (names.empty()) return "there is none";
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (const std::string near(nearest(name, views)); !near.empty()) return "did you mean \"" + near + "\"?";
  std::string list;
  for (const std::string& n : names) list += (list.empty() ? "\"" : ", \"") + n + "\"";
  return "valid: " + list;
}

ScenarioConfig load_scenario(const std::string& path, const std::vector<std::string>& overrides,
                             const std::vector<std::string>& more_domains) {
  config::Document d = config::Document::from_file(path);
  const std::set<std::string> scenario_keys = keys_of(config::schema_of<ScenarioConfig>("scenario"));
  const std::set<std::string> machine_keys = keys_of(config::schema_of<MachineConfig>("machine"));
  // A machine file alone is a scenario without domains.
  if (d.json.is_object() && !d.json.contains("machine") && !d.json.contains("hosts") &&
      std::any_of(machine_keys.begin(), machine_keys.end(),
                  [&](const std::string& k) { return d.json.contains(k); })) {
    config::Json scenario = config::Json::object();
    for (const auto& [key, value] : d.json.items())
      if (scenario_keys.contains(key)) scenario[key] = value;
    for (const auto& [key, value] : scenario.items()) d.json.erase(key);
    scenario["machine"] = d.json;
    d.json = scenario;
    d.origins["/machine"] = path;
  }
  refuse_what_stands_beside_hosts(d);
  d.include("machine");
  include_hosts(d, folder_of(path));
  set_overrides(d, overrides, scenario_keys, machine_keys);
  resolve_domains(d, "", folder_of(path));
  ScenarioConfig c;
  config::load(c, d);
  c.source = {{}, d.file, d.origins};
  check_hosts(c, d);
  check_consoles(c.domains, d, "/domains");
  for (auto& [name, host] : c.hosts)
    check_consoles(host.domains, d, "/hosts/" + config::pointer_token(name) + "/domains");
  std::vector<DomainFile>& first = c.hosts.empty() ? c.domains : c.hosts.begin()->second.domains;
  for (const std::string& file : more_domains) first.push_back({file, ""});
  const auto read = [](std::vector<DomainFile>& files) {
    for (DomainFile& f : files)
      if (f.text.empty()) f.text = read_file(f.file, 1 << 20);
  };
  read(c.domains);
  for (auto& [name, host] : c.hosts) read(host.domains);
  check_nodes(c.machine, d.place("/machine/memory/nodes"));
  check_memshare(c.machine, d.place("/machine/dom0/memshare/period"));
  for (std::size_t i = 0; i < c.timeline.size(); ++i) {
    TimelineEntry& e = c.timeline[i];
    for (DomainFile& f : e.file) f.file = join_path(folder_of(path), f.file);
    if (!e.file.empty()) continue;
    try {
      if (auto f = file_of_create(dom0::xl::parse(e.xl), folder_of(path))) e.file.push_back(std::move(*f));
    } catch (const UserError& error) {
      throw UserError(d.place("/timeline/" + std::to_string(i) + "/xl"), error.what());
    }
  }
  if (c.trace.size() > 1 && std::find(c.trace.begin(), c.trace.end(), "none") != c.trace.end())
    throw UserError(d.place("/trace"), "\"none\" stands beside other kinds", "leave one or the other out");
  for (const std::string& t : c.trace)
    if (t != "xentrace" && t != "perfetto" && t != "text" && t != "none")
      throw UserError(d.place("/trace"), "\"" + t + "\" is no kind of trace",
                      "valid: xentrace, perfetto, text, none");
  return c;
}

namespace {

std::string path_from(const std::string& folder, const std::string& path) {
  const std::filesystem::path p(path);
  if (p.is_absolute() || path.empty()) return path;
  const auto whole = [](const std::filesystem::path& a) {
    return std::filesystem::absolute(a).lexically_normal();
  };
  return whole(p).lexically_relative(whole(folder + "/.")).string();
}

}  // namespace

config::Json save_scenario(const ScenarioConfig& original, const std::string& folder) {
  ScenarioConfig scenario = original;
  std::vector<std::vector<DomainFile>*> all{&scenario.domains};
  for (auto& [name, host] : scenario.hosts) all.push_back(&host.domains);
  for (TimelineEntry& e : scenario.timeline) all.push_back(&e.file);
  for (std::vector<DomainFile>* files : all)
    for (DomainFile& f : *files) f.file = path_from(folder, f.file);
  config::Json j = config::save(scenario);
  if (scenario.hosts.empty()) {
    j.erase("hosts");
    j.erase("links");
  } else {
    j.erase("machine");
    j.erase("domains");
  }
  return j;
}

std::vector<HostScenario> hosts_of(const ScenarioConfig& scenario) {
  if (scenario.hosts.empty()) return {{"", "", scenario}};
  std::vector<HostScenario> out;
  for (const auto& [name, host] : scenario.hosts) {
    HostScenario h{name, "/hosts/" + config::pointer_token(name), scenario};
    h.scenario.hosts.clear();
    h.scenario.links.clear();
    h.scenario.timeline.clear();
    h.scenario.machine = host.machine;
    h.scenario.domains = host.domains;
    // What comes over a link must not be late: nobody may be further ahead than it takes.
    std::uint64_t& quantum = h.scenario.machine.quantum;
    for (const auto& [link_name, link] : scenario.links)
      if (link.between[0] == name || link.between[1] == name)
        quantum = std::min<std::uint64_t>(
            quantum, multiply_divide(link.latency, host.machine.cpu.frequency, 1'000'000'000));
    out.push_back(std::move(h));
  }
  return out;
}

namespace {

// A script belongs to a name, wherever the domain goes.
void refuse_shared_consoles(const CheckedScenario& c) {
  std::map<std::string, std::string> scripts;
  for (const CheckedHost& h : c.hosts)
    for (const dom0::DomainSpec& d : h.domains)
      if (!d.console.empty()) scripts[d.name] = h.name;
  for (const CheckedHost& h : c.hosts)
    for (const dom0::DomainSpec& d : h.domains)
      if (const auto s = scripts.find(d.name); s != scripts.end() && s->second != h.name)
        throw UserError(
            d.config.file,
            "a domain named \"" + d.name + "\" of host \"" + s->second + "\" has a script for its console",
            "give one of them another name");
}

}  // namespace

CheckedScenario check_scenario(const ScenarioConfig& scenario, const std::string& place) {
  CheckedScenario out;
  for (HostScenario& h : hosts_of(scenario)) {
    CheckedHost host{std::move(h), {}, {}};
    host.domains = check_domains(host.scenario, host.pointer);
    out.hosts.push_back(std::move(host));
  }
  for (const auto& [name, link] : scenario.links) out.links.push_back({name, link, {}});
  check_timeline(scenario, place, out);
  refuse_shared_consoles(out);
  return out;
}

namespace {

xen::Bytes load_image(const std::string& path) {
  const std::string text = read_file(path);
  return std::make_shared<const std::vector<std::uint8_t>>(text.begin(), text.end());
}

// What the host allows is what a domain has that asks for nothing; more than that, Xen refuses.
xen::grant::Limits grant_limits(const config::DomainConfig& d, const xen::grant::Config& host,
                                const std::string& pointer) {
  const auto limit = [&](const char* key, const char* host_key, std::optional<unsigned> asked, unsigned most) {
    if (asked && *asked > most)
      throw UserError(d.file,
                      std::string(key) + " = " + std::to_string(*asked) + " is more than the host's limit of " +
                          std::to_string(most),
                      "lower it, or raise " + pointer + "/machine/xen/" + std::string(host_key));
    return asked.value_or(most);
  };
  return {
      limit("max_grant_frames", "gnttab_max_frames", d.max_grant_frames, host.max_frames),
      limit("max_maptrack_frames", "gnttab_max_maptrack_frames", d.max_maptrack_frames, host.max_maptrack_frames),
      limit("max_grant_version", "gnttab_max_ver", d.max_grant_version, host.max_version)};
}

// As xl reads them: a disk that it cannot is refused, of a network card what it does not know is passed over.
void check_devices(config::DomainConfig& d, const std::string& place) {
  for (const std::string& disk : d.disk)
    if (const std::string wrong = dom0::wrong_with_disk(disk); !wrong.empty())
      throw UserError(place, "disk: " + wrong,
                      "write target,format,vdev,access like \"/dev/vg/root,raw,xvda,rw\"");
  for (const std::string& vif : d.vif)
    if (const std::string unknown = dom0::unknown_in_vif(vif); !unknown.empty())
      d.warnings.push_back(place + ": vif: unrecognized argument `" + unknown + "'");
}

// Reads its images and lays the domain out.
void plan_domain(dom0::DomainSpec& spec, const std::string& place) {
  const config::DomainConfig& d = spec.config;
  const bool hvm = d.type == config::DomainType::kHvm;
  xen::BuildRequest request;
  request.place = place;
  if (hvm) {
    request.kernel_name = d.firmware_override;
    request.kernel = load_image(d.firmware_override);
    request.video_memory_mib = d.video_memory_mib;
    request.apic = d.apic;
  } else {
    request.kernel_name = d.kernel;
    request.kernel = xen::unpack_kernel(d.kernel, load_image(d.kernel));
    if (!d.ramdisk.empty()) request.ramdisk = xen::unpack_ramdisk(d.ramdisk, load_image(d.ramdisk));
    request.command_line = d.cmdline;
  }
  request.memory_mib = d.memory_mib;
  request.max_memory_mib = d.maxmem_mib;
  request.vcpus = d.vcpus;
  request.max_vcpus = d.maxvcpus;
  spec.plan = hvm ? xen::plan_hvm(request) : xen::plan_pvh(request);
}

// What an image is refused for, with the domain file that names it.
UserError with_domain_file(const UserError& e, const std::string& file) {
  return std::string(e.what()).starts_with(file + ":") ? e : UserError(file, e.what());
}

std::vector<std::vector<unsigned>> affinity(const std::vector<std::string>& lists, const std::string& place,
                                            unsigned vcpus, unsigned pcpus) {
  std::vector<std::vector<unsigned>> out;
  for (unsigned i = 0; i < vcpus && !lists.empty(); ++i)
    out.push_back(config::expand_cpus(lists[std::min<std::size_t>(i, lists.size() - 1)], pcpus, place));
  return out;
}

}  // namespace

dom0::DomainSpec check_domain(const ScenarioConfig& scenario, const DomainFile& f, const std::string& pointer) {
  const MachineConfig& m = scenario.machine;
  dom0::DomainSpec spec;
  spec.config = config::read_domain_config(config::parse_xl_cfg(f.text, f.file, f.settings));
  const config::DomainConfig& d = spec.config;
  const bool hvm = d.type == config::DomainType::kHvm;
  if (!hvm && d.type != config::DomainType::kPvh)
    throw UserError(f.file, "type = \"" + std::string(config::name_of(d.type)) + "\" is not supported yet",
                    "use type = \"pvh\" or \"hvm\"");
  if (d.name.empty() || d.name.find('/') != std::string::npos)
    throw UserError(f.file, "name = \"" + d.name + "\" cannot name a domain",
                    "use letters, digits, \"-\", \"_\" and \".\"");
  if (d.memory_mib < 1) throw UserError(f.file, "memory is missing or 0", "give memory in MiB");
  check_devices(spec.config, f.file);
  try {
    plan_domain(spec, f.file);
  } catch (const UserError& e) {
    throw with_domain_file(e, f.file);
  }
  spec.name = d.name;
  spec.control = f.role == DomainRole::kControl;
  spec.device_model_of = f.device_model_of;
  spec.console = f.console;
  spec.console_place = f.console_place;
  spec.parameters.name = d.name;
  spec.parameters.vcpus = d.vcpus;
  spec.parameters.max_vcpus = d.maxvcpus;
  spec.parameters.scheduling = {d.cpu_weight, d.cap};
  spec.parameters.max_pages = spec.plan.max_pages;
  spec.parameters.ram_pages = std::max(d.memory_mib, d.maxmem_mib) << 8;
  spec.parameters.max_evtchn_port = d.max_event_channels;
  if (hvm) spec.parameters.emulation_flags = XEN_X86_EMU_ALL & ~XEN_X86_EMU_VPCI;
  spec.parameters.nested_virt = d.nested_hvm;
  spec.parameters.grants = grant_limits(d, m.xen.grants, pointer);
  spec.parameters.hard_affinity = affinity(d.cpus, d.cpus_place, d.maxvcpus, m.cpu.count);
  spec.parameters.soft_affinity = affinity(d.cpus_soft, d.cpus_soft_place, d.maxvcpus, m.cpu.count);
  return spec;
}

std::vector<dom0::DomainSpec> check_domains(const ScenarioConfig& scenario, const std::string& pointer) {
  std::vector<dom0::DomainSpec> out;
  const MachineConfig& m = scenario.machine;
  std::uint64_t available = (m.memory.size - m.xen.xen_memory - m.xen.dom0_memory) >> 20;
  for (const DomainFile& f : scenario.domains) {
    dom0::DomainSpec spec = check_domain(scenario, f, pointer);
    const config::DomainConfig& d = spec.config;
    for (const dom0::DomainSpec& other : out)
      if (other.name == d.name)
        throw UserError(f.file, "a domain named \"" + d.name + "\" exists already (" + other.config.file + ")",
                        "give it another name");
    const bool known = std::any_of(
        out.begin(), out.end(), [&](const dom0::DomainSpec& other) { return other.name == spec.device_model_of; });
    if (!spec.device_model_of.empty() && !known)
      throw UserError(f.file, "device_model_of: no domain \"" + spec.device_model_of + "\" is created before it",
                      "put that domain in front of it");
    // Xen's own pages for a domain: the paging pool, and VMCSs, shared info and the like; and its stub domain.
    const std::uint64_t overhead =
        (xen::paging_pages(d.maxvcpus, std::max(d.memory_mib, d.maxmem_mib) << 8) >> 8) + 2 +
        (d.device_model_stubdomain ? std::max<std::uint64_t>(d.stubdomain_memory_mib, 28) : 0);
    if (d.memory_mib + overhead > available)
      throw UserError(f.file,
                      "memory = " + std::to_string(d.memory_mib) + " MiB is more than is free: the machine has " +
                          std::to_string(m.memory.size >> 20) + " MiB, of which " + std::to_string(available) +
                          " MiB are left for this domain",
                      "lower memory, or raise " + pointer + "/machine/memory/size");
    available -= d.memory_mib + overhead;
    out.push_back(std::move(spec));
  }
  return out;
}

}  // namespace xensim::machine
