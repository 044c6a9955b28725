// list -l, and what a saved domain carries: the configuration of domains as libxl keeps it, as JSON. Only what
// differs from libxl's defaults is there, in the order of libxl's types, laid out as yajl does: four blanks a
// level, and an empty map on three lines.
#include "models/dom0/toolstack.h"
#include "models/dom0/xl/handlers.h"
#include "models/dom0/xl/saved_config.h"

namespace xensim::dom0::xl {

namespace {

class Json {
 public:
  void open(char bracket) {
    text_ += bracket;
    text_ += '\n';
    ++depth_;
    first_ = true;
    closers_ += bracket == '{' ? '}' : ']';
  }
  void close() {
    --depth_;
    text_ += '\n';
    indent();
    text_ += closers_.back();
    closers_.pop_back();
    first_ = false;
  }
  // The next element of a list.
  void item() {
    if (!first_) text_ += ",\n";
    first_ = false;
    indent();
  }
  void key(const std::string& name) {
    item();
    string(name);
    text_ += ": ";
  }
  void string(const std::string& value) {
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text_ += '\\';
      if (c == '\n')
        text_ += "\\n";
      else
        text_ += c;
    }
    text_ += '"';
  }
  void number(std::uint64_t n) { text_ += std::to_string(n); }
  void pair(const std::string& name, const std::string& value) {
    key(name);
    string(value);
  }
  void pair(const std::string& name, std::uint64_t value) {
    key(name);
    number(value);
  }
  void map(const std::string& name) {
    key(name);
    open('{');
  }
  void list(const std::string& name) {
    key(name);
    open('[');
  }
  void empty_map(const std::string& name) {
    map(name);
    close();
  }
  std::string take() { return std::move(text_); }

 private:
  void indent() { text_.append(4 * depth_, ' '); }

  std::string text_, closers_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

std::string action_name(config::OnShutdown a) {
  std::string name(config::name_of(a));
  for (char& c : name)
    if (c == '-') c = '_';
  return name == "rename_restart" ? "restart_rename" : name;
}

void scheduling(Json& j, unsigned weight, unsigned cap) {
  j.map("sched_params");
  j.pair("sched", "credit2");
  j.pair("weight", weight);
  j.pair("cap", cap);
  j.close();
}

void affinity(Json& j, const std::string& name, const std::vector<std::vector<unsigned>>& of_vcpus) {
  if (of_vcpus.empty()) return;
  j.list(name);
  for (const auto& cpus : of_vcpus) {
    j.item();
    j.open('[');
    for (const unsigned p : cpus) {
      j.item();
      j.number(p);
    }
    j.close();
  }
  j.close();
}

// managed: the domain as it is now; nullptr: as its file has it. domid: for c_info.
void domain_config(Json& j, const DomainSpec& spec, const ManagedDomain* m, const xen::Domain* d, unsigned domid) {
  const config::DomainConfig& c = spec.config;
  j.map("c_info");
  const bool hvm = c.type == config::DomainType::kHvm;
  j.pair("type", std::string(config::name_of(c.type)));
  j.pair("name", m ? m->name : c.name);
  j.pair("domid", domid);
  if (m) j.pair("uuid", to_string(m->uuid));
  j.pair("run_hotplug_scripts", "True");
  j.close();

  j.map("b_info");
  j.pair("max_vcpus", c.maxvcpus);
  j.list("avail_vcpus");
  for (unsigned i = 0; i < c.maxvcpus; ++i) {
    if (m ? !m->vcpu_available[i] : i >= c.vcpus) continue;
    j.item();
    j.number(i);
  }
  j.close();
  affinity(j, "vcpu_hard_affinity", spec.parameters.hard_affinity);
  affinity(j, "vcpu_soft_affinity", spec.parameters.soft_affinity);
  if (c.tsc_mode != "default") j.pair("tsc_mode", c.tsc_mode);
  j.pair("max_memkb", m ? m->static_max_kib : c.maxmem_mib << 10);
  j.pair("target_memkb", m ? m->target_kib : c.memory_mib << 10);
  if (m) j.pair("video_memkb", c.video_memory_mib << 10);
  if (c.max_grant_frames) j.pair("max_grant_frames", *c.max_grant_frames);
  if (c.max_maptrack_frames) j.pair("max_maptrack_frames", *c.max_maptrack_frames);
  scheduling(j, d ? d->scheduling.weight : c.cpu_weight, d ? d->scheduling.cap : c.cap);
  j.pair("claim_mode", "True");
  if (c.max_event_channels != 1023) j.pair("event_channels", c.max_event_channels);
  if (c.nested_hvm) j.pair("nested_hvm", "True");
  if (!hvm) j.pair("kernel", c.kernel);
  if (!c.cmdline.empty()) j.pair("cmdline", c.cmdline);
  if (!c.ramdisk.empty()) j.pair("ramdisk", c.ramdisk);
  if (hvm) {
    j.map("type.hvm");
    j.pair("firmware", c.firmware_override);
    for (const char* name : {"vga", "vnc", "sdl", "spice", "rdm"}) j.empty_map(name);
    j.close();
  } else {
    j.empty_map("type.pvh");
  }
  j.empty_map("arch_arm");
  j.map("arch_x86");
  if (m) j.pair("msr_relaxed", "False");
  j.close();
  j.close();

  const auto action = [&](const char* name, config::OnShutdown a) {
    if (a != config::OnShutdown::kDestroy) j.pair(name, action_name(a));
  };
  action("on_poweroff", c.on_poweroff);
  action("on_reboot", c.on_reboot);
  action("on_watchdog", c.on_watchdog);
  action("on_crash", c.on_crash);
  action("on_soft_reset", c.on_soft_reset);
}

// libxl has no configuration of dom0; it makes one up.
void dom0_config(Json& j, const ManagedDomain& m, const xen::Domain& d) {
  j.map("c_info");
  j.pair("type", "pv");
  j.pair("name", m.name);
  j.close();
  j.map("b_info");
  j.pair("max_memkb", 17179869180);
  j.pair("target_memkb", m.target_kib);
  scheduling(j, d.scheduling.weight, d.scheduling.cap);
  j.empty_map("type.pv");
  j.empty_map("arch_arm");
  j.empty_map("arch_x86");
  j.close();
}

}  // namespace

std::string configurations(Toolstack& toolstack, const std::vector<unsigned>& domids) {
  Json j;
  j.open('[');
  for (const unsigned domid : domids) {
    const ManagedDomain* m = toolstack.managed(static_cast<domid_t>(domid));
    const xen::Domain* d = toolstack.hypervisor.find_domain(static_cast<domid_t>(domid));
    if (!m || !d || !m->built) continue;
    j.item();
    j.open('{');
    j.pair("domid", domid);
    j.map("config");
    if (domid == 0)
      dom0_config(j, *m, *d);
    else
      domain_config(j, toolstack.spec(m->spec), m, d, ~0u);
    j.close();
    j.close();
  }
  j.close();
  return j.take() + "\n\n";
}

std::string configuration(const DomainSpec& spec) {
  Json j;
  j.open('{');
  domain_config(j, spec, nullptr, nullptr, 0);
  j.close();
  return j.take() + "\n";
}

std::string saved_configuration(Toolstack& toolstack, domid_t domid, bool keep_domid) {
  const ManagedDomain& m = *toolstack.managed(domid);
  Json j;
  j.open('{');
  domain_config(j, toolstack.spec(m.spec), &m, toolstack.hypervisor.find_domain(domid), keep_domid ? domid : 0);
  j.close();
  return j.take() + "\n";
}

}  // namespace xensim::dom0::xl
