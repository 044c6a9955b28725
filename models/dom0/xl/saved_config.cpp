#include "models/dom0/xl/saved_config.h"

#include "sim/base/error.h"
#include "sim/config/json_file.h"

namespace xensim::dom0::xl {

namespace {

using config::Json;

class DomainFileText {
 public:
  void string(const std::string& key, const std::string& value) { add(key, quoted(value)); }
  void number(const std::string& key, std::uint64_t value) { add(key, std::to_string(value)); }
  void strings(const std::string& key, const std::vector<std::string>& values) {
    std::string list;
    for (const std::string& v : values) list += (list.empty() ? "" : ", ") + quoted(v);
    add(key, "[" + list + "]");
  }
  std::string take() { return std::move(text_); }

 private:
  void add(const std::string& key, const std::string& value) {
    text_.append(key).append(" = ").append(value) += '\n';
  }
  static std::string quoted(const std::string& value) {
    std::string out = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      if (c == '\n')
        out += "\\n";
      else
        out += c;
    }
    return out + '"';
  }

  std::string text_;
};

// A map's member of a kind; none: it is not there. Throws UserError if it is of another kind.
class Members {
 public:
  Members(const Json& map, std::string place) : map_(map), place_(std::move(place)) {
    if (!map.is_object()) fail("is no map");
  }
  Members map(const char* key) const {
    if (!map_.contains(key)) fail(std::string("has no ") + key);
    return {map_.at(key), place_ + "/" + key};
  }
  std::optional<std::string> string(const char* key) const {
    const Json* j = find(key);
    if (!j) return std::nullopt;
    if (!j->is_string()) fail(std::string(key) + " is no string");
    return j->get<std::string>();
  }
  std::optional<std::uint64_t> number(const char* key) const {
    const Json* j = find(key);
    if (!j) return std::nullopt;
    if (!j->is_number_unsigned()) fail(std::string(key) + " is no number");
    return j->get<std::uint64_t>();
  }
  // A list of numbers.
  std::vector<std::uint64_t> numbers(const Json& list) const {
    std::vector<std::uint64_t> out;
    if (!list.is_array()) fail("has something else where a list is wanted");
    for (const Json& j : list) {
      if (!j.is_number_unsigned()) fail("has something else where a number is wanted");
      out.push_back(j.get<std::uint64_t>());
    }
    return out;
  }
  const Json* find(const char* key) const { return map_.contains(key) ? &map_.at(key) : nullptr; }
  [[noreturn]] void fail(const std::string& what) const {
    throw UserError(place_, what, "give a file that 'xl save' wrote");
  }

 private:
  const Json& map_;
  std::string place_;
};

void affinity(DomainFileText& to, const char* key, const Members& from, const char* name) {
  const Json* list = from.find(name);
  if (!list) return;
  if (!list->is_array()) from.fail(std::string(name) + " is no list");
  std::vector<std::string> of_vcpus;
  for (const Json& cpus : *list) {
    std::string text;
    for (const std::uint64_t p : from.numbers(cpus)) text += (text.empty() ? "" : ",") + std::to_string(p);
    of_vcpus.push_back(text);
  }
  to.strings(key, of_vcpus);
}

void action(DomainFileText& to, const Members& from, const char* key) {
  std::string name = from.string(key).value_or("destroy");
  for (char& c : name)
    if (c == '_') c = '-';
  to.string(key, name == "restart-rename" ? "rename-restart" : name);
}

}  // namespace

SavedConfig read_saved_configuration(const std::string& json, const std::string& place) {
  SavedConfig out;
  const Json root = config::parse_json(json, place);
  const Members all(root, place);
  const Members create = all.map("c_info"), build = all.map("b_info");
  if (create.string("type").value_or("") != "pvh")
    create.fail("type is not \"pvh\": only PVH guests can be restored");
  DomainFileText text;
  text.string("type", "pvh");
  text.string("name", create.string("name").value_or(""));
  if (const auto uuid = create.string("uuid")) text.string("uuid", *uuid);
  if (const auto domid = create.number("domid"); domid && *domid > 0 && *domid < DOMID_FIRST_RESERVED)
    out.domid = static_cast<domid_t>(*domid);

  const std::uint64_t most = build.number("max_vcpus").value_or(1);
  text.number("maxvcpus", most);
  const Json* available = build.find("avail_vcpus");
  text.number("vcpus", available ? build.numbers(*available).size() : most);
  affinity(text, "cpus", build, "vcpu_hard_affinity");
  affinity(text, "cpus_soft", build, "vcpu_soft_affinity");
  if (const auto mode = build.string("tsc_mode")) text.string("tsc_mode", *mode);
  const std::uint64_t target = build.number("target_memkb").value_or(0);
  const std::uint64_t memory = (target + 1023) / 1024;
  text.number("memory", memory);
  text.number("maxmem", std::max(memory, build.number("max_memkb").value_or(target) / 1024));
  if (build.find("sched_params")) {
    const Members scheduling = build.map("sched_params");
    if (const auto weight = scheduling.number("weight")) text.number("cpu_weight", *weight);
    if (const auto cap = scheduling.number("cap")) text.number("cap", *cap);
  }
  for (const char* key : {"max_grant_frames", "max_maptrack_frames"})
    if (const auto n = build.number(key)) text.number(key, *n);
  if (const auto n = build.number("event_channels")) text.number("max_event_channels", *n);
  for (const char* key : {"kernel", "ramdisk", "cmdline"})
    if (const auto value = build.string(key)) text.string(key, *value);
  for (const char* key : {"on_poweroff", "on_reboot", "on_watchdog", "on_crash", "on_soft_reset"})
    action(text, all, key);
  out.domain_file = text.take();
  return out;
}

}  // namespace xensim::dom0::xl
