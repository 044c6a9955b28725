#include "sim/config/hvm_settings.h"

#include <algorithm>
#include <iterator>

#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"

namespace xensim::config {
namespace {

// Groups of enlightenments, and those that viridian = 1 stands for.
constexpr std::string_view kViridian[] = {
    "base",       "freq",  "time_ref_count", "reference_tsc", "hcall_remote_tlb_flush", "apic_assist",
    "crash_ctl",  "synic", "stimer",         "hcall_ipi",     "ex_processor_masks",     "no_vp_limit",
    "cpu_hotplug"};
constexpr std::string_view kViridianDefaults[] = {"base",      "freq",        "time_ref_count", "apic_assist",
                                                  "crash_ctl", "no_vp_limit", "cpu_hotplug"};
constexpr std::string_view kVgas[] = {"cirrus", "stdvga", "none", "qxl"};

// xl and libxl's defaults of memory for the video card of an HVM guest.
void read_video(SettingsReader& r, const XlFile& file, DomainConfig& d) {
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

void read_viridian(SettingsReader& r, const XlFile& file, DomainConfig& d) {
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

}  // namespace

void read_hvm(SettingsReader& r, const XlFile& file, DomainConfig& d) {
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

}  // namespace xensim::config
