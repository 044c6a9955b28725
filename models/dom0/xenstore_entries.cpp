#include "models/dom0/xenstore_entries.h"

#include <cstdio>

#include "models/dom0/device_spec.h"
#include "models/dom0/xenstored/path.h"

namespace xensim::dom0 {

namespace {

constexpr const char* kScripts = "/etc/xen/scripts/";

std::string base(unsigned domid) { return domain_path(domid); }
std::string text(std::uint64_t n) { return std::to_string(n); }
StorePermissions owned_by(unsigned domid) { return {{domid, 0, false}}; }
StorePermissions readable_for(unsigned owner, unsigned reader) {
  return {{owner, 0, false}, {reader, kStoreRead, false}};
}

std::string script_path(const std::string& script) { return script.starts_with('/') ? script : kScripts + script; }

}  // namespace

// All requests until its end are one transaction.
class XenstoreEntries::Transaction {
 public:
  explicit Transaction(XenstoreEntries& e) : entries_(e) {
    bool found = false;
    if (e.daemon_.store().start_transaction(e, id_) == 0)
      e.transaction = e.daemon_.store().find_transaction(e, id_, found);
    ++e.requests_;
  }
  ~Transaction() {
    static_cast<void>(
        entries_.daemon_.store().end_transaction(entries_, true));  // nobody else was served meanwhile
    ++entries_.requests_;
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

 private:
  XenstoreEntries& entries_;
  std::uint32_t id_ = 0;
};

XenstoreEntries::XenstoreEntries(XenstoreDaemon& daemon) : StoreClient(0, false), daemon_(daemon) {
  daemon_.store().add(*this);
}

void XenstoreEntries::watch_event(const std::string& path, const std::string& token,
                                  const std::shared_ptr<StoreRequest>&) {
  if (on_event) on_event(path, token);
}

std::uint64_t XenstoreEntries::take_requests() {
  const std::uint64_t n = std::exchange(requests_, 0);
  if (n > 0) daemon_.account(n);
  return n;
}

// --- Requests.

bool XenstoreEntries::write(const std::string& path, std::string_view value) {
  ++requests_;
  return daemon_.store().write(*this, path, value) == 0;
}

std::optional<std::string> XenstoreEntries::read(const std::string& path) {
  ++requests_;
  std::string value;
  if (daemon_.store().read(*this, path, value) != 0) return std::nullopt;
  return value;
}

bool XenstoreEntries::remove(const std::string& path) {
  ++requests_;
  return daemon_.store().remove(*this, path) == 0;
}

std::vector<std::string> XenstoreEntries::directory(const std::string& path) {
  ++requests_;
  StoreNode node;
  std::uint64_t generation = 0;
  if (daemon_.store().directory(*this, path, node.children, generation) != 0) return {};
  return node.child_names();
}

bool XenstoreEntries::watch_path(const std::string& path, const std::string& token) {
  ++requests_;
  if (daemon_.store().watch(*this, path, token) != 0) return false;
  daemon_.store().fire_first(*this);
  return true;
}

bool XenstoreEntries::unwatch_path(const std::string& path, const std::string& token) {
  ++requests_;
  return daemon_.store().unwatch(*this, path, token) == 0;
}

// libxl__xs_mknod.
void XenstoreEntries::make_node(const std::string& path, const StorePermissions& permissions) {
  write(path, "");
  ++requests_;
  static_cast<void>(daemon_.store().set_permissions(*this, path, permissions));
}

void XenstoreEntries::write_all(const std::string& below, const Pairs& pairs,
                                const StorePermissions* permissions) {
  for (const auto& [name, value] : pairs) {
    const std::string path = child_of(below, name);
    write(path, value);
    if (!permissions) continue;
    ++requests_;
    static_cast<void>(daemon_.store().set_permissions(*this, path, *permissions));
  }
}

// --- dom0.

std::uint64_t XenstoreEntries::initialise(const std::string& pool, std::uint64_t dom0_kib,
                                          std::uint64_t most_kib) {
  for (const char* feature : {"feature-poweroff", "feature-reboot", "feature-suspend"})
    write(base(0) + "/control/" + feature, "1");
  write(base(0) + "/domid", "0");
  write(base(0) + "/name", "Domain-0");
  write("/local/pool/0/name", pool);
  write(base(0) + "/memory/target", text(dom0_kib));
  write(base(0) + "/memory/static-max", text(most_kib));
  return take_requests();
}

std::uint64_t XenstoreEntries::initialise_stub_domain(domid_t domid, std::uint64_t kib) {
  write("/tool/xenstored/domid", text(domid));
  write(base(domid) + "/domid", text(domid));
  write(base(domid) + "/name", "Xenstore");
  write(base(domid) + "/memory/target", text(kib));
  write(base(domid) + "/memory/static-max", text(kib));
  return take_requests();
}

// --- A domain.

std::uint64_t XenstoreEntries::make(const XenstoreDomain& d) {
  {
    const Transaction transaction(*this);
    const std::string dom = base(d.domid), vm = "/vm/" + d.uuid, libxl = "/libxl/" + text(d.domid);
    const StorePermissions tools = owned_by(0), guest_reads = readable_for(0, d.domid), guests = owned_by(d.domid);
    for (const auto& [path, permissions] : {std::pair{dom, &guest_reads}, {vm, &guest_reads}, {libxl, &tools}}) {
      remove(path);
      make_node(path, *permissions);
    }
    make_node(libxl + "/device", tools);
    write(dom + "/vm", vm);
    write(dom + "/name", d.name);
    for (const char* name : {"/cpu", "/memory", "/device"}) make_node(dom + name, guest_reads);
    make_node(dom + "/device/suspend/event-channel", guests);
    make_node(dom + "/control", guest_reads);
    for (const char* name : {"shutdown", "feature-poweroff", "feature-reboot", "feature-suspend"})
      make_node(dom + "/control/" + name, guests);
    for (const char* name : {"feature-s3", "feature-s4"})
      if (d.hvm) make_node(dom + "/control/" + name, guests);
    make_node(dom + "/control/sysrq", guests);
    if (d.hvm) make_node(dom + "/hvmloader", guest_reads);
    for (const char* name : {"/data", "/drivers", "/feature", "/attr", "/error"}) make_node(dom + name, guests);
    // For a libxl, and for device models, that run in the driver domain.
    if (d.driver_domain)
      for (const char* name : {"/libxl", "/device-model"}) make_node(dom + name, guests);
    write(vm + "/uuid", d.uuid);
    write(vm + "/name", d.name);
    write(dom + "/control/platform-feature-multiprocessor-suspend", "1");
    write(dom + "/control/platform-feature-xs_reset_watches", "1");
    write(libxl + "/type", d.hvm ? "hvm" : "pvh");
  }
  write("/libxl/" + text(d.domid) + "/dm-version", "qemu_xen");
  return take_requests();
}

std::uint64_t XenstoreEntries::build(const XenstoreDomain& d) {
  const std::string dom = base(d.domid);
  {
    const Transaction transaction(*this);
    Pairs entries{{"memory/static-max", text(d.static_max_kib)},
                  {"memory/target", text(d.target_kib)},
                  {"memory/videoram", text(d.video_kib)},
                  {"domid", text(d.domid)},
                  {"store/port", text(d.store_port)},
                  {"store/ring-ref", text(d.store_gfn)}};
    for (std::size_t i = 0; i < d.vcpus.size(); ++i)
      entries.emplace_back("cpu/" + text(i) + "/availability", d.vcpus[i] ? "online" : "offline");
    if (d.hvm) {
      entries.insert(entries.end(), {{"platform/acpi", "1"},
                                     {"platform/acpi_s3", "1"},
                                     {"platform/acpi_s4", "1"},
                                     {"platform/acpi_laptop_slate", "0"},
                                     {"platform/device-model", "qemu_xen"}});
      write("/vm/" + d.uuid + "/rtc/timeoffset", "");
      write("/vm/" + d.uuid + "/image/ostype", "hvm");
    }
    write_all(dom, entries);
    char started[48];
    std::snprintf(started, sizeof started, "%llu.%02llu",
                  static_cast<unsigned long long>(d.wallclock_ns / 1'000'000'000),
                  static_cast<unsigned long long>(d.wallclock_ns / 10'000'000 % 100));
    write("/vm/" + d.uuid + "/start_time", started);
  }
  ++requests_;
  static_cast<void>(daemon_.server().introduce(d.domid, d.store_port));
  for (std::size_t i = 0; i < d.disks.size(); ++i) add_device(d, disk_of(d, i));
  add_device(d, console_of(d));
  for (unsigned i = 0; i < d.vifs.size(); ++i) add_device(d, vif_of(d, d.vifs[i], i));
  return take_requests();
}

std::uint64_t XenstoreEntries::rename(domid_t domid, const std::string& name) {
  write(base(domid) + "/name", name);
  if (const auto vm = read(base(domid) + "/vm")) write(*vm + "/name", name);
  return take_requests();
}

std::uint64_t XenstoreEntries::set_target(domid_t domid, domid_t target) {
  const std::string models = base(domid) + "/device-model/" + text(target);
  write(base(target) + "/image/device-model-domid", text(domid));
  write(base(domid) + "/target", text(target));
  {
    const Transaction transaction(*this);
    make_node(models, readable_for(domid, target));
  }
  ++requests_;
  static_cast<void>(daemon_.server().set_target(domid, target));  // one that has no ring needs no rights
  return take_requests();
}

std::uint64_t XenstoreEntries::make_stub_domain(const XenstoreDomain& d, domid_t target) {
  const std::string dom = base(d.domid);
  std::uint64_t requests = make(d);
  write("/libxl/" + text(d.domid) + "/type", "pv");
  write_all(dom, {{"memory/static-max", text(d.static_max_kib)},
                  {"memory/target", text(d.target_kib)},
                  {"domid", text(d.domid)},
                  {"cpu/0/availability", "online"}});
  requests += take_requests();
  return requests + set_target(d.domid, target);
}

bool XenstoreEntries::resume(domid_t domid) {
  ++requests_;
  return daemon_.server().resume(domid) == 0;
}

// --- Devices.

XenstoreEntries::Device XenstoreEntries::console_of(const XenstoreDomain& d) const {
  Device c{"console", 0, 0, {}, {}, {}};
  c.back = {{"frontend-id", text(d.domid)}, {"online", "1"}, {"state", "1"}, {"protocol", "vt100"}};
  c.front = {{"backend-id", "0"}};
  c.read_only_front = {{"limit", "1048576"}, {"type", "xenconsoled"},        {"output", "pty"},
                       {"tty", ""},          {"port", text(d.console_port)}, {"ring-ref", text(d.console_gfn)}};
  return c;
}

XenstoreEntries::Device XenstoreEntries::disk_of(const XenstoreDomain& d, std::size_t i) const {
  const DiskSpec s = read_disk(d.disks[i]);
  const bool raw = s.format == "raw";
  Device v{raw ? "vbd" : "qdisk", s.number, d.disk_backends[i], {}, {}, {}};
  v.back.emplace_back("params", raw ? s.target : s.format + ":" + s.target);
  if (raw) v.back.emplace_back("script", script_path(s.script));
  const Pairs rest{{"frontend-id", text(d.domid)},
                   {"online", "1"},
                   {"removable", s.removable ? "1" : "0"},
                   {"bootable", "1"},
                   {"state", "1"},
                   {"dev", s.vdev},
                   {"type", raw ? "phy" : "qdisk"},
                   {"mode", s.writable ? "w" : "r"},
                   {"device-type", s.cdrom ? "cdrom" : "disk"},
                   {"discard-enable", s.discard && s.writable ? "1" : "0"},
                   {"specification", "xen"}};
  v.back.insert(v.back.end(), rest.begin(), rest.end());
  v.front = {{"backend-id", text(v.backend)},
             {"state", "1"},
             {"virtual-device", text(v.id)},
             {"device-type", s.cdrom ? "cdrom" : "disk"},
             {"trusted", "1"}};
  return v;
}

XenstoreEntries::Device XenstoreEntries::vif_of(const XenstoreDomain& d, const std::string& spec,
                                                unsigned id) const {
  const VifSpec s = read_vif(spec);
  Device v{"vif", id, d.vif_backends[id], {}, {}, {}};
  std::string mac = s.mac;
  if (mac.empty()) {
    // libxl takes a random one of Xen's range; here it follows from the UUID, which is random already.
    const std::string digits = d.uuid.size() >= 36 ? d.uuid.substr(30, 6) : "000000";
    mac = "00:16:3e:" + digits.substr(0, 2) + ":" + digits.substr(2, 2) + ":" + digits.substr(4, 2);
    mac[9] = static_cast<char>('0' + (id & 7));
  }
  v.back = {{"frontend-id", text(d.domid)}, {"online", "1"}, {"state", "1"}, {"script", script_path(s.script)}};
  if (!s.vifname.empty()) v.back.emplace_back("vifname", s.vifname);
  v.back.emplace_back("mac", mac);
  if (!s.ip.empty()) v.back.emplace_back("ip", s.ip);
  const Pairs rest{{"bridge", s.bridge}, {"handle", text(id)}, {"type", "vif"}, {"hotplug-status", ""}};
  v.back.insert(v.back.end(), rest.begin(), rest.end());
  v.front = {
      {"backend-id", text(v.backend)}, {"state", "1"}, {"handle", text(id)}, {"mac", mac}, {"trusted", "1"}};
  v.read_only_front = {{"mtu", "1500"}};
  return v;
}

// libxl__device_generic_add: both ends, and libxl's own copy of the backend's.
void XenstoreEntries::add_device(const XenstoreDomain& d, const Device& v) {
  const Transaction transaction(*this);
  const bool console = v.kind == "console" && v.id == 0;
  const std::string id = text(v.id);
  const std::string kind = v.kind == "qdisk" ? "vbd" : v.kind;
  const std::string front = base(d.domid) + (console ? "/console" : "/device/" + kind + "/" + id);
  const std::string back = base(v.backend) + "/backend/" + v.kind + "/" + text(d.domid) + "/" + id;
  const std::string libxl = "/libxl/" + text(d.domid) + "/device/" + kind + "/" + id;
  const StorePermissions guests = readable_for(d.domid, v.backend), backends = readable_for(v.backend, d.domid);
  const auto make = [&](const std::string& path, const StorePermissions& permissions) {
    remove(path);
    ++requests_;
    static_cast<void>(daemon_.store().make_directory(*this, path));
    ++requests_;
    static_cast<void>(daemon_.store().set_permissions(*this, path, permissions));
  };
  remove(libxl);
  write(libxl + "/frontend", front);
  write(libxl + "/backend", back);
  make(front, console ? backends : guests);
  write(front + "/backend", back);
  write_all(front, v.front, &guests);
  write_all(front, v.read_only_front, &backends);
  make(back, backends);
  write(back + "/frontend", front);
  write_all(back, v.back);
  write_all(libxl, v.back);
}

// libxl__device_destroy for each device, then devices_destroy_cb. A directory that became empty goes too.
std::uint64_t XenstoreEntries::destroy(domid_t domid) {
  const std::string libxl = "/libxl/" + text(domid);
  const auto clean = [&](std::string path) {
    while (path != "/" && remove(path)) {
      path = parent_of(path);
      if (path == "/" || !directory(path).empty()) break;
    }
  };
  for (const std::string& kind : directory(libxl + "/device"))
    for (const std::string& id : directory(std::string(libxl).append("/device/").append(kind))) {
      const std::string device = std::string(libxl).append("/device/").append(kind).append("/").append(id);
      const auto front = read(device + "/frontend"), back = read(device + "/backend");
      const Transaction transaction(*this);
      if (front) clean(*front);
      if (back) clean(*back);
      clean(device);
    }
  if (const auto vm = read(base(domid) + "/vm")) remove(*vm);
  remove(base(domid));
  remove(libxl);
  return take_requests();
}

}  // namespace xensim::dom0
