#include "models/machine/simulation.h"

#include "sim/base/error.h"

namespace xensim::machine {

namespace {

// A model that refuses its parameters knows their place in the machine ("/xen/sched: …"), not where that came
// from.
UserError with_source(const UserError& e, const CheckedHost& h) {
  const std::string text = e.what();
  const std::size_t colon = text.find(": ");
  if (!text.starts_with('/') || colon == std::string::npos) return e;
  return UserError(h.scenario.source.place(h.pointer + "/machine" + text.substr(0, colon)),
                   text.substr(colon + 2));
}

}  // namespace

Simulation::Simulation(CheckedScenario scenario,
                       const std::function<Surroundings(const CheckedHost&)>& surroundings) {
  for (const CheckedHost& h : scenario.hosts)
    for (const dom0::DomainSpec& d : h.domains)
      if (!d.console.empty()) scripts->try_emplace(d.name, d.console, d.console_place);
  for (CheckedHost& h : scenario.hosts) {
    Surroundings s = surroundings(h);
    const std::string module = h.name.empty() ? "machine" : "host" + std::to_string(machines_.size());
    try {
      machines_.push_back(std::make_unique<Machine>(module.c_str(), h.scenario, std::move(h.domains),
                                                    std::move(h.timeline), std::move(s.tracer),
                                                    std::move(s.console)));
    } catch (const UserError& e) {
      throw with_source(e, h);
    }
    machines_.back()->host = machines_.back()->toolstack->host_name = h.name;
    machines_.back()->toolstack->scripts = scripts;
    hosts_.push_back(machines_.back().get());
  }
  for (Machine* m : hosts_)
    for (const Machine* other : hosts_)
      if (other != m) m->network->hosts[other->host] = std::nullopt;
  for (const CheckedLink& link : scenario.links) connect(link);
}

void Simulation::connect(const CheckedLink& checked) {
  links.push_back(std::make_unique<Link>(checked));
  Link& link = *links.back();
  for (unsigned end = 0; end < 2; ++end) {
    Machine* here = find(checked.config.between[end]);
    Machine* there = find(checked.config.between[1 - end]);
    here->network->hosts[there->host] = LinkEnd{&link, end, there};
    const Link::Direction& d = link.directions.at(end);
    stats::Group& g = here->stats.group("link", "what the host sent over its links").group(link.name);
    g.add("bytes", "bytes", "sent, without headers", &d.bytes);
    g.add("packets", "packets", "sent", &d.packets);
    g.add("busy", "ns", "the wire was in use", [&d] { return d.busy_fs / kFsPerNs; });
    g.add("sent_again", "pieces", "sent again because the link was down", &d.sent_again);
  }
}

Machine* Simulation::find(const std::string& name) const {
  for (Machine* m : hosts_)
    if (m->host == name) return m;
  return nullptr;
}

}  // namespace xensim::machine
