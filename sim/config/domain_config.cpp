#include "sim/config/domain_config.h"

#include <array>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/config/cpu_list.h"
#include "sim/config/hvm_settings.h"
#include "sim/config/settings_reader.h"

namespace xensim::config {
namespace {

constexpr std::string_view kTypes[] = {"pvh", "hvm", "pv"};
constexpr std::string_view kBuilders[] = {"generic", "hvm"};
constexpr std::string_view kActions[] = {"destroy",          "restart",          "rename-restart", "preserve",
                                         "coredump-destroy", "coredump-restart", "soft-reset"};
constexpr std::string_view kTscModes[] = {"default", "always_emulate", "native", "native_paravirt"};
constexpr std::string_view kTimerModes[] = {"delay_for_missed_ticks", "no_delay_for_missed_ticks",
                                            "no_missed_ticks_pending", "one_missed_tick_pending"};

bool normalise_uuid(std::string& uuid) {
  std::string out;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    char c = uuid[i];
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    out += c;
  }
  uuid = out;
  return out.size() == 36;
}

void read_affinity(SettingsReader& r, std::string_view key, unsigned maxvcpus, std::vector<std::string>& out,
                   std::string& place) {
  if (!r.list(key, true, out)) return;
  const XlSetting& s = *r.find(key);
  place = r.place(s) + ": " + s.key;
  // A list longer than there are vCPUs is cut, as xl does.
  if (s.value.is_list() && out.size() > maxvcpus) out.resize(maxvcpus);
  for (const std::string& text : out) {
    try {
      // Syntax only: the largest machine.
      expand_cpus(text, 1u << 16, place);
    } catch (const UserError& e) {
      r.problems.emplace_back(e.what());
    }
  }
}

void read_kernel(SettingsReader& r, const XlFile& file, DomainConfig& d) {
  for (auto [key, path] : {std::pair{"kernel", &d.kernel}, {"ramdisk", &d.ramdisk}}) {
    if (!r.text(key, *path)) continue;
    *path = find_file(*path, file.name);
    const XlSetting& s = *file.find(key);
    if (is_folder(*path)) r.complain(s, "\"" + *path + "\" is a folder, not a file");
    if (is_folder(*path) || file_exists(*path)) continue;
    // Where a file comes from is often said beside its name.
    r.complain(s, "\"" + *path + "\": no such file",
               "check the name and the folder" + (s.comment.empty() ? "" : "; its line says: " + s.comment));
  }
  std::string root, extra;
  bool has_root = r.text("root", root), has_extra = r.text("extra", extra);
  if (r.text("cmdline", d.cmdline)) {
    for (bool given : {has_root, has_extra})
      if (given) {
        d.warnings.push_back(r.place(*file.find("cmdline")) + ": cmdline is given, so root and extra are ignored");
        break;
      }
  } else {
    if (has_root) d.cmdline = "root=" + root;
    if (has_extra) d.cmdline += (d.cmdline.empty() ? "" : " ") + extra;
  }
  if (d.type != DomainType::kHvm && r.text("firmware_override", root))
    d.warnings.push_back(r.place(*file.find("firmware_override")) + ": \"firmware_override\" is for HVM guests");
  if (d.kernel.empty() && d.type != DomainType::kHvm && !file.find("kernel"))
    r.problems.emplace_back(UserError(file.name, "no kernel is given", "add kernel = \"path\"").what());
}

void read_actions(SettingsReader& r, DomainConfig& d) {
  for (auto [key, action] : {std::pair{"on_poweroff", &d.on_poweroff},
                             {"on_reboot", &d.on_reboot},
                             {"on_watchdog", &d.on_watchdog},
                             {"on_crash", &d.on_crash},
                             {"on_soft_reset", &d.on_soft_reset}})
    if (std::size_t i; r.choice(key, kActions, i)) *action = static_cast<OnShutdown>(i);
}

// A choice that xl also takes as a number.
void read_mode(SettingsReader& r, const XlFile& file, std::string_view key,
               std::span<const std::string_view> names, std::string& out) {
  const XlSetting* s = file.find(key);
  std::uint64_t v = 0;
  if (s && std::holds_alternative<XlValue::Number>(s->value.value)) {
    if (r.number(key, 0, names.size() - 1, v)) out = names[v];
  } else if (std::size_t i; r.choice(key, names, i)) {
    out = names[i];
  }
}
}  // namespace

std::string_view name_of(DomainType t) { return kTypes[static_cast<std::size_t>(t)]; }
std::string_view name_of(OnShutdown a) { return kActions[static_cast<std::size_t>(a)]; }

DomainConfig read_domain_config(const XlFile& file) {
  DomainConfig d;
  d.file = file.name;
  d.warnings = file.warnings;
  SettingsReader r(file);
  constexpr std::uint64_t kMostMib = std::uint64_t{1} << 24;  // 16 TiB, Xen's limit
  constexpr unsigned kMostVcpus = 128;                        // HVM_MAX_VCPUS

  if (!r.text("name", d.name) && !file.find("name"))
    r.problems.emplace_back(UserError(file.name, "no name is given", "add name = \"…\"").what());
  const XlSetting* named = file.find("name");
  if (named && !named->value.is_list()) {
    bool good = !d.name.empty() && d.name.size() <= 100;
    for (char c : d.name) good = good && static_cast<unsigned char>(c) > ' ' && c != '/' && c != '\x7f';
    if (!good || d.name == "." || d.name == "..")
      r.complain(*named, "\"" + d.name + "\" cannot be a domain's name",
                 "use 1 to 100 characters without spaces and slashes");
  }

  std::size_t index = 0;
  bool typed = r.choice("type", kTypes, index);
  if (typed) d.type = static_cast<DomainType>(index);
  if (r.choice("builder", kBuilders, index)) {
    d.warnings.push_back(r.place(*file.find("builder")) + ": \"builder\" is deprecated; use type");
    DomainType built = index == 1 ? DomainType::kHvm : DomainType::kPv;
    if (typed && built != d.type) r.complain(*file.find("builder"), "contradicts type", "remove builder");
    d.type = built;
  }
  bool pvh = false;
  if (r.flag("pvh", pvh)) {
    d.warnings.push_back(r.place(*file.find("pvh")) + ": \"pvh\" is deprecated; use type = \"pvh\"");
    if (pvh && !typed) d.type = DomainType::kPvh;
  }

  if (r.text("uuid", d.uuid) && !normalise_uuid(d.uuid))
    r.complain(*file.find("uuid"), "\"" + d.uuid + "\" is no UUID", "write 8-4-4-4-12 hexadecimal digits");

  if (r.number("memory", 1, kMostMib, d.memory_mib))
    d.maxmem_mib = d.memory_mib;
  else if (!file.find("memory") && !file.find("maxmem"))
    r.problems.emplace_back(UserError(file.name, "no memory is given", "add memory = MEGABYTES").what());
  if (r.number("maxmem", 1, kMostMib, d.maxmem_mib)) {
    if (d.memory_mib == 0) d.memory_mib = d.maxmem_mib;
    if (d.maxmem_mib < d.memory_mib)
      r.complain(*file.find("maxmem"), std::to_string(d.maxmem_mib) + " is less than memory",
                 "use at least " + std::to_string(d.memory_mib));
  }
  r.number("vcpus", 1, kMostVcpus, d.vcpus);
  d.maxvcpus = d.vcpus;
  if (r.number("maxvcpus", 1, kMostVcpus, d.maxvcpus)) {
    if (!file.find("vcpus")) d.vcpus = d.maxvcpus;
    if (d.maxvcpus < d.vcpus)
      r.complain(*file.find("maxvcpus"), std::to_string(d.maxvcpus) + " is less than vcpus",
                 "use at least " + std::to_string(d.vcpus));
  }
  read_affinity(r, "cpus", d.maxvcpus, d.cpus, d.cpus_place);
  read_affinity(r, "cpus_soft", d.maxvcpus, d.cpus_soft, d.cpus_soft_place);
  r.number("cpu_weight", 1, 65535, d.cpu_weight);
  r.optional_number("max_grant_frames", 1, 1u << 24, d.max_grant_frames);
  r.optional_number("max_maptrack_frames", 0, 1u << 24, d.max_maptrack_frames);
  r.optional_number("max_grant_version", 1, 2, d.max_grant_version);
  r.number("cap", 0, 65535, d.cap);
  r.text("pool", d.pool);
  if (r.number("max_event_channels", 0, 0x7fffffff, d.max_event_channels)) {
    if (d.max_event_channels == 0) d.max_event_channels = 1023;
    if (d.max_event_channels < 2)
      r.complain(*file.find("max_event_channels"), "there is no room for the ports of xenstore and console",
                 "use at least 2");
  }

  read_kernel(r, file, d);
  if (d.type == DomainType::kHvm) read_hvm(r, file, d);
  r.list("disk", false, d.disk);
  r.list("vif", false, d.vif);
  read_actions(r, d);
  r.flag("driver_domain", d.driver_domain);
  r.flag("device_model_stubdomain_override", d.device_model_stubdomain);
  r.number("stubdomain_memory", 1, kMostMib, d.stubdomain_memory_mib);
  r.flag("nomigrate", d.nomigrate);
  r.flag("nestedhvm", d.nested_hvm);
  if (r.flag("hap", d.hap) && !d.hap)
    d.warnings.push_back(r.place(*file.find("hap")) +
                         ": there is no shadow paging: the guest's memory is mapped by EPT");
  read_mode(r, file, "tsc_mode", kTscModes, d.tsc_mode);
  read_mode(r, file, "timer_mode", kTimerModes, d.timer_mode);
  r.list("cpuid", true, d.cpuid);
  r.refuse_unknown(d.warnings);

  if (!r.problems.empty()) {
    std::string text;
    for (const std::string& p : r.problems) text += (text.empty() ? "" : "\n") + p;
    throw UserError("", text);
  }
  return d;
}

DomainConfig load_domain_config(const std::string& path) {
  return read_domain_config(parse_xl_cfg(read_file(path, std::uint64_t{16} << 20), path));
}

}  // namespace xensim::config
