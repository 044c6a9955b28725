// The time line of a scenario, checked before anything runs: what can be known then. A domain "cannot exist" if no
// domain of the scenario has its name and no verb in front gives it; whether one that could is there at the time,
// xl says then.
#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "models/dom0/xl/command_line.h"
#include "models/machine/config.h"
#include "sim/base/error.h"
#include "sim/base/file.h"
#include "sim/base/suggest.h"
#include "sim/base/units.h"

namespace xensim::machine {

using dom0::xl::DomainArguments;
using dom0::xl::Invocation;

namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// The domains that could exist at some moment.
class Names {
 public:
  void add(const dom0::DomainSpec& spec) {
    names_.insert(spec.name);
    ++created_;
    const auto& c = spec.config;
    for (const auto action : {c.on_poweroff, c.on_reboot, c.on_crash, c.on_watchdog, c.on_soft_reset}) {
      renames_ |= action == config::OnShutdown::kRenameRestart;
      restarts_ |= action == config::OnShutdown::kRestart || action == config::OnShutdown::kCoredumpRestart ||
                   action == config::OnShutdown::kRenameRestart;
    }
  }
  void add(const std::string& name) { names_.insert(name); }
  // What is in a saved domain's file, it says when it is read.
  void add_restored() {
    ++created_;
    any_ = true;
  }
  // A domain of `other` may come here; which one is not known if it was given by its number.
  void receive(const Names& other, const std::string& qualifier) {
    unsigned domid = 0;
    if (dom0::xl::is_domid(qualifier, domid))
      names_.insert(other.names_.begin(), other.names_.end());
    else
      names_.insert(qualifier);
    ++created_;
    renames_ |= other.renames_;
    restarts_ |= other.restarts_;
    any_ |= other.any_;
  }

  // "": it could; else what to use.
  std::string wrong_with(const std::string& qualifier) const {
    unsigned domid = 0;
    if (dom0::xl::is_domid(qualifier, domid)) {
      const unsigned most = restarts_ ? DOMID_FIRST_RESERVED - 1 : created_;
      return domid <= most ? "" : "domain numbers here go from 0 to " + std::to_string(most);
    }
    if (any_ || names_.contains(qualifier) || (renames_ && preserved(qualifier))) return "";
    const std::vector<std::string_view> views(names_.begin(), names_.end());
    std::string list;
    for (const std::string& n : names_) list += (list.empty() ? "\"" : ", \"") + n + "\"";
    const std::string near(nearest(qualifier, views));
    return near.empty() ? "there can be " + list : "did you mean \"" + near + "\"?";
  }

 private:
  // "web-20260101T0000Z": what rename-restart leaves.
  bool preserved(const std::string& name) const {
    constexpr std::size_t kSuffix = 15;
    if (name.size() <= kSuffix || name[name.size() - kSuffix] != '-' || name.back() != 'Z') return false;
    return names_.contains(name.substr(0, name.size() - kSuffix));
  }

  std::set<std::string> names_{"Domain-0"};
  unsigned created_ = 0;
  bool restarts_ = false, renames_ = false, any_ = false;
};

std::vector<std::string> domains_of(const Invocation& verb) {
  std::vector<std::string> out;
  switch (verb.verb->domains) {
    case DomainArguments::kNone:
      break;
    case DomainArguments::kFirst:
      if (!verb.arguments.empty() && !verb.has('a')) out.push_back(verb.arguments.front());
      break;
    case DomainArguments::kAll:
      out = verb.arguments;
      break;
    case DomainArguments::kOptionD:
      if (const std::string* d = verb.value('d')) out.push_back(*d);
      break;
  }
  return out;
}

}  // namespace

void refuse_bad_syntax(const Invocation& verb, const std::string& place) {
  std::vector<std::string> words;
  if (!dom0::xl::split(verb.command, words))
    throw UserError(place, "\"" + verb.command + "\": a quote is open", "close it");
  const std::string command = "\"" + verb.command + "\"";
  if (verb.command.starts_with("xl ")) throw UserError(place, command + ": \"xl\" is understood", "leave it out");
  if (!verb.verb && verb.answer.status != 0) {
    const std::string name = words.empty() ? "" : words.front();
    const dom0::xl::Verb* known = dom0::xl::find_verb(name);
    std::vector<std::string_view> names;
    for (const auto& v : dom0::xl::verbs()) names.push_back(v.name);
    if (!known && !name.starts_with('-')) {
      const std::string near(nearest(name, names));
      throw UserError(place, "xl has no verb \"" + name + "\" here",
                      near.empty() ? "\"xl help\" in xensim shell lists them" : "did you mean \"" + near + "\"?");
    }
    throw UserError(
        place, command + ": " + first_line(verb.answer.text(true)),
        known ? "usage: " + std::string(known->name) + " " + first_line(std::string(known->usage)) : "");
  }
  if (verb.verb && verb.verb->check)
    if (const std::string wrong = verb.verb->check(verb); !wrong.empty())
      throw UserError(place, command + ": " + wrong,
                      "usage: " + std::string(verb.verb->name) + " " + first_line(std::string(verb.verb->usage)));
}

std::optional<DomainFile> file_of_create(const Invocation& verb, const std::string& folder) {
  if (!verb.verb || verb.verb->name != "create") return std::nullopt;
  DomainFile out;
  std::string file;
  if (const std::string* f = verb.value('f')) file = *f;
  for (const std::string& a : verb.arguments) {
    if (a.find('=') != std::string::npos)
      out.settings += a + "\n";
    else if (file.empty())
      file = a;
  }
  if (file.empty()) return std::nullopt;
  out.file = join_path(folder, file);
  if (file != "/dev/null") out.text = read_file(out.file, 1 << 20);
  return out;
}

namespace {

// The host or the link that an entry is about.
template <class T>
T& named(std::vector<T>& all, const std::string& name, const std::string& what, const std::string& place) {
  std::vector<std::string> names;
  for (T& t : all) {
    if (t.name == name) return t;
    names.push_back(t.name);
  }
  throw UserError(place, "there is no " + what + " \"" + name + "\"", mend_of_name(name, names));
}

// false: the entry is a run of xl.
bool check_link_change(const TimelineEntry& e, const std::string& pointer, CheckedScenario& to) {
  if (!e.link && !e.state) return false;
  if (!e.link) throw UserError(pointer + "/state", "whose state is not said", "name a \"link\"");
  if (!e.xl.empty() || e.host) throw UserError(pointer, "is about a link and about xl", "make two entries of it");
  if (!e.state)
    throw UserError(pointer, "does not say what becomes of the link", "add \"state\": \"down\" or \"up\"");
  named(to.links, *e.link, "link", pointer + "/link").changes.push_back({e.at, *e.state});
  return true;
}

CheckedVerb check_verb(const TimelineEntry& e, const std::string& pointer, const CheckedHost& host,
                       std::map<std::string, Names>& all) {
  Names& names = all[host.name];
  CheckedVerb v;
  v.at = e.at;
  v.verb = dom0::xl::parse(e.xl);
  refuse_bad_syntax(v.verb, pointer + "/xl");
  if (!v.verb.verb) return v;
  for (const std::string& domain : domains_of(v.verb))
    if (const std::string mend = names.wrong_with(domain); !mend.empty())
      throw UserError(pointer + "/xl", "\"" + e.xl + "\": there can be no domain \"" + domain + "\" then", mend);
  if (!e.file.empty()) {
    v.file = check_domain(host.scenario, e.file.front(), host.pointer);
    names.add(*v.file);
  }
  if (v.verb.verb->name == "rename") names.add(v.verb.arguments[1]);
  if (v.verb.verb->name == "restore") names.add_restored();
  if (v.verb.verb->name == "migrate" && v.verb.arguments[1] != host.name)
    if (const auto to = all.find(v.verb.arguments[1]); to != all.end())
      to->second.receive(names, v.verb.arguments[0]);
  return v;
}

}  // namespace

void check_timeline(const ScenarioConfig& scenario, const std::string& place, CheckedScenario& to) {
  std::map<std::string, Names> names;
  for (const CheckedHost& h : to.hosts) names[h.name];
  for (const CheckedHost& h : to.hosts)
    for (const dom0::DomainSpec& d : h.domains) names[h.name].add(d);
  for (std::size_t i = 0; i < scenario.timeline.size(); ++i) {
    const TimelineEntry& e = scenario.timeline[i];
    const std::string pointer = place + ": /timeline/" + std::to_string(i);
    if (i > 0 && e.at < scenario.timeline[i - 1].at)
      throw UserError(pointer + "/at",
                      format_duration(e.at) + " is before " + format_duration(scenario.timeline[i - 1].at) +
                          " of the entry in front of it",
                      "give the entries in order of time");
    if (check_link_change(e, pointer, to)) continue;
    if (e.host && scenario.hosts.empty())
      throw UserError(pointer + "/host", "the scenario has no hosts", "leave it out, or give \"hosts\"");
    CheckedHost& host = e.host ? named(to.hosts, *e.host, "host", pointer + "/host") : to.hosts.front();
    host.timeline.push_back(check_verb(e, pointer, host, names));
  }
}

}  // namespace xensim::machine
