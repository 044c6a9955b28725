#include "sim/config/domain_config.h"

#include <algorithm>
#include <array>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/base/units.h"

namespace xensim::config {
namespace {

// Keys of xl.cfg(5) of Xen 4.17 that have no effect here.
constexpr std::string_view kIgnored[] = {"acpi",
                                         "acpi_firmware",
                                         "acpi_laptop_slate",
                                         "acpi_s3",
                                         "acpi_s4",
                                         "altp2m",
                                         "altp2mhvm",
                                         "apic",
                                         "bios",
                                         "bios_path_override",
                                         "blkdev_start",
                                         "boot",
                                         "bootloader",
                                         "bootloader_args",
                                         "channel",
                                         "device_model_args",
                                         "device_model_args_hvm",
                                         "device_model_args_pv",
                                         "device_model_override",
                                         "device_model_stubdomain_seclabel",
                                         "device_model_user",
                                         "device_model_version",
                                         "device_tree",
                                         "display",
                                         "dm_restrict",
                                         "dtdev",
                                         "e820_host",
                                         "firmware",
                                         "gfx_passthru",
                                         "gic_version",
                                         "hdtype",
                                         "hpet",
                                         "init_seclabel",
                                         "iomem",
                                         "ioports",
                                         "irqs",
                                         "keymap",
                                         "localtime",
                                         "mca_caps",
                                         "mmio_hole",
                                         "ms_vm_genid",
                                         "msr_relaxed",
                                         "nographic",
                                         "nx",
                                         "oos",
                                         "opengl",
                                         "p9",
                                         "pae",
                                         "passthrough",
                                         "pci",
                                         "pci_msitranslate",
                                         "pci_permissive",
                                         "pci_power_mgmt",
                                         "pci_seize",
                                         "pvcalls",
                                         "pvshim",
                                         "pvshim_cmdline",
                                         "pvshim_extra",
                                         "pvshim_path",
                                         "rdm",
                                         "rdm_mem_boundary",
                                         "rtc_timeoffset",
                                         "sdl",
                                         "seclabel",
                                         "serial",
                                         "shadow_memory",
                                         "smbios_firmware",
                                         "soundhw",
                                         "spice",
                                         "spice_clipboard_sharing",
                                         "spice_image_compression",
                                         "spice_streaming_video",
                                         "spiceagent_mouse",
                                         "spicedisable_ticketing",
                                         "spicehost",
                                         "spicepasswd",
                                         "spiceport",
                                         "spicetls_port",
                                         "spiceusbredirection",
                                         "spicevdagent",
                                         "stdvga",
                                         "stubdomain_cmdline",
                                         "stubdomain_kernel",
                                         "stubdomain_ramdisk",
                                         "tee",
                                         "usb",
                                         "usbctrl",
                                         "usbdev",
                                         "usbdevice",
                                         "usbversion",
                                         "vdispl",
                                         "vendor_device",
                                         "vfb",
                                         "vga",
                                         "videoram",
                                         "viridian",
                                         "vkb",
                                         "vkb_device",
                                         "vmtrace_buf_kb",
                                         "vnc",
                                         "vncdisplay",
                                         "vnclisten",
                                         "vncpasswd",
                                         "vncunused",
                                         "vnuma",
                                         "vpmu",
                                         "vpt_align",
                                         "vsnd",
                                         "vtpm",
                                         "vuart",
                                         "xauthority",
                                         "xen_platform_pci",
                                         "xend_suspend_evtchn_compat"};

// Groups of enlightenments, and those that viridian = 1 stands for.
constexpr std::string_view kViridian[] = {
    "base",       "freq",  "time_ref_count", "reference_tsc", "hcall_remote_tlb_flush", "apic_assist",
    "crash_ctl",  "synic", "stimer",         "hcall_ipi",     "ex_processor_masks",     "no_vp_limit",
    "cpu_hotplug"};
constexpr std::string_view kViridianDefaults[] = {"base",      "freq",        "time_ref_count", "apic_assist",
                                                  "crash_ctl", "no_vp_limit", "cpu_hotplug"};
constexpr std::string_view kVgas[] = {"cirrus", "stdvga", "none", "qxl"};

constexpr std::string_view kTypes[] = {"pvh", "hvm", "pv"};
constexpr std::string_view kBuilders[] = {"generic", "hvm"};
constexpr std::string_view kActions[] = {"destroy",          "restart",          "rename-restart", "preserve",
                                         "coredump-destroy", "coredump-restart", "soft-reset"};
constexpr std::string_view kTscModes[] = {"default", "always_emulate", "native", "native_paravirt"};
constexpr std::string_view kTimerModes[] = {"delay_for_missed_ticks", "no_delay_for_missed_ticks",
                                            "no_missed_ticks_pending", "one_missed_tick_pending"};

// Reads settings one by one, remembers which keys there are, and collects problems.
class Reader {
 public:
  explicit Reader(const XlFile& file) : file_(file) {}

  std::vector<std::string> problems;

  std::string place(const XlSetting& s) const { return file_.name + ":" + std::to_string(s.line); }
  void complain(const XlSetting& s, const std::string& what, const std::string& mend = "") {
    problems.emplace_back(UserError(place(s), s.key + ": " + what, mend).what());
  }

  const XlSetting* find(std::string_view key) {
    known_.push_back(key);
    return file_.find(key);
  }

  bool text(std::string_view key, std::string& out) {
    const XlSetting* s = find(key);
    if (!s) return false;
    if (auto* t = std::get_if<std::string>(&s->value.value)) {
      out = *t;
    } else if (auto* n = std::get_if<XlValue::Number>(&s->value.value)) {
      out = n->text;
    } else {
      complain(*s, "is a list, where a string is wanted", "write " + std::string(key) + " = \"…\"");
      return false;
    }
    return true;
  }

  bool number(std::string_view key, std::uint64_t lowest, std::uint64_t highest, std::uint64_t& out) {
    const XlSetting* s = find(key);
    if (!s) return false;
    std::string digits;
    if (auto* t = std::get_if<std::string>(&s->value.value)) digits = *t;
    if (auto* n = std::get_if<XlValue::Number>(&s->value.value)) digits = n->text;
    std::uint64_t v = 0;
    if (!parse(digits, v)) {
      complain(*s, (s->value.is_list() ? "a list" : "\"" + digits + "\"") + " is no number",
               "write " + std::string(key) + " = " + std::to_string(lowest == 0 ? 0 : lowest));
      return false;
    }
    if (v < lowest || v > highest) {
      complain(*s, digits + (v < lowest ? " is too small" : " is too large"),
               "use " + std::to_string(lowest) + " to " + std::to_string(highest));
      return false;
    }
    out = v;
    return true;
  }
  bool number(std::string_view key, std::uint64_t lowest, std::uint64_t highest, unsigned& out) {
    std::uint64_t v = 0;
    if (!number(key, lowest, highest, v)) return false;
    out = static_cast<unsigned>(v);
    return true;
  }
  void optional_number(std::string_view key, std::uint64_t lowest, std::uint64_t highest,
                       std::optional<unsigned>& out) {
    unsigned v = 0;
    if (number(key, lowest, highest, v)) out = v;
  }
  bool flag(std::string_view key, bool& out) {
    std::uint64_t v = 0;
    if (!number(key, 0, 1, v)) return false;
    out = v != 0;
    return true;
  }

  bool choice(std::string_view key, std::span<const std::string_view> names, std::size_t& out) {
    std::string t;
    if (!text(key, t)) return false;
    auto it = std::find(names.begin(), names.end(), t);
    if (it == names.end()) {
      std::string list;
      for (std::string_view n : names) list += (list.empty() ? "\"" : ", \"") + std::string(n) + "\"";
      complain(*file_.find(key), "\"" + t + "\" is none of the choices", "use " + list);
      return false;
    }
    out = static_cast<std::size_t>(it - names.begin());
    return true;
  }

  // A list of strings; a string alone counts as a list of one where xl allows it.
  bool list(std::string_view key, bool string_allowed, std::vector<std::string>& out) {
    const XlSetting* s = find(key);
    if (!s) return false;
    auto* l = std::get_if<XlValue::List>(&s->value.value);
    if (!l && !string_allowed) {
      complain(*s, "is no list", "write " + std::string(key) + " = [ \"…\" ]");
      return false;
    }
    out.clear();
    auto add = [&](const XlValue& v) {
      if (auto* t = std::get_if<std::string>(&v.value))
        out.push_back(*t);
      else if (auto* n = std::get_if<XlValue::Number>(&v.value))
        out.push_back(n->text);
      else
        complain(*s, "an element is a list, where a string is wanted");
    };
    if (!l) add(s->value);
    if (l)
      for (const XlValue& v : *l) add(v);
    return true;
  }

  void refuse_unknown(std::vector<std::string>& warnings) {
    for (const XlSetting& s : file_.settings) {
      if (std::find(known_.begin(), known_.end(), s.key) != known_.end()) continue;
      if (std::find(std::begin(kIgnored), std::end(kIgnored), s.key) != std::end(kIgnored)) {
        warnings.push_back(place(s) + ": \"" + s.key + "\" has no effect in xensim");
        continue;
      }
      problems.emplace_back(
          UserError(place(s), "unknown key \"" + s.key + "\"", suggestion(s.key, candidates())).what());
    }
  }

  // As strtoul does with base 0: decimal, 0x…, 0….
  static bool parse(std::string_view t, std::uint64_t& out) {
    unsigned base = 10;
    if (t.starts_with("0x") || t.starts_with("0X")) {
      base = 16;
      t.remove_prefix(2);
    } else if (t.size() > 1 && t.starts_with('0')) {
      base = 8;
      t.remove_prefix(1);
    }
    if (t.empty()) return false;
    unsigned __int128 v = 0;
    for (char c : t) {
      unsigned d = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                   : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                   : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A') + 10
                                          : 99;
      v = v * base + d;
      if (d >= base || v > ~std::uint64_t{0}) return false;
    }
    out = static_cast<std::uint64_t>(v);
    return true;
  }

 private:
  std::vector<std::string_view> candidates() const {
    std::vector<std::string_view> all = known_;
    all.insert(all.end(), std::begin(kIgnored), std::end(kIgnored));
    return all;
  }

  const XlFile& file_;
  std::vector<std::string_view> known_;
};

std::string find_file(const std::string& path, const std::string& cfg) {
  if (path.empty() || file_exists(path)) return path;
  std::string beside = join_path(folder_of(cfg), path);
  return file_exists(beside) ? beside : path;
}

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

void read_affinity(Reader& r, std::string_view key, unsigned maxvcpus, std::vector<std::string>& out) {
  if (!r.list(key, true, out)) return;
  const XlSetting& s = *r.find(key);
  // A list longer than there are vCPUs is cut, as xl does.
  if (s.value.is_list() && out.size() > maxvcpus) out.resize(maxvcpus);
  for (const std::string& text : out) {
    try {
      // Syntax only: the largest machine.
      expand_cpus(text, 1u << 16, r.place(s));
    } catch (const UserError& e) {
      r.problems.emplace_back(e.what());
    }
  }
}

void read_kernel(Reader& r, const XlFile& file, DomainConfig& d) {
  for (auto [key, path] : {std::pair{"kernel", &d.kernel}, {"ramdisk", &d.ramdisk}}) {
    if (!r.text(key, *path)) continue;
    *path = find_file(*path, file.name);
    if (!file_exists(*path))
      r.complain(*file.find(key), "\"" + *path + "\": no such file", "check the name and the folder");
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

// xl and libxl's defaults of memory for the video card of an HVM guest.
void read_video(Reader& r, const XlFile& file, DomainConfig& d) {
  struct Card {
    std::uint64_t standard, least;
  };
  constexpr Card kCards[] = {{8, 8}, {16, 16}, {0, 0}, {128, 128}};
  std::size_t card = 0;
  bool standard_vga = false;
  if (!r.choice("vga", kVgas, card) && r.flag("stdvga", standard_vga) && standard_vga) card = 1;
  d.video_memory_mib = kCards[card].standard;
  if (r.number("videoram", 0, 1u << 20, d.video_memory_mib) && d.video_memory_mib < kCards[card].least)
    r.complain(*file.find("videoram"), std::to_string(d.video_memory_mib) + " MiB are too few for this video card",
               "use at least " + std::to_string(kCards[card].least));
}

void read_viridian(Reader& r, const XlFile& file, DomainConfig& d) {
  const XlSetting* s = file.find("viridian");
  if (!s) return;
  std::vector<std::string> on, off;
  if (!s->value.is_list()) {
    bool defaults = false;
    if (r.flag("viridian", defaults) && defaults) on = {"defaults"};
  } else if (r.list("viridian", false, on)) {
    for (const std::string& name : on)
      if (name.starts_with('!')) off.push_back(name.substr(1));
    std::erase_if(on, [](const std::string& name) { return name.starts_with('!'); });
  }
  const auto has = [](const std::vector<std::string>& names, std::string_view name) {
    const bool standard =
        std::find(std::begin(kViridianDefaults), std::end(kViridianDefaults), name) != std::end(kViridianDefaults);
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
      return n == name || n == "all" || (n == "defaults" && standard);
    });
  };
  for (const auto* names : {&on, &off})
    for (const std::string& n : *names)
      if (n != "all" && n != "defaults" &&
          std::find(std::begin(kViridian), std::end(kViridian), n) == std::end(kViridian))
        r.complain(*s, "unknown viridian enlightenment \"" + n + "\"",
                   suggestion(n, {std::begin(kViridian), std::end(kViridian)}));
  for (const std::string_view name : kViridian)
    if (has(on, name) && !has(off, name)) d.viridian.emplace_back(name);
  if (!d.viridian.empty() && d.viridian[0] != "base") r.complain(*s, "\"base\" is missing, which all others need");
}

void read_hvm(Reader& r, const XlFile& file, DomainConfig& d) {
  if (r.text("firmware_override", d.firmware_override)) {
    d.firmware_override = find_file(d.firmware_override, file.name);
    if (!file_exists(d.firmware_override))
      r.complain(*file.find("firmware_override"), "\"" + d.firmware_override + "\": no such file",
                 "check the name and the folder");
  } else if (!file.find("firmware_override")) {
    r.problems.emplace_back(
        UserError(file.name,
                  "type = \"hvm\" without firmware_override: hvmloader needs a device model, and there is none",
                  "add firmware_override = \"path of an image that does without\", or use type = \"pvh\"")
            .what());
  }
  for (const char* key : {"kernel", "ramdisk", "cmdline", "root", "extra"})
    if (const XlSetting* s = file.find(key)) {
      if (d.kernel.empty()) {
        r.complain(*s, "direct boot parameters specified but kernel missing", "remove it");
        break;
      }
      d.warnings.push_back(r.place(*s) + ": \"" + key +
                           "\" has no effect: an HVM guest gets it from its device model");
    }
  read_video(r, file, d);
  r.flag("apic", d.apic);
  r.flag("hpet", d.hpet);
  read_viridian(r, file, d);
}

void read_actions(Reader& r, DomainConfig& d) {
  for (auto [key, action] : {std::pair{"on_poweroff", &d.on_poweroff},
                             {"on_reboot", &d.on_reboot},
                             {"on_watchdog", &d.on_watchdog},
                             {"on_crash", &d.on_crash},
                             {"on_soft_reset", &d.on_soft_reset}})
    if (std::size_t i; r.choice(key, kActions, i)) *action = static_cast<OnShutdown>(i);
}

// A choice that xl also takes as a number.
void read_mode(Reader& r, const XlFile& file, std::string_view key, std::span<const std::string_view> names,
               std::string& out) {
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
  Reader r(file);
  constexpr std::uint64_t kMostMib = std::uint64_t{1} << 24;  // 16 TiB, Xen's limit

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
  r.number("vcpus", 1, 512, d.vcpus);
  d.maxvcpus = d.vcpus;
  if (r.number("maxvcpus", 1, 512, d.maxvcpus)) {
    if (!file.find("vcpus")) d.vcpus = d.maxvcpus;
    if (d.maxvcpus < d.vcpus)
      r.complain(*file.find("maxvcpus"), std::to_string(d.maxvcpus) + " is less than vcpus",
                 "use at least " + std::to_string(d.vcpus));
  }
  read_affinity(r, "cpus", d.maxvcpus, d.cpus);
  read_affinity(r, "cpus_soft", d.maxvcpus, d.cpus_soft);
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

std::vector<unsigned> expand_cpus(std::string_view text, unsigned pcpus, const std::string& place) {
  std::vector<bool> in(pcpus);
  auto refuse = [&](const std::string& why) {
    throw UserError(place, "\"" + std::string(text) + "\": " + why, "write pCPUs like \"0-3,^1\" or \"all\"");
  };
  bool first = true;
  for (std::string_view rest = text; first || !rest.empty();) {
    std::string_view part = rest.substr(0, rest.find(','));
    bool last = part.size() == rest.size();
    rest.remove_prefix(last ? rest.size() : part.size() + 1);
    if (!last && rest.empty()) refuse("ends in a comma");
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    bool exclude = part.starts_with('^');
    if (exclude) part.remove_prefix(1);
    // "^1" first means "all but 1", as in xl.
    if (exclude && first) in.assign(pcpus, true);
    first = false;
    std::uint64_t from = 0, to = 0;
    if (part == "all") {
      to = pcpus - 1;
    } else if (part == "none") {
      in.assign(pcpus, false);
      continue;
    } else if (part.starts_with("node")) {
      refuse("NUMA nodes are not modelled");
    } else {
      std::size_t dash = part.find('-');
      std::string_view low = part.substr(0, dash),
                       high = dash == std::string_view::npos ? low : part.substr(dash + 1);
      if (!Reader::parse(low, from) || !Reader::parse(high, to))
        refuse("\"" + std::string(part) + "\" is no pCPU");
      if (from > to) refuse("\"" + std::string(part) + "\" goes down");
    }
    if (to >= pcpus) refuse("the machine has no pCPU " + std::to_string(to));
    for (std::uint64_t p = from; p <= to; ++p) in[p] = !exclude;
  }
  std::vector<unsigned> out;
  for (unsigned p = 0; p < pcpus; ++p)
    if (in[p]) out.push_back(p);
  if (out.empty()) refuse("names no pCPU");
  return out;
}

}  // namespace xensim::config
