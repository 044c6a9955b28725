#include "models/dom0/device_spec.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

namespace xensim::dom0 {

namespace {

std::string trimmed(const std::string& s) {
  const std::size_t from = s.find_first_not_of(" \t"), to = s.find_last_not_of(" \t");
  return from == std::string::npos ? "" : s.substr(from, to - from + 1);
}

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    out.push_back(trimmed(text.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

// "xvdb3" with the prefix "xvd": disk 1, partition 3. false: it has another prefix, or is out of range.
bool read_letters(const std::string& vdev, const std::string& prefix, unsigned most_disks,
                  unsigned most_partitions, unsigned& disk, unsigned& partition) {
  if (!vdev.starts_with(prefix)) return false;
  std::size_t i = prefix.size();
  unsigned n = 0;
  for (; i < vdev.size() && vdev[i] >= 'a' && vdev[i] <= 'z' && n <= most_disks; ++i)
    n = n * 26 + static_cast<unsigned>(vdev[i] - 'a') + 1;
  if (n == 0 || n > most_disks + 1) return false;
  disk = n - 1;
  partition = 0;
  for (; i < vdev.size() && vdev[i] >= '0' && vdev[i] <= '9' && partition <= most_partitions; ++i)
    partition = partition * 10 + static_cast<unsigned>(vdev[i] - '0');
  return i == vdev.size() && partition <= most_partitions;
}

// libxl__device_disk_dev_number.
unsigned number_of(const std::string& vdev) {
  unsigned disk = 0, partition = 0;
  if (read_letters(vdev, "xvd", (1 << 20) - 1, 255, disk, partition))
    return disk <= 15 && partition <= 15 ? 202 << 8 | disk << 4 | partition : 1u << 28 | disk << 8 | partition;
  if (read_letters(vdev, "hd", 3, 63, disk, partition))
    return (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | partition;
  if (read_letters(vdev, "sd", 15, 15, disk, partition)) return 8 << 8 | disk << 4 | partition;
  char* end = nullptr;
  const unsigned long n = std::strtoul(vdev.c_str(), &end, 0);
  return vdev.empty() || *end != '\0' || n > 0x7fffffff ? 0 : static_cast<unsigned>(n);
}

bool set_disk_key(DiskSpec& d, const std::string& key, const std::string& value) {
  if (key == "target")
    d.target = value;
  else if (key == "format")
    d.format = value;
  else if (key == "vdev")
    d.vdev = value;
  else if (key == "access")
    d.writable = value == "rw" || value == "w";
  else if (key == "backend")
    d.backend = value;
  else if (key == "script")
    d.script = value;
  else if (key == "devtype")
    d.cdrom = value == "cdrom";
  else if (key == "removable")
    d.removable = value != "0";
  else
    return false;
  return true;
}

}  // namespace

DiskSpec read_disk(const std::string& text) {
  DiskSpec d;
  std::string rest = text;
  bool prefixed = false;
  for (const char* prefix : {"phy:", "file:", "raw:", "qcow2:", "qcow:", "vhd:", "tap:", "tap2:", "aio:"})
    if (rest.starts_with(prefix)) {
      prefixed = true;
      const std::string format(prefix, std::string(prefix).size() - 1);
      if (format.starts_with("qcow") || format == "vhd") d.format = format;
      rest.erase(0, std::string(prefix).size());
    }
  bool format_seen = prefixed, access_seen = false;
  for (const std::string& part : parts_of(rest)) {
    const std::size_t equals = part.find('=');
    if (equals != std::string::npos &&
        set_disk_key(d, trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1))))
      continue;
    if (part == "discard" || part == "no-discard")
      d.discard = part == "discard";
    else if (part == "cdrom" || part == "devtype=cdrom")
      d.cdrom = true;
    else if (d.target.empty())
      d.target = part;
    else if (!format_seen && d.format.empty())
      d.format = part, format_seen = true;
    else if (d.vdev.empty())
      d.vdev = part;
    else if (!access_seen)
      d.writable = part == "rw" || part == "w", access_seen = true;
  }
  // "xvda:cdrom", as of old.
  if (const std::size_t colon = d.vdev.find(':'); colon != std::string::npos) {
    d.cdrom |= d.vdev.substr(colon + 1) == "cdrom";
    d.vdev.erase(colon);
  }
  if (d.cdrom) d.writable = false, d.removable = true;
  if (d.format.empty()) d.format = "raw";
  d.number = number_of(d.vdev);
  return d;
}

VifSpec read_vif(const std::string& text) {
  VifSpec v;
  for (const std::string& part : parts_of(text)) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = trimmed(part.substr(0, equals)), value = trimmed(part.substr(equals + 1));
    for (const auto& [name, member] : {std::pair{"mac", &v.mac},
                                       {"bridge", &v.bridge},
                                       {"script", &v.script},
                                       {"backend", &v.backend},
                                       {"vifname", &v.vifname},
                                       {"ip", &v.ip},
                                       {"rate", &v.rate}})
      if (key == name) *member = value;
  }
  for (char& c : v.mac) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return v;
}

std::string wrong_with_disk(const std::string& text) {
  static constexpr std::string_view kKeys[] = {"target",    "format",        "vdev",     "access",
                                               "backend",   "backendtype",   "script",   "devtype",
                                               "removable", "specification", "transport"};
  const auto unknown = [&](const std::string& what, const std::string& part) {
    return what + ": near `" + part + "' in `" + text + "'";
  };
  const auto good_access = [](const std::string& v) { return v == "rw" || v == "w" || v == "r" || v == "ro"; };
  // Without a key: target, format, vdev, access, in this order.
  unsigned position = 0;
  for (const std::string& part : parts_of(text)) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      static constexpr std::string_view kWords[] = {"cdrom", "discard", "no-discard", "direct-io-safe",
                                                    "removable"};
      constexpr unsigned kAccess = 3;
      if (std::find(std::begin(kWords), std::end(kWords), part) != std::end(kWords)) continue;
      if (position++ == kAccess && !good_access(part)) return unknown("unknown value for access", part);
      continue;
    }
    const std::string key = trimmed(part.substr(0, equals));
    if (key == "access" && !good_access(trimmed(part.substr(equals + 1))))
      return unknown("unknown value for access", part);
    if (key == "target") break;  // goes to the end, as it is
    if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys) && !key.starts_with("colo"))
      return unknown("unknown parameter", part);
  }
  const DiskSpec d = read_disk(text);
  if (d.vdev.empty()) return "no vdev specified in `" + text + "'";
  return "";
}

std::string unknown_in_vif(const std::string& text) {
  static constexpr std::string_view kKeys[] = {"type",    "mac",  "model",      "bridge",  "netdev",
                                               "script",  "ip",   "gatewaydev", "vifname", "accel",
                                               "backend", "rate", "devid",      "mtu",     "trusted"};
  for (const std::string& part : parts_of(text)) {
    const std::size_t equals = part.find('=');
    const std::string key = equals == std::string::npos ? "" : part.substr(0, equals);
    if (!part.empty() && !key.starts_with("colo") &&
        std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys))
      return part;
  }
  return "";
}

}  // namespace xensim::dom0
